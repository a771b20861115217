"""Scripts of actions and back."""

from __future__ import annotations

import numpy as np
import pytest

from app.play.script import format_script, parse_script
from genie_core.config import Action
from genie_core.errors import ScriptError

Actions = tuple[Action, ...]


@pytest.mark.parametrize(
    ("script", "ids"),
    [
        ("right", [0]),
        ("right*3,jump", [0, 0, 0, 1]),
        ("7*2,0", [7, 7, 0]),
        (" right * 2 , jump_left*1,\t3 ", [0, 0, 5, 3]),
        ("stay*007", [2] * 7),
    ],
)
def test_parse(script: str, ids: list[int], actions: Actions) -> None:
    assert parse_script(script, actions) == ids


def test_longest_script(actions: Actions) -> None:
    assert len(parse_script("left*60000,right*40000", actions)) == 100_000


@pytest.mark.parametrize(
    ("script", "piece"),
    [
        ("right*20,jmp*4", "'jmp*4'"),
        ("8", "'8'"),
        ("Right", "'Right'"),
        ("", "between its commas"),
        ("right,,left", "between its commas"),
        ("right,", "between its commas"),
        ("right*0", "'right*0'"),
        ("right*-3", "'right*-3'"),
        ("-1", "'-1'"),
        ("right*2.5", "'right*2.5'"),
        ("right*two", "'right*two'"),
        ("right*2*3", "'right*2*3'"),
        ("*3", "'*3'"),
        ("right*", "'right*'"),
        ("right*²", "'right*²'"),
        ("right 3", "'right 3'"),
    ],
)
def test_refusals_name_the_piece_and_what_there_is(script: str, piece: str, actions: Actions) -> None:
    with pytest.raises(ScriptError) as caught:
        parse_script(script, actions)
    message = str(caught.value)
    assert piece in message and "ids 0-7" in message and "--actions" in message
    assert all(action.name in message for action in actions)


@pytest.mark.parametrize("script", ["right*100001", "left*60000,right*40001", "stay*" + "9" * 3000])
def test_too_long(script: str, actions: Actions) -> None:
    with pytest.raises(ScriptError, match="100,000 steps"):
        parse_script(script, actions)


def test_the_example_of_a_refusal_parses(actions: Actions) -> None:
    with pytest.raises(ScriptError) as caught:
        parse_script("fly", actions)
    assert parse_script(str(caught.value).rpartition("--actions ")[2], actions)


def test_format() -> None:
    named = tuple(Action(i, name) for i, name in enumerate(["stay", "left", "right"]))
    assert format_script([2, 2, 2, 1, 0, 0], named) == "right*3,left,stay*2"
    assert format_script([], named) == ""


def test_round_trip(actions: Actions) -> None:
    random = np.random.default_rng(0)
    for length in range(1, 200, 7):
        ids = random.integers(0, 8, length).tolist()
        assert parse_script(format_script(ids, actions), actions) == ids
