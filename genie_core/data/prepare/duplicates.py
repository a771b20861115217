"""Stretches that show what an earlier one shows: the same film twice, an opening that begins each episode.

Frames are looked up by a hash of their coarse look, made with each part, and compared by their pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

SHORTEST_S = 3.0  # of a stretch
SAME = 24  # of 255 by which no pixel may differ between two encodings of a frame
MOVES = 64  # of 255 by which some pixel must change within a stretch: of one that hardly moves, all frames are alike
MOST_FRAMES = 512  # to each side that are compared at once; what goes on is found again
CELLS = 8  # along each axis
LEVEL = 32  # of 255, as coarse as cells are told apart
_MIX = np.random.default_rng(0).integers(2**63, size=CELLS * CELLS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def hashes(frames: np.ndarray) -> np.ndarray:
    """A number for the coarse look of each of uint8 frames (n, H, W, 3), each side at least `CELLS`: uint64 (n,)."""
    height, width = (side // CELLS for side in frames.shape[1:3])
    green = frames[:, : height * CELLS, : width * CELLS, 1].reshape(len(frames), CELLS, height, CELLS, width)
    cells = green.mean((2, 4), dtype=np.float32).astype(np.uint64) // np.uint64(LEVEL)
    return (cells.reshape(len(frames), -1) * _MIX).sum(1, dtype=np.uint64)


class Scenes(NamedTuple):
    """Scenes end to end: `lengths` in frames, the hashes of all their frames, and `read`, which gives frames by the
    number of their scene and their place in it, uint8 (n, H, W, 3)."""

    lengths: np.ndarray
    hashes: np.ndarray
    read: Callable[[int, int, int], np.ndarray]


def copies(scenes: Scenes, fps: float) -> np.ndarray:
    """Which frames are of a stretch that is shown before: bool (frames,)."""
    found = np.zeros(len(scenes.hashes), bool)
    shortest = max(2, round(SHORTEST_S * fps))
    ends = np.cumsum(scenes.lengths)
    done = 0  # frames before this one are decided
    for at, like in _candidates(scenes.hashes, shortest):
        if at < done:
            continue
        start, length = _stretch(scenes, ends, like, at, done, shortest)
        if length:
            found[start : start + length] = True
            done = start + length
    return found


def _candidates(hashed: np.ndarray, distance: int) -> Iterator[tuple[int, int]]:
    """(frame, earlier frame of the same look): for each frame the first such, and the last that is not near."""
    order = np.argsort(hashed, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.cumsum(np.r_[0, hashed[order][1:] != hashed[order][:-1]])
    keys = rank[order] * len(order) + order  # ascending: by look, then by place
    first = order[np.searchsorted(keys, rank * len(order))]
    place = np.searchsorted(keys, rank * len(order) + np.arange(len(order)) - distance, side="right") - 1
    last = np.where(rank[order[place]] == rank, order[place], len(order))
    for at in np.flatnonzero(first <= np.arange(len(order)) - distance):
        yield int(at), int(first[at])
        if last[at] != first[at]:
            yield int(at), int(last[at])


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
    return (np.maximum(frames, others) - np.minimum(frames, others)).max((1, 2, 3)) <= SAME
