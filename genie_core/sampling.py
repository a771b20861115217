"""MaskGIT's schedule and unmasking: pure functions of logits; they know neither networks nor worlds.

Source: MaskGIT, Chang et al. 2022 (arXiv:2202.04200), §3.2. Differs: a token's confidence is that of all its
sub-tokens together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

LARGEST = 3e38  # above any log-probability


class Prediction(Protocol):
    """Of tokens of `shape` (b, …), `factors` sub-tokens each, one of `vocabulary` values after the other."""

    @property
    def shape(self) -> torch.Size: ...
    @property
    def factors(self) -> int: ...
    @property
    def vocabulary(self) -> int: ...
    def next_logits(self, parts: Tensor) -> Tensor:
        """(b, …, vocabulary) of the sub-token after those in `parts` (b, …, k)."""


class Revealed(NamedTuple):
    """Tokens int32 (b, n), and how sure the model was of them: `doubt` float32 (b,) is the mean over the tokens of
    -log p, in nats, of the token drawn, in the pass that revealed it; 0 for tokens that were known before."""

    tokens: Tensor
    doubt: Tensor


def masked_fraction(step: int, steps: int) -> float:
    """Share of tokens still masked after `step` of `steps` passes: from 1 along a cosine to exactly 0."""
    return math.cos(math.pi / 2 * step / steps) if step < steps else 0.0


def gumbel(uniform: Tensor) -> Tensor:
    """Gumbel noise, which makes the largest of sums a draw from the softmax, of numbers in [0, 1)."""
    return -(-uniform.clamp_min(1e-20).log()).log()


def reveal(
    predict: Callable[[Tensor], Prediction],
    draft: Tensor,
    mask_id: int,
    uniform: Tensor,
    temperature: Tensor,
) -> Revealed:
    """Reveals the tokens of `draft` (b, n) that are `mask_id`.

    `predict` maps a draft, whose revealed tokens it sees, to what it predicts of all of them. A token once revealed
    never changes, and every pass reveals at least one of each row while any are left. `uniform` (b, passes, n, factors,
    vocabulary) in [0, 1) is the noise of each pass, so that a row's does not depend on the others; `temperature` (b,)
    is its weight.
    """
    steps = int(uniform.shape[1])
    needed = min(steps, int(draft.shape[1]))
    doubt = torch.zeros_like(draft, dtype=torch.float32)
    for step in range(needed):
        masked = draft == mask_id
        noise = temperature[:, None, None, None] * gumbel(uniform[:, step])
        tokens, confidence = choose(predict(draft), noise)
        doubt = torch.where(masked, -confidence, doubt)  # of those still masked after this pass, the next one says
        if step == needed - 1:
            return Revealed(torch.where(masked, tokens, draft), doubt.mean(1))
        waiting = least_sure(confidence, masked, masked_fraction(step + 1, steps))
        draft = torch.where(masked & ~waiting, tokens, draft)
    raise AssertionError("no pass at all")


def choose(prediction: Prediction, noise: Tensor | None) -> tuple[Tensor, Tensor]:
    """Ids int32 of the prediction's shape (b, …), and their log-probability.

    A sub-token has the largest log-probability plus `noise` (b, …, factors, vocabulary); without noise it is the
    likeliest after those taken before it.
    """
    parts: list[Tensor] = []
    ids, confidence = torch.zeros((), dtype=torch.int32), torch.zeros(())
    for k in range(prediction.factors):
        known = torch.stack(parts, -1) if parts else torch.empty((*prediction.shape, 0), dtype=torch.int32)
        log_probs = prediction.next_logits(known).log_softmax(-1)
        part = (log_probs if noise is None else log_probs + noise[..., k, :]).argmax(-1, keepdim=True)
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
