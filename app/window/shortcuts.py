"""The keys that do something other than move. `run_shortcut` does what they say.

A key that moves is never a shortcut. Where a world moves by the key of a shortcut, Ctrl and that key reach it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import NamedTuple

from app.window.settings import Settings


class Shortcut(NamedTuple):
    """The default key of a shortcut, and what it does in a few words."""

    key: str
    does: str


SHORTCUTS = {
    "help": Shortcut("h", "this help, and your own keys"),
    "pause": Shortcut("tab", "pause, play on"),
    "step": Shortcut(".", "one step"),
    "rewind": Shortcut("backspace", "rewind, while held"),
    "forward": Shortcut("return", "forward again, while held"),
    "restart": Shortcut("r", "restart"),
    "seed": Shortcut("n", "new seed"),
    "slower": Shortcut("-", "slower"),
    "faster": Shortcut("=", "faster"),
    "previous": Shortcut("page up", "previous picture"),
    "next": Shortcut("page down", "next picture"),
    "sees": Shortcut("i", "what the world sees"),
    "keep": Shortcut("k", "keep this moment"),
    "recall": Shortcut("l", "back to a kept moment"),
    "branch": Shortcut("b", "next branch"),
    "autoplay": Shortcut("t", "autoplay: off, on, mixed"),
    "record": Shortcut("v", "record a video; Shift: with HUD"),
    "gif": Shortcut("g", "last ten seconds as GIF"),
    "photo": Shortcut("p", "PNG; Shift: with HUD"),
    "save": Shortcut("f5", "save the session"),
    "load": Shortcut("f9", "back to the saved session"),
    "hud": Shortcut("f2", "HUD on, off"),
    "latency": Shortcut("f3", "latency graph"),
    "theme": Shortcut("f6", "dark, light"),
    "smooth": Shortcut("f7", "crisp, smooth"),
    "screen": Shortcut("f11", "full screen"),
    "quit": Shortcut("escape", "quit"),
}
ALSO = {"f1": "help", "pause": "pause", "pad start": "pause", "pad back": "restart", "pad l": "rewind"}
ALSO |= {"pad r": "forward", "pad x": "step", "pad y": "keep", "[enter]": "forward", "[+]": "faster", "[-]": "slower"}


def shortcut_key(name: str, settings: Settings) -> str:
    """The key of a shortcut: the player's own, or else the default."""
    return settings.commands.get(name, SHORTCUTS[name].key)


def find_shortcut(key: str, ctrl: bool, moving: Set[str], settings: Settings) -> str | None:
    """The name of the shortcut of `key`, by pygame's name, or None. The keys in `moving` move."""
    if key in moving and not ctrl:
        return None
    own = {shortcut_key(name, settings): name for name in reversed(SHORTCUTS)}
    return own.get(key) or ALSO.get(key)


def clashes(settings: Settings, moving: Set[str]) -> Mapping[str, str]:
    """The keys that reach each shortcut whose own key moves."""
    keys = {name: shortcut_key(name, settings) for name in SHORTCUTS}
    return {name: f"ctrl+{key}" for name, key in keys.items() if key in moving}
