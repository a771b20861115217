"""What can be expected takes no code: a picture for the foreteller, and a price on codes that can be guessed.

Not the motion that hand-written rules of older worlds expect: this is learnt, and no rule is in it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from genie_core.config import LatentActionConfig

CELLS = 8  # along a side, at most, in which a frame is seen


class Surprise(NamedTuple):
    """Two scalars for the loss: the cross-entropy of the guess, whose gradient reaches the guess alone, and minus the
    same, whose gradient reaches the codes alone."""

    guess_error: Tensor
    guessed: Tensor


class Expectation(nn.Module):
    """An eye for the frame that foretelling begins with, and a guess at the code from what it begins with.

    Motions alone do not tell that something will soon end; the frame may. A code that can be guessed tells what state
    things are in. If codes are made hard to guess, each of them is used in every state, and means the same there. Both
    networks serve training alone, so the average of a stage's last weights leaves them out.

    Source: the entropy of codes over a batch, as in lookup-free quantization (arXiv:2310.05737), §3.1. Differs: it is
    their entropy where the past is known.
    """

    def __init__(self, config: LatentActionConfig) -> None:
        super().__init__()
        width, cells = config.width, (min(config.grid[0], CELLS), min(config.grid[1], CELLS))
        self.pixel_embed = nn.Conv2d(3, 32, 5, 2, 2)
        self.eye = nn.Sequential(
            *(nn.GELU(), nn.Conv2d(32, 48, 3, 2, 1), nn.GELU(), nn.Conv2d(48, 32, 3, 2, 1), nn.GELU()),
            *(nn.AdaptiveAvgPool2d(cells), nn.Flatten(), nn.Linear(32 * cells[0] * cells[1], width), nn.GELU()),
        )
        self.seen = nn.Linear(width, width)
        nn.init.zeros_(self.seen.weight)
        self.guess = nn.Sequential(nn.Linear(width, width), nn.GELU())
        self.guess_head = nn.Linear(width, config.num_actions)

    def see(self, pixels: Tensor) -> Tensor:
        """What is seen in each frame of pixels (b, c, t, H, W): (b, t, width)."""
        frames = rearrange(pixels, "b c t H W -> (b t) c H W")
        return rearrange(self.seen(self.eye(self.pixel_embed(frames))), "(b t) d -> b t d", b=len(pixels))

    def surprise(self, begun: Tensor, shares: Tensor, told: Tensor | None = None) -> Surprise:
        """Of codes with `shares` (b, t, codes), guessed from what each step begins with, `begun` (b, t, width).

        If the guess is as good as it can be, the gradient of `guessed` is that of minus the entropy of codes where
        `begun` is known. A step whose code is `told` (b, t), not -1, is no matter of choice and counts for nothing.
        """
        logs = F.log_softmax(self.guess_head(self.guess(begun.detach())), -1)
        free = torch.ones_like(shares[..., 0]) if told is None else (told < 0).to(shares)
        guess_error, guessed = (
            (free * (own * guess).sum(-1)).mean() for own, guess in ((shares.detach(), -logs), (shares, logs.detach()))
        )
        return Surprise(guess_error, guessed)
