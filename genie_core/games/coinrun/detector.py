"""Whether CoinRun's player is in the picture: a small network that looks at the middle, where the camera keeps it.

fit_detector.py fits it on real frames and the same frames with the player painted out.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from safetensors.torch import load_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("player.safetensors")
FRAME = (64, 64)  # pixels, the only size that the network knows
SIDE = 20  # of the square that is looked at, in the middle
ROWS, COLUMNS = slice(26, 38), slice(27, 38)  # where the player is, a pixel or two more on each side
_CHUNK = 2048


class PlayerDetector(nn.Module):
    """Crops (n, 3, SIDE, SIDE) in [-1, 1] to logits (n,), above 0 where the player is to be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, 24, 3), nn.ReLU(), nn.Conv2d(24, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 48, 3), nn.ReLU(), nn.Conv2d(48, 64, 3), nn.ReLU(), nn.Flatten()),
            *(nn.Linear(64 * 16, 64), nn.ReLU(), nn.Linear(64, 1)),
        )

    def forward(self, crops: Tensor) -> Tensor:
        return self.layers(crops)[:, 0]


def player_found(frames: np.ndarray) -> np.ndarray:
    """Whether each of uint8 frames (..., 64, 64, 3) shows the player where it belongs: bool (...)."""
    detector = _detector()
    crops = middle(frames).reshape(-1, SIDE, SIDE, 3)
    with torch.inference_mode():
        found = [detector(to_crops(crops[i : i + _CHUNK])) > 0 for i in range(0, len(crops), _CHUNK)]
    return torch.cat(found).numpy().reshape(frames.shape[:-3])


def middle(frames: np.ndarray, side: int = SIDE) -> np.ndarray:
    """The square of `side` pixels in the middle of frames (..., H, W, 3): (..., side, side, 3)."""
    top, left = ((size - side) // 2 for size in frames.shape[-3:-1])
    return frames[..., top : top + side, left : left + side, :]


def to_crops(crops: np.ndarray) -> Tensor:
    """uint8 (n, SIDE, SIDE, 3) to float (n, 3, SIDE, SIDE) in [-1, 1]."""
    return rearrange(torch.from_numpy(np.ascontiguousarray(crops)), "n H W c -> n c H W").float() / 127.5 - 1


@cache
def _detector() -> PlayerDetector:
    detector = PlayerDetector()
    detector.load_state_dict(load_file(WEIGHTS))
    return detector.eval().requires_grad_(False)
