"""Codes are what one must be told to foretell motion: what goes on by itself is not told, a key is told at once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CONFIG, changed_frames, make_world, random_frames, random_pixels, scrolled, shake
from torch import Tensor

from genie_core import world as world_module
from genie_core.config import LatentActionConfig
from genie_core.errors import CheckpointError, ConfigError
from genie_core.limits import Size
from genie_core.models import foretelling
from genie_core.models.foretelling import AHEAD, HALF, PAST_STEPS, ForetellingModel, patch_changes
from genie_core.pixels import to_model
from genie_core.training.latent_action_stage import LatentActionStage
from genie_core.training.settings import LatentActionSettings
from genie_core.world import World

HORIZON = 4
SMALL = dataclasses.replace(CONFIG.latent_action, horizon=HORIZON)
T = 12


def model(size: Size = (16, 16), patch_size: int = 4, **changes: object) -> ForetellingModel:
    """An untrained model, none of whose weights is the zero it was started with."""
    torch.manual_seed(0)
    config = dataclasses.replace(SMALL, frame_size=size, patch_size=patch_size, **changes)  # type: ignore[arg-type]
    return shake(ForetellingModel(config).eval().requires_grad_(False))


def motions(network: ForetellingModel, pixels: Tensor) -> list[Tensor]:
    """The motions of what changed, then of each level, in each step: (t-1, cells, 2), as if a level had one cell."""
    counts = [1, *(h * w for h, w in network.cells)]
    levels = network.observe(pixels)[0].unflatten(-1, (-1, 2)).split(counts, 1)
    return [level * count**0.5 for level, count in zip(levels, counts, strict=True)]


def walking_dot(xs: list[int], ys: list[int], size: int = 32) -> Tensor:
    """Pixels (1, 3, t, size, size) of a textured thing of 8 pixels that moves over a still, textured background."""
    background, thing = random_pixels(b=1, t=1, size=(size, size)), random_pixels(b=1, t=1, seed=1, size=(8, 8))
    frames = []
    for x, y in zip(xs, ys, strict=True):
        frame = 0.3 * background
        frame[..., y : y + 8, x : x + 8] = thing
        frames.append(frame)
    return torch.cat(frames, 2)


# ---- what is seen


@pytest.mark.parametrize(("across", "up"), [(2, 0), (-3, 0), (0, 4), (0, -5), (1, 2)])
def test_a_push_of_the_camera_shows_at_every_level_with_its_direction(across: int, up: int) -> None:
    still = [0] * 4
    levels = motions(model(), to_model(scrolled([*still, across, 0], [*still, up, 0])))
    for axis, pixels in enumerate((across, -up)):
        assert float(levels[0][4, 0, axis]) == pytest.approx(pixels / (abs(pixels) + 1), abs=0.15)
        for level in levels:
            assert level[:4, :, axis].abs().max() < 0.1
            assert not pixels or float(level[4, :, axis].mean()) * pixels > 0


@pytest.mark.parametrize(("dx", "dy"), [(4, 0), (-4, 0), (0, 4), (0, -4), (8, 0), (0, 8)])
def test_a_small_thing_under_a_still_camera_shows_in_small_cells(dx: int, dy: int) -> None:
    """As far along one axis as along the other."""
    xs, ys = [8, 8, 8, 8 + dx, 8 + dx], [8, 8, 8, 8 + dy, 8 + dy]
    patches = motions(model((32, 32), 8), walking_dot(xs, ys))[-1].mean(1)
    axis, sign = (0, dx > 0) if dx else (1, dy > 0)
    assert patches[:2].abs().max() < 0.05
    assert abs(patches[2, axis]) > 0.02 and (patches[2, axis] > 0) == sign
    assert abs(patches[2, axis]) > 2 * abs(patches[2, 1 - axis])


@pytest.mark.parametrize(("dx", "dy"), [(4, 0), (-4, 0), (0, 4), (0, -4)])
@pytest.mark.parametrize("place", [8, 40])
def test_a_small_thing_moves_what_changes_wherever_it_is(dx: int, dy: int, place: int) -> None:
    xs, ys = [place] * 3 + [place + dx] * 2, [place] * 3 + [place + dy] * 2
    changed, whole = (level[:, 0] for level in motions(model((64, 64), 8), walking_dot(xs, ys, 64))[:2])
    axis, sign = (0, 1 if dx > 0 else -1) if dx else (1, 1 if dy > 0 else -1)
    assert changed[[0, 1, 3]].abs().max() < 0.05, "nothing changes"
    assert changed[2, axis] * sign > 0.3 and changed[2, 1 - axis].abs() < 0.25
    assert whole[2].abs().max() < 0.05, "the still background outvotes it"


def test_noise_is_no_change() -> None:
    still = random_pixels(b=1, t=1, size=(32, 32)).repeat(1, 1, 3, 1, 1)
    noise = 0.02 * torch.randn(still.shape, generator=torch.Generator().manual_seed(0))
    assert not patch_changes(still + noise, 8).any()
    assert patch_changes(walking_dot([8, 12], [8, 8]), 8).sum() == pytest.approx(1, abs=0.05)


def test_a_mirrored_clip_has_mirrored_motion() -> None:
    network, clip = model(), to_model(scrolled([2, 0, -1, 3], [1, 0, 2, 0], clips=1))
    plain, mirrored = motions(network, clip)[0], motions(network, clip.flip(-1))[0]
    torch.testing.assert_close(mirrored, plain * torch.tensor([-1.0, 1.0]), atol=1e-4, rtol=0)


# ---- what has to be told


def seen(network: ForetellingModel, speeds: np.ndarray) -> Tensor:
    """What `observe` gives of scenery that goes at `speeds` (b, t-1, 2) pixels a step, everywhere alike."""
    squashed = torch.from_numpy(speeds / (np.abs(speeds) + HALF)).float()
    return torch.cat([squashed.repeat(1, 1, h * w) / (h * w) ** 0.5 for h, w in [(1, 1), *network.cells]], -1)


def taught(sample: Callable[[int], np.ndarray], actions: int, steps: int = 300) -> ForetellingModel:
    torch.manual_seed(0)
    network = ForetellingModel(dataclasses.replace(SMALL, num_actions=actions, width=32)).train()
    optimizer = torch.optim.Adam(network.parameters(), 4e-3)
    for step in range(steps):
        observed = seen(network, sample(step))
        quantized = network.quantizer(network.describe(observed))
        (error,) = network.errors(observed, quantized.codes).values()
        optimizer.zero_grad()
        (error + quantized.commitment - 0.1 * quantized.codebook_entropy).backward()
        optimizer.step()
    return network.eval().requires_grad_(False)


def inferred(network: ForetellingModel, speeds: np.ndarray) -> np.ndarray:
    return network.infer_observed(seen(network, speeds)).indices.numpy()


def held_keys(seed: int, clips: int = 32, steps: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Speeds of what a held key pushes, a quarter of the way to 2 pixels in each step, and the keys 0, 1, 2."""
    rng = np.random.default_rng(seed)
    keys = np.stack([np.repeat(rng.integers(3, size=steps), rng.integers(3, 9, steps))[:steps] for _ in range(clips)])
    speeds = np.zeros((clips, steps, 2))
    for step in range(steps):
        speeds[:, step, 0] = 0.75 * speeds[:, step - 1, 0] * (step > 0) + 0.5 * (keys[:, step] - 1)
    return speeds + rng.normal(0, 0.05, speeds.shape), keys


def held_from_rest(network: ForetellingModel, code: int, steps: int = 8) -> float:
    """The whitened motion across that is foretold after so many steps of one code, begun at rest, less that at rest."""
    rest = network.whiten(seen(network, np.zeros((1, PAST_STEPS, 2))))
    foretold = network.foretell(network.start(rest.flatten(1)), network.quantizer.codebook[code].expand(1, steps, -1))
    pushed = network.whiten(seen(network, np.array([[[1.0, 0.0]]]))) - rest[:, :1]
    return float((foretold[0, -1] - rest[0, 0]) @ pushed[0, 0])


def test_a_key_is_told_from_the_step_where_it_begins() -> None:
    """Although most of what it does shows later: or a world would learn that it does nothing from rest."""
    network = taught(lambda step: held_keys(step)[0], actions=3)
    held = np.array([held_from_rest(network, code) for code in range(3)])
    assert held.min() < -0.3 and held.max() > 0.3
    speeds, keys = held_keys(10_000, clips=400)
    codes, resting = inferred(network, speeds), np.abs(speeds[..., 0]) < 0.2
    for key, goes in ((0, held < -0.3), (2, held > 0.3)):
        sets_off = (keys[:, 1:] == key) & (keys[:, :-1] == 1) & resting[:, :-1]
        sets_off[:, :PAST_STEPS] = sets_off[:, -AHEAD:] = False
        assert sets_off.sum() > 20 and goes[codes[:, 1:][sets_off]].mean() > 0.55


def thrown(seed: int, clips: int = 32, steps: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Speeds of what somebody on the ground throws up now and then, by 6 pixels, and that falls; and the throws."""
    rng = np.random.default_rng(seed)
    throws, speeds = rng.random((clips, steps)) < 0.3, np.zeros((clips, steps, 2))
    height, speed = np.zeros(clips), np.zeros(clips)
    for step in range(steps):
        throws[:, step] &= height < 0.1
        speed = np.maximum(np.where(throws[:, step], 6, speed - 2), -height)
        height = height + speed
        speeds[:, step, 1] = -speed
    return speeds + rng.normal(0, 0.05, speeds.shape), throws


def test_what_goes_on_by_itself_needs_no_telling() -> None:
    """One of two codes is the throw; the rise that slows, the fall and the landing share the other."""
    network = taught(lambda step: thrown(step)[0], actions=2)
    speeds, throws = thrown(10_000, clips=200)
    inner = slice(PAST_STEPS, -AHEAD)
    codes, throws = inferred(network, speeds)[:, inner], throws[:, inner]
    throw = np.bincount(codes[throws], minlength=2).argmax()
    assert (codes == throw)[throws].mean() > 0.9 and (codes == throw)[~throws].mean() < 0.4


def test_a_clip_is_taken_to_begin_at_rest() -> None:
    """Its first code tells how fast it goes, as after pictures that stand still: a dynamics sees one picture then."""
    network = model()
    network.mean.normal_(std=0.1, generator=torch.Generator().manual_seed(0))  # rest is not the mean of all motions
    clip = to_model(scrolled([2, 2, 2, 2, 2], [0, 1, 0, 1, 0], clips=1))
    stood = torch.cat([clip[:, :, :1].expand(-1, -1, PAST_STEPS, -1, -1), clip], dim=2)
    alone, after = (network.describe(network.observe(pixels)) for pixels in (clip, stood))
    torch.testing.assert_close(alone, after[:, PAST_STEPS:], atol=1e-3, rtol=0)
    assert (alone[:, 0] - after[:, PAST_STEPS + 1]).abs().max() > 0.01


def test_each_loss_teaches_its_own_part() -> None:
    """The drawing of the next frame must not bend the codes."""
    network = model().train().requires_grad_(True)
    found = network(to_model(random_frames(b=4, t=T)), [0, 1])
    assert found.pixels.shape[0] == 2 and list(found.errors) == ["foretelling_error"]
    found.errors["foretelling_error"].backward(retain_graph=True)
    parts = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert parts == {"inference", "start", "told_embed", "recurrence", "motion_out"}
    network.zero_grad(set_to_none=True)
    found.pixels.square().mean().backward()
    parts = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert "decoder" in parts and not parts & {"inference", "start", "told_embed", "recurrence", "motion_out"}


def test_every_weight_learns() -> None:
    stage = LatentActionStage(model().train().requires_grad_(True), LatentActionSettings()).train()
    stage.losses({"frames": random_frames(b=4, t=T)})["loss"].backward()
    without = {name for name, p in stage.network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 1e-9}
    # frames seen alone have nothing to weigh in time
    assert without <= {f"decoder.blocks.{block}.temporal.time_bias" for block in range(SMALL.layers)}


# ---- the directions that count


def test_a_slow_motion_counts_as_much_as_a_fast_one() -> None:
    """Whitened: along both directions the motions seen in training have a spread of 1."""
    network = model().train()
    clip = to_model(scrolled([1, 0, -1, 0, 1, -1, 0, 1], [8, -8, 6, 0, -6, 8, -8, 0], clips=6))
    network.describe(network.observe(clip))
    found = network.whiten(network.observe(clip)).flatten(0, 1)
    torch.testing.assert_close(found.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.std(0, correction=0), torch.ones(2), atol=0.02, rtol=0)


@pytest.mark.parametrize("seed", range(8))
def test_directions_are_found_where_most_of_the_picture_never_moves(seed: int) -> None:
    """In single precision LAPACK gives no numbers for half of such covariances, or does not end."""
    network = model((64, 96), patch_size=8)
    features, generator = len(network.mean), torch.Generator().manual_seed(seed)
    moved = torch.randn(88, 2, generator=generator) @ torch.randn(2, features, generator=generator)
    moved[:, torch.rand(features, generator=generator) < 0.6] = 0
    moved -= moved.mean(0)
    network.whiten_along(moved.T @ moved / len(moved))
    spread = (moved @ network.whitening).std(0, correction=0)
    torch.testing.assert_close(spread, torch.ones(2), atol=0.01, rtol=0)


def test_directions_settle_and_play_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the plain moments of the first batches; after those the codes must not turn under the dynamics."""
    monkeypatch.setattr(foretelling, "SETTLING", 3)
    network = ForetellingModel(SMALL).train()
    batches = [to_model(scrolled([2, -1, 0, 1], [1, 0, -2, 0], clips=3, seed=seed)) for seed in range(5)]
    seen = [network.observe(each).flatten(0, 1) for each in batches]
    for each in batches[:3]:
        network.describe(network.observe(each))
    torch.testing.assert_close(network.mean, torch.cat(seen[:3]).mean(0))
    before = {name: getattr(network, name).clone() for name in ("mean", "covariance", "whitening", "batches")}
    network.describe(network.observe(batches[3]))
    assert all(torch.equal(value, getattr(network, name)) for name, value in before.items())
    state = {name: value.clone() for name, value in network.eval().state_dict().items()}
    network.infer(batches[4])
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())


# ---- spans, shapes and files


def test_reach_and_ahead_are_exact() -> None:
    """A code depends on the frames from `reach` before its step to `ahead` after it, and on no other."""
    network, pixels, step = model(), random_pixels(b=1, t=T), 6
    network.whitening.copy_(torch.randn_like(network.whitening))
    for frame in range(T):
        other = pixels.clone()
        other[:, :, frame] = random_pixels(b=1, t=1, seed=1)[:, :, 0]
        vectors = [network.describe(network.observe(each)) for each in (pixels, other)]
        assert (step in changed_frames(*vectors)) == (step - network.reach <= frame <= step + 1 + network.ahead), frame


def lively_world() -> World:
    """A world whose codes differ even in random frames."""
    world = make_world(latent_action=SMALL)
    world.latent_action.whitening.normal_(generator=torch.Generator().manual_seed(0))
    return world


def test_spans_of_a_long_video_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    world, frames = lively_world(), random_frames(b=2, t=90)
    whole = world.latent_action.infer(to_model(frames)).indices
    assert len(whole.unique()) > 1 and torch.equal(world.infer_actions(frames), whole)
    monkeypatch.setattr(world_module, "SPAN_PIXELS", 1)
    for span in (1, 7, 16):
        monkeypatch.setattr(world_module, "LEAST_SPAN", span)
        assert torch.equal(world.infer_actions(frames), whole)


@pytest.mark.parametrize(
    ("size", "patch_size", "levels"),
    [((16, 16), 8, 2), ((8, 24), 8, 3), ((20, 28), 8, 3), ((9, 9), 16, 1), ((64, 40), 4, 4)],
)
def test_any_grid_has_levels_down_to_its_patches(size: Size, patch_size: int, levels: int) -> None:
    network = model(size, patch_size)
    assert len(network.cells) == levels == len(set(network.cells))
    pixels = random_pixels(b=2, t=6, size=size)
    found = network(pixels)
    assert found.pixels.shape == (2, 3, 5, *size) and found.quantized.codes.shape == (2, 5, SMALL.code_width)
    assert torch.isfinite(found.pixels).all() and torch.isfinite(network.observe(pixels)).all()
    assert torch.isfinite(network.train()(pixels).errors["foretelling_error"])


def test_a_step_of_two_frames_has_an_action() -> None:
    network = model()
    assert network.infer(random_pixels(b=3, t=2)).indices.shape == (3, 1)
    assert torch.isfinite(network(random_pixels(b=3, t=2)).errors["foretelling_error"])


def test_a_world_is_saved_and_loaded_with_its_horizon(tmp_path: Path) -> None:
    saved = lively_world()
    saved.save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    assert values["format_version"] == 2 and values["latent_action"]["horizon"] == HORIZON
    assert "rules" not in values["latent_action"]
    loaded, frames = World.from_pretrained(tmp_path), random_frames(b=20)
    assert isinstance(loaded.latent_action, ForetellingModel) and loaded.config == saved.config
    assert torch.equal(loaded.infer_actions(frames), saved.infer_actions(frames))
    assert len(loaded.infer_actions(frames).unique()) > 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"horizon": 0}, r"horizon 0 is outside 1\.\.16"),
        ({"horizon": 10**9}, r"horizon 1000000000 is outside 1\.\.16"),
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
