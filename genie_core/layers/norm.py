"""Root-mean-square normalisation, in as few operations as torch has for it: small nets on a CPU pay for each.

Source: Zhang and Sennrich 2019 (arXiv:1910.07467).
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

SMALLEST = 1e-8  # of a root mean square: nothing is divided by less


def sides(x: Tensor) -> tuple[int, ...]:
    """The shape of x as whole numbers with -1 for the batch: to a graph, constants, and any batch will do."""
    return (-1, *(int(side) for side in x.shape[1:]))


def rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    """x (…, d) divided by the root mean square of each vector, times `weight` (d,)."""
    if torch.is_grad_enabled() and x.requires_grad:
        return cast(Tensor, LearntNorm.apply(x, weight))
    return _unit(x)[0] * weight


def _unit(x: Tensor) -> tuple[Tensor, Tensor]:
    """x divided by the root mean squares of its vectors, and these.

    ONNX Runtime knows these very operations, and with the weight runs them as one.
    """
    root = torch.sqrt(x.pow(2).mean(-1, keepdim=True) + SMALLEST**2)
    return x / root, root


class LearntNorm(torch.autograd.Function):
    """`rms_norm` with the way back in half of the passes over memory that its operations would take one by one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        unit, root = _unit(x)
        ctx.save_for_backward(unit, root, weight)
        return unit * weight

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None]:
        unit, root, weight = ctx.saved_tensors
        of_weight = (gradient * unit).reshape(-1, *weight.shape).sum(0) if ctx.needs_input_grad[1] else None
        weighted = gradient * weight
        along = (weighted * unit).mean(-1, keepdim=True)  # what only lengthens a vector changes nothing
        return torch.addcmul(weighted, unit, along, value=-1).div_(root), of_weight


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
