"""Stretches that show what an earlier one shows: the same film twice, an opening that begins each episode.

Frames are looked up by two hashes, made with each part, and compared by their pixels. One hash is of a frame's coarse
look; in a game that always looks alike, the other tells frames by where something moves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

SHORTEST_S = 3.0  # of a stretch
SAME = 24  # of 255 by which no pixel may differ between two encodings of a frame, or leave the range around its place
MOVES = 64  # of 255 by which some pixel must change within a stretch: of one that hardly moves, all frames are alike
MOST_FRAMES = 512  # to each side that are compared at once; what goes on is found again
CELLS = 8  # along each axis
LEVEL = 32  # of 255, as coarse as cells are told apart
MOVED = 48  # of 255 by which a pixel changes where something moves
MOVES_OF = 3  # steps whose places of motion make a hash
PLACES = 16  # along each axis, of motion
_MIX = np.random.default_rng(0).integers(2**63, size=CELLS * CELLS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def hashes(frames: np.ndarray) -> np.ndarray:
    """Two numbers for each of uint8 frames (n, H, W, 3) that follow each other, for its look and for the motion up to
    it; 0 for none. Sides are at least `CELLS`. Returns uint64 (n, 2)."""
    green = frames[..., 1]
    return np.stack([_look(green), _motion(green)], 1)


def _look(green: np.ndarray) -> np.ndarray:
    height, width = (side // CELLS for side in green.shape[1:])
    cells = green[:, : height * CELLS, : width * CELLS].reshape(-1, CELLS, height, CELLS, width)
    levels = cells.mean((2, 4), dtype=np.float32).astype(np.uint64) // np.uint64(LEVEL)
    return _mixed(levels.reshape(len(green), -1))


def _motion(green: np.ndarray) -> np.ndarray:
    moved = np.maximum(green[1:], green[:-1]) - np.minimum(green[1:], green[:-1]) > MOVED
    rows, columns = moved.sum(2, dtype=np.float32), moved.sum(1, dtype=np.float32)
    count = np.maximum(rows.sum(1), 1)
    down = (rows @ np.arange(green.shape[1], dtype=np.float32)) * PLACES / green.shape[1] / count
    across = (columns @ np.arange(green.shape[2], dtype=np.float32)) * PLACES / green.shape[2] / count
    places = np.stack([down, across], 1).astype(np.uint64)
    found = np.zeros(len(green), np.uint64)
    if len(places) >= MOVES_OF:
        windows = np.lib.stride_tricks.sliding_window_view(np.c_[places, moved.any((1, 2))], MOVES_OF, 0)
        path = windows[:, :2].reshape(len(windows), -1)
        found[MOVES_OF:] = np.where(windows[:, 2].all(1), _mixed(path), np.uint64(0))
    return found


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """A number for each row of uint64 (n, k)."""
    return ((numbers + np.uint64(1)) * _MIX[: numbers.shape[1]]).sum(1, dtype=np.uint64)


class Scenes(NamedTuple):
    """Scenes end to end: `lengths` in frames, the hashes (frames, 2) of all, and `read`, which gives frames by the
    number of their scene and their place in it, uint8 (n, H, W, 3)."""

    lengths: np.ndarray
    hashes: np.ndarray
    read: Callable[[int, int, int], np.ndarray]


def copies(scenes: Scenes, fps: float) -> np.ndarray:
    """For each frame that is of a stretch shown before, the scene that shows it; -1 for the others: int (frames,)."""
    found = np.full(len(scenes.hashes), -1)
    shortest = max(2, round(SHORTEST_S * fps))
    ends = np.cumsum(scenes.lengths)
    done = 0  # frames before this one are decided
    pairs = np.concatenate([_candidates(each, shortest) for each in scenes.hashes.T])
    for at, like in pairs[np.argsort(pairs[:, 0], kind="stable")].tolist():
        if at < done:
            continue
        start, length = _stretch(scenes, ends, like, at, done, shortest)
        if length:
            found[start : start + length] = _place(ends, scenes.lengths, like)[0]
            done = start + length
    return found


def _candidates(hashed: np.ndarray, distance: int) -> np.ndarray:
    """(frame, earlier frame of the same hash): for each the first such, and the last that is not near; int (n, 2)."""
    count, order = len(hashed), np.argsort(hashed, kind="stable")
    rank = np.empty(count, np.int64)
    rank[order] = np.cumsum(np.r_[0, hashed[order][1:] != hashed[order][:-1]])
    keys = rank[order] * count + order  # ascending: by hash, then by place
    first = order[np.searchsorted(keys, rank * count)]
    place = np.searchsorted(keys, rank * count + np.arange(count) - distance, side="right") - 1
    last = order[np.maximum(place, 0)]
    at = np.flatnonzero((first <= np.arange(count) - distance) & (hashed != 0))
    others = at[last[at] != first[at]]
    return np.concatenate([np.stack([at, first[at]], 1), np.stack([others, last[others]], 1)])


def _stretch(scenes: Scenes, ends: np.ndarray, like: int, at: int, least: int, shortest: int) -> tuple[int, int]:
    """Start and length of the stretch around frame `at`, not before `least`, that equals the one around `like`."""
    (one, first), (two, second) = (_place(ends, scenes.lengths, each) for each in (like, at))
    back = min(first, second, at - least, MOST_FRAMES)
    length = min(int(scenes.lengths[one]) - first, int(scenes.lengths[two]) - second, MOST_FRAMES) + back
    if length < shortest or not _same(scenes.read(one, first, 1), scenes.read(two, second, 1)).all():
        return at, 0
    earlier, later = scenes.read(one, first - back, length), scenes.read(two, second - back, length)
    same = _same(earlier, later)
    left = back - int(np.argmin(np.r_[same[:back][::-1], False]))
    right = back + int(np.argmin(np.r_[same[back:], False]))
    shown = later[left:right]
    if right - left < shortest or (np.maximum(shown, shown[0]) - np.minimum(shown, shown[0])).max() < MOVES:
        return at, 0
    return at - back + left, right - left


def _place(ends: np.ndarray, lengths: np.ndarray, frame: int) -> tuple[int, int]:
    scene = int(np.searchsorted(ends, frame, side="right"))
    return scene, frame - int(ends[scene] - lengths[scene])


def _same(frames: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of uint8 frames (n, H, W, 3) are encodings of one picture: bool (n,)."""
    same: np.ndarray = (np.maximum(frames, others) - np.minimum(frames, others)).max((1, 2, 3)) <= SAME
    same[~same] = _outside(frames[~same], others[~same]) <= SAME
    return same


def _outside(frames: np.ndarray, others: np.ndarray) -> np.ndarray:
    """By how much at most a pixel leaves the range of its place and neighbours in the other frame, (n,): an encoder
    moves edges a little."""
    height, width = frames.shape[1:3]
    padded = np.pad(others, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    near = [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    least, most = functools.reduce(np.minimum, near), functools.reduce(np.maximum, near)
    beyond: np.ndarray = np.maximum(frames, most) - most + (least - np.minimum(frames, least))
    return beyond.max((1, 2, 3))
