"""Scenes of CoinRun to test a world in: a player that stands, one on its way, one that a wall stops."""

from __future__ import annotations

import numpy as np

from genie_core.data.dataset import VideoDataset
from genie_core.data.scenes import CANDIDATES, candidates, spread
from genie_core.games.coinrun.camera import player_motion

# In shares of a frame's width.
STANDING = 0.35 / 64  # a step: less in either direction is standing still, as far as motion can be measured
WAY = 2 / 64  # in WAY_STEPS, before as well as after: on its way along x
STOOD_STEPS = 3
WAY_STEPS = 8
WALL_STEPS = 5  # for which the key has been held while the player got nowhere
PRESSED: dict[str, tuple[int, ...]] = {"left": (0, 1), "right": (6, 7)}
"""Procgen's true actions of two keys, which find scenes and are never played."""


def stands(motion: np.ndarray, width: int) -> np.ndarray:
    """Whether the player stands in each step of `motion` (..., 2), pixels: bool (...)."""
    return (np.abs(motion) < STANDING * width).all(-1)


def standing_scenes(dataset: VideoDataset, count: int) -> np.ndarray:
    """Up to `count` frames, uint8 (n, H, W, 3), in which the real player has been standing still."""
    clips = candidates(dataset, STOOD_STEPS + 1, count)
    still = stands(player_motion(clips), clips.shape[-2]).all(1)
    return clips[still][:count, -1]


def free_scenes(dataset: VideoDataset, count: int) -> np.ndarray:
    """Up to `count` frames, uint8 (n, H, W, 3), in which the real player is on its way along x.

    It comes from one side and goes on to the other, so no wall is near. Short episodes give no frames.
    """
    length = 2 * WAY_STEPS + 1
    free = np.empty((0, *dataset.info.frame_size, 3), np.uint8)
    if dataset.episodes[:, 1].max() < length:
        return free
    found = candidates(dataset, length, count)
    for first in range(0, len(found), count):
        clips = found[first : first + count]
        free = np.concatenate([free, clips[on_its_way(clips), WAY_STEPS]])
        if len(free) >= count:
            break
    return free[:count]


def on_its_way(clips: np.ndarray) -> np.ndarray:
    """Whether the player of each of uint8 clips (n, 2 * WAY_STEPS + 1, H, W, 3) goes as far as WAY one way up to the
    middle one and as far again after it: bool (n,)."""
    across = player_motion(clips)[..., 0]
    before, after = across[:, :WAY_STEPS].sum(1), across[:, WAY_STEPS:].sum(1)
    far = np.minimum(np.abs(before), np.abs(after)) >= WAY * clips.shape[-2]
    return np.asarray(far & (np.sign(before) == np.sign(after)))


def wall_scenes(dataset: VideoDataset, count: int, pressed: dict[str, tuple[int, ...]]) -> tuple[np.ndarray, list[str]]:
    """Up to `count` frames, uint8 (n, H, W, 3), in which a wall stops the real player, and the key held against it.

    `pressed` gives the true actions of each key.
    """
    starts = dataset.clip_starts(WALL_STEPS + 1)
    if not dataset.has_true_actions:
        return np.empty((0, 1, 1, 3), np.uint8), []
    held = [dataset.true_actions(int(start), WALL_STEPS + 1) for start in starts]
    frames, names = [], []
    for name, ids in pressed.items():
        pushing = starts[[np.isin(actions, ids).all() for actions in held]]
        chosen = pushing[spread(len(pushing), CANDIDATES * count // 4)]
        if not len(chosen):
            continue
        clips = np.stack([dataset.clip(int(start), WALL_STEPS + 1) for start in chosen])
        still = stands(player_motion(clips[:, 1:]), clips.shape[-2]).all(1)
        stuck = clips[still][: count // len(pressed), -1]
        frames += list(stuck)
        names += [name] * len(stuck)
    return np.array(frames), names
