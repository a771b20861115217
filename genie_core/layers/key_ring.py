"""The keys and values of past frames for temporal attention: a ring of fixed size, written in place.

Frame f of a playthrough lives in slot f mod `slots`, so the order of the slots, and with it every rounding, depends on
f alone: a ring that is filled again with the same frames goes on exactly as before.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

Slots = list[list[int]]
"""Of each playthrough, the slots of its newest frames."""


class Layer(NamedTuple):
    """One layer's part of a ring: `keys` and `values` (b, slots, n, heads, e), and where the newest frames go."""

    keys: Tensor
    values: Tensor
    newest: Slots

    def put(self, keys: Tensor, values: Tensor) -> None:
        """Writes those of the newest frames, (b, t, n, heads, e), in place."""
        for row, slots in enumerate(self.newest):
            for i, slot in enumerate(slots):
                self.keys[row, slot], self.values[row, slot] = keys[row, i], values[row, i]


class KeyRing:
    """Keys and values of the last frames of b playthroughs in all layers, as `data` (2, layers, b, slots, n, heads, e).

    A frame sees `context_frames` earlier ones; the ring has room for two new frames besides.
    """

    def __init__(self, data: Tensor) -> None:
        self.data = data
        self.slots = data.shape[3]
        self.context_frames = self.slots - 2

    def layer(self, index: int, newest: Slots) -> Layer:
        return Layer(self.data[0, index], self.data[1, index], newest)

    def rows(self, rows: list[int]) -> KeyRing:
        """The ring of some of the playthroughs: this one if all are named, else a copy."""
        return self if rows == list(range(self.data.shape[2])) else KeyRing(self.data[:, :, rows])

    def frame(self, row: int, frame: int) -> Tensor:
        """A copy (2, layers, n, heads, e) of the keys and values of frame `frame` of playthrough `row`."""
        return self.data[:, :, row, frame % self.slots].clone()

    def put(self, row: int, frame: int, kept: Tensor) -> None:
        """Inverse of `frame`."""
        self.data[:, :, row, frame % self.slots] = kept

    def slots_of(self, newest: list[int], count: int) -> Slots:
        """Where the `count` last frames go, of playthroughs whose newest frame is `newest`[row]."""
        return [[(frame - back) % self.slots for back in range(count - 1, -1, -1)] for frame in newest]

    def ages(self, newest: list[int], count: int) -> Tensor:
        """(b, count, slots): how many frames before each of the `count` newest the frame in each slot lies.

        An empty slot, or one that may not be seen, has an age one above the context's.
        """
        last = torch.tensor(newest, device=self.data.device)[:, None, None]
        back = torch.arange(count - 1, -1, -1, device=self.data.device)[:, None]
        age = (last - torch.arange(self.slots, device=self.data.device)) % self.slots - back
        unseen = (age < 0) | (age > last - back)  # a frame that is too old reaches that age by itself
        return age.masked_fill(unseen, self.context_frames + 1)
