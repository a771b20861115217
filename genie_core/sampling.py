"""MaskGIT's schedule and unmasking: pure functions of logits; they know neither networks nor worlds.

Source: MaskGIT, Chang et al. 2022 (arXiv:2202.04200), §3.2. Differs: a token's confidence is that of all its
sub-tokens together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import count

import torch
from torch import Tensor

from genie_core.config import SamplingConfig
from genie_core.layers.quantize import join_tokens


def masked_fraction(step: int, steps: int) -> float:
    """Share of tokens still masked after `step` of `steps` passes: from 1 along a cosine to exactly 0."""
    return math.cos(math.pi / 2 * step / steps) if step < steps else 0.0


def unmask(
    predict: Callable[[Tensor], Tensor], blank: Tensor, sampling: SamplingConfig, generators: Sequence[torch.Generator]
) -> Tensor:
    """Reveals `blank` (b, h, w), all `mask_id`, in at most `sampling.unmask_steps` passes.

    `predict` maps a draft (b, h, w), whose revealed tokens it sees, to logits (b, h, w, factors, vocabulary).
    A token once revealed never changes, and every pass reveals at least one of each row while any are left.
    `generators` are one a row, so that a row's noise does not depend on the others.
    """
    draft = blank.flatten(1)  # (b, n)
    masked = torch.ones_like(draft, dtype=torch.bool)
    for step in range(1, sampling.unmask_steps + 1):
        logits = predict(draft.view_as(blank)).flatten(1, 2)  # (b, n, factors, vocabulary)
        tokens, confidence = sample_tokens(logits, sampling.temperature, generators)
        waiting = least(precedence(confidence, sampling.order, blank.shape[1:], generators), masked, step, sampling)
        if sampling.reveal_above is not None:
            waiting &= confidence < math.log(sampling.reveal_above)
        draft = torch.where(masked & ~waiting, tokens, draft)
        masked = waiting
        if not masked.any():
            break
    return draft.view_as(blank)


def sample_tokens(logits: Tensor, temperature: float, generators: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
    """Ids (b, n) drawn from logits (b, n, factors, vocabulary) / `temperature`, and their log-probability (b, n).

    Temperature 0 takes the likeliest sub-tokens.
    """
    log_probs = logits.log_softmax(-1)
    noisy = log_probs
    if temperature > 0:
        noise = uniform(logits.shape[1:], generators).to(logits.device)
        noisy = log_probs / temperature - (-noise.clamp_min(1e-20).log()).log()  # Gumbel-max sampling
    parts = noisy.argmax(-1, keepdim=True)
    return join_tokens(parts[..., 0], logits.shape[-1]), log_probs.gather(-1, parts).sum((-1, -2))


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
