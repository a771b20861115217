"""Films in other colours, so that a world learns what moves whatever it looks like.

A start picture may be anything, and the pictures of one game are few of its colours.
"""

from __future__ import annotations

import numpy as np

GAMMAS = 0.5, 2.0  # of each colour: from much brighter to much darker
LEVELS = np.arange(256) / 255


def recoloured(frames: np.ndarray, key: tuple[int, ...]) -> np.ndarray:
    """uint8 frames (…, 3) in colours that follow from `key`: another order of the three, each brighter or darker, and
    turned over or not."""
    rng = np.random.default_rng(key)
    order, turned = rng.permutation(3), rng.random(3) < 0.5
    least, most = np.log(GAMMAS)
    gammas = np.exp(rng.uniform(least, most, 3))
    curves = np.where(turned[:, None], 1 - LEVELS, LEVELS) ** gammas[:, None]
    tables = np.round(255 * curves).astype(np.uint8)
    return np.stack([tables[place][frames[..., colour]] for place, colour in enumerate(order)], -1)
