"""The clips and single frames of a data set that an evaluation looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genie_core.data.dataset import VideoDataset

CANDIDATES = 40  # looked at for each scene wanted


@dataclass(frozen=True)
class Clips:
    """Real clips of unequal length: `frames` uint8 (n, t, H, W, 3), the last one repeated where an episode ends early,
    and `there` bool (n, t), which frames are real; `true_actions` int8 (n, t-1), -1 where there is none."""

    frames: np.ndarray
    there: np.ndarray
    true_actions: np.ndarray | None

    def __len__(self) -> int:
        return len(self.frames)

    def part(self, rows: slice) -> Clips:
        actions = None if self.true_actions is None else self.true_actions[rows]
        return Clips(self.frames[rows], self.there[rows], actions)


def draw_clips(dataset: VideoDataset, count: int, least: int, most: int) -> Clips:
    """`count` clips, evenly over those of `least` frames, each going on to `most` as far as its episode does.

    Fewer where data are few: two that begin less than `least` frames apart show the same, and count as one.
    """
    starts = dataset.clip_starts(least)
    chosen = starts[spread(len(starts), count)]
    if (np.diff(chosen) < least).any():
        starts = apart(starts, least)
        chosen = starts[spread(len(starts), count)]
    ends = dataset.episodes[:, :2].sum(1)
    left = ends[np.searchsorted(ends, chosen, side="right")] - chosen
    most = min(most, int(left.max()))
    lengths = np.minimum(left, most)
    clips = [dataset.clip(int(s), int(n)) for s, n in zip(chosen, lengths, strict=True)]
    frames = np.stack([np.concatenate([clip, *[clip[-1:]] * (most - len(clip))]) for clip in clips])
    actions = None
    if dataset.has_true_actions:
        actions = np.full((len(chosen), most - 1), -1, np.int8)
        for row, (s, n) in enumerate(zip(chosen, lengths, strict=True)):
            actions[row, : n - 1] = dataset.true_actions(int(s), int(n))
    return Clips(frames, np.arange(most) < lengths[:, None], actions)


def apart(starts: np.ndarray, least: int) -> np.ndarray:
    """Of `starts` in order, the first and each that is at least `least` frames behind the last one taken."""
    kept: list[int] = []
    for start in starts.tolist():
        if not kept or start - kept[-1] >= least:
            kept.append(start)
    return np.array(kept, np.int64)


def candidates(dataset: VideoDataset, length: int, count: int) -> np.ndarray:
    """CANDIDATES clips for each of `count` scenes, uint8 (n, length, H, W, 3): any first few come from all over."""
    starts = dataset.clip_starts(length)
    chosen = starts[spread(len(starts), CANDIDATES * count)]
    order = np.argsort(np.arange(len(chosen)) % CANDIDATES, kind="stable")
    return np.stack([dataset.clip(int(start), length) for start in chosen[order]])


def spread(of: int, count: int) -> np.ndarray:
    """Up to `count` of the numbers from 0 to `of` - 1, evenly from first to last."""
    return np.unique(np.linspace(0, of - 1, min(count, of)).astype(int)) if of else np.empty(0, int)
