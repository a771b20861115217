"""Root-mean-square normalisation, in as few operations as torch has for it: small nets on a CPU pay for each.

Source: Zhang and Sennrich 2019 (arXiv:1910.07467).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SMALLEST = 1e-6  # a vector shorter than this is divided by this


def sides(x: Tensor) -> tuple[int, ...]:
    """The shape of x as whole numbers with -1 for the batch: to a graph, constants, and any batch will do."""
    return (-1, *(int(side) for side in x.shape[1:]))


def unit(x: Tensor) -> Tensor:
    """x (…, d), each vector divided by its length."""
    return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(SMALLEST)


class RMSNorm(nn.Module):
    """x (…, width) divided by the root mean square of each vector, times a learnt weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return unit(x) * (self.weight * len(self.weight) ** 0.5)
