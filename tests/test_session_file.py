"""A session does what it is told, and keys spell the commands."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from conftest import FakeEngine

from app.play.commands import Hold, Quit, Restart
from app.play.keymap import HeldKeys, build_keymap, resolve
from app.play.session import PlaySession
from genie_core.config import Action, unnamed_actions
from genie_core.errors import PictureError

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
    session.handle(Quit())
    assert not session.running and not engine.taken


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
