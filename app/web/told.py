"""What a page is told of a session: the world's actions and keys, the state of play, the pictures of the strip."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from app.play.keymap import Keymap
from app.play.session import PlaySession
from app.web import limits
from app.web.protocol import key_code, png
from genie_core.config import WorldConfig

FOR_TERMINALS = re.compile(r"launch\.py|--|run this again")


def actions_of(config: WorldConfig) -> list[dict[str, Any]]:
    """Each action with what its button holds down: its first combination, or its number."""
    return [
        {
            "id": action.id,
            "name": action.name,
            "keys": list(action.keys),
            "codes": [key_code(key) for key in (action.keys[0].split("+") if action.keys else [str(action.id + 1)])],
        }
        for action in config.actions
    ]


def world_told(config: WorldConfig, name: str) -> dict[str, Any]:
    """A world, before and while it is played."""
    height, width = config.frame_size
    about = {"world": name, "width": width, "height": height, "fps": config.fps}
    return about | {"tells_guesses": config.guessing_above is not None, "actions": actions_of(config)}


def hello(session: PlaySession, keymap: Keymap, world: str, **more: Any) -> dict[str, Any]:
    codes = sorted({key_code(key) for binding in keymap for key in binding.keys} - {""})
    return {"hello": world_told(session.config, world) | {"codes": codes} | more}


def state(session: PlaySession) -> dict[str, Any]:
    sampling = session.sampling
    return {
        "status": session.mode,
        "guesses": session.guesses,
        "speed": session.speed,
        "seed": session.seed,
        "unmask_steps": sampling.unmask_steps,
        "temperature": sampling.temperature,
        "kept": [(kept.line.number, kept.step) for kept in session.kept],
        "line": session.timeline.line.number,
        "lines": [line.number for line in session.timeline.lines[-limits.LINES_SHOWN :]],
        "earlier": max(0, len(session.timeline.lines) - limits.LINES_SHOWN),
    }


def strip(session: PlaySession) -> dict[str, Any]:
    """The pictures of kept moments and of the ends of other lines."""
    timeline = session.timeline
    lines = [line for line in timeline.lines[-limits.LINES_SHOWN :] if line is not timeline.line]
    return {
        "kept": [{"step": k.step, "picture": data_url(timeline.thumbnail(k.line, k.step))} for k in session.kept],
        "lines": [{"line": o.number, "step": o.tip, "picture": data_url(timeline.thumbnail(o))} for o in lines],
    }


def data_url(picture: np.ndarray, encode: Callable[[np.ndarray], bytes] = png, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(encode(picture)).decode()}"


def for_visitors(text: str) -> str:
    """A sentence without the clauses for people at a command line."""
    what, *advice = text.split("; ")
    return "; ".join([what, *(clause for clause in advice if not FOR_TERMINALS.search(clause))])


def sentence(text: str) -> str:
    """A message for visitors as a sentence."""
    text = for_visitors(text)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
