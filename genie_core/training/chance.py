"""The random numbers of a training step: a pure function of the seed, the step and the row of the global batch.

So a resumed run, and a run on another number of ranks, masks and guesses alike. Philox is a counter-based generator:
each row has a stream of its own, without drawing those of the other rows.

Source: Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

SHARED = 2**32  # in the place of a row: the stream of what is decided once for the whole batch


class Chance:
    """Random numbers for rows `first_row`, `first_row` + 1, … of a global batch of `rows` rows, None for all there are.

    The numbers of a row are the same on whichever rank the row is. They are drawn on the CPU, so that devices agree.
    """

    def __init__(self, seed: int = 0, step: int = 0, first_row: int = 0, rows: int | None = None) -> None:
        self.seed, self.step, self.first_row, self.rows = seed, step, first_row, rows
        self._shared = self._stream(SHARED)
        self._streams: list[np.random.Generator] = []

    def uniform(self, shape: tuple[int, ...], device: torch.device) -> Tensor:
        """Float32 (rows, …) of `shape`, uniform in [0, 1)."""
        streams = self._of_rows(shape[0])
        drawn = np.empty(shape, np.float32)
        for row, stream in enumerate(streams):
            drawn[row] = stream.random(shape[1:], np.float32)
        return torch.from_numpy(drawn).to(device)

    def integers_like(self, x: Tensor, below: int) -> Tensor:
        """Whole numbers in [0, below), of the shape and kind of `x` (rows, …)."""
        drawn = np.empty(tuple(x.shape), np.int64)
        for row, stream in enumerate(self._of_rows(len(x))):
            drawn[row] = stream.integers(below, size=tuple(x.shape[1:]))
        return torch.from_numpy(drawn).to(x)

    def once(self) -> float:
        """One number in [0, 1) for the whole batch, the same on all ranks."""
        return float(self._shared.random())

    def some_rows(self, count: int, here: int) -> list[int]:
        """Which of the `here` rows of this rank are among `count` rows drawn from the global batch."""
        drawn = self._shared.permutation(self.rows or here)[:count]
        return sorted(int(row) - self.first_row for row in drawn if self.first_row <= row < self.first_row + here)

    def weight_of(self, found: int, count: int, here: int) -> float:
        """What a mean over the `found` rows of `some_rows` counts, so that the mean over the ranks is that over all."""
        rows = self.rows or here
        return found * rows / (here * min(count, rows))

    def _of_rows(self, count: int) -> list[np.random.Generator]:
        while len(self._streams) < count:
            self._streams.append(self._stream(self.first_row + len(self._streams)))
        return self._streams[:count]

    def _stream(self, row: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, row, self.step]))
