"""Muon for the weight matrices, AdamW for the rest, as one optimizer.

Source: Muon, Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon/). Differs: orthogonalises in float32;
`torch.optim.Muon` does so in bfloat16, which made a step 2.5 times slower on a CPU without bfloat16 units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from genie_core.training.settings import StageSettings

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # quintic coefficients tuned for speed, from the source


def orthogonalize(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest matrix (rows, columns) with singular values of about 1, by Newton-Schulz iteration."""
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class MuonAdamW(torch.optim.Optimizer):
    """Groups with `muon=True` hold matrices (or convolutions, taken as matrices); the others follow AdamW."""

    def __init__(self, groups: Iterable[dict[str, Any]]) -> None:
        defaults = {"lr": 1e-3, "muon": False, "momentum": 0.95, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.0}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            learnt = [parameter for parameter in group["params"] if parameter.grad is not None]
            if group["muon"]:
                for parameter in learnt:
                    self._muon(parameter, group)
            elif learnt:
                self._adamw(learnt, group)
        return loss

    def _muon(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        momentum = state["momentum"].lerp_(gradient, 1 - group["momentum"])
        nesterov = gradient.lerp(momentum, group["momentum"]).flatten(1)
        scale = max(1, nesterov.shape[0] / nesterov.shape[1]) ** 0.5
        parameter.add_(orthogonalize(nesterov).view_as(parameter), alpha=-group["lr"] * scale)

    def _adamw(self, learnt: list[Tensor], group: dict[str, Any]) -> None:
        """All of a group at once, by torch's fused kernel."""
        for parameter in learnt:
            state = self.state[parameter]
            if not state:
                state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["step"] = state.get("step", torch.zeros(())).to(parameter.device)
        means, squares, steps = ([self.state[p][name] for p in learnt] for name in ("mean", "square", "step"))
        gradients, (beta1, beta2) = [parameter.grad for parameter in learnt], group["betas"]
        pace = {"lr": group["lr"], "weight_decay": group["weight_decay"], "eps": group["eps"]}
        choices = {"amsgrad": False, "maximize": False, "fused": True}
        adamw(learnt, gradients, means, squares, [], steps, beta1=beta1, beta2=beta2, **pace, **choices)  # type: ignore[arg-type]


def is_hidden_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Whether Muon suits it: a dense matrix or convolution that is neither an embedding nor a head."""
    outer = ("embed", "position", "head", "depthwise", "bias", "codebook")
    return parameter.ndim >= 2 and not any(word in name for word in outer)


def build_optimizer(network: nn.Module, settings: StageSettings) -> MuonAdamW:
    """An optimizer for `network` at the peak rates of `settings`: first the group of Muon, then that of AdamW."""
    muon = [p for name, p in network.named_parameters() if is_hidden_matrix(name, p)]
    adamw = [p for name, p in network.named_parameters() if not is_hidden_matrix(name, p)]
    return MuonAdamW(
        [
            {"params": muon, "muon": True, "lr": settings.muon_learning_rate, "weight_decay": settings.weight_decay},
            {"params": adamw, "lr": settings.learning_rate},
        ]
    )
