"""The engine on an untrained world: play is repeatable, obeys its seed and action, and equals a recomputation."""

import numpy as np
import pytest
import torch
from tiny import CONTEXT, make_reference_world, make_world, unmask

from genie_core.config import SamplingConfig
from genie_core.engine import Moment, WorldEngine, bytes_kept
from genie_core.errors import ConfigError, PictureError
from genie_core.models.dynamics import Prediction
from genie_core.pixels import pack_picture, to_model
from genie_core.runtimes.base import SHARED_FROM
from genie_core.step import Step
from genie_core.world import World

STEPS = 3 * CONTEXT + 2
ACTIONS = [0, 1, 1, 3, 2, 0, 3, 3, 1, 2, 2]
HOT = SamplingConfig(unmask_steps=3, temperature=1.0)


@pytest.fixture(scope="module", params=[make_world, make_reference_world], ids=["spelt anew", "by reference"])
def world(request: pytest.FixtureRequest) -> World:
    made: World = request.param()
    return made


def picture(height: int = 16, width: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def play(engine: WorldEngine, prompt: np.ndarray | None = None) -> np.ndarray:
    first = engine.reset(picture() if prompt is None else prompt)
    return np.stack([first, *(engine.step(action) for action in ACTIONS)])


@pytest.mark.parametrize("sampling", [None, HOT], ids=str)
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
    other = play(engine, picture(seed=1))
    assert not np.array_equal(first, other)
    engine.reset(picture())
    assert np.array_equal(first, play(engine))


def test_a_step_that_is_not_finite_is_refused_and_changes_nothing(world: World) -> None:
    engine, alone = WorldEngine(world, players=2), WorldEngine(world)
    for player in range(2):
        engine.reset(picture(), player)
    alone.reset(picture())
    before = engine.snapshot(0)
    engine._ring.keys[:, 1] = np.nan
    with pytest.raises(FloatingPointError):
        engine.step({0: 1, 1: 1})
    assert engine.snapshot(0) is before
    assert np.array_equal(engine.step({0: 1})[0], alone.step(1))


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
    assert np.array_equal(frame, world.code(prompt)[1][0, 0].numpy())
    assert np.array_equal(frame, picture()) == world.config.tokenizer.reference, "a picture given needs no tokens"


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


@pytest.mark.parametrize("passes", [1, 3])
def test_play_equals_recomputing_everything_from_the_start(world: World, passes: int) -> None:
    """Caches, sliding context, index of the action and decoder memory, all against plain forward passes."""
    sampling = SamplingConfig(unmask_steps=passes)
    played = play(WorldEngine(world, sampling=sampling))
    dynamics, actions = world.dynamics, torch.tensor([ACTIONS])
    prompt = torch.from_numpy(picture())[None]
    tokens = world.encode(prompt[None])
    for t in range(1, len(ACTIONS) + 1):
        pixels = to_model(world.decode(tokens, prompt))
        seen = world.tokenizer.features(torch.cat([pixels, pixels[:, :, -1:]], 2))

        def predict(
            draft: torch.Tensor, tokens: torch.Tensor = tokens, seen: torch.Tensor | None = seen, t: int = t
        ) -> Prediction:
            longer = torch.cat([tokens, draft[:, None]], dim=1)
            return dynamics(longer, longer, actions[:, :t], seen).frame(-1)

        blank = torch.full_like(tokens[:, 0], dynamics.config.mask_id)
        tokens = torch.cat([tokens, unmask(predict, blank, sampling)[:, None]], dim=1)
    expected = world.decode(tokens, prompt)[0].numpy()
    assert np.abs(played.astype(int) - expected).max() <= 1  # rounding


# ---- several players


def test_players_of_one_batch_play_as_if_alone(world: World) -> None:
    """Own prompts, seeds and ages; some stand still while others go on."""
    rng = np.random.default_rng(0)
    together = WorldEngine(world, players=3, sampling=HOT)
    alone = [WorldEngine(world, sampling=HOT) for _ in range(3)]
    for player in range(3):
        prompt = picture(seed=player)
        assert np.array_equal(together.reset(prompt, player, seed=player), alone[player].reset(prompt, seed=player))
    for step in range(STEPS):
        playing = [player for player in range(3) if step < 3 or rng.random() < 0.6]
        actions = {player: int(rng.integers(4)) for player in playing}
        frames = together.step(actions)
        assert list(frames) == playing
        for player, action in actions.items():
            expected = alone[player].step(action)
            assert np.array_equal(tokens_of(together, player), tokens_of(alone[player])), (step, player)
            assert np.abs(frames[player].astype(int) - expected).max() <= 1  # rounding
        if step == 8:
            for engine, player in ((together, 1), (alone[1], 0)):
                engine.reset(picture(seed=9), player, seed=9)  # one starts again; the others go on


def tokens_of(engine: WorldEngine, player: int = 0) -> np.ndarray:
    return engine.snapshot(player).frames[-1].tokens


def test_a_player_that_is_not_there_is_refused(world: World) -> None:
    engine = WorldEngine(world, players=2)
    with pytest.raises(ConfigError, match=r"player 2 .*0\.\.1"):
        engine.reset(picture(), player=2)
    engine.reset(picture(), player=0)
    for passes in (3, 2):  # in one batch, and in one after the other
        engine.set_sampling(SamplingConfig(passes), 1)
        with pytest.raises(RuntimeError, match="reset"):
            engine.step({0: 1, 1: 1})
        assert engine.snapshot(0).frames[-1].index == 0, "nobody moves if one cannot"
    with pytest.raises(ConfigError, match="action 4"):
        engine.step({0: 4})
    assert engine.snapshot(0).frames[-1].index == 0


@pytest.mark.parametrize("player", [-1, -2, 2])
def test_players_are_not_counted_from_the_end(world: World, player: int) -> None:
    engine = WorldEngine(world, players=2)
    for each in range(2):
        engine.reset(picture(seed=each), each)
    for call in (
        lambda: engine.reset(picture(), player),
        lambda: engine.restore(engine.snapshot(0), player),
        lambda: engine.snapshot(player),
        lambda: engine.set_sampling(HOT, player),
        lambda: engine.step({0: 1, player: 1}),
    ):
        with pytest.raises(ConfigError, match=rf"player {player} is not one of 0\.\.1"):
            call()
    assert [engine.snapshot(each).frames[-1].index for each in range(2)] == [0, 0]


def test_settings_of_a_player_are_its_own_until_they_are_taken_back(world: World) -> None:
    engine = WorldEngine(world, players=2)
    own = world.config.sampling
    engine.set_sampling(HOT, 1)
    assert (engine.sampling_of(), engine.sampling_of(1)) == (own, HOT)
    engine.set_sampling(None, 1)
    engine.set_sampling(HOT)
    assert (engine.sampling_of(), engine.sampling_of(1)) == (HOT, own)


def test_what_the_next_step_lacks_is_asked_for_the_player_s_own_passes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = WorldEngine(world, players=2)
    assert engine.lacks() is None
    monkeypatch.setattr(engine.runtime, "is_ready", lambda passes: passes == world.config.sampling.unmask_steps)
    engine.set_sampling(SamplingConfig(5))
    assert (engine.lacks(), engine.lacks(1)) == (5, None)


def test_no_player_steps_in_an_empty_batch(world: World) -> None:
    engine = WorldEngine(world, players=2)
    engine.reset(picture())
    assert engine.step({}) == {}


# ---- going back


def test_a_moment_goes_on_as_it_did(world: World) -> None:
    engine = WorldEngine(world, 3, HOT)
    frames, moments = [engine.reset(picture())], [engine.snapshot()]
    for action in ACTIONS:
        frames.append(engine.step(action))
        moments.append(engine.snapshot())
    for start in (len(ACTIONS), 7, 0, 3, 7):
        assert np.array_equal(engine.restore(moments[start]), frames[start])
        for index in range(start, len(ACTIONS)):
            assert np.array_equal(engine.step(ACTIONS[index]), frames[index + 1]), (start, index)


def test_a_branch_leaves_the_other_line_as_it_was(world: World) -> None:
    engine = WorldEngine(world, 3, HOT)
    engine.reset(picture())
    for action in ACTIONS[:5]:
        engine.step(action)
    fork = engine.snapshot()
    one = [engine.step(action) for action in ACTIONS]
    engine.restore(fork)
    other = [engine.step(3 - action) for action in ACTIONS]
    assert not np.array_equal(one, other)
    engine.restore(fork)
    assert np.array_equal(one, [engine.step(action) for action in ACTIONS])


def test_a_moment_can_be_given_to_another_player(world: World) -> None:
    engine = WorldEngine(world, players=2, sampling=HOT)
    engine.reset(picture(), 0)
    engine.reset(picture(seed=1), 1)
    for action in ACTIONS[:5]:
        engine.step({0: action, 1: 3 - action})
    engine.restore(engine.snapshot(0), 1)
    both = engine.step({0: 2, 1: 2})
    assert np.array_equal(both[0], both[1])


def test_what_was_dropped_is_computed_again_bit_for_bit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genie_core.engine.KEPT_BYTES", 0)
    monkeypatch.setattr("genie_core.engine.REFRESHED", 3)
    actions = np.random.default_rng(0).integers(4, size=60).tolist()
    kept, engine = WorldEngine(world, 3, HOT), WorldEngine(world, 3, HOT)
    kept._room = 1000
    frames, moments = [engine.reset(picture())], [engine.snapshot()]
    assert np.array_equal(kept.reset(picture()), frames[0])
    for action in actions:
        frames.append(engine.step(action))
        moments.append(engine.snapshot())
        assert np.array_equal(kept.step(action), frames[-1])
    assert all(moment.frames[-1].keys is None for moment in moments[:20])
    for start in (60, 20, 19, 40, 1, 0, 59):
        assert np.array_equal(engine.restore(moments[start]), frames[start])
        keys = {frame.index: frame.keys for frame in kept.snapshot().frames}
        for frame in moments[start].frames:
            if frame.keys is not None and keys.get(frame.index) is not None:
                assert all(map(np.array_equal, frame.keys, keys[frame.index]))
        for index in range(start, min(start + 6, 60)):
            assert np.array_equal(engine.step(actions[index]), frames[index + 1]), (start, index)


def held_bytes(engine: WorldEngine, moments: list[Moment]) -> int:
    """Of every array that the engine and the moments hold, shared ones once."""
    arrays = {id(array): array for array in (engine._ring.keys, engine._ring.values)}
    frames = {frame for moment in [*moments, engine.snapshot()] for frame in moment.frames} | set(engine._kept)
    for frame in frames:
        arrays |= {id(array): array for array in frame.keys or ()}
        if frame.seen is not None:
            arrays |= {id(array): array for array in (frame.seen.picture, *frame.seen.memory)}
    whole = (array.base is None or array.base.nbytes == array.nbytes for array in arrays.values())
    assert all(whole), "a view holds the memory of others"
    kept = sum(len(frame._packed) + len(frame.anchor or b"") for frame in frames)
    return kept + sum(array.nbytes for array in arrays.values())


def test_memory_stays_flat_with_and_without_moments(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genie_core.engine.KEPT_BYTES", 30 * bytes_kept(world))
    engine, room = WorldEngine(world), 30
    engine.reset(picture())
    moments, held, without = [], [], []
    for step in range(120):
        engine.step(step % 4)
        moments.append(engine.snapshot())
        held.append(held_bytes(engine, moments))
        without.append(held_bytes(engine, []))
    anchors = {moment.frames[-1].index: len(moment.frames[-1].anchor or b"") for moment in moments}
    most = max(anchors.values())
    assert max(without[60:]) - min(without[60:]) <= most, "of those in reach, one more may have an anchor"
    tokens = 4 * moments[0].frames[-1].tokens.size
    of_anchors = sum(length for index, length in anchors.items() if index > 61)
    assert held[-1] - held[60] == (120 - 61) * tokens + of_anchors  # a moment long gone costs its tokens
    assert held[-1] < 2 * engine._ring.keys.nbytes + room * bytes_kept(world) + 130 * tokens + 16 * most


def test_a_moment_copies_nothing(world: World) -> None:
    engine = WorldEngine(world)
    engine.reset(picture())
    for action in ACTIONS:
        engine.step(action)
    first, second = engine.snapshot(), engine.snapshot()
    assert all(a is b for a, b in zip(first.frames, second.frames, strict=True))
    engine.step(0)
    assert all(a is b for a, b in zip(first.frames[-5:], engine.snapshot().frames[-6:-1], strict=True))


def test_a_player_that_stood_still_for_long_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genie_core.engine.KEPT_BYTES", 0)
    engine, undisturbed = WorldEngine(world, players=2, sampling=HOT), WorldEngine(world, sampling=HOT)
    for each in (engine, undisturbed):
        each.reset(picture())
    engine.reset(picture(seed=1), 1)
    for action in ACTIONS:
        assert np.abs(engine.step({0: action})[0].astype(int) - undisturbed.step(action)).max() <= 1
    for step in range(20):
        engine.step({1: step % 4})
    for action in ACTIONS:
        assert np.abs(engine.step({0: action})[0].astype(int) - undisturbed.step(action)).max() <= 1


def test_players_whose_pictures_push_each_other_out_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two stood still for longer, and what it needs again takes the room of the other's."""
    monkeypatch.setattr("genie_core.engine.KEPT_BYTES", 0)
    engine, undisturbed = WorldEngine(world, players=3), WorldEngine(world, players=2)
    for player in (1, 0):
        engine.reset(picture(seed=player), player)
        undisturbed.reset(picture(seed=player), player)
    engine.reset(picture(seed=2), 2)
    while engine.snapshot(1).frames[-1].seen is not None:
        engine.step({2: 1})
    assert next(iter(engine._kept)) is engine.snapshot(0).frames[-1]
    both, expected = engine.step({0: 1, 1: 2}), undisturbed.step({0: 1, 1: 2})
    for player in (0, 1):
        assert np.abs(both[player].astype(int) - expected[player]).max() <= 1


def test_a_kept_playthrough_is_looked_at_and_gone_on_with(world: World) -> None:
    """Moments of tokens alone: looking moves nobody, restoring goes on as play did."""
    engine = WorldEngine(world, 3, HOT)
    frames, doubts = [engine.reset(picture())], [engine.doubt(engine.snapshot())]
    for action in ACTIONS:
        frames.append(engine.step(action))
        doubts.append(engine.doubt(engine.snapshot()))
    assert doubts[0] is None and all(doubt is not None and 0 < doubt < 10 for doubt in doubts[1:])
    tokens = np.stack([frame.tokens for frame in engine.snapshot().frames])
    other = WorldEngine(world, 0, HOT)
    other.reset(picture(seed=1))
    anchors = [frame.anchor for frame in engine.snapshot().frames if frame.anchor is not None]
    moments = other.moments(tokens, np.array(ACTIONS, np.uint8), 3, anchors=anchors)
    for index in (5, 11, 0, 1):
        assert np.array_equal(other.look(moments[index]), frames[index])
    assert other.doubt(moments[3]) is None and other.snapshot().frames[-1].index == 0
    other.look(moments[0])[:] = 0
    assert np.array_equal(other.restore(moments[6]), frames[6]), "a picture handed out is a copy"
    assert np.array_equal([other.step(action) for action in ACTIONS[6:]], frames[7:])


def test_a_lost_picture_is_decoded_from_the_one_before(world: World) -> None:
    engine = WorldEngine(world, 3, HOT)
    engine.reset(picture())
    frames, moments = zip(*((engine.step(action), engine.snapshot()) for action in ACTIONS), strict=True)
    for index in (9, 4):
        moments[index].frames[-1].seen = None
        assert np.array_equal(engine.look(moments[index]), frames[index])


@pytest.mark.parametrize(
    ("token", "action", "words"),
    [
        (0, 0, None),
        (63, 3, None),
        (64, 3, r"a token is outside 0\.\.63"),  # the id that stands for a masked token
        (-1, 3, r"a token is outside 0\.\.63"),
        (63, 4, "action 4 is not one of"),
        (63, -1, "action -1 is not one of"),
    ],
)
def test_the_tokens_and_actions_of_a_kept_playthrough_are_the_worlds(
    world: World, token: int, action: int, words: str | None
) -> None:
    engine, tokens = WorldEngine(world), np.full((2, 4, 4), 5)
    tokens[1, 2, 3] = token
    anchors = [pack_picture(picture())] * world.config.tokenizer.reference
    if words is None:
        assert len(engine.moments(tokens, np.array([action]), 0, anchors=anchors)) == 2
    else:
        with pytest.raises(ConfigError, match=words):
            engine.moments(tokens, np.array([action]), 0, anchors=anchors)


@pytest.mark.parametrize(
    ("anchors", "words"),
    [
        ([], "0 pictures are kept of 10 frames, expected 2"),
        ([pack_picture(picture())] * 3, "3 pictures are kept of 10 frames, expected 2"),
        ([pack_picture(picture()), pack_picture(picture(16, 15))], "it is none of 16x16"),
        ([pack_picture(picture()), pack_picture(picture(160, 160))], "it is none of 16x16"),
        ([pack_picture(picture()), pack_picture(picture())[:-9]], "it is none of 16x16"),
        ([pack_picture(picture()), b"no picture"], "a kept picture is damaged"),
    ],
    ids=["none", "too many", "too small", "too large", "cut short", "rubbish"],
)
def test_the_pictures_kept_of_a_playthrough_are_the_worlds(anchors: list[bytes], words: str) -> None:
    engine, tokens = WorldEngine(make_reference_world()), np.full((10, 4, 4), 5)
    with pytest.raises(ConfigError, match=words):
        engine.moments(tokens, np.zeros(9, np.uint8), 0, anchors=anchors)


def test_a_prompt_longer_than_what_is_reached_back_to_is_gone_on_from(world: World) -> None:
    clip, actions = np.stack([picture(seed=seed) for seed in range(60)]), [frame % 4 for frame in range(59)]
    engine = WorldEngine(world)
    shown = engine.reset(clip, actions=actions)
    assert np.abs(shown.astype(int) - world.code(torch.from_numpy(clip)[None])[1][0, -1].numpy()).max() <= 1
    frames = engine.snapshot().frames
    assert len(frames) < 60 and all((f.anchor is not None) == engine.is_anchored(f.index) for f in frames)
    engine.step(0)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_prompt_of_several_frames_needs_the_actions_between_them(world: World, count: int) -> None:
    engine, clip = WorldEngine(world), np.stack([picture(seed=seed) for seed in range(3)])
    with pytest.raises(ConfigError, match=f"{count} actions for a prompt of 3 frames, expected 2"):
        engine.reset(clip, actions=[0] * count)
    with pytest.raises(ConfigError, match="action 4"):
        engine.reset(clip, actions=[0, 4])
    seen = world.code(torch.from_numpy(clip)[None])[1][0].numpy()
    assert np.abs(engine.reset(clip, actions=[1, 2]).astype(int) - seen[-1]).max() <= 1  # rounding
    moment = engine.snapshot()
    assert [(frame.index, frame.action) for frame in moment.frames] == [(0, 4), (1, 1), (2, 2)], (
        "4 is that of no action"
    )


def test_the_bytes_of_a_frame_are_those_of_its_arrays(world: World) -> None:
    engine = WorldEngine(world)
    engine.reset(picture())
    engine.step(1)
    first = engine.snapshot().frames[0]
    assert sum(array.nbytes for array in (*first.keys, first.seen.picture, *first.seen.memory)) == bytes_kept(world)


# ---- threads


def test_a_step_leaves_the_number_of_threads_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    engine = WorldEngine(world, players=SHARED_FROM)
    for player in range(SHARED_FROM):
        engine.reset(picture(), player)
    forward = Step.forward
    monkeypatch.setattr(Step, "forward", lambda *given: (seen.append(torch.get_num_threads()), forward(*given))[1])
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        engine.step({0: 1})
        engine.step(dict.fromkeys(range(SHARED_FROM), 1))
        monkeypatch.setenv("OMP_NUM_THREADS", "3")
        engine.step({0: 1})
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert seen == [1, 3, 3]


def test_sampling_is_the_worlds_own_unless_said_otherwise(world: World) -> None:
    assert WorldEngine(world).sampling == world.config.sampling
    assert WorldEngine(world, sampling=HOT).sampling == HOT
