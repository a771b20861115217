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

LARGEST = 3e38  # above any log-probability


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


def reveal(
    prediction: Prediction,
    predict: Callable[[Tensor], Prediction],
    draft: Tensor,
    mask_id: int,
    steps: int,
    uniform: Tensor,
    temperature: Tensor,
) -> Tensor:
    """Reveals the tokens of `draft` (b, n) that are `mask_id`, in `steps` passes: int32 (b, n).

    `prediction` is that of the draft, `predict` maps a later draft to its own. A token once revealed never changes,
    and every pass reveals at least one of each row while any are left. `uniform` (b, steps, n, factors, vocabulary)
    in [0, 1) is the noise of each pass, `temperature` (b,) its weight.
    """
    for step in range(steps):
        masked = draft == mask_id
        tokens, confidence = choose(prediction, uniform[:, step], temperature)
        if step == steps - 1:
            return torch.where(masked, tokens, draft)
        waiting = least_sure(confidence, masked, masked_fraction(step + 1, steps))
        draft = torch.where(masked & ~waiting, tokens, draft)
        prediction = predict(draft)
    raise AssertionError("no pass at all")


def choose(prediction: Prediction, uniform: Tensor, temperature: Tensor) -> tuple[Tensor, Tensor]:
    """Ids int32 (b, n) of the largest log-probability plus `temperature` (b,) times Gumbel noise; and their
    log-probability. Temperature 0 takes the likeliest sub-token after those taken before it."""
    noise = temperature[:, None, None, None] * gumbel(uniform)
    parts: list[Tensor] = []
    ids, confidence = torch.zeros((), dtype=torch.int32), torch.zeros(())
    for k in range(prediction.factors):
        known = torch.stack(parts, -1) if parts else torch.empty((*prediction.shape, 0), dtype=torch.int32)
        log_probs = prediction.next_logits(known).log_softmax(-1)
        part = (log_probs + noise[:, :, k]).argmax(-1, keepdim=True)
        confidence = confidence + log_probs.gather(-1, part)[..., 0]
        parts.append(part[..., 0].to(torch.int32))
        ids = ids * prediction.vocabulary + parts[-1]
    return ids, confidence


def least_sure(confidence: Tensor, masked: Tensor, fraction: float) -> Tensor:
    """Which tokens (b, n) stay masked: of the masked ones the least sure, `fraction` of n of them at most, fewer than
    now. Of equals the first stay: counted, not sorted, so that every runtime agrees."""
    left = (masked.sum(1, keepdim=True) - 1).clamp(max=int(fraction * int(masked.shape[1])))
    values = confidence.masked_fill(~masked, LARGEST)
    order = torch.arange(int(masked.shape[1]), device=masked.device)
    lower = values[:, None, :] < values[:, :, None]
    before = (values[:, None, :] == values[:, :, None]) & (order[None, :] < order[:, None])
    return masked & ((lower | before).sum(-1) < left)
