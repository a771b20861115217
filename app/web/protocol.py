"""The messages between a browser and its player. What comes in is from strangers: nothing is believed unchecked.

In: one JSON object, `{"do": NAME, ...}`. Out: JSON objects, and frames as bytes: the header of `HEADER`, then a PNG.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from app.play import commands as c
from genie_core.errors import GenieError

MOST_BYTES = 2048  # of one message
MOST_SCRIPT = 1000  # characters
MOST_PASSES, MOST_TEMPERATURE = 8, 2.0
HEADER = struct.Struct(">IIIIB")  # frame's number, newest input it knows of, step, last step of the line, action
NO_ACTION = 255
NAMES = {"Space": "space", "Enter": "return", "Backspace": "backspace"} | {
    f"Arrow{way}": way.lower() for way in ("Left", "Right", "Up", "Down")
}


class WireError(GenieError):
    """A message that no page of ours sends."""


@dataclass(frozen=True)
class Key:
    """A key went down or up. `number` counts the player's inputs, so that a frame can say which it has taken in."""

    name: str
    down: bool
    number: int


@dataclass(frozen=True)
class LetGo:
    """Every key is up: the page lost the keyboard."""


@dataclass(frozen=True)
class Shown:
    """The page has drawn the frame of this number."""

    frame: int


@dataclass(frozen=True)
class Play:
    """Autoplay by a script, `random`, or nothing for off; with `mix` the player's keys come between."""

    script: str
    mix: bool


Message = Key | LetGo | Shown | Play | c.Command


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture, uint8 (H, W, 3), on its way to a page."""

    number: int
    inputs: int
    step: int
    tip: int
    action: int | None
    picture: np.ndarray

    def encode(self) -> bytes:
        action = NO_ACTION if self.action is None else self.action
        return HEADER.pack(self.number, self.inputs, self.step, self.tip, action) + png(self.picture)


def png(picture: np.ndarray) -> bytes:
    """uint8 (H, W, 3) as a small file without loss; level 1 takes .3 ms, and no more room than 6 by a twentieth."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def key_name(code: str) -> str | None:
    """The name in our keymaps of a browser's KeyboardEvent.code, None if it has none."""
    if code.startswith("Key") and len(code) == 4:
        return code[3].lower()
    if code.startswith("Digit") and len(code) == 6:
        return code[5]
    if code.startswith("Numpad") and len(code) == 7:
        return f"[{code[6]}]"
    return NAMES.get(code)


def key_code(name: str) -> str:
    """The KeyboardEvent.code of a key's name; "" if a browser has no such key."""
    codes = {ours: theirs for theirs, ours in NAMES.items()}
    return codes.get(name) or (f"Digit{name}" if name.isdigit() else f"Key{name.upper()}" if len(name) == 1 else "")


def parse(text: str) -> Message:
    """The message in `text`; WireError says what is wrong with it."""
    if len(text) > MOST_BYTES:
        raise WireError(f"a message of {len(text)} characters, at most {MOST_BYTES} are read")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError("a message that is not JSON") from error
    if not isinstance(told, dict) or not isinstance(told.get("do"), str) or told["do"] not in MESSAGES:
        raise WireError(f"a message that does none of {', '.join(MESSAGES)}")
    try:
        return MESSAGES[told["do"]](told)
    except KeyError as error:
        raise WireError(f"{told['do']} without {error}") from error


def _whole(told: dict[str, Any], name: str, most: int = 2**31 - 1) -> int:
    value = told[name]
    if type(value) is not int or not 0 <= value <= most:
        raise WireError(f"{name} is not a whole number from 0 to {most}")
    return value


def _number(told: dict[str, Any], name: str, least: float, most: float) -> float:
    value = told[name]
    if type(value) not in (int, float) or not math.isfinite(value) or not least <= value <= most:
        raise WireError(f"{name} is not a number from {least:g} to {most:g}")
    return float(value)


def _flag(told: dict[str, Any], name: str) -> bool:
    value = told[name]
    if type(value) is not bool:
        raise WireError(f"{name} is neither true nor false")
    return value


def _text(told: dict[str, Any], name: str, most: int) -> str:
    value = told[name]
    if type(value) is not str or len(value) > most:
        raise WireError(f"{name} is not a text of at most {most} characters")
    return value


def _key(told: dict[str, Any]) -> Message:
    code = _text(told, "code", 20)
    name = key_name(code)
    if name is None:
        raise WireError("code is no key that moves anything")
    return Key(name, _flag(told, "down"), _whole(told, "number"))


def _tune(told: dict[str, Any]) -> Message:
    passes = _whole(told, "unmask_steps", MOST_PASSES)
    if not passes:
        raise WireError("unmask_steps is 0, expected at least 1")
    return c.Tune(passes, _number(told, "temperature", 0, MOST_TEMPERATURE))


MESSAGES: dict[str, Callable[[dict[str, Any]], Message]] = {
    "key": _key,
    "let_go": lambda told: LetGo(),
    "shown": lambda told: Shown(_whole(told, "frame", 2**32 - 1)),
    "pause": lambda told: c.Pause(_flag(told, "on")),
    "step": lambda told: c.Step(),
    "speed": lambda told: c.Speed(_number(told, "times", c.SPEEDS[0], c.SPEEDS[-1])),
    "rewind": lambda told: c.Rewind(_flag(told, "held")),
    "forward": lambda told: c.Forward(_flag(told, "held")),
    "restart": lambda told: c.Restart(),
    "seed": lambda told: c.NewSeed(_whole(told, "seed")),
    "keep": lambda told: c.Keep(),
    "recall": lambda told: c.Recall(_whole(told, "kept")),
    "jump": lambda told: c.Jump(_whole(told, "line")),
    "autoplay": lambda told: Play(_text(told, "script", MOST_SCRIPT), _flag(told, "mix")),
    "tune": _tune,
}
