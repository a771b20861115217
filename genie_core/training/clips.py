"""Clips drawn at random from a data set; some episodes are held out to look at."""

from __future__ import annotations

import numpy as np
import torch

from genie_core.data.dataset import VideoDataset
from genie_core.errors import DataError
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


class FrameClips:
    """Samples {"frames": uint8 (batch_size, length, H, W, 3)}.

    With `buttons`, one after each frame of the data set and -1 where unknown, every second clip has a known one, and
    batches also have "buttons", int64 (batch_size, length-1).
    """

    def __init__(
        self, dataset: VideoDataset, starts: np.ndarray, length: int, batch_size: int, buttons: np.ndarray | None = None
    ) -> None:
        self.dataset, self.starts, self.length, self.batch_size = dataset, starts, length, batch_size
        self.buttons = buttons
        if buttons is not None:
            known = np.cumsum(np.append(0, buttons >= 0))
            self.labelled = starts[known[starts + length - 1] > known[starts]]

    def __call__(self, rng: np.random.Generator) -> Batch:
        starts = rng.choice(self.starts, self.batch_size)
        if self.buttons is not None and len(self.labelled):
            starts[::2] = rng.choice(self.labelled, len(starts[::2]))
        batch = {"frames": torch.from_numpy(np.stack([self.dataset.clip(int(s), self.length) for s in starts]))}
        if self.buttons is not None:
            steps = starts[:, None] + np.arange(self.length - 1)
            batch["buttons"] = torch.from_numpy(self.buttons[steps].astype(np.int64))
        return batch
