"""A tokenizer that is given the last picture: what it may see, what it keeps, and that every way to play it agrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import changed_frames, make_reference_world, random_frames, random_pixels, random_tokens, shake

from genie_core.config import TokenizerConfig
from genie_core.engine import WorldEngine
from genie_core.errors import ConfigError
from genie_core.graph_world import GraphWorld
from genie_core.models.reference_tokenizer import SHIFTS, ReferenceTokenizer, move
from genie_core.models.tokenizer import Coded
from genie_core.pixels import to_levels
from genie_core.world import World

MIDDLE = SHIFTS // 2


@pytest.fixture(scope="module")
def world() -> World:
    return make_reference_world()


def tokenizer_of(world: World) -> ReferenceTokenizer:
    assert isinstance(world.tokenizer, ReferenceTokenizer)
    return world.tokenizer


def one_shift(shift: int, grid: tuple[int, int]) -> torch.Tensor:
    shares = torch.zeros(1, SHIFTS, *grid)
    shares[:, MIDDLE + shift] = 1
    return shares


@pytest.mark.parametrize("shift", [-8, -3, 0, 1, 8])
@pytest.mark.parametrize("along", [-1, -2])
def test_a_patch_is_taken_from_where_it_says_and_the_edge_goes_on_beyond(shift: int, along: int) -> None:
    picture = random_pixels(1, 1)[:, :, 0]
    moved = move(picture, one_shift(shift, (4, 4)), along)
    places = (torch.arange(16) + shift).clamp(0, 15)
    assert torch.equal(moved, picture.index_select(along % 4, places))


def test_a_mixture_of_shifts_is_the_mean_of_what_they_bring() -> None:
    picture = random_pixels(1, 1)[:, :, 0]
    shares = 0.25 * one_shift(-2, (4, 4)) + 0.75 * one_shift(1, (4, 4))
    expected = 0.25 * picture.roll(2, -1) + 0.75 * picture.roll(-1, -1)
    assert torch.allclose(move(picture, shares, -1)[..., 2:-1], expected[..., 2:-1], atol=1e-6)


def test_an_untrained_decoder_shows_the_last_picture_through_a_thin_film() -> None:
    tokenizer = ReferenceTokenizer(
        TokenizerConfig((16, 16), channels=(8, 16), decoder_blocks=1, code_bits=6, reference=True)
    )
    picture = torch.full((1, 3, 16, 16), 0.5)
    codes = torch.ones(1, 6, 4, 4)
    shown = tokenizer.decode_next(picture, tokenizer.look(picture), codes).detach()
    assert 0.35 < float(shown.mean()) < 0.5 and float(shown.std()) < 0.1


def test_a_picture_depends_on_the_first_and_on_all_tokens_so_far(world: World) -> None:
    tokenizer, tokens, start = tokenizer_of(world), random_tokens(), random_pixels(2, 1)[:, :, 0]
    before = tokenizer.decode(tokens, start)
    other = tokens.clone()
    other[:, 2] = random_tokens(seed=9)[:, 2]
    assert changed_frames(before, tokenizer.decode(other, start), dim=2) == [2, 3, 4]
    assert changed_frames(before, tokenizer.decode(tokens, start.flip(-1)), dim=2) == [0, 1, 2, 3, 4]
    other[:, 0] = 7
    other[:, 2] = tokens[:, 2]
    assert changed_frames(before, tokenizer.decode(other, start), dim=2) == [], "the first frame has no tokens"


def test_a_clip_is_coded_after_what_was_shown_and_not_after_the_truth(world: World) -> None:
    tokenizer, pixels = tokenizer_of(world), to_levels(random_pixels())
    coded = tokenizer.code(pixels)
    assert torch.equal(coded.pixels, tokenizer.decode(coded.tokens, pixels[:, :, 0]))
    assert torch.equal(coded.pixels[:, :, 0], pixels[:, :, 0]) and not coded.tokens[:, 0].any()
    assert torch.equal(coded.pixels, to_levels(coded.pixels)), "a picture has 256 levels"
    for frame in (1, 4):
        again = tokenizer.encode_next(coded.pixels[:, :, frame - 1], pixels[:, :, frame])
        assert torch.equal(again, coded.tokens[:, frame])
    after_truth = tokenizer.encode_next(pixels[:, :, 3], pixels[:, :, 4])
    assert not torch.equal(after_truth, coded.tokens[:, 4])


def test_each_frame_alone_is_decoded_after_the_coded_one_before_it(world: World) -> None:
    tokenizer, coded = tokenizer_of(world), tokenizer_of(world).code(to_levels(random_pixels()))
    assert torch.equal(tokenizer.decode_each(coded, coded.tokens), coded.pixels[:, :, 1:])
    other = coded.tokens.clone()
    other[:, 2] = 5
    assert changed_frames(tokenizer.decode_each(coded, other), coded.pixels[:, :, 1:], dim=2) == [1]
    stale = Coded(coded.tokens, coded.pixels.flip(-1))
    assert changed_frames(tokenizer.decode_each(stale, coded.tokens), coded.pixels[:, :, 1:], dim=2) == [0, 1, 2, 3]


def test_the_codes_have_gradients_and_the_reference_need_not(world: World) -> None:
    tokenizer = shake(ReferenceTokenizer(world.config.tokenizer))
    last, picture = random_pixels(2, 2).unbind(2)
    seen = tokenizer.look(last)
    quantized = tokenizer.quantize(last, seen, picture, tokenizer.look(picture))
    assert torch.equal(quantized.tokens, tokenizer.encode_next(last, picture))
    tokenizer.decode_next(last, seen, quantized.codes.permute(0, 3, 1, 2)).square().mean().backward()
    silent = [name for name, weight in tokenizer.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert silent == []


@pytest.mark.parametrize("channels", [(8, 16), (8, 8, 16), (8, 8, 8, 8)], ids=str)
@pytest.mark.parametrize("size", [(16, 16), (17, 29)], ids=str)
def test_any_number_of_levels_and_any_frame_size(channels: tuple[int, ...], size: tuple[int, int]) -> None:
    config = TokenizerConfig(size, channels=channels, decoder_blocks=1, code_bits=6, reference=True)
    tokenizer = shake(ReferenceTokenizer(config)).requires_grad_(False)
    coded = tokenizer.code(random_pixels(2, 3, size=size))
    assert coded.pixels.shape == (2, 3, 3, *size) and coded.tokens.shape == (2, 3, *config.grid)
    assert tokenizer.features(coded.pixels).shape == (2, 3, config.tokens, config.seen_width)


def test_one_level_is_too_few() -> None:
    with pytest.raises(ConfigError, match="needs two or more"):
        TokenizerConfig((16, 16), channels=(8,), reference=True)


def test_the_dynamics_sees_the_picture_before_the_frame_it_predicts_and_no_later_one(world: World) -> None:
    tokens, actions = random_tokens(), torch.zeros(2, 4, dtype=torch.int64)
    seen = world.tokenizer.features(random_pixels())
    assert seen is not None
    before = world.dynamics(tokens, tokens, actions, seen).features
    other = seen.clone()
    other[:, 2] += 1
    changed = changed_frames(before, world.dynamics(tokens, tokens, actions, other).features)
    assert changed == [3, 4]
    tokens[:, 0] = 9
    after = world.dynamics(tokens, random_tokens().index_fill(1, torch.tensor([0]), 3), actions, seen).features
    assert changed_frames(before, after) == [], "a first frame is a picture, and has no tokens"


@pytest.mark.usefixtures("with_graphs")
def test_a_saved_world_plays_by_its_graphs_as_by_its_networks(world: World, tmp_path: Path) -> None:
    world.save_pretrained(tmp_path)
    clip, actions = random_frames(1, 4)[0].numpy(), [1, 0, 3]
    engines = [
        WorldEngine(World.from_pretrained(tmp_path), runtime="torch"),
        WorldEngine(GraphWorld.from_pretrained(tmp_path), runtime="onnx"),
    ]
    frames = [np.stack([e.reset(clip, actions=actions), *(e.step(a) for a in (1, 2, 3, 0, 0))]) for e in engines]
    tokens = [np.stack([frame.tokens for frame in e.snapshot().frames]) for e in engines]
    assert np.array_equal(*tokens) and np.abs(frames[0].astype(int) - frames[1]).max() <= 1
    known = [e.familiarity(clip[0]) for e in engines]
    assert abs(known[0].psnr - known[1].psnr) < 0.5 and known[0].psnr < 60
    shown = world.code(torch.from_numpy(clip)[None])[1][0, -1].numpy()
    assert np.abs(frames[0][0].astype(int) - shown).max() <= 1


def test_tokens_alone_are_not_enough_to_decode(world: World) -> None:
    tokens, frames = world.code(random_frames())
    assert torch.equal(world.decode(tokens, random_frames()[:, 0]), frames)
    with pytest.raises(ConfigError, match="give the frame they start from"):
        world.decode(tokens)
