"""Frames as numbers: uint8 at the edge, float tensors inside, the way between the two, and how near two of them are."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from genie_core.errors import ConfigError
from genie_core.limits import Size

if TYPE_CHECKING:  # play without torch compares pictures too
    from torch import Tensor

PSNR_CAP = 60.0  # dB; equal frames would be infinite and spoil a mean


def to_model(frames: Tensor) -> Tensor:
    """uint8 (b, t, H, W, c) in [0, 255] to float (b, c, t, H, W) in [-1, 1]."""
    return frames.permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def to_frames(pixels: Tensor) -> Tensor:
    """float (b, c, t, H, W), clipped to [-1, 1], to uint8 (b, t, H, W, c)."""
    return ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 4, 1).contiguous()


def to_levels(pixels: Tensor) -> Tensor:
    """float in about [-1, 1], of any shape, clipped and rounded to the 256 levels that a picture has."""
    return ((pixels.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def pad_to_multiple(pixels: Tensor, stride: int) -> Tensor:
    """pixels (b, c, t, H, W), at the bottom and on the right repeated up to multiples of `stride`."""
    below, right = (-side % stride for side in pixels.shape[-2:])
    if not below and not right:
        return pixels
    import torch.nn.functional as F

    return F.pad(pixels, (0, right, 0, below, 0, 0), mode="replicate")


def psnr(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """PSNR in dB of each frame, capped at 60: uint8 (..., H, W, 3) twice to float64 (...)."""
    return psnr_of(((truth.astype(np.float64) - prediction) ** 2).mean(axis=-1).mean(axis=(-2, -1)))


def psnr_of(error: np.ndarray) -> np.ndarray:
    """Mean squared errors on uint8 to PSNR in dB, capped at 60."""
    return 10 * np.log10(255**2 / np.maximum(error, 255**2 / 10 ** (PSNR_CAP / 10)))


def pack_picture(picture: np.ndarray) -> bytes:
    """A picture, uint8 (H, W, 3), in the fewest bytes."""
    return zlib.compress(np.ascontiguousarray(picture).tobytes())


def unpack_picture(packed: bytes, size: Size) -> np.ndarray:
    """Inverse of `pack_picture`. Raises ConfigError if it is no picture of this size."""
    expected, stream = 3 * size[0] * size[1], zlib.decompressobj()
    try:
        content = stream.decompress(packed, expected + 1)
    except zlib.error as error:
        raise ConfigError(f"a kept picture is damaged ({error})") from error
    if len(content) != expected or not stream.eof:
        raise ConfigError(f"a kept picture is damaged: it is none of {size[0]}x{size[1]}")
    return np.frombuffer(content, np.uint8).reshape(*size, 3)
