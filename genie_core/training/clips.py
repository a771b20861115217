"""Clips of a data set to learn from; some are held out to look at."""

from __future__ import annotations

import numpy as np
import torch

from genie_core.data.dataset import VideoDataset
from genie_core.errors import DataError
from genie_core.training.batches import Sample
from genie_core.training.order import Order, Rows
from genie_core.training.stage import Batch

ENOUGH_FRAMES = 150  # held out, to judge by


def split_starts(dataset: VideoDataset, length: int, held_out_every: int) -> tuple[np.ndarray, np.ndarray]:
    """The clip starts to train on, and those that are held out: in the first of every `held_out_every` episodes, or,
    where there are fewer, in the middle of the longest one. No held-out frame is in a clip to train on."""
    starts = dataset.clip_starts(length)
    if len(dataset.episodes) >= held_out_every:
        episodes = np.searchsorted(dataset.episodes[:, 0], starts, side="right") - 1
        held_out = episodes % held_out_every == 0
        trained = ~held_out
    else:
        first, end = middle_of_longest(dataset.episodes, held_out_every)
        held_out = (starts >= first) & (starts + length <= end)
        trained = (starts >= end) | (starts + length <= first)
    if not held_out.any() or not trained.any():
        raise DataError(
            f"{dataset.path} has {len(dataset):,} frames in {len(dataset.episodes)} episodes, too few for clips of "
            f"{length} to train on and others to hold out; give longer footage"
        )
    return starts[trained], starts[held_out]


def middle_of_longest(episodes: np.ndarray, held_out_every: int) -> tuple[int, int]:
    """The first frame to hold out of few episodes and the first after it: as large a share of all, and enough to judge
    by."""
    total = int(episodes[:, 1].sum())
    first, length, _ = map(int, episodes[episodes[:, 1].argmax()])
    count = min(length, max(total // held_out_every, min(total // 10, ENOUGH_FRAMES)))
    start = first + (length - count) // 2
    return start, start + count


class FrameClips(Sample):
    """Gives {"frames": uint8 (rows, length, H, W, 3)}.

    With `buttons`, one after each frame of the data set and -1 where unknown, every second row is a random clip with a
    known one, and batches also have "buttons", int64 (rows, length-1).
    """

    def __init__(
        self, dataset: VideoDataset, starts: np.ndarray, length: int, batch_size: int, buttons: np.ndarray | None = None
    ) -> None:
        self.dataset, self.starts, self.length, self.batch_size = dataset, starts, length, batch_size
        shard_ends = np.searchsorted(starts, dataset.shard_ends) if dataset.remote else None
        self.order = Order(len(starts), batch_size, length, shard_ends)
        self.buttons = buttons
        if buttons is not None:
            known = np.cumsum(np.append(0, buttons >= 0))
            self.labelled = starts[known[starts + length - 1] > known[starts]]

    def __call__(self, rows: Rows) -> Batch:
        starts = self.starts[self.order(rows)]
        if self.buttons is not None and len(self.labelled):
            chosen = self.labelled[rows.random() % len(self.labelled)]
            starts = np.where(np.arange(rows.first, rows.stop) % 2, starts, chosen)
        batch = {"frames": torch.from_numpy(np.stack([self.dataset.clip(int(s), self.length) for s in starts]))}
        if self.buttons is not None:
            steps = starts[:, None] + np.arange(self.length - 1)
            batch["buttons"] = torch.from_numpy(self.buttons[steps].astype(np.int64))
        return batch
