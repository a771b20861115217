"""The keys of any keyboard: by the place of a key, which moves, and by its name, which commands.

A key's place has the name that it has on a US keyboard: W A S D and the number keys lie in the same places everywhere.
Its own name is what its keyboard calls it: the A of an AZERTY keyboard lies where a US keyboard has Q.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pygame

NO_TWIN = {"APOSTROPHE": pygame.K_QUOTE, "GRAVE": pygame.K_BACKQUOTE}  # constants of pygame that differ in their names


class Key(NamedTuple):
    """A key by its `place`, as a US keyboard names it, and by the `name` that its own keyboard gives it."""

    place: str
    name: str


class Keyboard:
    """The keyboard in use. `read` it again after pygame.KEYMAPCHANGED."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}  # by place
        self.read()

    def read(self) -> None:
        """Asks SDL what each key is called. Where SDL cannot be asked, names are learnt as keys are pressed."""
        known = {place: place if keycode is None else name_of(keycode) for place, keycode in _keycodes().items()}
        self.names = {place: name or place for place, name in known.items()}

    def key(self, event: pygame.event.Event) -> Key:
        """The key of a KEYDOWN or KEYUP."""
        name = name_of(event.key)
        place = _places().get(getattr(event, "scancode", 0)) or f"key {event.scancode}" if _placed(event) else name
        self.names[place] = name or place
        return Key(place, self.names[place])

    def label(self, place: str) -> str:
        """What is printed on the key of a place."""
        return self.names.get(place, place)

    def command(self, key: Key) -> str:
        """The name that `key` commands by: its own, or that of its place where this keyboard has no such name, as on a
        Cyrillic one."""
        return key.place if key.name not in _plain_names() and key.place not in self.names.values() else key.name

    def place(self, command: str) -> str:
        """The place of the key that commands by `command`."""
        return next((place for place, name in self.names.items() if name == command), command)

    def shown(self, command: str) -> str:
        """What is printed on the key that commands by `command`."""
        return command if command in self.names.values() else self.label(command)


def name_of(keycode: int) -> str:
    """A key's name as pygame has it, or else as SDL has it, which knows other alphabets; empty for no key."""
    return pygame.key.name(keycode) or pygame.key.name(keycode, use_compat=False).lower()


def _placed(event: pygame.event.Event) -> bool:
    return getattr(event, "scancode", 0) > 0  # events made by programs may have none


@cache
def _places() -> dict[int, str]:
    """The name of each place, by SDL's scancode."""
    places: dict[int, str] = {}
    for constant in (name[len("KSCAN_") :] for name in dir(pygame) if name.startswith("KSCAN_")):
        twin = NO_TWIN.get(constant) or getattr(pygame, f"K_{constant}", None)
        twin = twin or getattr(pygame, f"K_{constant.lower()}", None)
        scancode = getattr(pygame, f"KSCAN_{constant}")
        name = pygame.key.name(twin) if twin else constant.lower().replace("_", " ")
        if scancode and name:
            places.setdefault(scancode, name)
    return places


@cache
def _plain_names() -> frozenset[str]:
    return frozenset(_places().values())


def _keycodes() -> dict[str, int | None]:
    """What SDL says lies at each place; None where it cannot be asked."""
    ask = _sdl()
    return {place: None if ask is None else ask(scancode) for scancode, place in _places().items()}


@cache
def _sdl() -> ctypes._CFuncPtr | None:  # type: ignore[name-defined]
    """SDL's own function, which pygame does not pass on."""
    beside = Path(pygame.__file__).parent / "SDL2.dll"
    try:
        library = ctypes.CDLL(str(beside if beside.exists() else pygame.base.__file__))
        return library.SDL_GetKeyFromScancode
    except (OSError, AttributeError):
        return None
