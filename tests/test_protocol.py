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
from app.web.limits import MESSAGE_BYTES
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
    ({"do": "release_all"}, ReleaseAll()),
    ({"do": "shown", "frame": 7}, Shown(7)),
    ({"do": "pause", "on": True}, c.Pause(True)),
    ({"do": "speed", "times": 0.5}, c.Speed(0.5)),
    ({"do": "rewind", "held": True}, c.Rewind(True)),
    ({"do": "recall", "kept": 1}, c.Recall(1)),
    ({"do": "tune", "unmask_steps": 4, "temperature": 1}, c.Tune(4, 1.0)),
    ({"do": "autoplay", "script": "right*3", "mix": False}, AutoplayScript("right*3", False)),
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


def test_a_frame_arrives_as_it_was_drawn() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = Frame(number=9, inputs=4, step=120, tip=130, action=None, picture=picture).encode()
    assert HEADER.unpack(data[: HEADER.size]) == (9, 4, 120, 130, 255)
    assert np.array_equal(np.array(Image.open(io.BytesIO(data[HEADER.size :]))), picture)
