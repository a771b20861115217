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

from genie_core.layers.norm import RMSNorm, sides, unit

NEVER = -1e9  # added to the score of what may not be seen; infinities are not every runtime's


class KeyValues(NamedTuple):
    """Keys and values (b, n, heads, t, e) of the frames of a clip."""

    keys: Tensor
    values: Tensor


class Past(NamedTuple):
    """What the newest f frames of a playthrough see of the earlier ones, in one layer.

    `keys` and `values` (b, slots, n, heads, e); `bias` (b, f, slots, 1, heads) is added to the scores of the slots.
    """

    keys: Tensor
    values: Tensor
    bias: Tensor


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
        parts = split_heads(self.qkv(x), self.heads)
        q, k, v = (part.reshape(-1, *sides(part)[2:]).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, scale=sharpness(q))
        return self.out(mixed.transpose(1, 2).reshape(sides(x)))


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

    def forward(self, x: Tensor) -> tuple[Tensor, KeyValues]:
        """The frames of a clip x (b, t, n, d), causally; returns its update and its keys and values."""
        q, own = self.project(x)
        frames = q.shape[3]
        scores = q @ own.keys.mT + self._bias(frames, nearest=0)
        return self._merge(scores.softmax(-1) @ own.values), own

    def draft(self, x: Tensor, clean: KeyValues) -> Tensor:
        """Each frame of x (b, t, n, d) sees itself and `clean` keys of strictly earlier frames, not x's."""
        q, own = self.project(x)
        frames = q.shape[3]
        past_scores = q @ clean.keys.mT + self._bias(frames, nearest=1)
        own_score = (q * own.keys).sum(-1, keepdim=True) + self.time_bias[:, None, :1]
        weights = torch.cat([past_scores, own_score], -1).softmax(-1)
        return self._merge(weights[..., :-1] @ clean.values + weights[..., -1:] * own.values)

    def play(self, x: Tensor, past: Past, last: KeyValues | None, keep: int) -> tuple[Tensor, KeyValues]:
        """The update of the last `keep` of the newest frames x (b, f, n, d), and the last frame's keys and values.

        The newest frames are the last one and the new one or, with the keys and values (b, 1, n, heads, e) of `last`,
        the new one alone. Each sees the past, the new one the last besides, and itself.
        Products are taken element by element: one query a frame is too little for a matrix product to pay.
        """
        q, k, v = split_heads(self.qkv(x), self.heads)  # (b, f, n, g, e)
        last = KeyValues(k[:, :1], v[:, :1]) if last is None else last
        q = q[:, -keep:] * sharpness(q)
        k, v = k[:, -keep:], v[:, -keep:]
        nearest = F.pad(self.time_bias[:, 1], (self.heads, 0), value=NEVER).view(2, 1, self.heads)[-keep:]
        scores = [(past.keys[:, None] * q[:, :, None]).sum(-1) + past.bias[:, -keep:]]  # (b, keep, slots, n, g)
        scores += [((last.keys * q).sum(-1) + nearest)[:, :, None]]
        scores += [((k * q).sum(-1) + self.time_bias[:, 0])[:, :, None]]
        weights = torch.cat(scores, 2).softmax(2)[..., None]
        mixed = (weights[:, :, :-2] * past.values[:, None]).sum(2)
        mixed = mixed + weights[:, :, -2] * last.values + weights[:, :, -1] * v
        return self.out(mixed.reshape(-1, *sides(x[:, -keep:])[1:])), last

    def project(self, x: Tensor) -> tuple[Tensor, KeyValues]:
        """Scaled queries (b, n, heads, t, e), and keys and values, of x (b, t, n, d)."""
        q, k, v = (rearrange(part, "b t n g e -> b n g t e") for part in split_heads(self.qkv(x), self.heads))
        return q * sharpness(q), KeyValues(k, v)

    def _merge(self, mixed: Tensor) -> Tensor:
        return self.out(rearrange(mixed, "b n g t e -> b t n (g e)"))

    def _bias(self, frames: int, nearest: int) -> Tensor:
        """(heads, frames, frames), a row for each query; -inf beyond [nearest, context_frames] frames ago."""
        time = torch.arange(frames, device=self.time_bias.device)
        ago = time[:, None] - time
        visible = (ago >= nearest) & (ago <= self.context_frames)
        return self.time_bias[:, ago.clamp(0, self.context_frames)].masked_fill(~visible, -torch.inf)


def split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """(b, t, n, 3 * width) to queries, keys, values (b, t, n, heads, e); queries and keys of length 1."""
    *rows, width = sides(qkv)
    parts = qkv.reshape(*rows, 3, heads, width // 3 // heads)  # (b, t, n, three, g, e)
    unity = unit(parts[..., :2, :, :])
    return unity[..., 0, :, :], unity[..., 1, :, :], parts[..., 2, :, :]


def sharpness(q: Tensor) -> float:
    """The scale of the scores of unit queries and keys (…, e)."""
    return float(int(q.shape[-1]) ** 0.5)


class ConvMLP(nn.Module):
    """Widens fourfold, adds each channel's 3x3 neighbourhood, and narrows."""

    def __init__(self, width: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.up = nn.Linear(width, 4 * width)
        self.depthwise = nn.Conv2d(4 * width, 4 * width, 3, padding=1, groups=4 * width)
        self.down = nn.Linear(4 * width, width)
        self.register_buffer("itself", F.pad(torch.ones(1, 1), (1, 1, 1, 1)), persistent=False)
        self.itself: Tensor
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(b, t, n, d)."""
        u = self.up(x)
        # permuted last, a view keeps the strides by which convolutions know channels_last, their fastest layout
        image = u.view(-1, *self.grid, int(u.shape[-1])).permute(0, 3, 1, 2)
        kernel = self.depthwise.weight + self.itself
        image = F.conv2d(image, kernel, self.depthwise.bias, padding=1, groups=len(kernel))
        return self.down(F.gelu(image.permute(0, 2, 3, 1).reshape(sides(u))))


class STBlock(nn.Module):
    """x += spatial(x); x += temporal(x); x += mlp(x), each after a norm."""

    def __init__(self, width: int, heads: int, context_frames: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.norms = nn.ModuleList(RMSNorm(width) for _ in range(3))
        self.spatial = SpatialAttention(width, heads)
        self.temporal = TemporalAttention(width, heads, context_frames)
        self.mlp = ConvMLP(width, grid)

    def forward(self, x: Tensor) -> tuple[Tensor, KeyValues]:
        """The frames of a clip x (b, t, n, d), causally; returns the new x and the frames' keys and values."""
        x = x + self.spatial(self.norms[0](x))
        update, key_values = self.temporal(self.norms[1](x))
        x = x + update
        return x + self.mlp(self.norms[2](x)), key_values

    def key_values(self, x: Tensor) -> KeyValues:
        """The keys and values that `forward` returns: frames that are not predicted need no more of the last block."""
        return self.temporal.project(self.norms[1](x + self.spatial(self.norms[0](x))))[1]

    def draft(self, x: Tensor, clean: KeyValues) -> Tensor:
        """Frames x (b, t, n, d) that see themselves and `clean` earlier frames only."""
        x = x + self.spatial(self.norms[0](x))
        x = x + self.temporal.draft(self.norms[1](x), clean)
        return x + self.mlp(self.norms[2](x))

    def play(self, x: Tensor, past: Past, last: KeyValues | None, keep: int) -> tuple[Tensor, KeyValues]:
        """The newest frames x (b, f, n, d), of which the last `keep` are returned; see `TemporalAttention.play`."""
        x = x + self.spatial(self.norms[0](x))
        update, last = self.temporal.play(self.norms[1](x), past, last, keep)
        x = x[:, -keep:] + update
        return x + self.mlp(self.norms[2](x)), last
