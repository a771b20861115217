"""Frames need not be square, nor a multiple of a network's stride, and long videos are inferred in spans."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CONFIG, changed_frames, make_looking_world, make_sized_world, make_world, random_frames, random_pixels

from genie_core import world as world_module
from genie_core.config import ConfigError, Rules
from genie_core.engine import WorldEngine
from genie_core.layers.quantize import bits_to_tokens
from genie_core.limits import Size
from genie_core.models.motion import motion_evidence
from genie_core.pixels import pad_to_multiple, to_model
from genie_core.rollout import rollout, teacher_forced
from genie_core.world import World

SIZES = [(20, 28), (90, 160), (24, 8), (9, 9)]


@pytest.mark.parametrize("size", SIZES)
def test_a_world_of_any_shape_plays_infers_and_comes_back(size: Size, tmp_path: Path) -> None:
    saved = make_sized_world(size)
    height, width = size
    grid = (-(-height // 8), -(-width // 8))
    assert saved.config.dynamics.grid == saved.config.tokenizer.grid == saved.config.latent_action.grid == grid
    saved.save_pretrained(tmp_path)
    world = World.from_pretrained(tmp_path)
    assert world.config == saved.config and world.config.frame_size == size
    clip = random_frames(b=1, t=4, size=size)
    tokens = world.encode(clip)
    assert tokens.shape == (1, 4, *grid)
    assert world.decode(tokens).shape == clip.shape
    assert world.infer_actions(clip).shape == (1, 3)
    engine = WorldEngine(world, seed=1)
    frames = [engine.reset(clip[0, 0].numpy()), *(engine.step(action) for action in (0, 3, 1, 2))]
    assert all(frame.shape == (*size, 3) and frame.dtype == np.uint8 for frame in frames)
    assert np.array_equal(rollout(world, clip[:, 0].numpy(), np.array([[0, 3, 1, 2]]), seed=1)[0], frames)
    assert teacher_forced(world, clip.numpy(), np.zeros((1, 3), int)).shape == (1, 3, *size, 3)
    tall = engine.reset(np.zeros((300, 50, 3), np.uint8))
    assert tall.shape == (*size, 3)


@pytest.mark.parametrize("k", range(5))
def test_padding_keeps_the_networks_causal(k: int) -> None:
    world = make_sized_world((20, 28))
    pixels = random_pixels(t=5, size=(20, 28))
    other = pixels.clone()
    other[:, :, k] = random_pixels(t=1, seed=1, size=(20, 28))[:, :, 0]
    encoded = [world.tokenizer.encoder(p) for p in (pixels, other)]
    assert changed_frames(*encoded, dim=2) == [i for i in range(5) if 0 <= i - k <= 2]
    observed = [world.latent_action.observe(p) for p in (pixels, other)]
    assert changed_frames(*observed)[0] == max(k - 1, 0)
    drawn = [world.latent_action.predict(p, torch.zeros(2, 5, 4)) for p in (pixels, other)]
    assert drawn[0].shape == pixels.shape and changed_frames(*drawn, dim=2) == [k]


def test_what_is_padded_repeats_the_edge_and_a_fitting_frame_is_left_alone() -> None:
    pixels = random_pixels(b=1, t=2, size=(20, 28))
    padded = pad_to_multiple(pixels, 8)
    assert padded.shape[-2:] == (24, 32) and torch.equal(padded[..., :20, :28], pixels)
    assert torch.equal(padded[..., 20:, 28:], pixels[..., -1:, -1:].expand(1, 3, 2, 4, 4))
    assert pad_to_multiple(padded, 8) is padded


def test_tokens_lie_row_by_row() -> None:
    """A change in the top right corner of a wide frame shows most in the last token of the first row."""
    world = make_sized_world((16, 48))
    pixels = random_pixels(b=1, t=1, size=(16, 48))
    other = pixels.clone()
    other[..., :2, -2:] *= -1
    bits = [world.tokenizer.encoder(p)[0, :, 0] for p in (pixels, other)]
    assert bits[0].shape[1:] == (2, 6)
    assert int((bits[0] - bits[1]).abs().amax(0).argmax()) == 5
    assert torch.equal(bits_to_tokens(bits[0].movedim(0, -1)), world.tokenizer.encode(pixels)[0, 0])


def test_evidence_has_a_row_for_each_patch_of_a_wide_frame() -> None:
    assert motion_evidence(random_pixels(t=2, size=(16, 24)), 8).shape[2] == 6


@pytest.mark.parametrize("kind", ["pixels", "rules", "look"])
def test_spans_of_a_long_video_equal_the_whole(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the rules carry what they know over a whole clip, as that the player stands at something."""
    if kind == "look":
        world = make_looking_world()
    else:
        rules = Rules("coinrun", 1) if kind == "rules" else None
        width = 3 if rules else CONFIG.latent_action.code_width
        world = make_world(latent_action=dataclasses.replace(CONFIG.latent_action, code_width=width, rules=rules))
    frames = random_frames(b=2, t=90)
    frames[:, 20:70] = frames[:, 20:21]  # nothing moves for longer than any span
    whole = world.latent_action.infer(to_model(frames)).indices
    assert torch.equal(world.infer_actions(frames), whole) and len(whole.unique()) > 1
    monkeypatch.setattr(world_module, "SPAN_PIXELS", 1)
    for span in (1, 7, 16):
        monkeypatch.setattr(world_module, "LEAST_SPAN", span)
        assert torch.equal(world.infer_actions(frames), whole)


def test_a_video_of_one_frame_has_no_action() -> None:
    assert make_world().infer_actions(random_frames(t=1)).shape == (2, 0)


def test_a_clip_is_a_prompt_and_goes_on_as_if_it_had_been_played() -> None:
    world = make_world()
    clip, actions = random_frames(b=1, t=4)[0].numpy(), [2, 0, 3]
    engine = WorldEngine(world, seed=4)
    last = engine.reset(clip, actions=actions)
    seen = world.decode(world.encode(torch.from_numpy(clip)[None]))[0].numpy()
    assert np.array_equal(last, seen[-1])
    moment = engine.snapshot()
    assert [frame.action for frame in moment.frames] == [4, 2, 0, 3]
    on = [engine.step(1) for _ in range(5)]
    tokens = np.stack([np.asarray(frame.tokens) for frame in moment.frames])
    again = WorldEngine(world, seed=4)
    again.restore(again.moments(tokens, np.array(actions), seed=4)[-1])
    assert np.array_equal([again.step(1) for _ in range(5)], on)
    engine.reset(clip[-1])
    assert not np.array_equal([engine.step(1) for _ in range(5)], on), "the past of the clip matters"


def test_a_clip_of_one_frame_is_its_picture() -> None:
    frame = random_frames(b=1, t=1)[0].numpy()
    engines = [WorldEngine(make_world(), seed=4) for _ in range(2)]
    assert np.array_equal(engines[0].reset(frame), engines[1].reset(frame[0]))
    assert np.array_equal(engines[0].step(2), engines[1].step(2))


@pytest.mark.parametrize("actions", [None, [], [1], [1, 2, 3], [1, 4], [-1, 0]])
def test_actions_that_do_not_fit_a_clip_are_refused(actions: list[int] | None) -> None:
    engine = WorldEngine(make_world())
    with pytest.raises(ConfigError, match=r"expected 2|not one of 0\.\.3"):
        engine.reset(random_frames(b=1, t=3)[0].numpy(), actions=actions)
