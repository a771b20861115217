"""Codes that mean keys: what gravity and friction do is expected and needs none, at rest as in flight."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
import torch
from tiny import CONFIG, changed_frames, random_frames, random_pixels, shake
from torch import Tensor

from genie_core.config import LatentActionConfig, Rules
from genie_core.errors import ConfigError
from genie_core.games.coinrun.rules import (
    PUSH,
    KeyModel,
    MotionExpectation,
    Motions,
    Presumed,
    key_surprise,
    on_sphere,
)
from genie_core.models.motion import mean_motion, motion_evidence
from genie_core.pixels import to_model
from genie_core.training.latent_action_stage import LatentActionStage
from genie_core.training.settings import LatentActionSettings

T = 6
SMALL = dataclasses.replace(CONFIG.latent_action, code_width=3, rules=Rules("coinrun", 1))
NONE, LEFT, RIGHT, JUMP = range(4)


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


def test_each_loss_teaches_its_own_part() -> None:
    """The drawing of the next frame must not bend the expectation, which has to stay free of the actions."""
    network = KeyModel(SMALL).train()
    frames = to_model(random_frames(b=4, t=T))
    predicted, _, errors = network(frames, 2)
    assert predicted.shape[0] == 2
    errors["expectation_error"].backward(retain_graph=True)
    taught = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert taught == {"expectation"}
    network.zero_grad(set_to_none=True)
    predicted.square().mean().backward()
    taught = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert "decoder" in taught and "expectation" not in taught


def test_every_weight_learns() -> None:
    network = shake(KeyModel(SMALL)).train()
    stage = LatentActionStage(network, LatentActionSettings()).train()
    losses = stage.losses({"frames": random_frames(t=T)})
    losses["loss"].backward()
    without = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 1e-9}
    # frames seen alone have nothing to weigh in time, and one token a frame none in space
    alone = {f"decoder.blocks.{block}.temporal.time_bias" for block in range(SMALL.layers)}
    assert without <= alone and losses["expectation_error"] > 0


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


def test_a_take_off_lasts_as_long_as_the_rise_where_the_key_is_presumed_held() -> None:
    """The scenery falls while the player rises; each clip has its own answer."""
    motions = torch.zeros(2, 2, 6, 2)
    motions[0, :, :, 1] = torch.tensor([0.0, 6, 5, 2, -2, -3])
    motions[1, :, :, 1] = torch.tensor([0.0, 0, 5, 2, -2, -3])
    presumed = Presumed(held=torch.tensor([True, False]), push=torch.zeros(2))
    found = key_surprise(Motions(*motions), presumed)[..., 1]
    assert found.tolist() == [[0, 6, 6, 6, 0, 0], [0, 6, 0, 0, 0, 0]]


def test_what_stands_still_is_pushed_where_that_is_presumed() -> None:
    """Nothing else is: not what moves, nor what a wall stops on the other side."""
    motions = torch.zeros(2, 3, 4, 2)
    motions[0, :, :, 0] = torch.tensor([0.0, 0.1, -0.6, 0])
    motions[1, 2, 3, 0] = 1.5
    presumed = Presumed(torch.ones(3).bool(), push=torch.tensor([1.0, 0, -1]))
    found = key_surprise(Motions(*motions), presumed)
    assert not found[..., 1].any()
    expected = [[PUSH, PUSH, -0.6, PUSH], [0, 0.1, -0.6, 0], [-PUSH, -PUSH, -0.6, PUSH]]
    torch.testing.assert_close(found[..., 0], torch.tensor(expected))


def test_a_surprise_has_two_axes_and_a_pole() -> None:
    with pytest.raises(ConfigError, match="code_width 4 is not 3"):
        dataclasses.replace(SMALL, code_width=4)


class Jumps(NamedTuple):
    """Clips of scenery shifted by a player: uint8 frames (b, t, 32, 32, 3), keys and velocities (b, t-1)."""

    frames: Tensor
    keys: np.ndarray
    vx: np.ndarray
    vy: np.ndarray


def jumping_player(clips: int, t: int, seed: int) -> Jumps:
    """A camera on a player with friction along x and gravity along y, whose keys are drawn anew each step."""
    rng = np.random.default_rng(seed)
    keys = rng.choice(4, size=(clips, t - 1), p=(0.5, 0.15, 0.15, 0.2))
    vx, vy = np.zeros(keys.shape), np.zeros(keys.shape)
    frames = np.empty((clips, t, 32, 32, 3), np.uint8)
    for clip in range(clips):
        scenery = rng.integers(0, 256, (32, 40, 3)).repeat(4, 0).repeat(4, 1).astype(np.float32)
        x, y, speed, fall = 64.0, 40.0, 0.0, 0.0
        frames[clip, 0] = crop(scenery, x, y)
        for i, key in enumerate(keys[clip]):
            speed = 0.7 * speed + 0.6 * ((key == RIGHT) - int(key == LEFT))
            grounded = y == 40.0
            fall = (-4.0 if key == JUMP else 0.0) if grounded else fall + 1
            x, y = x + speed, y + fall
            vx[clip, i], vy[clip, i] = speed, fall
            frames[clip, i + 1] = crop(scenery, x, y)
    return Jumps(torch.from_numpy(frames), keys, vx, vy)


def crop(scenery: np.ndarray, x: float, y: float) -> np.ndarray:
    """32x32 pixels of the scenery from (x, y) on, between whole pixels as a renderer would."""
    column, row = int(x), int(y)
    wide = scenery[row : row + 33, column : column + 33]
    wide = wide[:-1] + (y - row) * (wide[1:] - wide[:-1])
    return (wide[:, :-1] + (x - column) * (wide[:, 1:] - wide[:, :-1])).astype(np.uint8)


@pytest.mark.slow
def test_a_code_says_which_key_is_down_at_rest_in_flight_and_at_speed() -> None:
    torch.manual_seed(0)
    config = LatentActionConfig(
        frame_size=(32, 32), patch_size=8, width=32, layers=1, heads=2, context_frames=4, num_actions=4, code_width=3,
        rules=Rules("coinrun", 2),
    )  # fmt: skip
    stage = LatentActionStage(KeyModel(config), LatentActionSettings(learning_rate=3e-3)).train()
    optimizer = stage.configure_optimizers()
    peaks = [group["lr"] for group in optimizer.param_groups]
    seen = jumping_player(240, 16, seed=0)
    steps = 250
    for step in range(steps):
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * min(1, (step + 1) / 10, 2 * (1 - step / steps))
        rows = torch.randint(len(seen.frames), (12,))
        optimizer.zero_grad()
        stage.losses({"frames": seen.frames[rows]})["loss"].backward()
        optimizer.step()
    network = stage.network.eval()
    unseen = jumping_player(120, 16, seed=1)
    codes = network.infer(to_model(unseen.frames)).indices.numpy()[:, 4:]
    keys, vx, vy = unseen.keys[:, 4:], unseen.vx[:, 4:], unseen.vy[:, 4:]
    grounded = unseen.vy[:, 3:-1] == 0
    still = (keys == NONE) & grounded & (vy == 0) & (np.abs(vx) < 0.3)
    stay, jump = most(codes[still]), most(codes[vy == -4])
    right, left = most(codes[(keys == RIGHT) & (vy == 0)]), most(codes[(keys == LEFT) & (vy == 0)])
    assert len({stay, jump, right, left}) == 4
    # gravity and friction go on by themselves: no key is down, at rest, on the way up or down, or at speed
    for where in (still, (keys == NONE) & (vy > 0), (keys == NONE) & (vy < 0) & ~grounded):
        assert where.sum() > 30 and (codes[where] == stay).mean() > 0.85
    fast = (keys == NONE) & (np.abs(vx) > 0.6)
    assert fast.sum() > 15 and (codes[fast] == stay).mean() > 0.5
    # a jump is its take-off and nothing else; a key means its own way against the motion too
    assert (codes[vy == -4] == jump).mean() > 0.9 and (vy[codes == jump] == -4).mean() > 0.9
    for key, code, against in ((RIGHT, right, vx < 0.4), (LEFT, left, vx > -0.4)):
        assert (codes[keys == key] == code).mean() > 0.7 > 0.15 > (codes[keys != key] == code).mean()
        assert (codes[(keys == key) & against] == code).mean() > 0.6


def most(codes: np.ndarray) -> int:
    """The commonest of some codes."""
    return int(np.bincount(codes).argmax())


def test_the_expectation_is_an_st_transformer_of_one_token() -> None:
    assert MotionExpectation(SMALL, 2)(random_pixels(b=3, t=T)).expected.shape == (3, T - 1, 2)


def test_some_clips_to_learn_from_are_taken_to_hold_keys_that_nothing_shows() -> None:
    held, push = Presumed.for_training(30, 36)
    number = torch.arange(30, 66)
    assert held.tolist() == [n % 4 in (2, 3) for n in number.tolist()]
    pushed = {32: -1.0, 33: -1.0, 64: 1.0, 65: 1.0}
    assert push.tolist() == [pushed.get(n, 0.0) for n in number.tolist()]


def test_what_is_learnt_from_goes_by_the_number_of_a_clip(network: KeyModel) -> None:
    still = random_pixels(b=1, t=1).expand(34, 3, T, 16, 16)
    found = network.infer_for_training(still, 0).codes
    plain = network.infer(still).codes
    assert [row for row in range(34) if not torch.equal(found[row], plain[row])] == [0, 1, 32, 33]
    assert torch.equal(network.infer_for_training(still[:2], 32).codes, found[32:])
