"""The ring of keys and values: where frames go, which of them are seen, and that nothing else is touched."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genie_core.layers.key_ring import KeyRing

CONTEXT, SLOTS = 3, 5
LAYERS, ROWS, KEPT = 2, 3, (4, 2, 2)  # what is kept of a frame in a layer: (n, heads, e)
U = CONTEXT + 1  # unseen


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make_ring() -> KeyRing:
    return KeyRing(randn(2, LAYERS, ROWS, SLOTS, *KEPT))


def test_a_ring_has_room_for_the_context_and_two_new_frames() -> None:
    assert make_ring().slots == SLOTS and make_ring().context_frames == CONTEXT


@pytest.mark.parametrize(
    ("newest", "count", "slots"),
    [
        ([0], 1, [[0]]),
        ([4], 1, [[4]]),
        ([5], 1, [[0]]),
        ([13], 1, [[3]]),
        ([1], 2, [[0, 1]]),
        ([5], 2, [[4, 0]]),
        ([7, 1, 10], 1, [[2], [1], [0]]),
        ([7, 1, 10], 2, [[1, 2], [0, 1], [4, 0]]),
    ],
)
def test_frames_go_round_the_ring(newest: list[int], count: int, slots: list[list[int]]) -> None:
    assert make_ring().slots_of(newest, count) == slots


@pytest.mark.parametrize(
    ("newest", "ages"),
    [
        (0, [0, U, U, U, U]),  # the prompt sees itself
        (1, [1, 0, U, U, U]),
        (3, [3, 2, 1, 0, U]),  # a full context, and a slot never written
        (4, [U, 3, 2, 1, 0]),  # a full ring: the prompt is too long ago
        (5, [0, U, 3, 2, 1]),  # round
        (7, [2, 1, 0, U, 3]),
    ],
)
def test_a_new_frame_sees_itself_and_the_context(newest: int, ages: list[int]) -> None:
    assert make_ring().ages([newest], 1).tolist() == [[ages]]


@pytest.mark.parametrize(
    ("newest", "ages"),
    [
        (1, [[0, U, U, U, U], [1, 0, U, U, U]]),  # the first of the two does not see the second
        (2, [[1, 0, U, U, U], [2, 1, 0, U, U]]),
        (4, [[3, 2, 1, 0, U], [U, 3, 2, 1, 0]]),
        (5, [[U, 3, 2, 1, 0], [0, U, 3, 2, 1]]),
        (7, [[1, 0, U, 3, 2], [2, 1, 0, U, 3]]),
    ],
)
def test_of_two_new_frames_each_sees_its_own_past(newest: int, ages: list[list[int]]) -> None:
    assert make_ring().ages([newest], 2).tolist() == [ages]


@pytest.mark.parametrize("count", [1, 2])
def test_each_row_has_its_own_age(count: int) -> None:
    ring, newest = make_ring(), [7, 1, 4]
    ages = ring.ages(newest, count)
    assert ages.shape == (3, count, SLOTS)
    for row in range(3):
        assert torch.equal(ages[row], ring.ages([newest[row]], count)[0])
    assert ages[:, -1].tolist() == [[2, 1, 0, U, 3], [1, 0, U, U, U], [U, 3, 2, 1, 0]]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("context", [1, 3, 8])
def test_ages_tell_true_of_what_was_written(context: int, count: int) -> None:
    """Each frame sees itself and all that it may of those before it, however long the game."""
    ring = KeyRing(torch.zeros(2, 1, 1, context + 2, 1, 1, 1))
    held: dict[int, int] = {}
    for newest in range(count - 1, 3 * ring.slots):
        frames = range(newest - count + 1, newest + 1)
        held.update(zip(ring.slots_of([newest], count)[0], frames, strict=True))
        for frame, ages in zip(frames, ring.ages([newest], count)[0].tolist(), strict=True):
            seen = {slot: age for slot, age in enumerate(ages) if age <= context}
            assert sorted(seen.values()) == list(range(min(frame, context) + 1))
            assert all(held[slot] == frame - age for slot, age in seen.items())
            assert all(age == context + 1 for slot, age in enumerate(ages) if slot not in seen)


@pytest.mark.parametrize(("row", "frame", "slot"), [(0, 0, 0), (1, 4, 4), (2, 5, 0), (1, 13, 3)])
def test_what_is_put_comes_back_and_nothing_else_changes(row: int, frame: int, slot: int) -> None:
    ring, before = make_ring(), make_ring().data
    kept = randn(2, LAYERS, *KEPT, seed=1)
    ring.put(row, frame, kept)
    assert torch.equal(ring.frame(row, frame), kept)
    assert torch.equal(ring.data[:, :, row, slot], kept)
    ring.put(row, frame, before[:, :, row, slot])
    assert torch.equal(ring.data, before)


def test_a_frame_taken_from_the_ring_is_a_copy() -> None:
    ring = make_ring()
    kept = ring.frame(1, 2)
    assert torch.equal(kept, make_ring().data[:, :, 1, 2])
    ring.data.zero_()
    assert kept.abs().min() > 0
    kept.fill_(1)
    assert not ring.data.any()


def test_all_rows_are_the_ring_itself() -> None:
    ring = make_ring()
    assert ring.rows([0, 1, 2]) is ring


@pytest.mark.parametrize("rows", [[0], [2], [0, 1], [2, 0], [2, 1, 0]], ids=str)
def test_some_rows_are_a_copy_of_theirs(rows: list[int]) -> None:
    ring = make_ring()
    some = ring.rows(rows)
    assert torch.equal(some.data, torch.stack([ring.data[:, :, row] for row in rows], 2))
    some.data.zero_()
    assert torch.equal(ring.data, make_ring().data)


@pytest.mark.parametrize(("newest", "count"), [([7, 1, 4], 1), ([7, 1, 5], 2)])
@pytest.mark.parametrize("index", range(LAYERS))
def test_a_layer_writes_its_newest_frames_in_place_and_no_others(newest: list[int], count: int, index: int) -> None:
    ring, expected = make_ring(), make_ring().data
    keys, values = randn(ROWS, count, *KEPT, seed=1), randn(ROWS, count, *KEPT, seed=2)
    layer = ring.layer(index, ring.slots_of(newest, count))
    layer.put(keys, values)
    for row in range(ROWS):
        for i in range(count):
            slot = (newest[row] - count + 1 + i) % SLOTS
            expected[0, index, row, slot], expected[1, index, row, slot] = keys[row, i], values[row, i]
    assert torch.equal(ring.data, expected)
    assert torch.equal(layer.keys, expected[0, index]) and torch.equal(layer.values, expected[1, index])
