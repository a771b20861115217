"""MaskGIT's schedule and unmasking: pure functions of logits; they know neither networks nor worlds.

Source: MaskGIT, Chang et al. 2022 (arXiv:2202.04200), §3.2. Differs: a token's confidence is that of all its
sub-tokens together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count
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
        waiting = least(precedence(confidence, sampling.order, blank.shape[1:], generators), masked, step, sampling)
        if sampling.reveal_above is not None:
            waiting &= confidence < math.log(sampling.reveal_above)
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


def precedence(confidence: Tensor, order: str, grid: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
    """Which tokens (b, n) to reveal first: those with the highest value, by one of `UNMASK_ORDERS`."""
    if order == "random":
        return uniform(confidence.shape[1:], generators).to(confidence.device)
    if order == "halton":
        return -halton_ranks(*grid).to(confidence).expand_as(confidence)
    return confidence


def least(values: Tensor, masked: Tensor, step: int, sampling: SamplingConfig) -> Tensor:
    """The tokens (b, n) of lowest value that pass `step` leaves masked, of those that are."""
    scheduled = int(masked_fraction(step, sampling.unmask_steps) * masked.shape[1])
    left = (masked.sum(1, keepdim=True) - 1).clamp(max=scheduled)
    ranks = values.masked_fill(~masked, torch.inf).argsort(dim=1).argsort(dim=1)
    return masked & (ranks < left)


def uniform(shape: Sequence[int], generators: Sequence[torch.Generator]) -> Tensor:
    """Numbers in [0, 1) of shape (b, *shape), each row from its own generator."""
    return torch.stack([torch.rand(*shape, generator=generator) for generator in generators])


@cache
def halton_ranks(height: int, width: int) -> Tensor:
    """(height * width,) of 0, 1, 2, …: when the Halton sequence of bases 2 and 3 first falls into each place.

    It spreads what is revealed early evenly over the frame. Source: Besnier et al. 2025 (arXiv:2503.17076).
    """
    ranks: dict[int, int] = {}
    for index in count():
        place = radical_inverse(index, 2, height) * width + radical_inverse(index, 3, width)
        ranks.setdefault(place, len(ranks))
        if len(ranks) == height * width:
            return torch.tensor([ranks[place] for place in range(height * width)])
    raise AssertionError("the sequence is dense")


def radical_inverse(index: int, base: int, size: int) -> int:
    """The digits of `index` in `base` mirrored at the point, a number in [0, 1), times `size`, rounded down exactly."""
    mirrored, scale = 0, 1
    while index:
        index, digit = divmod(index, base)
        mirrored, scale = mirrored * base + digit, scale * base
    return mirrored * size // scale
