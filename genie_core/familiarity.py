"""How far a picture is from the pictures that a world can show.

A tokenizer learns to write down the pictures of its world and no others, so the measure is how much of the picture
survives being written down. Of the shipped world: 200 frames of levels that it never saw come back at 26 to 45 dB, 95 %
of them above 31; photographs at 11 to 19, noise at 8, line drawings at 6 to 8, single colours at 6 to 18, its own
frames upside down at 16 to 32, or with their colours swapped at 15 to 22. tests/test_familiarity.py holds it to that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genie_core.pixels import psnr

FOREIGN_DB, KNOWN_DB = 15.0, 30.0  # PSNR at which the score is 0 and 1
UNFAMILIAR_BELOW = 0.5


class Familiarity(NamedTuple):
    """`score` from 0, foreign, to 1, like the training data; `psnr` in dB; `seen` is the picture as the world sees it,
    uint8 (H, W, 3)."""

    score: float
    psnr: float
    seen: np.ndarray

    @property
    def unfamiliar(self) -> bool:
        return self.score < UNFAMILIAR_BELOW


def compare(fitted: np.ndarray, seen: np.ndarray) -> Familiarity:
    """Of a picture of a world's own size and what the world sees of it, both uint8 (H, W, 3)."""
    db = float(psnr(fitted, seen))
    return Familiarity(min(max((db - FOREIGN_DB) / (KNOWN_DB - FOREIGN_DB), 0.0), 1.0), db, seen)
