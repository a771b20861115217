"""The messages between a page and its player. They come from strangers, so each value is checked.

In: one JSON object, `{"do": NAME, ...}`. Out: JSON objects, and frames as bytes: the header of `HEADER`, then a PNG.

The last message of a connection is `{"bye": WHY, "then": THEN}`. After "end" the game is gone. After "back" the game is
kept for a while, and the page connects again with the same token when the player asks for it; after "again" at once.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from app.play import commands as c
from app.web.limits import MESSAGE_BYTES, PASSES, SCRIPT_LENGTH, TEMPERATURE
from genie_core.errors import GenieError

HEADER = struct.Struct(">IIIIB")  # frame, newest input taken in, step, last step of the line, action
NO_ACTION = 255
NAMES = {"Space": "space", "Enter": "return", "Backspace": "backspace"} | {
    f"Arrow{way}": way.lower() for way in ("Left", "Right", "Up", "Down")
}
GAMEPAD = "Gamepad "  # before the names that a gamepad's buttons have in our keymaps


class ProtocolError(GenieError):
    """No page of ours sends such a message."""


class OutOfRange(ProtocolError):
    """A number that a player may have typed: the page is told, and the game goes on."""


@dataclass(frozen=True)
class Key:
    """A key went down or up. `number` counts the inputs of the page; a frame names the newest it has taken in."""

    name: str
    down: bool
    number: int


@dataclass(frozen=True)
class ReleaseAll:
    """The page lost the keyboard: all keys are released."""


@dataclass(frozen=True)
class Rest:
    """The player turns to other controls of the page: the game rests until the player acts."""


@dataclass(frozen=True)
class Shown:
    """The page has drawn the frame of this number."""

    frame: int


@dataclass(frozen=True)
class AutoplayScript:
    """Autoplay by a script, by `random`, or with "" not at all. With `mix` the player's keys interrupt it."""

    script: str
    mix: bool


@dataclass(frozen=True)
class Here:
    """Somebody is at the page, which waits in the queue."""


@dataclass(frozen=True)
class Share:
    """The page asks for a link that replays this moment."""


@dataclass(frozen=True)
class Watched:
    """Whether the player lets pages in the queue watch this game."""

    on: bool


Message = Key | ReleaseAll | Rest | Shown | AutoplayScript | Here | Share | Watched | c.Command


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture, uint8 (H, W, 3), on its way to a page."""

    number: int
    inputs: int
    step: int
    tip: int
    action: int | None
    picture: np.ndarray

    @cached_property
    def drawn(self) -> bytes:
        return png(self.picture)

    def encode(self) -> bytes:
        action = NO_ACTION if self.action is None else self.action
        return HEADER.pack(self.number, self.inputs, self.step, self.tip, action) + self.drawn


@dataclass(frozen=True, eq=False)
class WatchedFrame(Frame):
    """A frame of somebody else's game. Its picture is encoded once, however many pages it goes to."""

    of: Frame

    @cached_property
    def drawn(self) -> bytes:
        return self.of.drawn


def png(picture: np.ndarray) -> bytes:
    """uint8 (H, W, 3) as a small lossless file. Level 1 takes 0.3 ms and 5 % more room than level 6."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def key_name(code: str) -> str | None:
    """The name in our keymaps of a browser's KeyboardEvent.code, None if there is none.

    Actions from the tenth on have no key; their buttons send Digit10 and so on. A gamepad's buttons are sent as
    "Gamepad pad left" and so on.
    """
    if code.startswith(GAMEPAD):
        return code.removeprefix(GAMEPAD)
    if code.startswith("Key") and len(code) == 4:
        return code[3].lower()
    if code.startswith("Digit") and code[5:].isdecimal():
        return code[5:]
    if code.startswith("Numpad") and len(code) == 7:
        return f"[{code[6]}]"
    return NAMES.get(code)


def key_code(name: str) -> str:
    """The KeyboardEvent.code of a key's name; "" if a browser has no such key."""
    codes = {ours: theirs for theirs, ours in NAMES.items()}
    return codes.get(name) or (f"Digit{name}" if name.isdigit() else f"Key{name.upper()}" if len(name) == 1 else "")


def parse(text: str) -> Message:
    """The message in `text`; ProtocolError says what is wrong with it."""
    if len(text) > MESSAGE_BYTES:
        raise ProtocolError(f"a message of {len(text)} characters, at most {MESSAGE_BYTES} are read")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a message that is not JSON") from error
    if not isinstance(told, dict) or not isinstance(told.get("do"), str) or told["do"] not in MESSAGES:
        raise ProtocolError(f"a message that does none of {', '.join(MESSAGES)}")
    try:
        return MESSAGES[told["do"]](told)
    except KeyError as error:
        raise ProtocolError(f"{told['do']} without {error}") from error


def _whole(told: dict[str, Any], name: str, most: int = 2**31 - 1) -> int:
    value = told[name]
    if type(value) is not int or not 0 <= value <= most:
        raise OutOfRange(f"{name} is not a whole number from 0 to {most}")
    return value


def _number(told: dict[str, Any], name: str, least: float, most: float) -> float:
    value = told[name]
    if type(value) not in (int, float) or not least <= value <= most:  # NaN is in no range
        raise OutOfRange(f"{name} is not a number from {least:g} to {most:g}")
    return float(value)


def _flag(told: dict[str, Any], name: str) -> bool:
    value = told[name]
    if type(value) is not bool:
        raise ProtocolError(f"{name} is neither true nor false")
    return value


def _text(told: dict[str, Any], name: str, most: int) -> str:
    value = told[name]
    if type(value) is not str or len(value) > most:
        raise ProtocolError(f"{name} is not a text of at most {most} characters")
    return value


def _key(told: dict[str, Any]) -> Message:
    code = _text(told, "code", 20)
    name = key_name(code)
    if name is None:
        raise ProtocolError("code is not a key that moves anything")
    return Key(name, _flag(told, "down"), _whole(told, "number"))


def _tune(told: dict[str, Any]) -> Message:
    passes = _whole(told, "unmask_steps", PASSES)
    if not passes:
        raise OutOfRange("unmask_steps is 0, expected at least 1")
    return c.Tune(passes, _number(told, "temperature", 0, TEMPERATURE))


MESSAGES: dict[str, Callable[[dict[str, Any]], Message]] = {
    "key": _key,
    "release_all": lambda told: ReleaseAll(),
    "rest": lambda told: Rest(),
    "here": lambda told: Here(),
    "share": lambda told: Share(),
    "watched": lambda told: Watched(_flag(told, "on")),
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
    "line": lambda told: c.GoTo(_whole(told, "line")),
    "autoplay": lambda told: AutoplayScript(_text(told, "script", SCRIPT_LENGTH), _flag(told, "mix")),
    "tune": _tune,
}
