"""Rewinding, branching, pausing, autoplay and saved sessions, on a real engine of an untrained world."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from played import actions_of, save_session, session_bytes
from safetensors.numpy import load, save
from tiny import make_reference_world, make_sized_world, make_world

from app.play import commands as c
from app.play import session_file, timeline
from app.play.autoplay import LONGEST_HOLD, ListedActions, RandomActions
from app.play.saved import SavedSession
from app.play.session import PlaySession
from app.play.session_file import KEY, load_session, parse_session
from app.play.session_snapshot import HEADER_BYTES, snapshot
from app.play.start import Start, begin
from app.play.timeline import Line
from genie_core import engine as engine_module
from genie_core.config import SamplingConfig
from genie_core.engine import WorldEngine
from genie_core.errors import ConfigError, GenieError, PictureError, SessionError
from genie_core.pixels import pack_picture
from genie_core.world import World

HOT = SamplingConfig(unmask_steps=3, temperature=1.0)
STEPS = 40


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


@pytest.fixture
def session(world: World) -> PlaySession:
    return PlaySession(WorldEngine(world, 3, HOT), picture())


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither engine nor session keeps more of what was played than it must."""
    monkeypatch.setattr(engine_module, "KEPT_BYTES", 0)
    monkeypatch.setattr(engine_module, "REFRESHED", 1)
    monkeypatch.setattr(timeline, "PICTURE_BYTES", 3000)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def chosen(steps: int = STEPS, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(4, size=steps).tolist()


def played(session: PlaySession, actions: Iterable[int]) -> list[np.ndarray]:
    """The frame at hand and those that follow."""
    frames = [frame.copy() for frame in session.play(actions)]
    session.handle(c.Hold(None))
    return frames


def kinds(session: PlaySession) -> list[str]:
    """Of its events, but for that an untrained world knows no picture."""
    return [event.kind for event in session.events() if event.kind != c.UNFAMILIAR]


def same(one: Iterable[np.ndarray], other: Iterable[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("key", [c.Rewind, c.Forward], ids=["back", "back and forth"])
def test_rewinding_shows_every_frame_again_to_the_very_first(session: PlaySession, key: type) -> None:
    frames = played(session, chosen())
    session.handle(c.Rewind(True))
    back = {}
    while session.steps:
        session.tick()
        back[session.steps] = session.frame.copy()
    assert all(np.array_equal(frames[step], frame) for step, frame in back.items())
    assert len(back) >= 30, "at first a frame a tick"
    session.tick()
    assert session.steps == 0
    session.handle(c.Rewind(False))
    if key is c.Forward:
        session.handle(c.Forward(True))
        while session.steps < STEPS:
            session.tick()
            assert np.array_equal(session.frame, frames[session.steps]), session.steps
    assert session.engine.snapshot().frames[-1].index == STEPS, "nothing was played anew"


@pytest.mark.usefixtures("forgetful")
def test_what_is_played_after_a_rewind_is_what_would_have_been(world: World) -> None:
    actions, other = chosen(), chosen(12, seed=1)
    session = PlaySession(WorldEngine(world, 3, HOT), picture())
    frames = played(session, actions)
    session.handle(c.GoTo(0, 20))
    branch = played(session, other)
    alone = PlaySession(WorldEngine(world, 3, HOT), picture())
    assert same(played(alone, actions[:20] + other)[20:], branch)
    assert actions_of(session) == actions[:20] + other
    assert kinds(session) == [c.BRANCHED]
    session.handle(c.GoTo(0, 35))
    assert same(played(session, actions[35:]), frames[35:])
    assert [(line.start, line.tip) for line in session.timeline.lines] == [(0, 40), (21, 32), (36, 40)]


def test_after_a_rewind_the_world_waits_for_the_player(session: PlaySession) -> None:
    frames = played(session, chosen(5))
    session.handle(c.Rewind(True))
    session.tick()
    session.handle(c.Rewind(False))
    assert [session.next_action(), session.mode, session.steps] == [None, "resting", 4]
    session.handle(c.Step())
    session.tick()
    assert (session.steps, len(session.timeline.lines)) == (5, 1), "a step goes along the line"
    assert np.array_equal(session.frame, frames[5])
    session.handle(c.Pause(False))
    session.tick()
    assert (session.steps, len(session.timeline.lines)) == (6, 1), "at its tip the line goes on"


def test_a_quick_tap_goes_one_frame_back(session: PlaySession) -> None:
    played(session, chosen(5))
    session.handle(c.Rewind(True))
    session.handle(c.Rewind(False))
    assert session.steps == 4


def test_pause_and_single_steps(session: PlaySession) -> None:
    session.handle(c.Pause())
    assert session.next_action() is None and session.mode == "paused"
    session.handle(c.Hold(3))
    session.handle(c.Step())
    session.tick()
    session.tick()
    assert actions_of(session) == [3]
    session.handle(c.Pause())
    session.tick()
    assert actions_of(session) == [3, 3]


def test_restart_keeps_the_old_line(session: PlaySession) -> None:
    frames = played(session, chosen(6))
    session.handle(c.Restart())
    session.handle(c.Restart())
    assert np.array_equal(session.frame, frames[0]) and session.mode == "playing"
    assert same(played(session, chosen(6)), frames)
    assert [line.tip for line in session.timeline.lines] == [6, 6]
    assert kinds(session) == []


def test_what_was_left_without_a_step_is_no_branch(session: PlaySession) -> None:
    frames = played(session, chosen(6))
    for _ in range(2):
        session.handle(c.Restart())
        session.handle(c.StartFrom(picture(1)))
        session.handle(c.NewSeed())
    assert len(session.timeline.lines) == 2 and len(session.branches) == 1 and session.unsaved == 0
    assert not np.array_equal(session.timeline.thumbnail(session.timeline.line), frames[0])
    session.handle(c.Keep())
    session.handle(c.GoTo(0))
    assert np.array_equal(session.frame, frames[6]) and len(session.timeline.lines) == 2, "but what was kept stays"


def test_time_that_goes_by_is_nothing_to_save(session: PlaySession) -> None:
    """Nobody acts: no key is held and nothing plays by itself."""

    def idle(steps: int) -> None:
        for _ in range(steps):
            session.tick()

    played(session, [3])
    idle(3)
    session.handle(c.Restart())
    idle(3)
    assert session.unsaved == 0, "one branch was played, and nobody did anything in the other"
    session.handle(c.GoTo(0, 1))
    session.handle(c.Hold(session.idle))
    session.tick()
    session.handle(c.Hold(None))
    idle(2)
    assert session.timeline.acted == [True, True, False, False] and session.timeline.line.acted_until == 2
    assert session.unsaved == 2, "a held key counts, whatever it plays"
    note = snapshot(session)
    idle(1)
    note.mark_saved()
    idle(4)
    assert session.unsaved == 0, "nobody has acted since"
    session.handle(c.Keep())
    assert session.unsaved == 1, "who keeps a moment acts"
    snapshot(session).mark_saved()
    session.handle(c.Autoplay(ListedActions((session.idle,))))
    idle(1)
    assert session.unsaved == 1
    other = begin(session.engine, Start(None, saved=saved_again(session)))
    assert other.timeline.acted == [True] + [False] * (other.steps - 1), "a file tells actions alone"


def test_another_seed_and_another_picture_start_new_trees(session: PlaySession) -> None:
    frames = played(session, chosen(6))
    session.handle(c.NewSeed())
    assert (session.seed, session.steps) == (4, 0)
    assert not same(played(session, chosen(6))[1:], frames[1:])
    session.handle(c.StartFrom(picture(1)))
    assert not np.array_equal(session.frame, frames[0])
    with pytest.raises(PictureError):
        session.handle(c.StartFrom(np.zeros((4, 4), np.uint8)))
    assert session.steps == 0 and len(session.timeline.lines) == 3
    session.handle(c.GoTo(0))
    assert np.array_equal(session.frame, frames[6]) and session.seed == 3


def test_a_picture_far_from_the_world_is_told_once(session: PlaySession) -> None:
    assert [event.kind for event in session.events()] == [c.UNFAMILIAR]
    assert session.familiarity.score < 0.5
    session.handle(c.NewSeed())
    session.handle(c.Restart())
    assert not session.events()
    session.handle(c.StartFrom(picture(1)))
    (event,) = session.events()
    assert event.kind == c.UNFAMILIAR and f"{100 * session.familiarity.score:.0f} of 100" in event.text


def test_at_temperature_zero_it_is_said_that_seeds_play_alike(world: World) -> None:
    session = PlaySession(WorldEngine(world), picture())
    session.handle(c.NewSeed(7))
    assert kinds(session) == [c.TOLD]


def test_kept_moments(session: PlaySession) -> None:
    frames = played(session, chosen(8))
    session.handle(c.Keep())
    played(session, chosen(4))
    session.handle(c.Recall(0))
    assert np.array_equal(session.frame, frames[8]) and session.mode == "resting"
    assert session.timeline.thumbnail(*session.kept[0]).shape == (32, 32, 3)
    session.handle(c.Recall(9))
    session.handle(c.GoTo(99))
    assert session.steps == 8


def test_thumbnails_show_the_tips(session: PlaySession) -> None:
    frames = played(session, chosen(8))
    thumbnail = session.timeline.thumbnail(session.timeline.line)
    assert np.array_equal(thumbnail[::2, ::2], frames[8])
    played(session, [1])
    assert not np.array_equal(session.timeline.thumbnail(session.timeline.line), thumbnail)


def test_speed_and_what_the_machine_cannot_keep_up_with(session: PlaySession) -> None:
    session.handle(c.Speed(4))
    assert session.fps == 4 * session.config.fps
    for reached in (60.0, 30.0, 30.0, 60.0, 20.0):
        session.pace(reached)
    assert kinds(session) == [c.CANNOT_KEEP_UP] * 2
    for times in (0.1, 5, float("nan")):
        with pytest.raises(ConfigError):
            session.handle(c.Speed(times))
    assert session.speed == 4


def test_autoplay_of_a_list_ends_and_repeats(session: PlaySession) -> None:
    session.handle(c.Autoplay(ListedActions((3, 1))))
    for _ in range(3):
        session.tick()
    assert actions_of(session) == [3, 1, session.idle]
    assert kinds(session) == [c.AUTOPLAY_ENDED]
    session.handle(c.Autoplay(ListedActions((2, 3), repeat=True)))
    for _ in range(4):
        session.tick()
    assert actions_of(session)[3:] == [2, 3, 2, 3]
    with pytest.raises(ConfigError):
        session.handle(c.Autoplay(ListedActions((4,))))


def test_chance_holds_on_and_repeats_by_its_seed(world: World) -> None:
    runs = []
    for seed in (1, 1, 2):
        session = PlaySession(WorldEngine(world), picture())
        session.handle(c.Autoplay(RandomActions(seed)))
        for _ in range(60):
            session.tick()
        runs.append(actions_of(session))
    assert runs[0] == runs[1] != runs[2]
    changes = sum(a != b for a, b in zip(runs[0], runs[0][1:], strict=False))
    assert 60 / LONGEST_HOLD - 1 <= changes <= 30 and set(runs[0]) == {0, 1, 2, 3}


@pytest.mark.parametrize(("mix", "actions"), [(False, [1, 1, 3, 0, 0]), (True, [1, 1, 3, 1, 1])])
def test_any_key_takes_over(session: PlaySession, mix: bool, actions: list[int]) -> None:
    session.handle(c.Autoplay(ListedActions((1,), repeat=True), mix))
    for step in range(5):
        session.handle(c.Hold(3 if step == 2 else None))
        session.tick()
    assert actions_of(session) == actions
    assert (c.TAKEN_OVER in kinds(session)) is not mix


def test_two_players_step_as_one_batch_with_settings_of_their_own(world: World) -> None:
    engine = WorldEngine(world, players=2)
    sessions = [PlaySession(engine, picture(player), player, seed=5) for player in range(2)]
    sessions[1].handle(c.Tune(unmask_steps=1, temperature=2.0))
    script = chosen(12)
    for step, action in enumerate(script):
        sessions[0].handle(c.Hold(action))
        sessions[1].handle(c.Pause(step % 3 == 0))
        wanted = {s.player: a for s in sessions if (a := s.next_action()) is not None}
        for player, frame in engine.step(wanted).items():
            sessions[player].advance(frame)
    assert [session.steps for session in sessions] == [12, 8]
    assert sessions[0].sampling == world.config.sampling and sessions[1].sampling == SamplingConfig(1, 2.0)
    alone = WorldEngine(world, 5, SamplingConfig(1, 2.0))
    assert same(played(PlaySession(alone, picture(1)), actions_of(sessions[1]))[-1:], [sessions[1].frame])


def test_saved_and_gone_on_with(session: PlaySession, world: World, tmp_path: Path) -> None:
    session.handle(c.Tune(temperature=0.7))
    frames = played(session, chosen())
    session.handle(c.GoTo(0, 30))
    save_session(session, tmp_path / "s.genie")
    assert [path.name for path in tmp_path.iterdir()] == ["s.genie"]
    saved = load_session(tmp_path / "s.genie", world)
    other = PlaySession(WorldEngine(world), saved.prompt)
    other.handle(c.Open(saved))
    assert (other.steps, other.seed, other.sampling, len(other.timeline.lines)) == (30, 3, session.sampling, 1)
    assert np.array_equal(other.frame, frames[30])
    assert same(played(other, chosen()[30:]), frames[30:])
    other.handle(c.GoTo(0))
    assert np.array_equal(other.frame, frames[40])
    assert same(played(other, chosen(9, 2)), played_from(session, chosen(9, 2)))


def played_from(session: PlaySession, actions: list[int]) -> list[np.ndarray]:
    session.handle(c.GoTo(0))
    return played(session, actions)


def test_a_slow_world_is_saved_and_opened_at_its_pace() -> None:
    world = make_world()
    world.config = dataclasses.replace(world.config, fps=0.5)
    session = PlaySession(WorldEngine(world), picture())
    session.tick()
    assert parse_session(session_bytes(session), world).fps == 0.5


def test_a_replay_shows_what_was_played_and_then_waits(session: PlaySession, world: World) -> None:
    frames = played(session, chosen(12))
    other = PlaySession(WorldEngine(world), picture(3))
    other.handle(c.Open(parse_session(session_bytes(session), world), replay=True))
    assert other.mode == "replay" and np.array_equal(other.frame, frames[0])
    other.handle(c.Pause(True))
    other.tick()
    other.handle(c.Pause(False))
    for step in range(1, 13):
        assert np.array_equal(other.tick(), frames[step])
    assert other.tick() is not None and other.steps == 12 and other.mode == "resting"
    assert kinds(other) == [c.LINE_ENDED]
    other.handle(c.Open(parse_session(session_bytes(session), world), replay=True))
    other.tick()
    other.handle(c.Hold(2))
    other.tick()
    assert kinds(other) == [c.BRANCHED] and actions_of(other) == [*chosen(12)[:1], 2]


def test_a_replay_that_was_rewound_goes_on(session: PlaySession, world: World) -> None:
    frames = played(session, chosen(8))
    other = PlaySession(WorldEngine(world), picture(3))
    other.handle(c.Open(parse_session(session_bytes(session), world), replay=True))
    for _ in range(5):
        other.tick()
    other.handle(c.Rewind(True))
    other.tick()
    assert (other.mode, other.steps) == ("rewinding", 4)
    other.handle(c.Rewind(False))
    assert (other.mode, other.next_action()) == ("resting", None)
    other.handle(c.Pause(False))
    assert other.mode == "replay" and same([other.tick() for _ in range(4)], frames[5:])
    other.handle(c.Open(parse_session(session_bytes(session), world), replay=True))
    other.tick()
    other.handle(c.Restart())
    assert (other.mode, other.next_action()) == ("playing", other.idle), "a restart ends it"


def test_a_travel_key_covers_a_pause(session: PlaySession) -> None:
    played(session, chosen(5))
    session.handle(c.Autoplay(ListedActions((1,), repeat=True)))
    session.handle(c.Pause(True))
    session.handle(c.Rewind(True))
    session.tick()
    assert (session.mode, session.paused, session.steps) == ("rewinding", True, 4)
    session.handle(c.Forward(True))
    assert session.mode == "forward", "the travel key pressed last counts"
    session.handle(c.Rewind(False))
    session.handle(c.Forward(False))
    assert (session.mode, session.steps) == ("paused", 5)
    session.handle(c.Pause())
    assert session.mode == "autoplay"


def test_tokens_are_the_truth_of_a_replay(session: PlaySession, world: World) -> None:
    """A replay decodes: actions that were changed, which would have led elsewhere, change no frame."""
    frames = played(session, chosen(12))
    tensors = load(session_bytes(session))
    saved = parse_session(session_bytes(session), world)
    assert saved.tokens.dtype == np.int32 and np.array_equal(saved.tokens, tensors["tokens"])
    other = PlaySession(WorldEngine(world), picture(3))
    saved.lines[0].actions[:] = 0
    other.handle(c.Open(saved, replay=True))
    assert same([other.tick() for _ in range(12)], frames[1:])


@pytest.fixture(scope="module")
def twelve_steps(world: World) -> bytes:
    """A session file, with a branch of three frames from step 4 on."""
    session = PlaySession(WorldEngine(world, 3, HOT), picture())
    played(session, chosen(12))
    session.handle(c.GoTo(0, 4))
    played(session, chosen(3))
    session.handle(c.GoTo(0))
    return session_bytes(session)


def branches(*lines: tuple[int, int, int]) -> np.ndarray:
    return np.array(lines, np.int32)


def of_format_1(session: PlaySession) -> bytes:
    """As sessions were saved before files had branches, and as the static page saves them."""
    line, kept = session.timeline.line, load(session_bytes(session))
    tensors = {
        "tokens": np.stack([line.moment(index).frames[-1].tokens for index in range(line.tip + 1)]),
        "actions": np.array(list(session.timeline.path()), np.uint8),
        "prompt": session.prompt,
        **{name: kept[name] for name in session_file.ANCHORS if name in kept},
    }
    told = {
        **{"format": 1, "world": session.engine.world.name, "sha256": session.engine.world.fingerprint()},
        **{"seed": session.seed, "at": session.steps, "fps": session.config.fps},
        **{"sampling": dataclasses.asdict(session.sampling), "content": session_file.digest_of(tensors)},
    }
    return save(tensors, {KEY: json.dumps(told)})


def rewritten(data: bytes, told: dict[str, object] | None = None, **tensors: np.ndarray) -> bytes:
    """A session file with some of it changed, and its digest made to agree."""
    held = load(data) | tensors
    length = int.from_bytes(data[:8], "little")
    values = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][KEY]) | (told or {})
    values = {"content": session_file.digest_of(held)} | {k: v for k, v in values.items() if k != "content"}
    return save(held, {KEY: json.dumps(values)})


@pytest.mark.parametrize(
    ("told", "tensors", "words"),
    [
        ({"format": 3}, {}, "session format 3, this program reads 1 and 2"),
        ({"format": True}, {}, "session format True"),
        ({"format": 1}, {}, "it holds"),
        ({"sha256": {}}, {}, "was played in the world 'world'"),
        ({"sha256": None}, {}, "name the session's world with --world"),
        ({"seeds": [-1]}, {}, "seed is -1"),
        ({"seeds": [True]}, {}, "seed is True"),
        ({"seeds": [2**70]}, {}, "seed is"),
        ({"seeds": [3, 4]}, {}, "there are not 1 seeds"),
        ({"seeds": 3}, {}, "there are not 1 seeds"),
        ({"line": 2}, {}, "line is 2, expected 0..1"),
        ({"line": True}, {}, "line is True"),
        ({"at": 13}, {}, "at is 13, expected 0..12"),
        ({"at": "1"}, {}, "at is '1'"),
        ({"fps": 0}, {}, "fps is 0"),
        ({"fps": float("nan")}, {}, "fps is nan"),
        ({"sampling": {"unmask_steps": 0}}, {}, "unmask_steps 0 is outside"),
        ({"sampling": {"passes": 1}}, {}, "does not know passes"),
        ({"sampling": 3}, {}, "expected an object"),
        ({"sampling": {"order": "halton"}}, {}, "order 'halton'"),
        ({}, {"tokens": np.full((16, 4, 4), 64, np.int32)}, "a token is not of this world"),
        ({}, {"tokens": np.full((16, 4, 4), -1, np.int32)}, "a token is not of this world"),
        ({}, {"tokens": np.zeros((12, 4, 4), np.int32)}, "tokens are"),
        ({}, {"tokens": np.zeros((16, 5, 4), np.int32)}, "tokens are"),
        ({}, {"tokens": np.zeros((16, 4, 4), np.int64)}, "it holds"),
        ({}, {"actions": np.full(16, 4, np.uint8)}, "an action is not of this world"),
        ({}, {"actions": np.zeros((4, 4), np.uint8)}, "actions are"),
        ({}, {"actions": np.zeros(0, np.uint8)}, "actions are"),
        ({}, {"prompts": np.zeros((1, 17, 16, 3), np.uint8)}, "prompts are"),
        ({}, {"prompts": np.zeros((2, 16, 16, 3), np.uint8)}, "prompts are"),
        ({}, {"kept": np.array([[0, 13]], np.int32)}, "a kept moment is of no branch"),
        ({}, {"kept": np.array([[2, 0]], np.int32)}, "a kept moment is of no branch"),
        ({}, {"kept": np.array([[0, -1]], np.int32)}, "a kept moment is of no branch"),
        ({}, {"kept": np.zeros((1001, 2), np.int32)}, "kept is"),
        ({}, {"kept": np.zeros(2, np.int32)}, "kept is"),
        ({}, {"lines": np.zeros((0, 3), np.int32)}, "there are 0 branches"),
        ({}, {"lines": np.zeros((1001, 3), np.int32)}, "there are 1001 branches"),
        ({}, {"lines": np.zeros((2, 2), np.int32)}, "lines are"),
        ({}, {"lines": branches((-1, 0, 13), (1, 5, 3))}, "branch 2 begins"),
        ({}, {"lines": branches((-1, 0, 13), (0, 0, 3))}, "branch 2 begins"),
        ({}, {"lines": branches((-1, 0, 13), (0, 14, 3))}, "branch 2 begins"),
        ({}, {"lines": branches((-1, 0, 13), (0, 5, 4))}, "branch 2 begins"),
        ({}, {"lines": branches((-1, 0, 13), (0, 5, -3))}, "branch 2 begins"),
        ({}, {"lines": branches((-1, 1, 13), (0, 5, 3))}, "branch 1 begins"),
        ({}, {"lines": branches((-1, 0, 13), (0, 5, 2))}, "there are 16 frames, of which branches have 15"),
        ({}, {"extra": np.zeros(1, np.uint8)}, "it holds"),
    ],
)
def test_sessions_that_are_refused(
    twelve_steps: bytes, world: World, told: dict[str, object], tensors: dict[str, np.ndarray], words: str
) -> None:
    data = twelve_steps
    assert parse_session(rewritten(data), world).at == 12
    with pytest.raises(SessionError, match=r".*") as caught:
        parse_session(rewritten(data, told, **tensors), world, "s.genie")
    assert words in str(caught.value) and str(caught.value).startswith("s.genie ")


def test_a_session_keeps_all_branches_and_kept_moments(session: PlaySession, world: World) -> None:
    """Three branches, one of them of another picture, and a restart without a frame of its own."""
    first = played(session, chosen(10))
    session.handle(c.Keep())
    session.handle(c.GoTo(0, 6))
    second = played(session, chosen(5, 1))
    session.handle(c.GoTo(1, 9))
    played(session, chosen(3, 2))
    session.handle(c.StartFrom(picture(2)))
    fourth = played(session, chosen(4, 3))
    session.handle(c.Keep())
    session.handle(c.GoTo(1))
    session.handle(c.Restart())
    session.handle(c.GoTo(1, 8))
    assert session.unsaved == len(session.branches) == len(session.timeline.lines) == 4, "none without steps stays"
    note = snapshot(session)
    note.mark_saved()
    assert session.unsaved == 0
    saved = parse_session(note(), world)
    assert (saved.frames, len(saved.lines), len(saved.kept)) == (11 + 5 + 3 + 5, 4, 2)
    assert saved.actions.tolist() == [*chosen(10)[:6], *chosen(5, 1)] and saved.alone().tokens.shape[0] == 12
    other = begin(WorldEngine(world), Start(None, saved=saved))
    assert (other.steps, other.seed, other.unsaved, other.mode) == (8, session.seed, 0, "resting")
    assert np.array_equal(other.frame, second[2])
    for line, mine in zip(other.timeline.lines, session.timeline.lines, strict=True):
        ends = other.timeline.picture_of(line, line.tip), session.timeline.picture_of(mine, mine.tip)
        assert (line.number, line.tip) == (mine.number, mine.tip) and np.array_equal(*ends)
        assert np.array_equal(line.prompt, mine.prompt)
    for kept, frame in ((0, first[10]), (1, fourth[4])):
        other.handle(c.Recall(kept))
        assert np.array_equal(other.frame, frame)
    other.handle(c.GoTo(2))
    session.handle(c.GoTo(2))
    assert same(played(other, chosen(4)), played(session, chosen(4))), "each goes on as it would have"
    session.handle(c.Open(saved))
    assert len(session.timeline.lines) == 4 and session.steps == 8, "what is there already is not added again"
    assert len(session.kept) == 2 and session.timeline.lines[2].tip > saved.lines[2].tip, "nor is anything lost"
    session.handle(c.Open(session_of(session, chosen(7, 5))))
    assert len(session.timeline.lines) == 5, "beside what was played"


def session_of(session: PlaySession, actions: list[int]) -> SavedSession:
    """What another player of the same world saved after `actions`, from the same start."""
    other = PlaySession(WorldEngine(session.engine.world, session.seed, session.sampling), session.prompt)
    played(other, actions)
    return saved_again(other)


def test_playing_on_shows_what_is_there_and_acting_branches(session: PlaySession) -> None:
    frames = played(session, chosen(6))
    for keys in (1, 2):
        session.handle(c.Pause(True))
        session.handle(c.GoTo(0, 3))
        session.handle(c.Pause(False))
        assert np.array_equal(session.tick(), frames[4]) and session.mode == "replay"
        assert len(session.timeline.lines) == keys
        session.handle(c.Hold(2))
        session.tick()
        session.handle(c.Hold(None))
        assert session.mode == "playing" and len(session.timeline.lines) == keys + 1


def test_what_is_too_much_for_a_file_is_left_out(session: PlaySession, monkeypatch: pytest.MonkeyPatch) -> None:
    played(session, chosen(6))
    session.handle(c.Keep())
    session.handle(c.GoTo(0, 2))
    frames = played(session, chosen(3))
    monkeypatch.setattr("app.play.session_snapshot.SESSION_STEPS", 7)
    saved = parse_session(snapshot(session)(), session.engine.world)
    assert (len(saved.lines), saved.at, saved.kept) == (1, 5, ())
    assert np.array_equal(begin(WorldEngine(session.engine.world), Start(None, saved=saved)).frame, frames[-1])
    monkeypatch.setattr("app.play.session_snapshot.SESSION_STEPS", 5)
    with pytest.raises(SessionError, match="too long for a session: 5 steps; record a video"):
        snapshot(session)


def test_sessions_of_one_branch_load_for_ever(session: PlaySession, world: World) -> None:
    frames = played(session, chosen(5))
    session.handle(c.GoTo(0, 3))
    saved = parse_session(of_format_1(session), world)
    assert (saved.at, saved.seed, saved.kept, len(saved.lines)) == (3, 3, (), 1)
    other = begin(WorldEngine(world), Start(None, saved=saved))
    assert np.array_equal(other.frame, frames[3]) and same(played(other, chosen(5)[3:]), frames[3:])
    for word, told in (("seed is -1", {"seed": -1}), ("at is 6", {"at": 6}), ("damaged", {"fps": None})):
        with pytest.raises(SessionError, match=word):
            parse_session(rewritten(of_format_1(session), told), world)
    for tensors in ({"actions": np.zeros((5, 1), np.uint8)}, {"prompt": np.zeros((1, 16, 16, 3), np.uint8)}):
        with pytest.raises(SessionError, match="are"):
            parse_session(rewritten(of_format_1(session), **tensors), world)


@pytest.fixture(scope="module")
def seeing() -> World:
    """A world whose pictures follow from those before them."""
    return make_reference_world()


@pytest.fixture(scope="module")
def thirty_frames(seeing: World) -> bytes:
    """A session of such a world: twenty frames, and ten others from the ninth on."""
    session = PlaySession(WorldEngine(seeing, 3, HOT), picture())
    played(session, chosen(19))
    session.handle(c.GoTo(0, 8))
    played(session, chosen(10, 1))
    return session_bytes(session)


@pytest.fixture
def kept(thirty_frames: bytes, seeing: World) -> PlaySession:
    return begin(WorldEngine(seeing), Start(None, saved=parse_session(thirty_frames, seeing)))


@pytest.mark.usefixtures("forgetful")
def test_a_session_keeps_the_pictures_that_others_follow_from(kept: PlaySession, seeing: World) -> None:
    """Each eighth of a branch's own frames; the last branch goes over two of them."""
    kept.handle(c.Keep())
    saved = parse_session(session_bytes(kept), seeing)
    assert [[*line.anchors] for line in saved.lines] == [[0, 8, 16], [16]]
    assert [*saved.alone().lines[0].anchors] == [0, 8, 16]
    branch = saved.alone().lines[0].anchors[16]
    assert branch == saved.lines[1].anchors[16] != saved.lines[0].anchors[16]
    for each in (saved, saved.alone()):
        other = begin(WorldEngine(seeing), Start(None, saved=each))
        for step in (18, 17, 3, 16):
            other.handle(c.GoTo(other.timeline.line.number, step))
            kept.handle(c.GoTo(1, step))
            assert np.array_equal(other.frame, kept.frame), step
        assert same(played(other, chosen(4, 2)), played(kept, chosen(4, 2))), "from the middle, as it would have"
        kept.timeline.lines.pop()
    assert session_bytes(other) == session_bytes(begin(WorldEngine(seeing), Start(None, saved=saved_again(other))))


def saved_again(session: PlaySession) -> SavedSession:
    return parse_session(session_bytes(session), session.engine.world)


def test_a_replay_shows_the_pictures_that_were_kept(kept: PlaySession, seeing: World) -> None:
    """Another computer may round otherwise: what follows is to follow from what was seen here."""
    data = session_bytes(kept)
    tensors, lines = load(data), parse_session(data, seeing).lines
    other = [pack_picture(picture(5)) if index == 8 else part for line in lines for index, part in line.anchors.items()]
    changed = parse_session(rewritten(data, **anchors_of(*other)), seeing)
    session = begin(WorldEngine(seeing), Start(None, saved=changed, replay=True))
    frames = [session.frame, *(session.tick() for _ in range(12))]
    assert np.array_equal(frames[8], picture(5)) and not np.array_equal(
        frames[9], kept.timeline.picture_of(*at(kept, 9))
    )
    assert np.array_equal(frames[7], kept.timeline.picture_of(*at(kept, 7))) and len(tensors["anchor_lengths"]) == 4


def at(session: PlaySession, step: int) -> tuple[Line, int]:
    return session.timeline.line, step


def anchors_of(*kept: bytes) -> dict[str, np.ndarray]:
    """The two tensors of pictures kept."""
    lengths = np.array([len(part) for part in kept], np.int32)
    return {"anchors": np.frombuffer(b"".join(kept), np.uint8), "anchor_lengths": lengths}


START, OTHER = pack_picture(picture()), pack_picture(picture(1))


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (anchors_of(START, OTHER, OTHER), "anchor_lengths are (3,), expected (4,)"),
        (anchors_of(START, OTHER, OTHER, OTHER, OTHER), "anchor_lengths are (5,), expected (4,)"),
        (anchors_of(START, OTHER, OTHER, pack_picture(np.zeros((999, 999, 3), np.uint8))), "it is none of 16x16"),
        (anchors_of(START, OTHER, OTHER, OTHER[:-1]), "it is none of 16x16"),
        (anchors_of(START, OTHER, OTHER, b"no picture"), "a kept picture is damaged"),
        (anchors_of(OTHER, OTHER, OTHER, OTHER), "the picture kept of a start is another than its prompt"),
        ({"anchors": np.zeros(9, np.uint8)}, "anchors are (9,), which their lengths do not add up to"),
        ({"anchor_lengths": np.array([-1, 2, 2**31 - 1, 5], np.int32)}, "do not add up to"),
        ({"anchor_lengths": np.zeros((2, 2), np.int32)}, "anchor_lengths are (2, 2), expected (4,)"),
        ({"anchors": np.zeros((4, 4), np.uint8)}, "anchors are (4, 4)"),
        ({"anchors": np.zeros(4, np.int32)}, "it holds"),
        ({"lines": branches((-1, 0, 20), (0, 9, 2**31 - 1))}, "branch 2 begins or ends where it cannot"),
    ],
    ids=range(12),
)
def test_pictures_kept_that_are_refused(
    thirty_frames: bytes, seeing: World, tensors: dict[str, np.ndarray], words: str
) -> None:
    with pytest.raises(SessionError, match=r"^s\.genie is damaged.*--play") as caught:
        parse_session(rewritten(thirty_frames, **tensors), seeing, "s.genie")
    assert words in str(caught.value)


def test_only_worlds_by_reference_keep_pictures(session: PlaySession, kept: PlaySession, seeing: World) -> None:
    played(session, chosen(9))
    assert sorted(load(session_bytes(session))) == sorted(session_file.KINDS[2])
    for world, data in ((session.engine.world, session_bytes(kept)), (seeing, session_bytes(session))):
        with pytest.raises(SessionError, match=r"damaged: it holds"):
            parse_session(rewritten(data, {"sha256": world.fingerprint()}), world)


def test_pictures_kept_count_for_the_size_of_a_file(kept: PlaySession, monkeypatch: pytest.MonkeyPatch) -> None:
    most = sum(tensor.nbytes for tensor in load(session_bytes(kept)).values()) + HEADER_BYTES
    for allowed, branches_kept in ((most, 2), (most - 1, 1)):
        monkeypatch.setattr("app.play.session_snapshot.SESSION_BYTES", allowed)
        assert len(saved_again(kept).lines) == branches_kept


def test_a_session_of_the_page_has_one_branch_and_the_pictures_kept(seeing: World) -> None:
    session = PlaySession(WorldEngine(seeing, 3), picture())
    frames = played(session, chosen(12))
    other = begin(WorldEngine(seeing), Start(None, saved=parse_session(of_format_1(session), seeing)))
    assert np.array_equal(other.frame, frames[12])
    assert same(played(other, chosen(9, 1)), played(session, chosen(9, 1)))


def test_sessions_from_when_there_were_orders_load(session: PlaySession, world: World) -> None:
    played(session, chosen(3))
    older = {"unmask_steps": 5, "temperature": 0.5, "order": "confidence", "reveal_above": None}
    assert parse_session(rewritten(session_bytes(session), {"sampling": older}), world).sampling == SamplingConfig(
        5, 0.5
    )


def test_a_session_of_a_wide_world_comes_back(tmp_path: Path) -> None:
    """Of 18 by 32 pixels, 3 by 4 tokens."""
    wide = make_sized_world((18, 32))
    session = PlaySession(WorldEngine(wide), picture())
    frames = played(session, chosen(6))
    assert frames[0].shape == (18, 32, 3) and session.prompt.shape == (18, 32, 3)
    save_session(session, tmp_path / "s.genie")
    saved = load_session(tmp_path / "s.genie", wide)
    assert (saved.tokens.shape, saved.prompt.shape) == ((7, 3, 4), (18, 32, 3))
    other = PlaySession(WorldEngine(wide), saved.prompt)
    other.handle(c.Open(saved, replay=True))
    assert same([other.frame, *(other.tick() for _ in range(6))], frames)
    session.handle(c.Keep())
    assert session.timeline.thumbnail(*session.kept[0]).shape == (32, 32, 3)


def test_damaged_files_never_crash_and_never_pass(session: PlaySession, world: World) -> None:
    frames = played(session, chosen(12))
    data, rng = session_bytes(session), np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        try:
            saved = parse_session(bytes(damaged), world)
        except SessionError:
            continue
        other = PlaySession(WorldEngine(world), saved.prompt)  # what is not refused plays: a digit of the seed, say
        other.handle(c.Open(saved))
        assert np.array_equal(other.timeline.line.moment(0).frames[-1].tokens, saved.tokens[0])
        other.handle(c.GoTo(0))
        assert np.array_equal(other.frame, frames[12])
    for junk in (b"", b"\xff" * 100, data[:-1], data[:100], data + b"x", b"[" * 100_000, b"\x80\x04K\x01."):
        with pytest.raises(SessionError, match=r"expected.*python launch\.py --play") as caught:
            parse_session(junk, world)
        assert "Err" not in str(caught.value)


def test_files_that_cannot_be(session: PlaySession, world: World, tmp_path: Path) -> None:
    big = tmp_path / "big.genie"
    with big.open("wb") as file:
        file.truncate(session_file.SESSION_BYTES + 1)
    for path in (tmp_path / "none.genie", tmp_path, big):
        with pytest.raises(SessionError) as caught:
            load_session(path, world)
        assert "Err" not in str(caught.value)
    with pytest.raises(SessionError, match="cannot be written"):
        save_session(session, tmp_path / "nowhere" / "s.genie")


def test_a_session_of_other_weights_is_refused(session: PlaySession) -> None:
    with pytest.raises(SessionError, match="tokenizer and latent_action and dynamics"):
        parse_session(session_bytes(session), make_world(seed=1))


@pytest.mark.parametrize("tokens", [np.zeros((2, 4, 4), int), np.full((1, 4, 4), 64), np.zeros((1, 3, 4), int)])
def test_the_engine_refuses_what_it_cannot_have_played(world: World, tokens: np.ndarray) -> None:
    with pytest.raises(GenieError):
        WorldEngine(world).moments(tokens, np.zeros(0, np.uint8), 0)


@pytest.mark.slow
@pytest.mark.parametrize("of", ["shipped", "by reference"])
@pytest.mark.parametrize("steps", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_a_long_line_replays_the_same_in_another_process(tmp_path: Path, steps: int, of: str) -> None:
    """The same hashes of all frames, of the shipped world, and rewound by half of them and forward again."""
    folder = Path(__file__).parents[1] / "checkpoints" / "coinrun"
    if of == "by reference":
        make_reference_world().save_pretrained(folder := tmp_path / "world")
    world = World.from_pretrained(folder)
    session = PlaySession(WorldEngine(world), picture())
    session.handle(c.Autoplay(RandomActions(0)))
    hashes = [hash_of(session.frame), *(hash_of(session.tick()) for _ in range(steps))]
    session.handle(c.Rewind(True))
    while session.steps > steps // 2:
        assert hash_of(session.tick()) == hashes[session.steps]
    session.handle(c.Rewind(False))
    session.handle(c.Forward(True))
    while session.steps < steps:
        assert hash_of(session.tick()) == hashes[session.steps]
    save_session(session, tmp_path / "s.genie")
    command = [sys.executable, __file__, str(tmp_path / "s.genie"), str(folder)]
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(root)}
    ended = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == hashes


def hash_of(frame: np.ndarray) -> str:
    return hashlib.sha256(frame.tobytes()).hexdigest()


def replay_hashes(path: str, folder: str) -> None:
    world = World.from_pretrained(folder)
    saved = load_session(path, world)
    session = PlaySession(WorldEngine(world), saved.prompt)
    session.handle(c.Open(saved, replay=True))
    print(hash_of(session.frame))
    while session.mode == "replay":
        print(hash_of(session.tick()))


if __name__ == "__main__":
    replay_hashes(*sys.argv[1:])
