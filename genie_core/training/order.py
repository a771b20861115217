"""The order in which clips are learnt: a pure function of seed and step, in which each clip comes once an epoch.

An epoch is `stride` passes. A pass takes every `stride`-th clip, so it sees each frame about once, in all corners of
the data. Clips of one shard stay together within a pass where shards are fetched from afar. A pass is cut into as many
lanes as a batch has rows, and a row takes its clips from one lane. So few shards are in use at a time, and a shard
belongs to one row, which belongs to one rank.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Rows(NamedTuple):
    """Rows `first` to `stop` - 1 of the global batch of `step`, in the order of `seed`."""

    seed: int
    step: int
    first: int
    stop: int

    def random(self, kind: int = 0) -> np.ndarray:
        """A random uint64 for each row, the same however a batch is shared out. Each `kind` has its own."""
        return _bits(self.seed, self.step, kind).random_raw(self.stop)[self.first :]


class Order:
    """Deals out `clips` clips to batches of `batch_size` rows.

    `shard_ends`, if given, are the numbers of clips that lie before the end of each shard.
    """

    def __init__(self, clips: int, batch_size: int, stride: int = 1, shard_ends: np.ndarray | None = None) -> None:
        self.clips, self.batch_size = clips, batch_size
        self.stride, self.shard_ends = min(stride, clips), shard_ends
        self._pass: tuple[tuple[int, int, int], np.ndarray] | None = None

    def __call__(self, rows: Rows) -> np.ndarray:
        """The clips of some rows of a batch, int64 (rows,)."""
        first = rows.step * self.batch_size
        return np.array([self._at(rows.seed, first + row) for row in range(rows.first, rows.stop)], np.int64)

    def _at(self, seed: int, position: int) -> int:
        epoch, place = divmod(position, self.clips)
        for number, phase in enumerate(np.argsort(_bits(seed, epoch).random_raw(self.stride), kind="stable")):
            size = len(range(int(phase), self.clips, self.stride))
            if place < size:
                return int(self._shuffled((seed, epoch, number), int(phase))[place])
            place -= size
        raise AssertionError("the passes of an epoch hold all clips")

    def _shuffled(self, key: tuple[int, int, int], phase: int) -> np.ndarray:
        """The clips of the pass `key`, in order. The last one made is kept."""
        if self._pass is None or self._pass[0] != key:
            self._pass = key, self._in_lanes(self._shuffle(key, np.arange(phase, self.clips, self.stride)))
        return self._pass[1]

    def _shuffle(self, key: tuple[int, int, int], clips: np.ndarray) -> np.ndarray:
        bits = _bits(*key)
        own = bits.random_raw(len(clips))
        if self.shard_ends is None:
            return clips[np.argsort(own, kind="stable")]
        shards = np.searchsorted(self.shard_ends, clips, side="right")
        return clips[np.lexsort((own, bits.random_raw(len(self.shard_ends))[shards]))]

    def _in_lanes(self, clips: np.ndarray) -> np.ndarray:
        """`clips`, cut into lanes, as they come when a clip is taken from each lane in turn."""
        lanes = np.array_split(clips, self.batch_size)
        rows = np.full((len(lanes[0]), self.batch_size), -1)
        for number, lane in enumerate(lanes):
            rows[: len(lane), number] = lane
        return rows[rows >= 0]


def _bits(*key: int) -> np.random.Philox:
    """Random bits that NumPy promises never to change, unlike its permutations."""
    return np.random.Philox(np.random.SeedSequence(key))
