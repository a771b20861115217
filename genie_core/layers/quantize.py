"""Quantizers: sign bits without a table (tokenizer), and a small learnt codebook (latent actions).

Both pass gradients straight through and return small named values; losses are left to the caller's weights.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from genie_core.layers.ranks import mean_over_ranks, rows_of_all_ranks


def bits_to_tokens(bits: Tensor) -> Tensor:
    """Signs (…, code_bits), positive meaning 1, to int64 ids (…), the first bit the highest."""
    weights = 2 ** torch.arange(int(bits.shape[-1]) - 1, -1, -1, device=bits.device)
    return ((bits > 0) * weights).sum(-1)


def tokens_to_bits(tokens: Tensor, code_bits: int) -> Tensor:
    """Ids (…) to float signs -1, +1 of shape (…, code_bits); inverse of `bits_to_tokens`."""
    powers = 2 ** torch.arange(code_bits - 1, -1, -1, device=tokens.device, dtype=tokens.dtype)
    return torch.where((tokens[..., None] & powers) > 0, 1.0, -1.0)


class LookupFree(NamedTuple):
    """`codes` (…, code_bits) of -1, +1 with straight-through gradient; `tokens` (…) int64; two entropies in nats."""

    codes: Tensor
    tokens: Tensor
    sample_entropy: Tensor
    codebook_entropy: Tensor


def lookup_free_quantize(z: Tensor, groups: int, inverse_temperature: float = 1.0) -> LookupFree:
    """Quantizes `z` (…, code_bits) to its signs.

    `sample_entropy` is how undecided single positions are, to be made small; `codebook_entropy` how evenly the
    codes are used on average, to be made large. Each is summed over `groups` of bits that share a joint codebook.

    Source: lookup-free quantization of MagViT-2 (arXiv:2310.05737), §3.1, eq. 5-6. Differs: the codebook entropy is
    taken over groups of bits, for a joint table of 2^18 codes does not fit.
    """
    signs = torch.where(z > 0, 1.0, -1.0)
    codes = z + (signs - z).detach()
    # softmax of -|z - code|² over the two values of a bit: the logits differ by 4z
    on = torch.sigmoid(4 * inverse_temperature * z)
    bit_probs = rearrange(torch.stack([1 - on, on], -1), "... (g k) two -> (...) g k two", g=groups)
    sample_entropy = _entropy(bit_probs).sum((1, 2)).mean()
    joint = bit_probs[:, :, 0]
    for k in range(1, bit_probs.shape[2]):
        joint = rearrange(joint[..., :, None] * bit_probs[:, :, k, None], "s g p two -> s g (p two)")
    return LookupFree(codes, bits_to_tokens(signs), sample_entropy, _entropy(mean_over_ranks(joint.mean(0))).sum())


def _entropy(probs: Tensor) -> Tensor:
    return -(probs * probs.clamp_min(1e-9).log()).sum(-1)


class VectorQuantized(NamedTuple):
    """`codes` (…, d) with straight-through gradient; `indices` (…) int64; three scalars for the loss; `shares` (…,
    size), the soft assignments.

    `commitment` is the squared distance to the codes. The entropies, in nats, are those of soft assignments:
    `sample_entropy` of single inputs, to be made small, `codebook_entropy` of their mean, to be made large.
    """

    codes: Tensor
    indices: Tensor
    commitment: Tensor
    sample_entropy: Tensor
    codebook_entropy: Tensor
    shares: Tensor


class VectorQuantizer(nn.Module):
    """Nearest of `size` unit vectors, learnt by moving averages; a code that falls out of use is revived.

    Source: VQ-VAE, van den Oord et al. 2017 (arXiv:1711.00937), app. A.1. Differs: on the unit sphere, as in
    ViT-VQGAN, so that a code cannot be lost by its length; the averages' decay and the revival threshold are for a
    small codebook.
    """

    decay = 0.95
    temperature = 0.2  # of the soft assignments, in units of the cosine
    revive_below = 0.01  # share of recent assignments under which a code is moved onto a recent input

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("codebook", F.normalize(torch.randn(size, width), dim=-1))
        self.register_buffer("usage", torch.full((size,), 1 / size))
        self.codebook: Tensor
        self.usage: Tensor

    def forward(self, z: Tensor, told: Tensor | None = None) -> VectorQuantized:
        """z (…, width), of any length. Where the ids `told` (…) are not -1, they stand in place of the nearest.

        A code that is told is the mean of the inputs it is told for: others near it do not draw it away.
        """
        z = F.normalize(z, dim=-1)
        similarity = z @ self.codebook.T.clone()  # `_learn` changes the codebook before the backward pass
        indices = similarity.argmax(-1)
        if told is not None:
            indices = torch.where(told >= 0, told, indices)
        shares = (similarity / self.temperature).softmax(-1)
        soft = shares.flatten(0, -2)
        chosen = self.lookup(indices)
        if self.training:
            known = torch.zeros_like(indices, dtype=torch.bool) if told is None else told >= 0
            self._learn(*map(rows_of_all_ranks, (z.detach().flatten(0, -2), indices.flatten(), known.flatten())))
        codes = z + (chosen - z).detach()
        evenness = _entropy(mean_over_ranks(soft.mean(0)))
        return VectorQuantized(codes, indices, F.mse_loss(z, chosen), _entropy(soft).mean(), evenness, shares)

    def lookup(self, indices: Tensor) -> Tensor:
        """Ids (…) to codes (…, width)."""
        return F.embedding(indices, self.codebook)

    @torch.no_grad()
    def _learn(self, z: Tensor, indices: Tensor, known: Tensor) -> None:
        one_hot = F.one_hot(indices, len(self.codebook)).float()
        self.usage.lerp_(one_hot.mean(0), 1 - self.decay)
        one_hot *= (known | ~torch.isin(indices, indices[known]))[:, None]
        counts = one_hot.sum(0)
        means = one_hot.T @ z / counts.clamp_min(1)[:, None]
        moved = self.codebook.lerp(means, 1 - self.decay)
        self.codebook.copy_(F.normalize(torch.where(counts[:, None] > 0, moved, self.codebook), dim=-1))
        dead = (self.usage < self.revive_below).nonzero().flatten()
        if len(dead):
            # the inputs served worst are where a new code helps most
            worst = (z * self.lookup(indices)).sum(-1).argsort()[: max(len(dead), len(z) // 4)]
            picks = worst[torch.randperm(len(worst), device=z.device)[: len(dead)]]
            self.codebook[dead[: len(picks)]] = z[picks]
            self.usage[dead[: len(picks)]] = 1 / len(self.codebook)


def split_tokens(tokens: Tensor, factors: int, vocabulary: int) -> Tensor:
    """Ids (…) to their sub-tokens (…, factors), each in [0, vocabulary), the highest bits first."""
    powers = vocabulary ** torch.arange(factors - 1, -1, -1, device=tokens.device)
    return tokens[..., None] // powers % vocabulary


def join_tokens(parts: Tensor, vocabulary: int) -> Tensor:
    """Sub-tokens (…, factors) to ids (…); inverse of `split_tokens`."""
    powers = vocabulary ** torch.arange(parts.shape[-1] - 1, -1, -1, device=parts.device)
    return (parts * powers).sum(-1)


def codebook_usage(tokens: Tensor, factors: int, vocabulary: int) -> float:
    """Share of the sub-token values that occur among `tokens` (…), mean over the factors."""
    parts = split_tokens(tokens, factors, vocabulary).flatten(0, -2)
    return sum(len(column.unique()) for column in parts.T) / (factors * vocabulary)
