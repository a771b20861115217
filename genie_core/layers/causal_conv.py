"""Causal 3-D convolutions: frame t sees frames t, t-1, … and never t+1.

Source: MagViT-2, Yu et al. 2023 (arXiv:2310.05737), §3.2. Differs: normalises every position over its channels
alone, because group statistics over a clip would let later frames leak into earlier ones.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genie_core.layers.norm import SMALLEST, RMSNorm, sides

LAYOUT = torch.channels_last_3d


class CausalConv3d(nn.Conv3d):
    """A 3-D convolution of odd spatial kernel whose time axis is padded on the past side only."""

    def __init__(self, inputs: int, outputs: int, frames: int = 1, size: int = 3) -> None:
        super().__init__(inputs, outputs, (frames, size, size), padding=(0, size // 2, size // 2))
        self.past_frames = frames - 1
        # in memory a 2-D channels_last kernel for each frame, as `_by_frames` takes them
        self.weight.data = self.weight.data.permute(2, 0, 3, 4, 1).contiguous().permute(1, 4, 0, 2, 3)

    def forward(self, x: Tensor, past: Tensor | None = None) -> Tensor:
        """(b, c, t, h, w), after `past` (b, c, past_frames, h, w); without it, after blank frames."""
        x = self.prepend(x, past)
        return super().forward(x) if torch.is_grad_enabled() else self._by_frames(x)

    def _by_frames(self, x: Tensor) -> Tensor:
        """The same as a 2-D convolution for each frame of the kernel: for a single frame in half the time."""
        b, _, t, h, w = x.shape
        frames = t - self.past_frames
        cells = x.permute(0, 2, 3, 4, 1)
        out: Tensor | int = 0
        for k, weight in enumerate(self.weight.unbind(2)):
            # permuted last, a view keeps the strides by which convolutions know channels_last, their fastest layout
            images = cells[:, k : k + frames].reshape(b * frames, h, w, -1).permute(0, 3, 1, 2)
            out = out + F.conv2d(images, weight, None if k else self.bias, padding=self.padding[1:])
        assert isinstance(out, Tensor)
        return out.permute(0, 2, 3, 1).reshape(b, frames, h, w, -1).permute(0, 4, 1, 2, 3)

    def frame(self, x: Tensor) -> Tensor:
        """One frame (b, o, h, w), from the frames that its kernel sees, (b, i * frames, h, w), the oldest first.

        A kernel (o, i, frames, …) lies in a file as one of i * frames channels, so that a graph can read it there.
        """
        o, i, t, h, w = self.weight.shape
        return F.conv2d(x, self.weight.reshape(o, i * t, h, w), self.bias, padding=self.padding[1:])

    def upsampled(self, x: Tensor) -> Tensor:
        """`frame` and then `DepthToSpace`, of a kernel of one pixel: one transposed convolution moves nothing."""
        o, i = self.weight.shape[:2]
        h, w = sides(x)[2:]
        kernel = self.weight.reshape(2, 2, o // 4, i).permute(3, 2, 0, 1)
        out = F.conv_transpose2d(x, kernel, stride=2)
        return out if self.bias is None else out + self.bias.reshape(2, 2, o // 4).permute(2, 0, 1).repeat(1, h, w)

    def prepend(self, x: Tensor, past: Tensor | None) -> Tensor:
        if self.past_frames == 0:
            return x
        if past is None:
            return F.pad(x, (0, 0, 0, 0, self.past_frames, 0)).contiguous(memory_format=LAYOUT)
        return torch.cat([past, x], dim=2).contiguous(memory_format=LAYOUT)

    def next_past(self, x: Tensor, past: Tensor | None) -> Tensor:
        """What `forward` needs to go on after `x`: the last `past_frames` inputs."""
        return self.prepend(x, past)[:, :, -self.past_frames :]


class ChannelNorm(RMSNorm):
    """Root-mean-square norm over the channels of each position of (b, c, t, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)

    def frame(self, x: Tensor) -> Tensor:
        """The same of (b, c, h, w). The mean over channels is a product: reducing across memory takes longer."""
        c, h, w = sides(x)[1:]
        share = torch.full((1, c), 1 / c, dtype=x.dtype, device=x.device)
        mean = (share @ (x * x).reshape(-1, c, h * w)).reshape(-1, 1, h, w)
        return x / torch.sqrt(mean + SMALLEST**2) * self.weight[:, None, None]


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), the first convolution over `frames` frames."""

    def __init__(self, channels: int, frames: int = 1) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(channels)
        self.conv1 = CausalConv3d(channels, channels, frames)
        self.norm2 = ChannelNorm(channels)
        self.conv2 = CausalConv3d(channels, channels)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, past: Tensor | None = None) -> Tensor:
        return x + self.conv2(F.silu(self.norm2(self.conv1(self.first_input(x), past))))

    def frame(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """One frame (b, c, h, w), of which the first convolution sees `seen` (b, c * frames, h, w)."""
        seen = self.first_of_frame(x) if seen is None else seen
        return x + self.conv2.frame(F.silu(self.norm2.frame(self.conv1.frame(seen))))

    def first_of_frame(self, x: Tensor) -> Tensor:
        """`first_input` of one frame (b, c, h, w)."""
        return F.silu(self.norm1.frame(x))

    def first_input(self, x: Tensor) -> Tensor:
        """What the temporal convolution sees: a cache keeps the last frames of it."""
        return F.silu(self.norm1(x))


class SpaceToDepth(nn.Module):
    """(b, c, t, 2h, 2w) to (b, 4c, t, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        b, c, t, h, w = x.shape
        x = x.reshape(b, c, t, h // 2, 2, w // 2, 2).permute(0, 4, 6, 1, 2, 3, 5)
        return x.reshape(b, 4 * c, t, h // 2, w // 2).contiguous(memory_format=LAYOUT)

    def frame(self, x: Tensor) -> Tensor:
        """(b, c, 2h, 2w) to (b, 4c, h, w)."""
        c, h, w = (int(side) for side in x.shape[1:])  # numbers, not nodes, in a graph
        x = x.reshape(-1, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4)
        return x.reshape(-1, 4 * c, h // 2, w // 2)


class DepthToSpace(nn.Module):
    """(b, 4c, t, h, w) to (b, c, t, 2h, 2w)."""

    def frame(self, x: Tensor) -> Tensor:
        """(b, 4c, h, w) to (b, c, 2h, 2w)."""
        c, h, w = (int(side) for side in x.shape[1:])  # numbers, not nodes, in a graph
        x = x.reshape(-1, 2, 2, c // 4, h, w).permute(0, 3, 4, 1, 5, 2)
        return x.reshape(-1, c // 4, 2 * h, 2 * w)

    def forward(self, x: Tensor) -> Tensor:
        b, c, t, h, w = x.shape
        x = x.reshape(b, 2, 2, c // 4, t, h, w).permute(0, 3, 4, 5, 1, 6, 2)
        return x.reshape(b, c // 4, t, 2 * h, 2 * w).contiguous(memory_format=LAYOUT)
