"""What the ranks, the processes of one training, know together: each has a slice of the global batch.

Statistics of a batch are those of the global batch, so that a run on more ranks learns what a run on one does. With
one process, and in play, nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

_alone = False


@contextmanager
def alone() -> Iterator[None]:
    """Inside, this rank computes by itself: nothing waits for the other ranks."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def rank_count() -> int:
    """How many ranks share the global batch."""
    together = not _alone and torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if together else 1


def mean_over_ranks(x: Tensor) -> Tensor:
    """The mean of `x`, of any shape, over the ranks, with its gradient. All ranks must call it."""
    return x if rank_count() == 1 else _Mean.apply(x)


class _Mean(torch.autograd.Function):
    """The mean over the ranks. Each rank's mean reaches the losses of all, so its gradient is the mean of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total / rank_count()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Mean.forward(ctx, gradients[0])


@torch.no_grad()
def rows_of_all_ranks(x: Tensor) -> Tensor:
    """`x` (rows, …) of all ranks, in their order: (ranks * rows, …), without gradient. All ranks must call it."""
    if rank_count() == 1:
        return x
    rows = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(rank_count())]
    torch.distributed.all_gather(rows, x.contiguous())
    return torch.cat(rows)


class RankedBatchNorm(nn.BatchNorm1d):
    """Batch norm of x (rows, channels) by the moments of the global batch, on the CPU as on GPUs."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or rank_count() == 1:
            normed: Tensor = super().forward(x)
            return normed
        rows = len(x) * rank_count()
        mean = mean_over_ranks(x.mean(0))
        variance = mean_over_ranks((x - mean).square().mean(0))
        with torch.no_grad():
            assert (
                self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
            )
            self.running_mean.lerp_(mean, self.momentum or 0.1)
            self.running_var.lerp_(variance * rows / (rows - 1), self.momentum or 0.1)
            self.num_batches_tracked += 1
        return (x - mean) * (variance + self.eps).rsqrt()
