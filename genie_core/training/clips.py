"""Clips of a data set to learn from; some episodes are held out to look at."""

from __future__ import annotations

import numpy as np
import torch

from genie_core.data.dataset import VideoDataset
from genie_core.errors import DataError
from genie_core.training.batches import Sample
from genie_core.training.order import Order, Rows
from genie_core.training.stage import Batch


def split_starts(dataset: VideoDataset, length: int, held_out_every: int) -> tuple[np.ndarray, np.ndarray]:
    """The clip starts to train on, and those of held-out episodes, the first of every `held_out_every`."""
    starts = dataset.clip_starts(length)
    episodes = np.searchsorted(dataset.episodes[:, 0], starts, side="right") - 1
    held_out = episodes % held_out_every == 0
    if held_out.all() or not held_out.any():
        raise DataError(
            f"{dataset.path} has clips of {length} frames in {len(np.unique(episodes))} episodes; training needs at "
            f"least two such episodes, the first of every {held_out_every} being held out: record more frames"
        )
    return starts[~held_out], starts[held_out]


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
