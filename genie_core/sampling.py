"""MaskGIT's schedule and unmasking: pure functions of logits; they know neither networks nor worlds.

Source: MaskGIT, Chang et al. 2022 (arXiv:2202.04200), §3.2. Differs: a token's confidence is that of all its
sub-tokens together.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from genie_core.config import SamplingConfig
from genie_core.layers.quantize import join_tokens


def masked_fraction(step: int, steps: int) -> float:
    """Share of tokens still masked after `step` of `steps` passes: from 1 along a cosine to exactly 0."""
    return math.cos(math.pi / 2 * step / steps) if step < steps else 0.0


def unmask(
    predict: Callable[[Tensor], Tensor], blank: Tensor, sampling: SamplingConfig, generator: torch.Generator
) -> Tensor:
    """Reveals `blank` (b, h, w), all `mask_id`, in `sampling.unmask_steps` passes.

    `predict` maps a draft (b, h, w), whose revealed tokens it sees, to logits (b, h, w, factors, vocabulary).
    A token once revealed never changes, and every pass reveals at least one while any are left.
    """
    draft = blank.flatten(1)  # (b, n)
    masked = torch.ones_like(draft, dtype=torch.bool)
    for step in range(1, sampling.unmask_steps + 1):
        logits = predict(draft.view_as(blank)).flatten(1, 2)  # (b, n, factors, vocabulary)
        tokens, confidence = sample_tokens(logits, sampling.temperature, generator)
        if sampling.order == "random":
            confidence = torch.rand(confidence.shape, generator=generator, device=confidence.device)
        left = min(int(masked_fraction(step, sampling.unmask_steps) * draft.shape[1]), int(masked[0].sum()) - 1)
        stay_masked = masked & least_confident(confidence.masked_fill(~masked, torch.inf), max(left, 0))
        draft = torch.where(masked & ~stay_masked, tokens, draft)
        masked = stay_masked
        if left <= 0:
            break
    return draft.view_as(blank)


def sample_tokens(logits: Tensor, temperature: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Ids (…) drawn from logits (…, factors, vocabulary) / `temperature`, and their log-probability (…).

    Temperature 0 takes the likeliest sub-tokens.
    """
    log_probs = logits.log_softmax(-1)
    noisy = log_probs
    if temperature > 0:
        uniform = torch.rand(logits.shape, generator=generator, device=logits.device)
        noisy = log_probs / temperature - (-uniform.clamp_min(1e-20).log()).log()  # Gumbel-max sampling
    parts = noisy.argmax(-1, keepdim=True)
    return join_tokens(parts[..., 0], logits.shape[-1]), log_probs.gather(-1, parts).sum((-1, -2))


def least_confident(confidence: Tensor, count: int) -> Tensor:
    """Marks the `count` smallest entries of each row of (b, n)."""
    marked = torch.zeros_like(confidence, dtype=torch.bool)
    return marked.scatter(1, confidence.argsort(dim=1)[:, :count], True)
