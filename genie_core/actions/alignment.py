"""How a whole picture shifts, turns and grows from one frame to the next.

Source: image alignment by Gauss-Newton, Lucas and Kanade 1981; Baker and Matthews 2004, "Lucas-Kanade 20 years on".
Differs: a pixel that stays wrong counts less and less, so that what moves by itself has little say.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

STEPS = 12
FARTHEST = 2.0  # pixels that a step may go
WRONG = 10.0  # grey levels: a pixel as wrong as that counts half
DAMPING = 1.0


def align(before: Tensor, after: Tensor, shift: Tensor) -> Tensor:
    """What makes grey pictures `before` (n, H, W) most like `after`, beginning with a `shift` (n, 2): (n, 4).

    The shift of the middle, x right, y down, then the growth and the turn, clockwise, in pixels at half a frame's
    shorter side from the middle.
    """
    x, y = _places(before)
    motion = torch.cat([shift, torch.zeros_like(shift)], 1)
    before, after = _smooth(before), _smooth(after)
    for _ in range(STEPS):
        moved = moved_by(before, motion)
        error = (after - moved).flatten(1)
        right, down = (_slope(moved, along).flatten(1) for along in (-1, -2))
        slopes = -torch.stack([right, down, right * x + down * y, down * x - right * y], -1)
        weighted = slopes / (1 + (error / WRONG).square())[..., None]
        normal = weighted.transpose(1, 2) @ slopes + DAMPING * torch.eye(4)
        step = torch.linalg.solve(normal, (weighted * error[..., None]).sum(1))
        motion = motion + step.clamp(-FARTHEST, FARTHEST)
    return motion


def moved_by(pictures: Tensor, motion: Tensor) -> Tensor:
    """Grey pictures (n, H, W) moved by `motion` (n, 4) as `align` gives it; what comes in repeats the border."""
    (height, width), (x, y) = pictures.shape[1:], _places(pictures)
    across, down = _ways(motion, x, y)
    from_x, from_y = x - across / _unit(pictures), y - down / _unit(pictures)
    edge = torch.tensor([width - 1, height - 1]) / 2 / _unit(pictures)
    places = (torch.stack([from_x, from_y], -1) / edge).unflatten(1, (height, width))
    return F.grid_sample(pictures[:, None], places, padding_mode="border", align_corners=True)[:, 0]


def mean_length(motion: Tensor, size: tuple[int, int]) -> Tensor:
    """How far pixels of a frame of `size` go under `motion` (n, 4) on average: (n,)."""
    return torch.hypot(*_ways(motion, *_places(torch.empty(0, *size)))).mean(1)


def _ways(motion: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """How many pixels the places x and y (H W,) go to the right and down under `motion` (n, 4): (n, H W) each."""
    across, down, growth, turn = motion[..., None].unbind(1)
    return across + growth * x - turn * y, down + growth * y + turn * x


def _unit(pictures: Tensor) -> float:
    return min(pictures.shape[1:]) / 2


def _places(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Where each pixel lies, from the middle, in halves of the shorter side: x and y, (H W,) each."""
    rows, columns = ((torch.arange(length) - (length - 1) / 2) / _unit(pictures) for length in pictures.shape[1:])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return x.flatten(), y.flatten()


def _slope(pictures: Tensor, along: int) -> Tensor:
    """By how much pictures (n, H, W) rise a pixel along a dimension, 0 at the border."""
    length = pictures.shape[along]
    inside = (pictures.narrow(along, 2, length - 2) - pictures.narrow(along, 0, length - 2)) / 2
    return F.pad(inside, (1, 1) if along == -1 else (0, 0, 1, 1))


def _smooth(pictures: Tensor) -> Tensor:
    """Slopes reach farther in smooth pictures, and those of single pixels do not mislead."""
    near = torch.tensor([1.0, 2.0, 1.0]) / 4
    return F.conv2d(F.pad(pictures[:, None], (1, 1, 1, 1), mode="replicate"), (near[:, None] * near)[None, None])[:, 0]
