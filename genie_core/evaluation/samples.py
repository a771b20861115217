"""What one measurement leaves behind, and the clips and scenes of a data set that it is taken on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from genie_core.data.dataset import VideoDataset
from genie_core.games.coinrun.camera import player_motion

STANDING = 0.35  # pixels a step: less in either direction is standing still, as far as motion can be measured
STOOD_STEPS = 3
WALL_STEPS = 5  # for which the key has been held while the player got nowhere
WAY_STEPS, WAY = 8, 2.0  # pixels in so many steps, before as well as after: on its way along x
CANDIDATES = 40  # looked at for each scene wanted


@dataclass
class Samples:
    """`values` by the dotted name of a figure: (n,) independent values, one a clip, scene or rollout, NaN where it
    does not apply; `shares`: the names of those that are 1, so, or 0, not so; `curves`: lists over steps; `facts`:
    anything else that goes into the report."""

    values: dict[str, np.ndarray] = field(default_factory=dict)
    curves: dict[str, list[float | None]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    shares: set[str] = field(default_factory=set)

    def update(self, other: Samples) -> None:
        self.values |= other.values
        self.curves |= other.curves
        self.facts |= other.facts
        self.shares |= other.shares


def shares(values: dict[str, np.ndarray]) -> Samples:
    """Samples of what is so or not so: bool (n,), or 1, 0 and NaN."""
    return Samples({name: each.astype(float) for name, each in values.items()}, shares=set(values))


@dataclass(frozen=True)
class Clips:
    """Real clips of unequal length: `frames` uint8 (n, t, H, W, 3), the last one repeated where an episode ends early,
    and `there` bool (n, t), which frames are real; `sets` (n,), which of the data sets read as one each is of;
    `true_actions` int8 (n, t-1), -1 where there is none."""

    frames: np.ndarray
    there: np.ndarray
    sets: np.ndarray
    true_actions: np.ndarray | None

    def __len__(self) -> int:
        return len(self.frames)

    def part(self, rows: slice) -> Clips:
        actions = None if self.true_actions is None else self.true_actions[rows]
        return Clips(self.frames[rows], self.there[rows], self.sets[rows], actions)


def draw_clips(dataset: VideoDataset, count: int, least: int, most: int) -> Clips:
    """`count` clips, evenly over those of `least` frames, each going on to `most` as far as its episode does."""
    starts = dataset.clip_starts(least)
    starts = starts[np.linspace(0, len(starts) - 1, min(count, len(starts))).astype(int)]
    ends = dataset.episodes[:, :2].sum(1)
    left = ends[np.searchsorted(ends, starts, side="right")] - starts
    most = min(most, int(left.max()))
    lengths = np.minimum(left, most)
    frames = np.stack([_padded(dataset.clip(int(s), int(n)), most) for s, n in zip(starts, lengths, strict=True)])
    actions = None
    if dataset.has_true_actions:
        actions = np.full((len(starts), most - 1), -1, np.int8)
        for row, (s, n) in enumerate(zip(starts, lengths, strict=True)):
            actions[row, : n - 1] = dataset.true_actions(int(s), int(n))
    return Clips(frames, np.arange(most) < lengths[:, None], dataset.set_of(starts), actions)


def standing_scenes(dataset: VideoDataset, count: int) -> np.ndarray:
    """Up to `count` frames, uint8 (n, H, W, 3), in which the real player has been standing still."""
    clips = _candidates(dataset, STOOD_STEPS + 1, count)
    still = (np.abs(player_motion(clips)) < STANDING).all((1, 2))
    return clips[still][:count, -1]


def free_scenes(dataset: VideoDataset, count: int) -> np.ndarray:
    """Up to `count` frames, uint8 (n, H, W, 3), in which the real player is on its way along x.

    It came from one side and goes on to the other, so that no wall is near on either. None where episodes are short.
    """
    size, length = dataset.info.frame_size, 2 * WAY_STEPS + 1
    free = np.empty((0, *size, 3), np.uint8)
    if dataset.episodes[:, 1].max() < length:
        return free
    candidates = _candidates(dataset, length, count)
    for first in range(0, len(candidates), count):
        clips = candidates[first : first + count]
        free = np.concatenate([free, clips[on_its_way(clips), WAY_STEPS]])
        if len(free) >= count:
            break
    return free[:count]


def on_its_way(clips: np.ndarray) -> np.ndarray:
    """Whether the player of each of uint8 clips (n, 2 * WAY_STEPS + 1, H, W, 3) goes WAY pixels one way up to the
    middle one and as far again after it: bool (n,)."""
    across = player_motion(clips)[..., 0]
    before, after = across[:, :WAY_STEPS].sum(1), across[:, WAY_STEPS:].sum(1)
    far = np.minimum(np.abs(before), np.abs(after)) >= WAY
    return np.asarray(far & (np.sign(before) == np.sign(after)))


def wall_scenes(dataset: VideoDataset, count: int, pressed: dict[str, tuple[int, ...]]) -> tuple[np.ndarray, list[str]]:
    """Up to `count` frames, uint8 (n, H, W, 3), in which a wall keeps the real player where it is, and the name of the
    key it holds against that: `pressed` says which true actions are which key."""
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
        stuck = clips[(np.abs(player_motion(clips[:, 1:])) < STANDING).all((1, 2))][: count // len(pressed), -1]
        frames += list(stuck)
        names += [name] * len(stuck)
    return np.array(frames), names


def _candidates(dataset: VideoDataset, length: int, count: int) -> np.ndarray:
    starts = dataset.clip_starts(length)
    chosen = starts[spread(len(starts), CANDIDATES * count)]
    # every CANDIDATES-th first, so that the scenes kept come from all over the set
    order = np.argsort(np.arange(len(chosen)) % CANDIDATES, kind="stable")
    return np.stack([dataset.clip(int(start), length) for start in chosen[order]])


def spread(of: int, count: int) -> np.ndarray:
    """Up to `count` of the numbers from 0 to `of` - 1, evenly from first to last."""
    return np.unique(np.linspace(0, of - 1, min(count, of)).astype(int)) if of else np.empty(0, int)


def _padded(frames: np.ndarray, length: int) -> np.ndarray:
    return np.concatenate([frames, np.repeat(frames[-1:], length - len(frames), axis=0)])
