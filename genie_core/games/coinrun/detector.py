"""Whether CoinRun's player is in the picture: a small network that looks at the middle, where the camera keeps it.

Fitted by tests/benchmarks/fit_player.py on real frames and the same with the player painted out.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from safetensors.torch import load_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("player.safetensors")
SIDE = 20  # of the square that is looked at, in the middle of 64x64 pixels
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


def paint_out(frames: np.ndarray, across: int = -1) -> np.ndarray:
    """Frames (..., 64, 64, 3) with the player covered by the scenery left (-1) or right (1) of it, row by row."""
    width = COLUMNS.stop - COLUMNS.start
    painted = frames.copy()
    beside = slice(COLUMNS.start + across * width, COLUMNS.stop + across * width)
    painted[..., ROWS, COLUMNS, :] = frames[..., ROWS, beside, :]
    return painted


def to_crops(crops: np.ndarray) -> Tensor:
    """uint8 (n, SIDE, SIDE, 3) to float (n, 3, SIDE, SIDE) in [-1, 1]."""
    return rearrange(torch.from_numpy(np.ascontiguousarray(crops)), "n H W c -> n c H W").float() / 127.5 - 1


def fit(frames: np.ndarray, steps: int, seed: int = 0) -> PlayerDetector:
    """A detector learnt from real uint8 frames (n, 64, 64, 3), all of which show the player."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    detector = PlayerDetector()
    optimizer = torch.optim.AdamW(detector.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(steps):
        real, without = (frames[rng.integers(0, len(frames), 128)] for _ in range(2))
        crops = torch.cat([_disturbed(to_crops(middle(real))), to_crops(middle(without_player(without, rng)))])
        target = torch.cat([torch.ones(len(real)), torch.zeros(len(without))])
        loss = F.binary_cross_entropy_with_logits(detector(crops), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return detector.eval()


def without_player(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Frames (n, 64, 64, 3) with no player in the middle, each in one of four ways, chosen by `rng`."""
    ways = (
        lambda frame: paint_out(frame, across=rng.choice((-1, 1))),
        lambda frame: _from_elsewhere(frame, rng),
        lambda frame: np.roll(frame, (rng.choice((-1, 1)) * rng.integers(9, 24), rng.integers(-20, 20)), (0, 1)),
        _smeared,
    )
    return np.stack([ways[rng.integers(len(ways))](frame) for frame in frames])


def _from_elsewhere(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The player covered by a rectangle of the same size from any place of the frame without it."""
    height, width = ROWS.stop - ROWS.start, COLUMNS.stop - COLUMNS.start
    left = rng.choice([*range(COLUMNS.start - width), *range(COLUMNS.stop, 64 - width)])
    top = rng.integers(0, 64 - height)
    painted = frame.copy()
    painted[ROWS, COLUMNS] = frame[top : top + height, left : left + width]
    return painted


def _smeared(frame: np.ndarray) -> np.ndarray:
    """The player blurred beyond recognition, as a world does that is losing it."""
    region = torch.from_numpy(frame[ROWS, COLUMNS]).float().permute(2, 0, 1)[None]
    for _ in range(6):
        region = F.avg_pool2d(F.pad(region, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    painted = frame.copy()
    painted[ROWS, COLUMNS] = region[0].permute(1, 2, 0).round().to(torch.uint8).numpy()
    return painted


def _disturbed(crops: Tensor) -> Tensor:
    """Real crops as a faithful world may show them: a little blurred, noisy, brighter or darker."""
    blurred = F.avg_pool2d(F.pad(crops, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    share = 0.4 * torch.rand(len(crops), 1, 1, 1) * (torch.rand(len(crops), 1, 1, 1) < 0.5)
    light = 0.1 * torch.randn(len(crops), 1, 1, 1)
    return crops.lerp(blurred, share) + 0.03 * torch.randn_like(crops) + light


@cache
def _detector() -> PlayerDetector:
    detector = PlayerDetector()
    detector.load_state_dict(load_file(WEIGHTS))
    return detector.eval().requires_grad_(False)
