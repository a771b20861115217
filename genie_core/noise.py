"""The chance of a playthrough: numbers that depend on its seed and the frame's index alone.

Frame `index` has a Mersenne Twister of its own, seeded by numpy's SeedSequence; a number is 24 bits of a word. These
are the numbers that torch.rand gave when torch drew them, bit for bit, so that a session of any release goes on alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BITS = 24  # of a float32's mantissa


def uniform(seed: int, index: int, shape: Sequence[int]) -> np.ndarray:
    """float32 numbers in [0, 1) of `shape`, for frame `index` of a playthrough with `seed`."""
    state = np.random.SeedSequence([seed % 2**64, index]).generate_state(1, np.uint64)
    twister = np.random.RandomState(int(state[0] >> np.uint64(1)) % 2**32)
    words = twister.randint(0, 2**32, size=tuple(shape), dtype=np.uint32)
    words &= np.uint32(2**BITS - 1)
    numbers = words.astype(np.float32)
    numbers *= np.float32(2.0**-BITS)  # in place: large arrays that come and go cost more than their arithmetic
    return numbers
