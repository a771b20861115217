"""The ring of keys and values: where frames go, which of them are seen, and that nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest

from genie_core.config import DynamicsConfig
from genie_core.key_ring import Kept, KeyRing

CONTEXT = SLOTS = 3
LAYERS, ROWS = 2, 3
TOKENS, HEADS, E = 4, 2, 3
KEPT = (TOKENS, HEADS * E)  # of a frame in a layer
U = CONTEXT + 1  # unseen


def randn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def make_ring() -> KeyRing:
    shape = (LAYERS, ROWS, TOKENS, HEADS, SLOTS, E)
    return KeyRing(randn(*shape), randn(*shape, seed=1))


def equal(one: KeyRing, other: KeyRing) -> bool:
    return np.array_equal(one.keys, other.keys) and np.array_equal(one.values, other.values)


def test_a_ring_has_room_for_the_context() -> None:
    assert make_ring().slots == CONTEXT


def test_an_empty_ring_is_of_the_dynamics_sizes() -> None:
    config = DynamicsConfig((2, 3), num_actions=4, width=8, layers=2, heads=2, context_frames=CONTEXT)
    ring = KeyRing.empty(config, 4)
    assert ring.keys.shape == ring.values.shape == (2, 4, 6, 2, SLOTS, 4)
    assert ring.keys.dtype == ring.values.dtype == np.float32 and not ring.keys.any() and not ring.values.any()


@pytest.mark.parametrize(
    ("newest", "ages"),  # in the slots, then of the last frame and of the new one
    [
        (1, [[U, U, U, 0, U], [U, U, U, 1, 0]]),  # the frame after the prompt
        (2, [[1, U, U, 0, U], [2, U, U, 1, 0]]),  # the first of the two does not see the second
        (4, [[3, 2, 1, 0, U], [U, 3, 2, 1, 0]]),  # a full ring: the new frame does not see the prompt
        (5, [[1, 3, 2, 0, U], [2, U, 3, 1, 0]]),  # round
        (7, [[3, 2, 1, 0, U], [U, 3, 2, 1, 0]]),
    ],
)
def test_of_two_new_frames_each_sees_its_own_past(newest: int, ages: list[list[int]]) -> None:
    assert make_ring().ages([newest]).tolist() == [ages]


def test_each_row_has_its_own_age() -> None:
    ring, newest = make_ring(), [7, 1, 4]
    ages = ring.ages(newest)
    assert ages.shape == (3, 2, SLOTS + 2) and ages.dtype == np.int32
    for row in range(3):
        assert np.array_equal(ages[row], ring.ages([newest[row]])[0])
    assert ages[:, -1].tolist() == [[U, 3, 2, 1, 0], [U, U, U, 1, 0], [U, 3, 2, 1, 0]]


@pytest.mark.parametrize("context", [1, 3, 8])
def test_ages_tell_true_of_what_was_written(context: int) -> None:
    """Each frame sees itself and all that it may of those before it, however long the game."""
    blank = np.zeros((1, 1, 1, 1, context, 1), np.float32)
    ring, held = KeyRing(blank, blank.copy()), dict[int, int]()
    for newest in range(1, 3 * ring.slots + 3):
        held |= {context: newest - 1, context + 1: newest}
        for frame, ages in zip((newest - 1, newest), ring.ages([newest])[0].tolist(), strict=True):
            seen = {slot: age for slot, age in enumerate(ages) if age <= context}
            assert sorted(seen.values()) == list(range(min(frame, context) + 1))
            assert all(held[slot] == frame - age for slot, age in seen.items())
            assert all(age == context + 1 for slot, age in enumerate(ages) if slot not in seen)
        held[(newest - 1) % ring.slots] = newest - 1


@pytest.mark.parametrize(("row", "frame", "slot"), [(0, 0, 0), (1, 2, 2), (2, 3, 0), (1, 13, 1)])
def test_what_is_put_comes_back_and_nothing_else_changes(row: int, frame: int, slot: int) -> None:
    ring, before = make_ring(), make_ring()
    kept = Kept(randn(LAYERS, *KEPT, seed=2), randn(LAYERS, *KEPT, seed=3))
    ring.put(row, frame, kept)
    assert all(np.array_equal(*pair) for pair in zip(ring.frame(row, frame), kept, strict=True))
    placed = (part[:, row, :, :, slot].reshape(LAYERS, *KEPT) for part in (ring.keys, ring.values))
    assert all(np.array_equal(*pair) for pair in zip(placed, kept, strict=True))
    ring.put(row, frame, before.frame(row, frame))
    assert equal(ring, before)


def test_a_frame_taken_from_the_ring_is_a_copy() -> None:
    ring = make_ring()
    kept = ring.frame(1, 2)
    ring.keys[:], ring.values[:] = 0, 0
    assert np.abs(kept.key).min() > 0 and np.abs(kept.value).min() > 0
    kept.key[:], kept.value[:] = 1, 1
    assert not ring.keys.any() and not ring.values.any()


def test_all_rows_are_the_ring_itself() -> None:
    ring = make_ring()
    assert ring.rows([0, 1, 2]) is ring


@pytest.mark.parametrize("rows", [[0], [2], [0, 1], [2, 0], [2, 1, 0]], ids=str)
def test_some_rows_are_a_copy_of_theirs(rows: list[int]) -> None:
    ring = make_ring()
    some = ring.rows(rows)
    assert equal(some, KeyRing(ring.keys[:, rows], ring.values[:, rows]))
    some.keys[:], some.values[:] = 0, 0
    assert equal(ring, make_ring())
