"""The chance of a playthrough is what torch drew in releases before, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genie_core.noise import uniform


def as_before(seed: int, index: int, shape: tuple[int, ...]) -> np.ndarray:
    """The numbers of release 1, by torch's generator."""
    state = np.random.SeedSequence([seed % 2**64, index]).generate_state(1, np.uint64)
    return torch.rand(*shape, generator=torch.Generator().manual_seed(int(state[0]) >> 1)).numpy()


@pytest.mark.parametrize(("seed", "index"), [(0, 0), (0, 1), (5, 77), (2**63 - 1, 123_456), (-3, 9), (2**40, 1)])
@pytest.mark.parametrize("shape", [(3,), (1, 64, 3, 256), (2, 64, 2, 512)], ids=str)
def test_the_numbers_are_those_of_torch(seed: int, index: int, shape: tuple[int, ...]) -> None:
    found = uniform(seed, index, shape)
    assert found.dtype == np.float32 and np.array_equal(found, as_before(seed, index, shape))
    assert found.min() >= 0 and found.max() < 1


def test_the_passes_of_a_frame_go_on_where_the_last_one_ended() -> None:
    assert np.array_equal(uniform(1, 2, (3, 8))[0], uniform(1, 2, (8,)))
