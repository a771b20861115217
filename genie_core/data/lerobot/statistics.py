"""The statistics that a LeRobotDataset keeps of each feature, for each episode and for all: min, max, mean, std, count
and five quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
Statistics = dict[str, list[Any]]


class PixelCounts:
    """How often each value occurs in each colour: all that the statistics of frames need, at any number of frames."""

    def __init__(self, counts: np.ndarray | None = None, frames: int = 0) -> None:
        self.counts = np.zeros((3, 256), np.int64) if counts is None else counts
        self.frames = frames

    def add(self, frames: np.ndarray) -> None:
        """Count uint8 (t, H, W, 3)."""
        flat = frames.reshape(-1, 3)
        self.counts += np.stack([np.bincount(flat[:, colour], minlength=256) for colour in range(3)])
        self.frames += len(frames)

    def statistics(self) -> Statistics:
        """Each (3, 1, 1), of values in [0, 1]."""
        values, shares = np.arange(256) / 255, self.counts / self.counts.sum(1, keepdims=True)
        mean = shares @ values
        std = np.sqrt(np.maximum(shares @ values**2 - mean**2, 0))
        below = shares.cumsum(1)
        ends = [values[np.flatnonzero(row)[[0, -1]]] for row in self.counts]
        found = {"min": [low for low, _ in ends], "max": [high for _, high in ends], "mean": mean, "std": std}
        found |= {name: values[(below < share - 1e-12).sum(1)] for name, share in QUANTILES.items()}
        return {name: np.reshape(value, (3, 1, 1)).tolist() for name, value in found.items()} | {"count": [self.frames]}


def together(parts: Sequence[PixelCounts]) -> PixelCounts:
    counts = np.sum([part.counts for part in parts], 0)
    return PixelCounts(counts, sum(part.frames for part in parts))


def of_rows(rows: np.ndarray) -> Statistics:
    """Of numbers (t,) or (t, numbers); each a list of one entry a number."""
    rows = rows.reshape(len(rows), -1).astype(np.float64)
    found = {"min": rows.min(0), "max": rows.max(0), "mean": rows.mean(0), "std": rows.std(0)}
    found |= dict(zip(QUANTILES, np.quantile(rows, list(QUANTILES.values()), axis=0), strict=True))
    return {name: value.tolist() for name, value in found.items()} | {"count": [len(rows)]}
