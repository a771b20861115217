"""A session does what it is told, and keys spell the commands."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from conftest import FakeEngine

from app.play import commands as c
from app.play.autoplay import ListedActions
from app.play.commands import Hold, Quit, Restart
from app.play.keymap import HeldKeys, build_keymap, resolve
from app.play.session import PlaySession
from genie_core.config import Action, unnamed_actions
from genie_core.errors import ConfigError, PictureError

Actions = tuple[Action, ...]


def test_starts_at_the_prompt(engine: FakeEngine, prompt: np.ndarray) -> None:
    session = PlaySession(engine, prompt)
    assert np.array_equal(session.frame, prompt)
    assert (session.steps, session.action, session.last_action, session.running) == (0, None, None, True)


def test_a_held_action_goes_on_until_let_go(engine: FakeEngine, prompt: np.ndarray) -> None:
    session = PlaySession(engine, prompt)
    session.handle(Hold(4))
    frames = [session.tick(), session.tick()]
    session.handle(Hold(None))
    session.tick()
    assert engine.taken == [4, 4, 2]
    assert [tuple(frame[0, 0].tolist()) for frame in frames] == [(120, 1, 200), (120, 2, 200)]
    assert session.steps == 3 and session.last_action is not None and session.last_action.name == "stay"


def test_without_an_action_named_stay_the_first_is_idle(prompt: np.ndarray) -> None:
    engine = FakeEngine(actions=unnamed_actions(8))
    PlaySession(engine, prompt).tick()
    assert engine.taken == [0]


def test_restart(engine: FakeEngine, prompt: np.ndarray) -> None:
    session = PlaySession(engine, prompt)
    session.tick()
    session.handle(Restart())
    assert np.array_equal(session.frame, prompt)
    assert (session.steps, session.action) == (0, None)
    session.tick()
    assert (session.steps, engine.steps) == (1, 1)


def test_quit(engine: FakeEngine, prompt: np.ndarray) -> None:
    session = PlaySession(engine, prompt)
    session.handle(Hold(1))
    session.handle(Quit())
    assert session.next_action() is None and np.array_equal(session.tick(), prompt)
    assert not session.running and not engine.taken


def test_a_session_that_waits_rests_at_each_start_until_the_player_acts(engine: FakeEngine, prompt: np.ndarray) -> None:
    session = PlaySession(engine, prompt, waits=True)
    assert (session.mode, session.next_action(), session.paused) == ("resting", None, False)
    session.handle(Hold(1))
    session.tick()
    session.handle(c.Pause(True))
    session.handle(Restart())
    assert session.mode == "paused", "a pause outlasts a start"
    session.handle(c.Pause(False))
    session.handle(c.NewSeed(7))
    assert (session.mode, session.seed) == ("resting", 7)
    session.handle(c.Autoplay(ListedActions((3, 3))))
    session.handle(Hold(None))
    session.tick()
    session.handle(Restart())
    session.tick()
    assert engine.taken == [1, 3, 3], "autoplay does not wait"


@pytest.mark.parametrize("key", [c.Rewind, c.Forward])
def test_travel_gets_faster_the_longer_its_key_is_held(engine: FakeEngine, prompt: np.ndarray, key: type) -> None:
    session = PlaySession(engine, prompt)
    assert sum(1 for _ in session.play([1] * 400)) == 401
    session.handle(Hold(None))
    session.handle(c.GoTo(0, 400 if key is c.Rewind else 0))
    session.handle(key(True))
    places = [session.tick() is not None and abs(session.steps - (400 if key is c.Rewind else 0)) for _ in range(100)]
    assert places[:30] == list(range(1, 31)), "a frame a tick for two seconds"
    assert places[29:90] == list(range(30, 151, 2)) and places[89:] == list(range(150, 191, 4))
    session.handle(key(False))
    session.handle(key(True))
    session.tick()
    assert abs(session.steps - (400 if key is c.Rewind else 0)) == 191, "a new press starts slowly"


def test_rewinding_makes_nothing_anew_and_holding_plays_on_from_there(engine: FakeEngine, prompt: np.ndarray) -> None:
    session = PlaySession(engine, prompt)
    list(session.play([1, 2, 3, 4]))
    session.handle(c.Rewind(True))
    session.tick(), session.tick()
    assert (session.steps, engine.taken) == (2, [1, 2, 3, 4]), "though a key of the world is held"
    session.handle(c.Rewind(False))
    session.handle(Hold(7))
    session.tick()
    assert (session.steps, engine.taken, engine.steps) == (3, [1, 2, 3, 4, 7], 3)
    assert [(event.kind, event.text) for event in session.events()] == [(c.BRANCHED, "a new branch from step 2")]
    assert not session.events(), "each is told once"


def test_the_end_of_a_line_is_told_once(engine: FakeEngine, prompt: np.ndarray) -> None:
    session = PlaySession(engine, prompt)
    list(session.play([1, 2]))
    session.handle(Hold(None))
    session.handle(c.GoTo(0, 0))
    session.handle(c.Forward(True))
    for _ in range(4):
        session.tick()
    assert [event.kind for event in session.events()] == [c.LINE_ENDED] and session.steps == 2
    session.handle(c.Forward(False))
    assert session.mode == "resting"


def test_a_rewind_stops_at_the_prompt_and_a_step_beyond_the_line_is_its_last(
    engine: FakeEngine, prompt: np.ndarray
) -> None:
    session = PlaySession(engine, prompt)
    list(session.play([1, 2]))
    session.handle(c.GoTo(0, -5))
    assert (session.steps, session.action) == (0, None)
    session.handle(c.GoTo(0, 99))
    assert (session.steps, session.action) == (2, 2)
    session.handle(c.GoTo(5, 1))
    session.handle(c.GoTo(-1, 0))
    assert session.steps == 2, "there is no such line"


def test_recall_counts_from_the_first_kept_moment_and_knows_no_others(engine: FakeEngine, prompt: np.ndarray) -> None:
    session = PlaySession(engine, prompt)
    for action in (1, 2, 3):
        session.handle(Hold(action))
        session.tick()
        session.handle(c.Keep())
    session.handle(c.GoTo(0, 0))
    for number in (-1, -3, 3):
        session.handle(c.Recall(number))
        assert session.steps == 0
    for number, step in ((0, 1), (2, 3), (1, 2)):
        session.handle(c.Recall(number))
        assert session.steps == step
    session.handle(c.Keep())
    assert [kept.step for kept in session.kept] == [1, 3, 2], "kept again, it is the newest"


def test_kept_moments_keep_their_line(engine: FakeEngine, prompt: np.ndarray) -> None:
    session = PlaySession(engine, prompt)
    session.handle(c.NewSeed())
    assert len(session.timeline.lines) == 1 and not session.branched, "nothing was played on it"
    session.handle(c.Keep())
    session.handle(c.NewSeed())
    assert [kept.step for kept in session.kept] == [0] and session.branched and session.unsaved == 0
    session.tick()
    session.handle(c.Keep())
    session.handle(c.NewSeed())
    assert [kept.step for kept in session.kept] == [0, 1] and session.unsaved == 1


def test_branches_that_no_file_has_are_counted(engine: FakeEngine, prompt: np.ndarray) -> None:
    session = PlaySession(engine, prompt)
    list(session.play([1, 2, 3]))
    assert (session.branched, session.unsaved) == (False, 0), "one line alone is not asked about"
    session.handle(c.GoTo(0, 1))
    session.tick()
    assert (session.branched, session.unsaved) == (True, 2)
    session.timeline.line.mark_saved(2)
    assert session.unsaved == 1, "the parent's own end is in no file"
    session.timeline.lines[0].mark_saved(3)
    assert session.unsaved == 0
    session.tick()
    assert session.unsaved == 1, "it was played on"
    one = PlaySession(FakeEngine(), prompt)
    one.tick()
    one.handle(c.Keep())
    assert (one.branched, one.unsaved) == (True, 1)


@pytest.mark.parametrize(("above", "doubt", "guesses"), [(1.5, 1.6, True), (1.5, 1.5, False), (1.5, None, False)])
def test_a_frame_is_a_guess_if_the_model_doubts_it_more_than_the_world_says(
    engine: FakeEngine, prompt: np.ndarray, above: float, doubt: float | None, guesses: bool
) -> None:
    session = PlaySession(engine, prompt)
    engine.doubt = lambda moment: doubt
    assert not session.guesses, "the world does not say from where on it guesses"
    engine.world.config = dataclasses.replace(engine.world.config, guessing_above=above)
    assert session.guesses is guesses


@pytest.mark.parametrize(("seed", "fits"), [(0, True), (2**63 - 1, True), (-1, False), (2**63, False)])
def test_seeds_are_those_that_a_file_can_hold(engine: FakeEngine, prompt: np.ndarray, seed: int, fits: bool) -> None:
    session = PlaySession(engine, prompt, seed=5)
    session.tick()
    if fits:
        session.handle(c.NewSeed(seed))
        assert (session.seed, session.steps) == (seed, 0)
    else:
        with pytest.raises(ConfigError, match=f"seed {seed} is not from 0 to"):
            session.handle(c.NewSeed(seed))
        assert (session.seed, session.steps) == (5, 1)


def test_speeds_include_their_ends_and_a_machine_just_fast_enough_is_not_too_busy(
    engine: FakeEngine, prompt: np.ndarray
) -> None:
    session = PlaySession(engine, prompt)
    for times in (0.25, 4.0):
        session.handle(c.Speed(times))
        assert session.speed == times
    session.events()
    session.pace(0.9 * session.fps)
    assert not session.events()
    session.pace(0.89 * session.fps)
    assert [event.text for event in session.events()] == [
        "this computer is too busy for 4e+03 frames a second; 3560 reached"
    ]


def test_a_second_single_step_is_one_frame_again(engine: FakeEngine, prompt: np.ndarray) -> None:
    session = PlaySession(engine, prompt)
    session.handle(c.Autoplay(ListedActions((3, 5), repeat=True)))
    for steps in (1, 2):
        session.handle(c.Step())
        session.tick(), session.tick()
        assert (session.steps, session.mode) == (steps, "paused")
    session.handle(c.GoTo(0, 1))
    session.handle(c.Step())
    assert session.next_action() is None and session.steps == 2, "along the line"
    assert engine.taken == [3, 5]
    session.handle(c.GoTo(0, 0))
    session.handle(c.Step())
    assert session.next_action() is None and session.steps == 1, "and no further"


def test_so_many_bytes_of_pictures_are_kept_the_newest(
    engine: FakeEngine, prompt: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.play.timeline.PICTURE_BYTES", 3 * prompt.nbytes)
    session, decoded = PlaySession(engine, prompt), list[int]()
    list(session.play([1, 2, 3, 4, 5]))
    look = session.timeline._look
    session.timeline._look = lambda moment: decoded.append(moment.step) or look(moment)  # type: ignore[func-returns-value]
    for step in (5, 4, 3, 2, 5, 2):
        assert session.timeline.picture_of(session.timeline.line, step)[0, 0, 0] == 30 * step
    assert decoded == [2], "three are at hand; the oldest of them made room"
    assert len(session.timeline._pictures) == 3


def test_playing_a_list_gives_the_prompt_and_a_frame_each(engine: FakeEngine, prompt: np.ndarray) -> None:
    frames = list(PlaySession(engine, prompt).play([3, 3, 7]))
    assert np.array_equal(frames[0], prompt)
    assert [int(frame[0, 0, 0]) for frame in frames[1:]] == [90, 90, 210]


def test_unusable_prompt(engine: FakeEngine) -> None:
    with pytest.raises(PictureError):
        PlaySession(engine, np.zeros((64, 64), np.uint8))


@pytest.mark.parametrize(
    ("held", "name"),
    [
        ([], None),
        (["x"], None),
        (["right"], "right"),
        (["d"], "right"),
        (["up", "right"], "jump_right"),
        (["right", "up"], "jump_right"),
        (["left", "up", "right"], "jump_right"),
        (["right", "up", "left"], "jump_left"),
        (["left", "right"], "right"),
        (["right", "left"], "left"),
        (["down", "right"], "right"),
        (["right", "down"], "down"),
        (["space", "right"], "jump_right"),  # any key of jump with any of right
        (["right", "pad up"], "jump"),
        (["pad right", "pad a"], "jump_right"),
        (["8", "up", "right"], "stay_2"),
        (["[8]", "right"], "stay_2"),
        (["8", "1"], "right"),
        (["x", "left", "y"], "left"),
    ],
)
def test_what_held_keys_spell(held: list[str], name: str | None, actions: Actions) -> None:
    action = resolve(held, build_keymap(actions))
    assert (None if action is None else actions[action].name) == name


def test_the_number_keys_are_ids_whatever_the_names(actions: Actions) -> None:
    grabbing = (*actions[:7], Action(7, "down_2", keys=("1", "2")))
    for named in (unnamed_actions(8), actions, grabbing):
        keymap = build_keymap(named)
        assert [resolve([str(number)], keymap) for number in range(1, 9)] == list(range(8))


def test_any_keys_in_any_order_spell_one_of_their_actions(actions: Actions) -> None:
    keymap = build_keymap(actions)
    for held in itertools.permutations(["up", "down", "left", "right"], 3):
        spelled = resolve(held, keymap)
        assert any(set(keys.split("+")) <= set(held) for keys in actions[spelled].keys)


def test_keys_claimed_twice_stay_with_the_lower_id(actions: Actions) -> None:
    assert resolve(["w"], build_keymap((*actions[:6], Action(6, "a", ("w",)), Action(7, "b", ("w",))))) == 6


def test_held_keys_keep_their_order() -> None:
    held = HeldKeys()
    for name in ("a", "b", "a"):
        held.press(name)
    assert held.look() == ["b", "a"]
    held.release("b")
    held.release("never pressed")
    assert held.look() == ["a"]
    held.release("a")
    assert held.look() == []


def test_a_tap_between_two_looks_counts_once() -> None:
    held = HeldKeys()
    held.press("a")
    held.release("a")
    assert [held.look(), held.look()] == [["a"], []]


def test_a_key_let_go_and_pressed_again_between_two_looks_is_held() -> None:
    held = HeldKeys()
    for _ in range(2):
        held.press("a")
        held.release("a")
    held.press("a")
    assert [held.look(), held.look()] == [["a"], ["a"]]


def test_clearing_forgets_even_taps() -> None:
    held = HeldKeys()
    held.press("a")
    held.press("b")
    held.release("b")
    held.clear()
    assert held.look() == []
