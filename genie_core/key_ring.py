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
    """`keys` and `values` float32 (b, layers, slots, n, d) of the last frames of b playthroughs.

    A frame sees `context_frames` earlier ones; the ring has room for two new frames besides.
    """

    def __init__(self, keys: np.ndarray, values: np.ndarray) -> None:
        self.keys, self.values = keys, values
        self.slots = keys.shape[2]
        self.context_frames = self.slots - 2

    @classmethod
    def empty(cls, config: DynamicsConfig, rows: int) -> KeyRing:
        """For `rows` playthroughs that have no frame yet."""
        shape = (rows, config.layers, config.context_frames + 2, config.tokens, config.width)
        return cls(np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def rows(self, rows: list[int]) -> KeyRing:
        """The ring of some of the playthroughs: this one if all are named, else a copy."""
        return self if rows == list(range(len(self.keys))) else KeyRing(self.keys[rows], self.values[rows])

    def frame(self, row: int, frame: int) -> Kept:
        """A copy of the keys and values of frame `frame` of playthrough `row`."""
        slot = frame % self.slots
        return Kept(self.keys[row, :, slot].copy(), self.values[row, :, slot].copy())

    def put(self, row: int, frame: int, kept: Kept) -> None:
        """Inverse of `frame`."""
        slot = frame % self.slots
        self.keys[row, :, slot], self.values[row, :, slot] = kept

    def ages(self, newest: list[int]) -> np.ndarray:
        """int32 (b, 2, slots): how many frames before the last and before the new frame, `newest`[row], each slot's
        frame lies. An empty slot, or one that may not be seen, has an age one above the context's."""
        new = np.array(newest)[:, None, None]
        back = np.array([[1], [0]])
        age = (new - np.arange(self.slots)) % self.slots - back
        unseen = (age < 0) | (age > new - back)  # a frame that is too old reaches that age by itself
        return np.where(unseen, self.context_frames + 1, age).astype(np.int32)
