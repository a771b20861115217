"""What a frame lets one expect, for latent actions that foretell: what goes on by itself shall not take a code."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from genie_core.config import LatentActionConfig

CELLS = 8  # along a side, at most, in which a frame is seen


class Surprise(NamedTuple):
    """Two scalars for the loss: how badly actions are guessed, to teach the guess; and how well, to be made small."""

    guess_error: Tensor
    guessed: Tensor


class Expectation(nn.Module):
    """Sees the frame that foretelling begins with, and guesses the action from what it begins with.

    With the frame, a foreteller knows of what motions alone do not tell: that something will end, for one. An action
    that can be guessed is no surprise: where guesses are made to fail, a code does not tell what state things are in,
    and means the same in each. Both networks serve training alone.

    Source: the entropy of codes over a batch, as in lookup-free quantization (arXiv:2310.05737), §3.1. Differs: it is
    their entropy where the past is known.
    """

    def __init__(self, config: LatentActionConfig) -> None:
        super().__init__()
        width, cells = config.width, (min(config.grid[0], CELLS), min(config.grid[1], CELLS))
        out = nn.Linear(width, width)
        nn.init.zeros_(out.weight)
        self.eye = nn.Sequential(
            *(nn.Conv2d(3, 32, 5, 2, 2), nn.GELU(), nn.Conv2d(32, 48, 3, 2, 1), nn.GELU()),
            *(nn.Conv2d(48, 32, 3, 2, 1), nn.GELU(), nn.AdaptiveAvgPool2d(cells), nn.Flatten()),
            *(nn.Linear(32 * cells[0] * cells[1], width), nn.GELU(), out),
        )
        self.guess = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, config.num_actions))

    def see(self, pixels: Tensor) -> Tensor:
        """What is seen in each frame of pixels (b, c, t, H, W): (b, t, width)."""
        seen: Tensor = self.eye(rearrange(pixels, "b c t H W -> (b t) c H W"))
        return rearrange(seen, "(b t) d -> b t d", b=len(pixels))

    def surprise(self, begun: Tensor, shares: Tensor) -> Surprise:
        """Of actions with `shares` (b, t, codes), guessed from what each step begins with, `begun` (b, t, width).

        If the guess is as good as it can be, the gradient of `guessed` is that of minus their entropy where `begun` is
        known.
        """
        logs = F.log_softmax(self.guess(begun.detach()), -1)
        return Surprise(-(shares.detach() * logs).sum(-1).mean(), (shares * logs.detach()).sum(-1).mean())
