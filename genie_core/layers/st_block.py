"""The space-time block: attention within a frame, causal attention through time, then an MLP that mixes neighbours.

Source: ST-transformer, Xu et al. 2020 (arXiv:2001.02908), as in Genie (arXiv:2402.15391), §2. Differs: relative time
positions, so that the context can slide over cached keys; RMS norms with normalised queries and keys; a depthwise
3x3 convolution in the MLP.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


class KeyValues(NamedTuple):
    """What temporal attention needs of frames gone by: `keys` and `values` (b, n, heads, t, d/heads)."""

    keys: Tensor
    values: Tensor

    def then(self, other: KeyValues, at_most: int) -> KeyValues:
        """These frames followed by `other`'s, of which the last `at_most` are kept."""
        keys, values = (torch.cat(pair, dim=3)[:, :, :, -at_most:] for pair in zip(self, other, strict=True))
        return KeyValues(keys, values)


class SpatialAttention(nn.Module):
    """Every token of a frame attends to every other of the same frame."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, n, d)."""
        q, k, v = rearrange(self.qkv(x), "b t n (three g e) -> three (b t) g n e", three=3, g=self.heads)
        mixed = F.scaled_dot_product_attention(_unit(q), _unit(k), v)
        return self.out(rearrange(mixed, "(b t) g n e -> b t n (g e)", b=len(x)))


class TemporalAttention(nn.Module):
    """A token attends to itself and to the same place in at most `context_frames` earlier frames."""

    def __init__(self, width: int, heads: int, context_frames: int) -> None:
        super().__init__()
        self.heads = heads
        self.context_frames = context_frames
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.time_bias = nn.Parameter(torch.zeros(heads, context_frames + 1))
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, past: KeyValues | None = None) -> tuple[Tensor, KeyValues]:
        """x (b, t, n, d) comes right after `past`; returns its update and its own keys and values."""
        q, own = self.project(x)
        seen = own if past is None else KeyValues(*(torch.cat(p, dim=3) for p in zip(past, own, strict=True)))
        scores = q @ seen.keys.mT + self._bias(q.shape[3], seen.keys.shape[3], nearest=0)
        return self._merge(scores.softmax(-1) @ seen.values), own

    def draft(self, x: Tensor, clean: KeyValues) -> Tensor:
        """Each frame of x (b, t, n, d) sees itself and `clean` keys of strictly earlier frames, not x's."""
        q, own = self.project(x)
        frames = q.shape[3]
        past_scores = q @ clean.keys.mT + self._bias(frames, frames, nearest=1)
        own_score = (q * own.keys).sum(-1, keepdim=True) + self.time_bias[:, None, :1]
        weights = torch.cat([past_scores, own_score], -1).softmax(-1)
        return self._merge(weights[..., :-1] @ clean.values + weights[..., -1:] * own.values)

    def project(self, x: Tensor) -> tuple[Tensor, KeyValues]:
        """Scaled queries (b, n, heads, t, d/heads), and keys and values, of x (b, t, n, d)."""
        q, k, v = rearrange(self.qkv(x), "b t n (three g e) -> three b n g t e", three=3, g=self.heads)
        return _unit(q) * q.shape[-1] ** -0.5, KeyValues(_unit(k), v)

    def _merge(self, mixed: Tensor) -> Tensor:
        return self.out(rearrange(mixed, "b n g t e -> b t n (g e)"))

    def _bias(self, queries: int, keys: int, nearest: int) -> Tensor:
        """(heads, queries, keys) for the last `queries` of `keys` frames; -inf beyond [nearest, context_frames]."""
        time = torch.arange(keys, device=self.time_bias.device)
        ago = time[keys - queries :, None] - time
        visible = (ago >= nearest) & (ago <= self.context_frames)
        return self.time_bias[:, ago.clamp(0, self.context_frames)].masked_fill(~visible, -torch.inf)


class ConvMLP(nn.Module):
    """Widens fourfold, adds each channel's 3x3 neighbourhood, and narrows."""

    def __init__(self, width: int, grid: int) -> None:
        super().__init__()
        self.grid = grid
        self.up = nn.Linear(width, 4 * width)
        self.depthwise = nn.Conv2d(4 * width, 4 * width, 3, padding=1, groups=4 * width)
        self.down = nn.Linear(4 * width, width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, n, d)."""
        u = self.up(x)
        # a permuted view is channels_last already, the layout that depthwise convolutions are fastest in
        image = rearrange(u, "b t (h w) d -> (b t) d h w", h=self.grid)
        u = u + rearrange(self.depthwise(image), "(b t) d h w -> b t (h w) d", b=len(x))
        return self.down(F.gelu(u))


class STBlock(nn.Module):
    """x += spatial(x); x += temporal(x); x += mlp(x), each after a norm."""

    def __init__(self, width: int, heads: int, context_frames: int, grid: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(3))
        self.spatial = SpatialAttention(width, heads)
        self.temporal = TemporalAttention(width, heads, context_frames)
        self.mlp = ConvMLP(width, grid)

    def forward(self, x: Tensor, past: KeyValues | None = None) -> tuple[Tensor, KeyValues]:
        """x (b, t, n, d) of frames right after `past`; returns the new x and these frames' keys and values."""
        x = x + self.spatial(self.norms[0](x))
        update, key_values = self.temporal(self.norms[1](x), past)
        x = x + update
        return x + self.mlp(self.norms[2](x)), key_values

    def key_values(self, x: Tensor) -> KeyValues:
        """What `forward` gives besides x: all that is needed of the last block for frames that are not predicted."""
        return self.temporal.project(self.norms[1](x + self.spatial(self.norms[0](x))))[1]

    def draft(self, x: Tensor, clean: KeyValues) -> Tensor:
        """As `forward`, but each frame's past is `clean` instead of x's own earlier frames."""
        x = x + self.spatial(self.norms[0](x))
        x = x + self.temporal.draft(self.norms[1](x), clean)
        return x + self.mlp(self.norms[2](x))


def _unit(x: Tensor) -> Tensor:
    return F.rms_norm(x, x.shape[-1:])
