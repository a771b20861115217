"""The keys that do something other than move. `run_shortcut` does what they say.

A key that moves is never a shortcut. Where a world moves by the key of a shortcut, Ctrl and that key reach it.
"""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple

from app.window.keys import Key, Keyboard
from app.window.settings import Settings


class Shortcut(NamedTuple):
    """The default key of a shortcut, what it does in a few words, and in one or two for a drawn key."""

    key: str
    does: str
    cap: str


SHORTCUTS = {
    "help": Shortcut("h", "this help, and your own keys", "help"),
    "pause": Shortcut("p", "pause, play on", "pause"),
    "step": Shortcut(".", "one step", "step"),
    "rewind": Shortcut("backspace", "rewind, while held", "rewind"),
    "forward": Shortcut("return", "forward again, while held", "forward"),
    "restart": Shortcut("r", "restart", "restart"),
    "seed": Shortcut("n", "restart with a new seed", "new seed"),
    "slower": Shortcut("-", "slower", "slower"),
    "faster": Shortcut("=", "faster", "faster"),
    "previous": Shortcut("page up", "previous start picture", "picture back"),
    "next": Shortcut("page down", "next start picture", "picture next"),
    "sees": Shortcut("i", "what the world makes of it", "sees"),
    "world": Shortcut("f4", "another world", "world"),
    "keep": Shortcut("k", "keep this moment", "keep"),
    "recall": Shortcut("l", "return to a kept moment", "return"),
    "branch": Shortcut("b", "next branch", "branch"),
    "autoplay": Shortcut("t", "autoplay: random, mixed, off", "auto- play"),
    "record": Shortcut("v", "record a video, end it", "video"),
    "gif": Shortcut("g", "save a GIF of ten seconds", "GIF"),
    "photo": Shortcut("c", "save a picture", "save picture"),
    "save": Shortcut("f5", "save the session", "save"),
    "load": Shortcut("f9", "load the saved session", "load"),
    "folder": Shortcut("o", "open the folder of your files", "folder"),
    "hud": Shortcut("f2", "panel on, off", "panel"),
    "latency": Shortcut("f3", "speed graph", "speed"),
    "theme": Shortcut("f6", "dark, light", "light"),
    "smooth": Shortcut("f7", "crisp, smooth pixels", "crisp"),
    "screen": Shortcut("f11", "full screen", "full screen"),
    "quit": Shortcut("escape", "close what is open; quit", "quit"),
}
ALSO = {"f1": "help", "tab": "pause", "pause": "pause", "pad start": "pause", "pad back": "restart", "pad l": "rewind"}
ALSO |= {
    "pad r": "forward",
    "pad b": "world",
    "pad x": "step",
    "pad y": "keep",
    "enter": "forward",
    "[enter]": "forward",
    "[+]": "faster",
    "[-]": "slower",
}


PASTE = "ctrl+v"  # is no shortcut's


def shortcut_key(name: str, settings: Settings) -> str:
    """The key of a shortcut: the player's own, or else the default; empty if it has none."""
    return settings.commands.get(name, SHORTCUTS[name].key)


def find_shortcut(key: Key, ctrl: bool, moving: Set[str], settings: Settings, keyboard: Keyboard) -> str | None:
    """The name of the shortcut that `key` runs, or None. Keys at the places in `moving` move."""
    if key.place in moving and not ctrl:
        return None
    own = {shortcut_key(name, settings): name for name in reversed(SHORTCUTS)}
    command = keyboard.command(key)
    return own.get(command) or ALSO.get(command) if command else None


def keys_to(name: str, settings: Settings, moving: Set[str], keyboard: Keyboard) -> tuple[str, ...]:
    """The keys that reach a shortcut, as they are printed on this keyboard: with Ctrl where its own key moves."""
    command = shortcut_key(name, settings)
    if not command:
        return ()
    if keyboard.place(command) in moving:
        return ("ctrl", keyboard.shown(command)) if f"ctrl+{command}" != PASTE else ()
    return (keyboard.shown(command),)
