"""The messages of a page are understood, and all others refused."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

from app.play import commands as c
from app.play.keymap import build_keymap
from app.web.limits import MESSAGE_BYTES, PASSES, SCRIPT_LENGTH, TEMPERATURE
from app.web.protocol import (
    HEADER,
    AutoplayScript,
    Frame,
    Here,
    Key,
    OutOfRange,
    ProtocolError,
    ReleaseAll,
    Share,
    Shown,
    Watched,
    WatchedFrame,
    key_code,
    key_name,
    parse,
)
from genie_core.config import Action

UNDERSTOOD = [
    ({"do": "key", "code": "ArrowLeft", "down": True, "number": 3}, Key("left", True, 3)),
    ({"do": "key", "code": "KeyW", "down": False, "number": 4}, Key("w", False, 4)),
    ({"do": "key", "code": "Digit8", "down": True, "number": 5}, Key("8", True, 5)),
    ({"do": "key", "code": "Numpad1", "down": True, "number": 6}, Key("[1]", True, 6)),
    ({"do": "here"}, Here()),
    ({"do": "share"}, Share()),
    ({"do": "watched", "on": True}, Watched(True)),
    ({"do": "release_all"}, ReleaseAll()),
    ({"do": "shown", "frame": 7}, Shown(7)),
    ({"do": "pause", "on": True}, c.Pause(True)),
    ({"do": "speed", "times": 0.5}, c.Speed(0.5)),
    ({"do": "rewind", "held": True}, c.Rewind(True)),
    ({"do": "recall", "kept": 1}, c.Recall(1)),
    ({"do": "tune", "unmask_steps": 4, "temperature": 1}, c.Tune(4, 1.0)),
    ({"do": "autoplay", "script": "right*3", "mix": False}, AutoplayScript("right*3", False)),
    ({"do": "autoplay", "script": "a" * SCRIPT_LENGTH, "mix": True}, AutoplayScript("a" * SCRIPT_LENGTH, True)),
    ({"do": "key", "code": "Gamepad pad left", "down": True, "number": 0}, Key("pad left", True, 0)),
    ({"do": "pause", "on": False}, c.Pause(False)),
    ({"do": "step"}, c.Step()),
    ({"do": "forward", "held": False}, c.Forward(False)),
    ({"do": "restart"}, c.Restart()),
    ({"do": "keep"}, c.Keep()),
    ({"do": "line", "line": 2}, c.GoTo(2)),
    ({"do": "speed", "times": c.SPEEDS[0]}, c.Speed(c.SPEEDS[0])),
    ({"do": "speed", "times": c.SPEEDS[-1]}, c.Speed(c.SPEEDS[-1])),
    ({"do": "tune", "unmask_steps": 1, "temperature": 0}, c.Tune(1, 0.0)),
    ({"do": "tune", "unmask_steps": PASSES, "temperature": TEMPERATURE}, c.Tune(PASSES, TEMPERATURE)),
    ({"do": "seed", "seed": 0}, c.NewSeed(0)),
    ({"do": "seed", "seed": 2**31 - 1}, c.NewSeed(2**31 - 1)),
    ({"do": "shown", "frame": 2**32 - 1}, Shown(2**32 - 1)),
]
REFUSED = [
    "",
    "no json",
    "[]",
    "null",
    '"key"',
    "[" * 5000,
    "x" * (MESSAGE_BYTES + 1),
    "{}",
    '{"do": 1}',
    '{"do": ["key"]}',
    '{"do": "__class__"}',
    '{"do": "key"}',
    '{"do": "key", "code": "KeyW", "down": 1, "number": 0}',
    '{"do": "key", "code": "Backquote", "down": true, "number": 0}',
    '{"do": "key", "code": "KeyW", "down": true, "number": -1}',
    '{"do": "shown", "frame": 1.5}',
    '{"do": "shown", "frame": 99999999999}',
    '{"do": "speed", "times": NaN}',
    '{"do": "speed", "times": Infinity}',
    '{"do": "speed", "times": 100}',
    '{"do": "tune", "unmask_steps": 0, "temperature": 0}',
    '{"do": "tune", "unmask_steps": 9, "temperature": 0}',
    '{"do": "tune", "unmask_steps": 2, "temperature": -1}',
    '{"do": "tune", "unmask_steps": true, "temperature": 0}',
    '{"do": "autoplay", "script": 5, "mix": false}',
    '{"do": "seed", "seed": 1e400}',
    '{"do": "pause", "on": 1}',
    '{"do": "rewind", "held": null}',
    *(
        f'{{"do": "key", "code": "{code}", "down": true, "number": 0}}'
        for code in ("", "Key", "KeyWW", "Kay1", "Digit")
    ),
    *(f'{{"do": "key", "code": "{code}", "down": true, "number": 0}}' for code in ("Digitx", "Numpad", "NumpadEnter")),
    '{"do": "key", "code": "Gamepad ' + 13 * "x" + '", "down": true, "number": 0}',
]
JUST_TOO_MUCH = [
    ("tune", {"unmask_steps": PASSES + 1, "temperature": 0}, f"unmask_steps is not a whole number from 0 to {PASSES}"),
    ("tune", {"unmask_steps": 0, "temperature": 0}, "unmask_steps is 0, expected at least 1"),
    ("tune", {"unmask_steps": 1, "temperature": TEMPERATURE + 0.01}, "temperature is not a number from 0 to 2"),
    ("tune", {"unmask_steps": 1, "temperature": -0.01}, "temperature is not a number from 0 to 2"),
    ("speed", {"times": c.SPEEDS[0] - 0.01}, r"times is not a number from 0\.25 to 4"),
    ("speed", {"times": c.SPEEDS[-1] + 0.01}, r"times is not a number from 0\.25 to 4"),
    ("seed", {"seed": -1}, "seed is not a whole number from 0 to 2147483647"),
    ("seed", {"seed": 2**31}, "seed is not a whole number from 0 to 2147483647"),
    ("recall", {"kept": -1}, "kept is not a whole number"),
    ("line", {"line": -1}, "line is not a whole number"),
    ("shown", {"frame": 2**32}, "frame is not a whole number from 0 to 4294967295"),
]


@pytest.mark.parametrize(("told", "meant"), UNDERSTOOD, ids=lambda case: str(case)[:40])
def test_what_a_page_says_is_understood(told: dict[str, object], meant: object) -> None:
    assert parse(json.dumps(told)) == meant


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:40] or "empty")
def test_what_no_page_says_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        parse(text)


@pytest.mark.parametrize("value", ["-1" + 400 * "0", "1" + 400 * "0", "NaN", "-Infinity", "true"])
@pytest.mark.parametrize("told", ['"speed", "times"', '"seed", "seed"', '"shown", "frame"'])
def test_a_number_out_of_range_is_refused_in_words(told: str, value: str) -> None:
    name = told.split('"')[3]
    with pytest.raises(OutOfRange, match=rf"^{name} is not a (whole )?number from"):
        parse(f'{{"do": {told}: {value}}}')


@pytest.mark.parametrize(("do", "told", "words"), JUST_TOO_MUCH)
def test_a_number_just_out_of_range_does_not_end_the_game(do: str, told: dict[str, object], words: str) -> None:
    with pytest.raises(OutOfRange, match=f"^{words}"):
        parse(json.dumps({"do": do, **told}))


def test_a_message_is_read_up_to_its_limit_and_no_further() -> None:
    assert parse('{"do": "step"}'.ljust(MESSAGE_BYTES)) == c.Step()
    with pytest.raises(ProtocolError, match=f"of {MESSAGE_BYTES + 1} characters, at most {MESSAGE_BYTES} are read"):
        parse('{"do": "step"}'.ljust(MESSAGE_BYTES + 1))
    with pytest.raises(ProtocolError, match=f"script is not a text of at most {SCRIPT_LENGTH} characters"):
        parse(json.dumps({"do": "autoplay", "script": "a" * (SCRIPT_LENGTH + 1), "mix": False}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[", "not JSON"),
        ("[]", "does none of key, release_all"),
        ('{"do": "key"}', "key without 'code'"),
        ('{"do": "pause", "on": 1}', "on is neither true nor false"),
        ('{"do": "key", "code": "F5", "down": true, "number": 0}', "code is not a key"),
    ],
)
def test_what_is_wrong_with_a_message_is_said(text: str, words: str) -> None:
    with pytest.raises(ProtocolError, match=words) as refused:
        parse(text)
    assert not isinstance(refused.value, OutOfRange), "a page that sends this is not ours"


def test_every_key_of_a_keymap_has_a_code_of_the_browser_and_back() -> None:
    actions = [
        Action(0, "left", ("left", "a")),
        Action(1, "leap", ("up", "w", "space")),
        Action(2, "both", ("up+left",)),
    ]
    keys = {key for binding in build_keymap(actions) for key in binding.keys}
    assert {"left", "a", "space", "up", "1"} <= keys
    for key in (
        key for key in keys if not key.startswith(("[", "pad "))
    ):  # the keypad's, which have two, and a gamepad's
        assert key_name(key_code(key)) == key
    assert key_name("Numpad2") == "[2]"
    assert key_name("Gamepad pad left") == "pad left"
    assert key_name(key_code("12")) == "12", "the button of a world's twelfth action"
    assert key_code("f5") == key_code("pad left") == "", "no key of a keyboard's letters"


def test_a_frame_arrives_as_it_was_drawn() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = Frame(number=9, inputs=4, step=120, tip=130, action=None, picture=picture).encode()
    assert HEADER.unpack(data[: HEADER.size]) == (9, 4, 120, 130, 255)
    assert np.array_equal(np.array(Image.open(io.BytesIO(data[HEADER.size :]))), picture)
    data = Frame(number=9, inputs=4, step=0, tip=0, action=0, picture=picture).encode()
    assert HEADER.unpack(data[: HEADER.size]) == (9, 4, 0, 0, 0)


def test_a_frame_of_somebody_elses_game_has_the_pages_own_number() -> None:
    frame = Frame(9, 4, 120, 130, None, np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    data = WatchedFrame(2, 0, frame.step, frame.tip, 3, frame.picture, frame).encode()
    assert HEADER.unpack(data[: HEADER.size]) == (2, 0, 120, 130, 3)
    assert data[HEADER.size :] == frame.encode()[HEADER.size :]
