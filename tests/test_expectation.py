"""The codes of older worlds, found by rules: what gravity and friction do is expected and needs none."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import CONFIG, changed_frames, random_pixels, shake

from genie_core.config import Rules
from genie_core.errors import ConfigError
from genie_core.games.coinrun.rules import (
    PUSH,
    KeyModel,
    MotionExpectation,
    Motions,
    key_surprise,
    on_sphere,
)
from genie_core.models.motion import mean_motion, motion_evidence

T = 6
SMALL = dataclasses.replace(CONFIG.latent_action, code_width=3, rules=Rules("coinrun", 1))


@pytest.fixture
def network() -> KeyModel:
    torch.manual_seed(0)
    return shake(KeyModel(SMALL).eval().requires_grad_(False))


@pytest.mark.parametrize("k", range(T))
def test_what_is_expected_knows_the_past_alone(network: KeyModel, k: int) -> None:
    """Step i leads from frame i to i+1: it is seen in both, and expected from frames 0..i, but not from frame 0 alone,
    of which nothing is known to have moved."""
    pixels = random_pixels(t=T)
    other = pixels.clone()
    other[:, :, k] = random_pixels(t=1, seed=1)[:, :, 0]
    before, after = network.expectation(pixels), network.expectation(other)
    assert changed_frames(before.expected, after.expected) == [i for i in range(T - 1) if i >= max(k, 1)]
    assert set(changed_frames(before.seen, after.seen)) <= {k - 1, k}


def test_actions_are_inferred_from_the_past_and_the_next_frame(network: KeyModel) -> None:
    pixels = random_pixels(b=40, t=T)
    other = pixels.clone()
    other[:, :, 3:] = random_pixels(b=40, t=T - 3, seed=1)
    before, after = network.infer(pixels).indices, network.infer(other).indices
    assert before.shape == (40, T - 1) and len(before.unique()) > 1
    assert torch.equal(before[:, :2], after[:, :2]) and not torch.equal(before[:, 2], after[:, 2])


@pytest.mark.parametrize("shift", [(0, 0), (1, -6), (-3, 4), (2, 7)])
def test_motion_is_told_in_pixels_right_and_down(shift: tuple[int, int]) -> None:
    before = random_pixels(b=1, t=1)[:, :, 0].repeat_interleave(4, -1).repeat_interleave(4, -2)
    pixels = torch.stack([before, before.roll((shift[1], shift[0]), dims=(-2, -1))], dim=2)
    seen = mean_motion(motion_evidence(pixels, 8).mean(2))[0, 1]
    assert seen.tolist() == pytest.approx(shift, abs=0.35)


def test_half_a_pixel_shows_between_none_and_one() -> None:
    wide = random_pixels(b=1, t=1)[:, :, 0].repeat_interleave(4, -1).repeat_interleave(4, -2)
    halves = [wide, 0.5 * (wide + wide.roll(1, dims=-1)), wide.roll(1, dims=-1)]
    seen = [float(mean_motion(motion_evidence(torch.stack([wide, half], 2), 8).mean(2))[0, 1, 0]) for half in halves]
    assert abs(seen[0]) < 0.1 and 0.25 < seen[1] < 0.75 and seen[2] > 0.8


def test_little_surprise_is_a_pole_and_great_surprise_lies_at_the_equator() -> None:
    points = on_sphere(torch.tensor([[0.0, 0.0], [100.0, 0.0], [0.0, -100.0]]))
    torch.testing.assert_close(points, torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]]), atol=0.03, rtol=0)


def surprise_of(seen: list[float], expected: list[float], axis: int) -> list[float]:
    """What a key may have done in the steps of one clip that moves along one axis."""
    motions = torch.zeros(2, 1, len(seen), 2)
    motions[0, 0, :, axis], motions[1, 0, :, axis] = torch.tensor(seen), torch.tensor(expected)
    found = key_surprise(Motions(*motions))[0]
    assert not found[:, 1 - axis].any()
    return [round(value, 3) for value in found[:, axis].tolist()]


@pytest.mark.parametrize("way", [1.0, -1.0])
def test_a_fall_cut_short_is_the_ground_and_a_take_off_is_a_key(way: float) -> None:
    """Along y, upwards for a ceiling: less motion than expected is no key's doing; more, or the other way, is."""
    seen, expected = [4, 2.5, 0.1, 0, -5, 6], [3.9, 4.5, 2.5, 0, 0, 5]
    found = surprise_of([way * s for s in seen], [way * e for e in expected], axis=1)
    assert found == pytest.approx([way * 0.1, 0, 0, 0, -5 * way, way])


@pytest.mark.parametrize("way", [1.0, -1.0])
def test_who_runs_into_a_wall_goes_on_pushing_until_something_moves(way: float) -> None:
    seen, expected = [1.5, 0.6, 0, 0.1, 0, -0.5, 0], [1.4, 1.5, 0.6, 0, 0, 0, 0]
    found = surprise_of([way * s for s in seen], [way * e for e in expected], axis=0)
    assert found == pytest.approx([way * s for s in (0.1, PUSH, PUSH, PUSH, PUSH, -0.5, 0)])


def test_a_key_may_brake_and_turn_what_runs() -> None:
    """No wall: half a pixel less a step, down to nothing and back the other way, as keys do."""
    seen, expected = [1.5, 1.0, 0.5, 0.0, -0.4], [1.5, 1.4, 0.9, 0.4, 0.0]
    assert surprise_of(seen, expected, axis=0) == pytest.approx([0, -0.4, -0.4, -0.4, -0.4])
    # turned at once is not stopped, whatever turned it
    assert surprise_of([-1.0], [1.0], axis=0) == [-2.0]


def test_each_clip_has_walls_of_its_own() -> None:
    motions = torch.zeros(2, 2, 3, 2)
    motions[1, 0, 0, 0] = 1.5
    found = key_surprise(Motions(*motions))
    assert found[0, :, 0].tolist() == [PUSH] * 3 and not found[1].any()


def test_a_surprise_has_two_axes_and_a_pole() -> None:
    with pytest.raises(ConfigError, match="code_width 4 is not 3"):
        dataclasses.replace(SMALL, code_width=4)


def test_the_expectation_is_an_st_transformer_of_one_token() -> None:
    assert MotionExpectation(SMALL, 2)(random_pixels(b=3, t=T)).expected.shape == (3, T - 1, 2)
