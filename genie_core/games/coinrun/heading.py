"""Which way the player is turned: in the air a turn is nearly all that a key does."""

from __future__ import annotations

from einops import rearrange
from torch import Tensor, nn

CHANNELS = 24
DECIDED = 2.0  # sharpens a logit: one of 1 is nearly as sure a heading as can be


class Heading(nn.Module):
    """Tells which way the scenery moves from the middle of a still frame, where the camera keeps the player.

    It was learnt without labels from the motion before each frame. A still frame holds no motion, so the network tells
    which way the player faces. A mirrored frame has the opposite heading, by construction.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.look = nn.Sequential(
            nn.Conv2d(3, CHANNELS, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(CHANNELS, 2 * CHANNELS, 3, stride=2, padding=1),
            nn.GroupNorm(8, 2 * CHANNELS),
            nn.GELU(),
            nn.Conv2d(2 * CHANNELS, 2 * CHANNELS, 3, padding=1),
            nn.GroupNorm(8, 2 * CHANNELS),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(2 * CHANNELS * (size // 2) ** 2, 1, bias=False),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """pixels (b, c, t, H, W) in [-1, 1] to logits (b, t), positive where the scenery should move to the right."""
        top, left = ((side - self.size) // 2 for side in pixels.shape[-2:])
        middle = pixels[..., top : top + self.size, left : left + self.size]
        images = rearrange(middle, "b c t h w -> (b t) c h w")
        return rearrange(self.look(images) - self.look(images.flip(-1)), "(b t) 1 -> b t", b=len(pixels))


def turns(logits: Tensor) -> Tensor:
    """Headings (b, t) to what each step turned, (b, t-1): 1 to where the scenery goes right, -1 to the left, 0 if not.

    A turn is a new heading. Losing a heading is coming to a stand, which needs no key.
    """
    headings = (DECIDED * logits).tanh()
    right, left = headings.clamp(min=0), (-headings).clamp(min=0)
    return right.diff(dim=1).clamp(min=0) - left.diff(dim=1).clamp(min=0)
