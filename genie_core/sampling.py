"""MaskGIT's schedule and unmasking: pure functions of logits; they know neither networks nor worlds.

Source: MaskGIT, Chang et al. 2022 (arXiv:2202.04200), §3.2. Differs: a token's confidence is that of all its
sub-tokens together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from genie_core.config import SamplingConfig
from genie_core.layers.quantize import join_tokens


class Prediction(Protocol):
    """Of tokens of `shape` (b, h, w), `factors` sub-tokens each, one of `vocabulary` values after the other."""

    @property
    def shape(self) -> torch.Size: ...
    @property
    def factors(self) -> int: ...
    @property
    def vocabulary(self) -> int: ...
    def next_logits(self, parts: Tensor) -> Tensor:
        """(b, h, w, vocabulary) of the sub-token after those in `parts` (b, h, w, k)."""


def masked_fraction(step: int, steps: int) -> float:
    """Share of tokens still masked after `step` of `steps` passes: from 1 along a cosine to exactly 0."""
    return math.cos(math.pi / 2 * step / steps) if step < steps else 0.0


def unmask(
    predict: Callable[[Tensor], Prediction],
    blank: Tensor,
    sampling: SamplingConfig,
    generators: Sequence[torch.Generator],
) -> Tensor:
    """Reveals `blank` (b, h, w), all `mask_id`, in at most `sampling.unmask_steps` passes.

    `predict` maps a draft (b, h, w), whose revealed tokens it sees, to what it predicts of all of them.
    A token once revealed never changes, and every pass reveals at least one of each row while any are left.
    `generators` are one a row, so that a row's noise does not depend on the others.
    """
    draft = blank.flatten(1)  # (b, n)
    masked = torch.ones_like(draft, dtype=torch.bool)
    for step in range(1, sampling.unmask_steps):
        drawn = sample_tokens(predict(draft.view_as(blank)), sampling.temperature, generators)
        tokens, confidence = (values.flatten(1) for values in drawn)
        waiting = least(confidence, masked, step, sampling)
        draft = torch.where(masked & ~waiting, tokens, draft)
        masked = waiting
        if not masked.any():
            return draft.view_as(blank)
    tokens, _ = sample_tokens(predict(draft.view_as(blank)), sampling.temperature, generators)
    return torch.where(masked.view_as(blank), tokens, draft.view_as(blank))


def sample_tokens(
    prediction: Prediction, temperature: float, generators: Sequence[torch.Generator]
) -> tuple[Tensor, Tensor]:
    """Ids of the prediction's shape (b, …), drawn from its logits / `temperature`, and their log-probability (b, …).

    Temperature 0 takes the likeliest sub-token after those taken before it.
    """
    places = (*prediction.shape[1:], prediction.factors, prediction.vocabulary)
    noise = gumbel(uniform(places, generators)) if temperature > 0 else None
    parts: list[Tensor] = []
    confidence = torch.zeros(())
    for k in range(prediction.factors):
        known = torch.stack(parts, -1) if parts else torch.empty((*prediction.shape, 0), dtype=torch.int64)
        log_probs = prediction.next_logits(known).log_softmax(-1)
        noisy = log_probs if noise is None else log_probs / temperature + noise[..., k, :].to(log_probs.device)
        part = noisy.argmax(-1)
        confidence = confidence + log_probs.gather(-1, part[..., None])[..., 0]
        parts.append(part)
    return join_tokens(torch.stack(parts, -1), prediction.vocabulary), confidence


def gumbel(uniform: Tensor) -> Tensor:
    """Gumbel noise, which makes the largest of sums a draw from the softmax, of numbers in [0, 1)."""
    return -(-uniform.clamp_min(1e-20).log()).log()


def least(values: Tensor, masked: Tensor, step: int, sampling: SamplingConfig) -> Tensor:
    """Which tokens (b, n) pass `step` leaves masked: the masked ones of lowest value."""
    scheduled = int(masked_fraction(step, sampling.unmask_steps) * masked.shape[1])
    left = (masked.sum(1, keepdim=True) - 1).clamp(max=scheduled)
    ranks = values.masked_fill(~masked, torch.inf).argsort(dim=1).argsort(dim=1)
    return masked & (ranks < left)


def uniform(shape: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
    """Numbers in [0, 1) of shape (b, *shape), each row from its own generator."""
    return torch.stack([torch.rand(*shape, generator=generator) for generator in generators])
