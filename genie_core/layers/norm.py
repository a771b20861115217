"""Root-mean-square normalisation, in as few operations as torch has for it: small nets on a CPU pay for each.

Source: Zhang and Sennrich 2019 (arXiv:1910.07467).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SMALLEST = 1e-8  # of a root mean square: nothing is divided by less


def sides(x: Tensor) -> tuple[int, ...]:
    """The shape of x as whole numbers with -1 for the batch: to a graph, constants, and any batch will do."""
    return (-1, *(int(side) for side in x.shape[1:]))


def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    """x (…, d) divided by the root mean square of each vector, times `weight` (d,).

    ONNX Runtime knows these very operations, and runs them as one.
    """
    return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + SMALLEST**2) * weight


def with_length(x: Tensor, length: float) -> Tensor:
    """x (…, d), each vector of this length."""
    d = int(x.shape[-1])
    return rms_norm(x, torch.full((d,), length * d**-0.5, dtype=x.dtype, device=x.device))


class RMSNorm(nn.Module):
    """x (…, width) divided by the root mean square of each vector, times a learnt weight."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight)
