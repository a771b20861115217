"""Codes that are kinds of surprise: what the past leads one to expect needs none, under any camera and in any grid."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny import CONFIG, changed_frames, make_world, random_frames, random_pixels, scrolled, shake
from torch import Tensor

from genie_core import world as world_module
from genie_core.config import LatentActionConfig
from genie_core.errors import CheckpointError, ConfigError
from genie_core.limits import Size
from genie_core.models.surprise import PAST_STEPS, POLE, SurpriseModel
from genie_core.pixels import to_model
from genie_core.training.latent_action_stage import LatentActionStage
from genie_core.training.settings import LatentActionSettings
from genie_core.world import World

HORIZON = 2
SMALL = dataclasses.replace(CONFIG.latent_action, code_width=3, horizon=HORIZON)
T = 12


def model(size: Size = (16, 16), patch_size: int = 4, horizon: int = HORIZON, **changes: object) -> SurpriseModel:
    """An untrained model, none of whose weights is the zero it was started with."""
    torch.manual_seed(0)
    config = dataclasses.replace(SMALL, frame_size=size, patch_size=patch_size, horizon=horizon, **changes)  # type: ignore[arg-type]
    network = shake(SurpriseModel(config).eval().requires_grad_(False))
    network.covariance.copy_(torch.eye(len(network.mean)))
    return network


def expects_nothing(network: SurpriseModel) -> SurpriseModel:
    network.expectation.head.weight.zero_()
    network.expectation.head.bias.zero_()
    network.mean.zero_()
    return network


def surprise(network: SurpriseModel, pixels: Tensor) -> Tensor:
    """What was seen less what was expected, (b, t-1, levels, 2), x right, y down."""
    seen, expected = network.observe(pixels).chunk(2, -1)
    return network.per_level(seen - expected).unflatten(-1, (-1, 2))


def walking_dot(xs: list[int], ys: list[int], size: int = 32) -> Tensor:
    """Pixels (1, 3, t, size, size) of a textured thing of 8 pixels that moves over a still, textured background."""
    background, thing = random_pixels(b=1, t=1, size=(size, size)), random_pixels(b=1, t=1, seed=1, size=(8, 8))
    frames = []
    for x, y in zip(xs, ys, strict=True):
        frame = 0.3 * background
        frame[..., y : y + 8, x : x + 8] = thing
        frames.append(frame)
    return torch.cat(frames, 2)


# ---- what is seen, and what is expected


@pytest.mark.parametrize(("across", "up"), [(2, 0), (-3, 0), (0, 4), (0, -5), (1, 2)])
def test_a_push_of_the_camera_shows_at_every_level_with_its_direction(across: int, up: int) -> None:
    network = expects_nothing(model())
    still = [0] * 4
    found = surprise(network, to_model(scrolled([*still, across, 0], [*still, up, 0])))[0]
    assert found[:4].abs().max() < 0.1
    for axis, pixels in enumerate((across, -up)):
        whole, sign = found[4, 0, axis], torch.tensor(float(pixels)).sign()
        assert torch.equal(whole.sign(), sign) or (not pixels and abs(whole) < 0.2)
        expected = pixels / (abs(pixels) + 1)
        assert float(whole) == pytest.approx(expected, abs=0.15)
        assert all(float(level * sign) > 0 for level in found[4, :, axis]) or not pixels


@pytest.mark.parametrize(("dx", "dy"), [(4, 0), (-4, 0), (0, 4), (0, -4)])
def test_a_small_thing_under_a_still_camera_shows_in_small_cells(dx: int, dy: int) -> None:
    network = expects_nothing(model((32, 32), 8))
    xs, ys = [8, 8, 8, 8 + dx, 8 + dx], [8, 8, 8, 8 + dy, 8 + dy]
    found = surprise(network, walking_dot(xs, ys))[0]
    axis, sign = (0, dx > 0) if dx else (1, dy > 0)
    assert found[:2].abs().max() < 0.05
    patches = found[2, -1]
    assert abs(patches[axis]) > 0.02 and (patches[axis] > 0) == sign
    assert abs(patches[axis]) > 3 * abs(patches[1 - axis])


def falls(clips: int, seed: int, push: int | None = None) -> Tensor:
    """Frames of scenery that goes up by 2 pixels in every step, in half of the clips down. At step `push` it goes 3 to
    the right as well."""
    across = [3 if step == push else 0 for step in range(T - 1)]
    return torch.cat([scrolled(across, [up] * (T - 1), clips // 2, seed) for up in (2, -2)])


def taught(network: SurpriseModel, sample: Callable[[int], Tensor], steps: int = 60) -> SurpriseModel:
    stage = LatentActionStage(network.requires_grad_(True), LatentActionSettings(learning_rate=5e-3)).train()
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for step in range(steps):
        optimizer.zero_grad()
        stage.losses({"frames": sample(step)})["loss"].backward()
        optimizer.step()
    return network.eval().requires_grad_(False)


def test_what_goes_on_by_itself_is_expected_and_a_push_is_not() -> None:
    """A fall at constant speed surprises nobody once it is learnt, and a push does while it is new."""
    network = taught(model(), lambda step: falls(4, step))
    left = surprise(network, to_model(falls(4, 1000)))
    begun = HORIZON + 1  # steps after which the fall is known: nothing is of how the first frame came about
    assert left[:, begun:].abs().mean() < 0.12 and left[:, 0, 0, 1].abs().min() > 0.4
    pushed = surprise(network, to_model(falls(4, 1000, push=6)))
    assert pushed[:, 6, :, 0].min() > 0.4 and pushed[:, 6, :, 1].abs().mean() < 0.2 and pushed[:, 5].abs().mean() < 0.12


def test_a_surprise_lasts_for_as_long_as_nobody_could_expect_it() -> None:
    """The expectation of a step knows the motions up to `horizon` steps before the step's end."""
    for horizon in (1, 3):
        network = model(horizon=horizon)
        pixels = random_pixels(b=1, t=T)
        other = pixels.clone()
        other[:, :, 5:] = random_pixels(b=1, t=T - 5, seed=1)  # the motion into frame 5 differs, and later ones
        expected = [network.observe(each).chunk(2, -1)[1] for each in (pixels, other)]
        assert changed_frames(*expected)[0] == 4 + horizon  # step i ends with frame i+1


def test_each_loss_teaches_its_own_part() -> None:
    """The drawing of the next frame must not bend the expectation, which has to stay free of the actions."""
    network = model().train().requires_grad_(True)
    predicted, _, errors = network(to_model(random_frames(b=4, t=T)), [0, 2])
    assert predicted.shape[0] == 2 and list(errors) == ["expectation_error"]
    errors["expectation_error"].backward(retain_graph=True)
    taught = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert taught == {"expectation"}
    network.zero_grad(set_to_none=True)
    predicted.square().mean().backward()
    taught = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert "decoder" in taught and "expectation" not in taught


def test_every_weight_learns() -> None:
    network = model().train().requires_grad_(True)
    stage = LatentActionStage(network, LatentActionSettings()).train()
    stage.losses({"frames": random_frames(b=4, t=T)})["loss"].backward()
    without = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 1e-9}
    # frames seen alone have nothing to weigh in time
    assert without <= {f"decoder.blocks.{block}.temporal.time_bias" for block in range(SMALL.layers)}


# ---- from surprise to codes


def test_rare_and_common_surprises_count_alike() -> None:
    """Whitening: a spread of a tenth of a pixel along one axis and of ten along another are one deviation each."""
    network = model()
    spread = torch.tensor([0.0, 0, 0, 0, 0, 0, 0.01, 100])
    network.covariance.copy_(torch.diag(spread))
    network.mean.zero_()
    one = torch.tensor([[0.0] * 6 + [0.1, 0.0], [0.0] * 7 + [10.0], [0.0] * 8])
    points = network.on_sphere(one)
    assert points.norm(dim=-1).tolist() == pytest.approx([1, 1, 1])
    assert float(points[0, 0]) == pytest.approx(float(points[1, 1]), rel=1e-4) and points[0, 1] == points[1, 0] == 0
    assert float(points[0, 0] / points[0, 2]) == pytest.approx(1 / POLE, rel=1e-4)
    assert points[2].tolist() == [0, 0, 1]


def test_only_the_widest_directions_count() -> None:
    network = model()
    network.covariance.copy_(torch.diag(torch.tensor([5.0, 1, 1, 1, 1, 1, 1, 4])))
    network.mean.zero_()
    assert network.on_sphere(torch.eye(8)[1:7])[:, :2].abs().max() < 1e-5
    assert network.on_sphere(torch.eye(8)[[0, 7]])[:, :2].abs().amax(1).min() > 0.1


def test_none_is_a_pole_and_much_lies_at_the_equator() -> None:
    network = model()
    network.mean.fill_(0.1)
    points = network.on_sphere(torch.stack([network.mean, network.mean + 1000]))
    assert points[0].tolist() == pytest.approx([0, 0, 1], abs=1e-6) and abs(points[1, 2]) < 0.01


def test_moments_are_those_of_what_was_seen() -> None:
    """The plain mean of all batches at first, and nothing in use."""
    torch.manual_seed(0)
    network = SurpriseModel(SMALL).train()
    batches = [to_model(scrolled([2, -1, 0, 1], [1, 0, -2, 0], clips=3, seed=seed)) for seed in range(4)]
    seen = [network.per_level(torch.sub(*network.observe(each).chunk(2, -1))).flatten(0, 1) for each in batches]
    for each in batches:
        network.describe(network.observe(each))
    torch.testing.assert_close(network.mean, torch.cat(seen).mean(0))
    assert network.batches == 4 and torch.linalg.eigvalsh(network.covariance).min() > -1e-6
    before = {name: value.clone() for name, value in network.eval().state_dict().items()}
    network.infer(batches[0])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_training_goes_on_from_moments_as_they_were() -> None:
    """A first batch after a resume does not count for more than an earlier one."""
    network, other = SurpriseModel(SMALL).train(), SurpriseModel(SMALL).train()
    batches = [to_model(random_frames(b=2, t=5, seed=seed)) for seed in range(3)]
    other.load_state_dict(network.state_dict())
    for index, each in enumerate(batches):
        network.describe(network.observe(each))
        other.describe(other.observe(each))
        if index == 1:
            again = SurpriseModel(SMALL).train()
            again.load_state_dict(other.state_dict())
            other = again
    torch.testing.assert_close(network.covariance, other.covariance)


def test_a_mirrored_clip_has_mirrored_surprise() -> None:
    network = expects_nothing(model())
    clip = to_model(scrolled([2, 0, -1, 3], [1, 0, 2, 0], clips=3))
    plain, mirrored = surprise(network, clip), surprise(network, clip.flip(-1))
    torch.testing.assert_close(mirrored, plain * torch.tensor([-1.0, 1.0]), atol=1e-4, rtol=0)


# ---- spans, shapes and files


@pytest.mark.parametrize("horizon", [1, 3])
def test_reach_is_exact(horizon: int) -> None:
    """A step depends on the frame `reach` before its first one, and on none before that."""
    network = model(horizon=horizon)
    assert network.reach == horizon + PAST_STEPS - 1
    pixels, step = random_pixels(b=1, t=T), T - 2
    for back in range(T - 1):
        other = pixels.clone()
        other[:, :, step - back] = random_pixels(b=1, t=1, seed=1)[:, :, 0]
        changed = step in changed_frames(network.observe(pixels), network.observe(other))
        seen = back == 0 or horizon - 1 <= back <= network.reach  # frames between are not looked at
        assert changed == seen, back


def test_spans_of_a_long_video_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(latent_action=SMALL)
    world.latent_action.covariance.mul_(0.001)  # so that what random frames show is a clear surprise
    frames = random_frames(b=2, t=90)
    whole = world.latent_action.infer(to_model(frames)).indices
    assert len(whole.unique()) > 1 and torch.equal(world.infer_actions(frames), whole)
    monkeypatch.setattr(world_module, "SPAN_PIXELS", 1)
    for span in (1, 7, 16):
        monkeypatch.setattr(world_module, "LEAST_SPAN", span)
        assert torch.equal(world.infer_actions(frames), whole)


@pytest.mark.parametrize(
    ("size", "patch_size", "levels"),
    [((16, 16), 8, 4), ((8, 24), 8, 4), ((20, 28), 8, 4), ((9, 9), 16, 4), ((64, 40), 4, 4)],
)
def test_any_grid_has_its_four_levels(size: Size, patch_size: int, levels: int) -> None:
    network = model(size, patch_size)
    assert len(network.cells) == levels
    pixels = random_pixels(b=2, t=6, size=size)
    predicted, quantized, _ = network(pixels)
    assert predicted.shape == (2, 3, 5, *size) and quantized.codes.shape == (2, 5, 3)
    assert torch.isfinite(predicted).all() and torch.isfinite(network.observe(pixels)).all()
    trained = network.train()
    assert torch.isfinite(trained(pixels).errors["expectation_error"])


def test_a_step_of_two_frames_has_an_action() -> None:
    assert model().infer(random_pixels(b=3, t=2)).indices.shape == (3, 1)


def test_a_world_is_saved_and_loaded_with_its_horizon(tmp_path: Path) -> None:
    saved = make_world(latent_action=SMALL)
    saved.latent_action.covariance.mul_(0.001)
    saved.save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    assert values["format_version"] == 2 and values["latent_action"]["horizon"] == HORIZON
    assert "rules" not in values["latent_action"]
    loaded, frames = World.from_pretrained(tmp_path), random_frames(b=20)
    assert isinstance(loaded.latent_action, SurpriseModel) and loaded.config == saved.config
    assert torch.equal(loaded.infer_actions(frames), saved.infer_actions(frames))
    assert len(loaded.infer_actions(frames).unique()) > 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"horizon": 0}, r"horizon 0 is outside 1\.\.16"),
        ({"horizon": 10**9}, r"horizon 1000000000 is outside 1\.\.16"),
        ({"code_width": 10}, r"code_width 10 is outside 2\.\.9"),
        ({"code_width": 1}, r"code_width 1 is outside 2\.\.9"),
        ({"rules": {"game": "a game", "expectation_layers": 1}}, "leave one out"),
        ({"horizon": "far"}, "horizon"),
        ({"horizon": 2.5}, "horizon"),
    ],
)
def test_a_strangers_horizon_is_checked_before_anything_is_built(
    tmp_path: Path, wrong: dict, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_world(latent_action=SMALL).save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    values["latent_action"].update(wrong)
    (tmp_path / "config.json").write_text(json.dumps(values))
    monkeypatch.setattr(World, "__init__", lambda *_: pytest.fail("a world is built"))
    with pytest.raises(CheckpointError, match=words):
        World.from_pretrained(tmp_path)


def test_the_config_itself_refuses_what_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"horizon 17 is outside 1\.\.16"):
        LatentActionConfig((16, 16), 4, horizon=17)
