"""The engine on an untrained world: play is repeatable, obeys its seed and action, and equals a recomputation."""

import numpy as np
import pytest
import torch
from tiny import CONTEXT, make_world

from genie_core.config import SamplingConfig
from genie_core.engine import WorldEngine
from genie_core.errors import ConfigError, PictureError
from genie_core.layers.quantize import join_tokens
from genie_core.pixels import to_frames
from genie_core.world import World

STEPS = 3 * CONTEXT + 2
ACTIONS = [0, 1, 1, 3, 2, 0, 3, 3, 1, 2, 2]
HOT = SamplingConfig(unmask_steps=3, temperature=1.0)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def picture(height: int = 16, width: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def play(engine: WorldEngine, prompt: np.ndarray | None = None) -> np.ndarray:
    first = engine.reset(picture() if prompt is None else prompt)
    return np.stack([first, *(engine.step(action) for action in ACTIONS)])


@pytest.mark.parametrize("sampling", [None, HOT, SamplingConfig(order="random")], ids=str)
def test_same_seed_same_frames_bit_for_bit(world: World, sampling: SamplingConfig | None) -> None:
    torch.manual_seed(1)
    first = play(WorldEngine(world, seed=5, sampling=sampling))
    torch.manual_seed(2)  # chance elsewhere in the program does not reach in
    assert np.array_equal(first, play(WorldEngine(world, seed=5, sampling=sampling)))


def test_seeds_differ_where_there_is_chance(world: World) -> None:
    assert not np.array_equal(play(WorldEngine(world, 1, HOT)), play(WorldEngine(world, 2, HOT)))
    assert np.array_equal(play(WorldEngine(world, 1)), play(WorldEngine(world, 2)))


def test_reset_starts_again(world: World) -> None:
    engine = WorldEngine(world, 0, HOT)
    first = play(engine)
    assert engine.steps == len(ACTIONS)
    other = play(engine, picture(seed=1))
    assert not np.array_equal(first, other)
    engine.reset(picture())
    assert engine.steps == 0
    assert np.array_equal(first, play(engine))


def test_frames_keep_what_they_were(world: World) -> None:
    engine = WorldEngine(world)
    first = engine.reset(picture())
    copy = first.copy()
    first[:] = 0  # a caller may draw on its frame
    engine.step(0)
    assert np.array_equal(engine.reset(picture()), copy)


def test_frames_are_pictures(world: World) -> None:
    engine = WorldEngine(world)
    for frame in (engine.reset(picture()), engine.step(0), engine.step(np.int64(3))):
        assert isinstance(frame, np.ndarray)
        assert frame.dtype == np.uint8 and frame.shape == (16, 16, 3)
        assert frame.std() > 0


def test_reset_shows_the_prompt_as_the_world_sees_it(world: World) -> None:
    frame = WorldEngine(world).reset(picture())
    prompt = torch.from_numpy(picture())[None, None]
    assert np.array_equal(frame, world.decode(world.encode(prompt))[0, 0].numpy())


@pytest.mark.parametrize("shape", [(16, 16), (1, 1), (5, 7), (200, 31), (16, 400)], ids=str)
def test_prompts_of_any_size(world: World, shape: tuple[int, int]) -> None:
    engine = WorldEngine(world)
    assert engine.reset(picture(*shape)).shape == engine.step(1).shape == (16, 16, 3)


@pytest.mark.parametrize("prompt", [picture().astype(float), picture()[:, :, :2], picture()[:0], picture()[0]])
def test_what_is_no_picture_is_refused_and_play_goes_on(world: World, prompt: np.ndarray) -> None:
    engine, undisturbed = WorldEngine(world, 0, HOT), WorldEngine(world, 0, HOT)
    for each in (engine, undisturbed):
        each.reset(picture())
        each.step(1)
    with pytest.raises(PictureError, match="uint8"):
        engine.reset(prompt)
    assert engine.steps == 1
    assert all(np.array_equal(engine.step(a), undisturbed.step(a)) for a in ACTIONS)


def test_step_before_reset_names_the_next_call(world: World) -> None:
    with pytest.raises(RuntimeError, match="reset"):
        WorldEngine(world).step(0)


@pytest.mark.parametrize("action", [-1, 4, 1000])
def test_an_action_the_world_lacks_is_refused_and_play_goes_on(world: World, action: int) -> None:
    engine = WorldEngine(world, 0, HOT)
    engine.reset(picture())
    with pytest.raises(ConfigError, match=rf"action {action} .*0\.\.3"):
        engine.step(action)
    assert engine.steps == 0
    assert np.array_equal([engine.step(a) for a in ACTIONS], play(WorldEngine(world, 0, HOT))[1:])


def test_actions_matter(world: World) -> None:
    frames = []
    for action in range(4):
        engine = WorldEngine(world)
        engine.reset(picture())
        frames.append(engine.step(action))
    assert len({frame.tobytes() for frame in frames}) == 4


def test_two_engines_of_one_world_do_not_disturb_each_other(world: World) -> None:
    alone = play(WorldEngine(world, 0, HOT))
    first, second = WorldEngine(world, 0, HOT), WorldEngine(world, 9, HOT)
    frames = [first.reset(picture())]
    second.reset(picture(seed=1))
    for action in ACTIONS:
        frames.append(first.step(action))
        second.step(3 - action)
    assert np.array_equal(frames, alone)


def test_play_equals_recomputing_everything_from_the_start(world: World) -> None:
    """Caches, sliding context, index of the action and decoder memory, all against plain forward passes."""
    played = play(WorldEngine(world, sampling=SamplingConfig(unmask_steps=1)))
    dynamics, actions = world.dynamics, torch.tensor([ACTIONS])
    tokens = world.encode(torch.from_numpy(picture())[None, None])
    for t in range(1, len(ACTIONS) + 1):
        blank = torch.full_like(tokens[:, :1], dynamics.config.mask_id)
        longer = torch.cat([tokens, blank], dim=1)
        parts = dynamics(longer, longer, actions[:, :t])[:, -1:].argmax(-1)
        tokens = torch.cat([tokens, join_tokens(parts, dynamics.config.factor_vocabulary)], dim=1)
    expected = to_frames(world.tokenizer.decode(tokens))[0].numpy()
    assert np.abs(played.astype(int) - expected).max() <= 1  # rounding


def test_memory_stays_flat(world: World) -> None:
    engine = WorldEngine(world)
    engine.reset(picture())
    bytes_held = []
    for step in range(STEPS):
        engine.step(step % 4)
        tensors = [part for layer in engine._now.past for part in layer] + list(engine._now.decoder_past)
        assert {part.shape[3] for layer in engine._now.past for part in layer} == {min(step + 2, CONTEXT)}
        bytes_held.append(sum(tensor.untyped_storage().nbytes() for tensor in tensors))
    assert len(set(bytes_held[CONTEXT:])) == 1


def test_sampling_is_the_worlds_own_unless_said_otherwise(world: World) -> None:
    assert WorldEngine(world).sampling == world.config.sampling
    assert WorldEngine(world, sampling=HOT).sampling == HOT
