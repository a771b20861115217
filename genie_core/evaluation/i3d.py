"""Inflated Inception 3-D, the network behind FVD. Its weights come from i3d_weights.py.

Source: Carreira & Zisserman 2017 (arXiv:1705.07750), the RGB network of TF Hub's deepmind/i3d-kinetics-400/1.
Differs: for evaluation only, so each batch norm is folded into the convolution before it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import reduce
from torch import Tensor, nn

SIDE, LEAST_FRAMES = 224, 9  # pixels of a frame; of fewer frames the last pooling, over two, would find but one


class SameConv(nn.Module):
    """Convolution and ReLU, padded as TensorFlow's "SAME"."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels_in, channels_out, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu_(self.conv(pad_same(x, self.conv.kernel_size, self.conv.stride)))


class SamePool(nn.Module):
    """Max pooling, padded as TensorFlow's "SAME". Zeros do for -inf, since what is pooled comes out of a ReLU."""

    def __init__(self, kernel: tuple[int, ...], stride: tuple[int, ...]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool3d(pad_same(x, self.kernel, self.stride), self.kernel, self.stride)


class Inception(nn.Module):
    """Four branches side by side: 1x1x1, two 3x3x3 that first narrow to fewer channels, and a pooled one."""

    def __init__(self, channels: int, point: int, cube: tuple[int, int], thin: tuple[int, int], pooled: int) -> None:
        super().__init__()
        self.point = SameConv(channels, point, 1)
        self.cube = nn.Sequential(SameConv(channels, cube[0], 1), SameConv(cube[0], cube[1], 3))
        self.thin = nn.Sequential(SameConv(channels, thin[0], 1), SameConv(thin[0], thin[1], 3))
        self.pooled = nn.Sequential(SamePool((3, 3, 3), (1, 1, 1)), SameConv(channels, pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.point(x), self.cube(x), self.thin(x), self.pooled(x)], dim=1)


class I3D(nn.Module):
    """Pixels float [-1, 1] (b, 3, t, 224, 224) of 9 frames or more to the 400 logits of Kinetics (b, 400)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            SameConv(3, 64, 7, 2),
            SamePool((1, 3, 3), (1, 2, 2)),
            SameConv(64, 64, 1),
            SameConv(64, 192, 3),
            SamePool((1, 3, 3), (1, 2, 2)),
        )
        self.mixed_3 = nn.Sequential(
            Inception(192, 64, (96, 128), (16, 32), 32),
            Inception(256, 128, (128, 192), (32, 96), 64),
            SamePool((3, 3, 3), (2, 2, 2)),
        )
        self.mixed_4 = nn.Sequential(
            Inception(480, 192, (96, 208), (16, 48), 64),
            Inception(512, 160, (112, 224), (24, 64), 64),
            Inception(512, 128, (128, 256), (24, 64), 64),
            Inception(512, 112, (144, 288), (32, 64), 64),
            Inception(528, 256, (160, 320), (32, 128), 128),
            SamePool((2, 2, 2), (2, 2, 2)),
        )
        self.mixed_5 = nn.Sequential(
            Inception(832, 256, (160, 320), (32, 128), 128),
            Inception(832, 384, (192, 384), (48, 128), 128),
        )
        self.logits = nn.Conv3d(1024, 400, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        # With the channels last in memory, here and so throughout, a CPU takes two thirds of the time.
        x = self.stem(pixels.contiguous(memory_format=torch.channels_last_3d))  # (b, 192, t/2, 28, 28)
        x = self.mixed_3(x)  # (b, 480, t/4, 14, 14)
        x = self.mixed_5(self.mixed_4(x))  # (b, 1024, t/8, 7, 7)
        x = self.logits(F.avg_pool3d(x, (2, 7, 7), stride=1))  # (b, 400, t/8 - 1, 1, 1)
        return reduce(x, "b classes t 1 1 -> b classes", "mean")


def pad_same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Zeros around (b, c, t, H, W) so that ceil(size / stride) places fit; of an odd number more at the end."""
    pads: list[int] = []
    for size, reach, step in zip(x.shape[2:], kernel, stride, strict=True):
        total = max((-(-size // step) - 1) * step + reach - size, 0)
        pads = [total // 2, total - total // 2, *pads]  # F.pad begins with the last axis
    return F.pad(x, pads) if any(pads) else x
