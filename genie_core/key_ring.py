"""The keys and values of past frames for temporal attention: a ring of fixed size, written in place.

Frame f of a playthrough lives in slot f mod `slots`, so the order of the slots, and with it every rounding, depends on
f alone: a ring that is filled again with the same frames goes on exactly as before.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genie_core.config import DynamicsConfig


class Kept(NamedTuple):
    """The keys and values of one frame in all layers: `key` and `value` float32 (layers, n, d)."""

    key: np.ndarray
    value: np.ndarray


class KeyRing:
    """`keys` and `values` float32 (layers, b, n, heads, slots, e) of the last frames of b playthroughs.

    A frame sees `context_frames` earlier ones, each of which has a slot.
    """

    def __init__(self, keys: np.ndarray, values: np.ndarray) -> None:
        self.keys, self.values = keys, values
        self.slots = keys.shape[4]

    @classmethod
    def empty(cls, config: DynamicsConfig, rows: int) -> KeyRing:
        """For `rows` playthroughs that have no frame yet."""
        c = config
        shape = (c.layers, rows, c.tokens, c.heads, c.context_frames, c.width // c.heads)
        return cls(np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def rows(self, rows: list[int]) -> KeyRing:
        """The ring of some of the playthroughs: this one if all are named, else a copy."""
        return self if rows == list(range(self.keys.shape[1])) else KeyRing(self.keys[:, rows], self.values[:, rows])

    def frame(self, row: int, frame: int) -> Kept:
        """A copy of the keys and values of frame `frame` of playthrough `row`."""
        slot = frame % self.slots
        layers, _, n, *_ = self.keys.shape
        return Kept(*(part[:, row, :, :, slot].reshape(layers, n, -1) for part in (self.keys, self.values)))

    def put(self, row: int, frame: int, kept: Kept) -> None:
        """Inverse of `frame`."""
        slot = frame % self.slots
        for part, new in zip((self.keys, self.values), kept, strict=True):
            place = part[:, row, :, :, slot]
            place[:] = new.reshape(place.shape)

    def ages(self, newest: list[int]) -> np.ndarray:
        """int32 (b, 2, slots + 2): how many frames before the last and before the new frame, `newest`[row], the frame
        of each slot lies, and these two. What may not be seen has an age one above the context's."""
        new, unseen = np.array(newest)[:, None, None], self.slots + 1
        age = (new - 2 - np.arange(self.slots)) % self.slots + 1  # before the last frame
        age = np.where(age < new, age + np.array([[0], [1]]), unseen)
        pair = np.broadcast_to(np.array([[0, unseen], [1, 0]]), (len(newest), 2, 2))
        return np.concatenate([age, pair], 2).astype(np.int32)
