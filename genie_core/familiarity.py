"""How far a picture is from what a world knows: whether the world can show it at all.

A tokenizer learns to write down the pictures of its world and no others, so the measure is how much of the picture
survives being written down. Of the shipped world: 200 frames of levels that it never saw come back at 26 to 45 dB, 95 %
of them above 31; photographs at 11 to 19, noise at 8, line drawings at 6 to 8, single colours at 6 to 18, its own
frames upside down at 16 to 32, or with their colours swapped at 15 to 22. tests/test_familiarity.py holds it to that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from genie_core.pictures import fit
from genie_core.world import World

FOREIGN_DB, KNOWN_DB = 15.0, 30.0  # PSNR at which the score is 0 and 1
UNFAMILIAR_BELOW = 0.5
MOST_DB = 60.0


class Familiarity(NamedTuple):
    """`score` from 0, foreign, to 1, like what it learnt from; `psnr` in dB; `seen` is what the world makes of the
    picture, uint8 (S, S, 3)."""

    score: float
    psnr: float
    seen: np.ndarray

    @property
    def unfamiliar(self) -> bool:
        return self.score < UNFAMILIAR_BELOW


def familiarity(world: World, picture: np.ndarray) -> Familiarity:
    """Of a picture, uint8 (H, W, 3), fitted as by `engine.reset`; raises PictureError for what is no picture."""
    fitted = fit(picture, world.config.frame_size)
    frame = torch.from_numpy(fitted)[None, None]
    seen = world.decode(world.encode(frame))[0, 0].cpu().numpy()
    error = float(((seen.astype(np.float64) - fitted) ** 2).mean())
    psnr = min(MOST_DB, 10 * float(np.log10(255**2 / max(error, 1e-9))))
    score = min(max((psnr - FOREIGN_DB) / (KNOWN_DB - FOREIGN_DB), 0.0), 1.0)
    return Familiarity(score, psnr, seen)
