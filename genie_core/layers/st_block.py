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

from genie_core.layers.norm import RMSNorm, sides, with_length

NEVER = -1e9  # added to the score of what may not be seen; infinities are not every runtime's


class KeyValues(NamedTuple):
    """Keys and values (b, n, heads, t, e) of the frames of a clip."""

    keys: Tensor
    values: Tensor


class Past(NamedTuple):
    """What the two newest frames of a playthrough see, in one layer.

    `keys` and `values` (b, n, heads, slots, e) of earlier frames; `bias` (b, 1, heads, 2, slots + 2) is added to the
    scores of the slots and of the newest frames themselves.
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
        return self._mix(x, *split_heads(self.qkv(x), self.heads))

    def play(self, x: Tensor) -> Tensor:
        """The same, for few frames."""
        return self._mix(x, *(project(x, self.qkv, part, self.heads) for part in range(3)))

    def _mix(self, x: Tensor, *parts: Tensor) -> Tensor:
        q, k, v = (part.reshape(-1, *sides(part)[2:]).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(q, k, v, scale=1.0)
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

        The newest frames are the last one and the new one or, with the keys and values (b, n, heads, 1, e) of `last`,
        the new one alone. Each sees the past and itself, the new one the last besides.
        """
        asking = newest(x, keep)
        q = project(asking, self.qkv, 0, self.heads)
        k, v = (project(x, self.qkv, part, self.heads) for part in (1, 2))  # (b, f, n, g, e)
        q, k, v = (part.permute(0, 2, 3, 1, 4) for part in (q, k, v))
        seen: list[Past | KeyValues] = [past] if last is None else [past, last]
        keys = torch.cat([*(each.keys for each in seen), k], 3)  # (b, n, g, slots + 2, e)
        values = torch.cat([*(each.values for each in seen), v], 3)
        last = KeyValues(k[..., :1, :], v[..., :1, :]) if last is None else last
        scores = q @ keys.transpose(-1, -2) + newest(past.bias, keep, 3)
        mixed = (scores.softmax(-1) @ values).permute(0, 3, 1, 2, 4)  # (b, keep, n, g, e)
        return self.out(mixed.reshape(sides(asking))), last

    def project(self, x: Tensor) -> tuple[Tensor, KeyValues]:
        """Queries (b, n, heads, t, e), and keys and values, of x (b, t, n, d)."""
        q, k, v = (rearrange(part, "b t n g e -> b n g t e") for part in split_heads(self.qkv(x), self.heads))
        return q, KeyValues(k, v)

    def _merge(self, mixed: Tensor) -> Tensor:
        return self.out(rearrange(mixed, "b n g t e -> b t n (g e)"))

    def _bias(self, frames: int, nearest: int) -> Tensor:
        """(heads, frames, frames), a row for each query; -inf beyond [nearest, context_frames] frames ago."""
        time = torch.arange(frames, device=self.time_bias.device)
        ago = time[:, None] - time
        visible = (ago >= nearest) & (ago <= self.context_frames)
        return self.time_bias[:, ago.clamp(0, self.context_frames)].masked_fill(~visible, -torch.inf)


def split_heads(qkv: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """(b, t, n, 3 * width) to queries, keys, values (b, t, n, heads, e)."""
    *rows, width = sides(qkv)
    q, k, v = qkv.reshape(*rows, 3, heads, width // 3 // heads).unbind(-3)  # whose way back is one copy
    return scaled(q), scaled(k), v


def project(x: Tensor, qkv: nn.Linear, part: int, heads: int) -> Tensor:
    """The queries, keys or values (0, 1, 2) of `split_heads` alone: a graph then need not cut what it computed."""
    *rows, width = sides(x)
    weight = qkv.weight[part * width : (part + 1) * width]
    out = F.linear(x, weight).reshape(*rows, heads, width // heads)
    return scaled(out) if part < 2 else out


def newest(x: Tensor, keep: int, dim: int = 1) -> Tensor:
    """The last `keep` along `dim`; in a graph, even a cut of everything is a copy."""
    return x if keep == x.shape[dim] else x.narrow(dim, int(x.shape[dim]) - keep, keep)


def scaled(x: Tensor) -> Tensor:
    """Queries or keys (…, e), of such a length that a product is their cosine times the root of e."""
    return with_length(x, int(x.shape[-1]) ** 0.25)


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

    def play(self, x: Tensor) -> Tensor:
        """The same, for few frames, by convolutions alone: a graph then stays in their layout."""
        b, t, n, d = sides(x)
        image = x.reshape(-1, *self.grid, d).permute(0, 3, 1, 2)
        image = F.conv2d(image, self.up.weight[:, :, None, None], self.up.bias)
        kernel = self.depthwise.weight + self.itself
        image = F.conv2d(image, kernel, self.depthwise.bias, padding=1, groups=len(kernel))
        image = F.conv2d(F.gelu(image), self.down.weight[:, :, None, None], self.down.bias)
        return image.permute(0, 2, 3, 1).reshape(b, t, n, d)


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
        x = x + self.spatial.play(self.norms[0](x))
        update, last = self.temporal.play(self.norms[1](x), past, last, keep)
        x = newest(x, keep) + update
        return x + self.mlp.play(self.norms[2](x)), last
