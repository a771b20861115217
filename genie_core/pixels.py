"""The two ways between uint8 frames at the edge and float tensors inside."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor


def to_model(frames: Tensor) -> Tensor:
    """uint8 (b, t, H, W, c) in [0, 255] to float (b, c, t, H, W) in [-1, 1]."""
    return rearrange(frames, "b t H W c -> b c t H W").float() / 127.5 - 1


def to_frames(pixels: Tensor) -> Tensor:
    """float (b, c, t, H, W), clipped to [-1, 1], to uint8 (b, t, H, W, c)."""
    bytes_ = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return rearrange(bytes_, "b c t H W -> b t H W c").contiguous()
