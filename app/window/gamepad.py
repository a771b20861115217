"""Turns gamepads and joysticks, plugged in at any time, into keys named `pad left`, `pad a` and so on.

SDL knows the layout of most gamepads. The buttons of other devices are named in their order, from `pad a` on.
"""

from __future__ import annotations

from typing import NamedTuple

import pygame
from pygame._sdl2 import controller

from app.play.keymap import PAD

PRESSED, RELEASED = 0.5, 0.35  # of a stick's full tilt; between the two, a direction stays as it was
LAYOUT = {
    pygame.CONTROLLER_BUTTON_DPAD_LEFT: "left",
    pygame.CONTROLLER_BUTTON_DPAD_RIGHT: "right",
    pygame.CONTROLLER_BUTTON_DPAD_UP: "up",
    pygame.CONTROLLER_BUTTON_DPAD_DOWN: "down",
    pygame.CONTROLLER_BUTTON_A: "a",
    pygame.CONTROLLER_BUTTON_B: "b",
    pygame.CONTROLLER_BUTTON_X: "x",
    pygame.CONTROLLER_BUTTON_Y: "y",
    pygame.CONTROLLER_BUTTON_BACK: "back",
    pygame.CONTROLLER_BUTTON_START: "start",
    pygame.CONTROLLER_BUTTON_LEFTSHOULDER: "l",
    pygame.CONTROLLER_BUTTON_RIGHTSHOULDER: "r",
}
IN_ORDER = ("a", "b", "x", "y", "l", "r", "back", "start")
AXES = {0: ("left", "right"), 1: ("up", "down")}
CHOOSES = {
    **{PAD + way: getattr(pygame, f"K_{way.upper()}") for way in ("left", "right", "up", "down")},
    PAD + "a": pygame.K_RETURN,
    PAD + "b": pygame.K_ESCAPE,
}
"""Keys of a keyboard that do the same where something is chosen."""
STICK, BUTTONS = "stick", "buttons"
STICK_MOVES = (pygame.JOYAXISMOTION, pygame.CONTROLLERAXISMOTION)
Change = tuple[str, bool]


class Pad(NamedTuple):
    """An open device, with `layout` if SDL knows its layout. Pygame closes both when either is garbage-collected."""

    joystick: pygame.joystick.JoystickType
    layout: controller.Controller | None


class Part(NamedTuple):
    """The stick of a device, or all its buttons with its cross."""

    pad: int  # instance id
    kind: str


class Gamepads:
    """All devices plugged in. `changes` turns an event into keys that went down (True) or up (False)."""

    def __init__(self) -> None:
        pygame.joystick.init()
        controller.init()
        self._open: dict[int, Pad] = {}  # by instance id
        self._held: dict[str, set[Part]] = {}
        """Which parts of which devices hold a key; it is let go when none does."""

    def close(self) -> None:
        """Closes all devices. Call it before pygame.quit(), which would leave them dangling."""
        self._open.clear()
        controller.quit()

    def changes(self, event: pygame.event.Event) -> list[Change]:
        """The keys that `event` pressed or released. Pulling a gamepad out releases all its keys."""
        if event.type == pygame.JOYDEVICEADDED:
            self._plug_in(event.device_index)
            return []
        pad = getattr(event, "instance_id", None)
        if pad is None or pad not in self._open:
            return []
        if event.type == pygame.JOYDEVICEREMOVED:
            del self._open[pad]
            held = [(name, part) for name in sorted(self._held) for part in sorted(self._held[name]) if part.pad == pad]
            return [change for name, part in held for change in self._set(part, {name: False})]
        laid_out = self._open[pad].layout is not None
        wanted = _laid_out(event) if laid_out else self._plain(event)
        return self._set(Part(pad, STICK if event.type in STICK_MOVES else BUTTONS), wanted)

    def _plug_in(self, index: int) -> None:
        try:
            joystick = pygame.joystick.Joystick(index)
            layout = controller.Controller(index) if controller.is_controller(index) else None
        except pygame.error:  # it was pulled out again meanwhile
            return
        self._open[joystick.get_instance_id()] = Pad(joystick, layout)

    def _set(self, part: Part, wanted: dict[str, bool | None]) -> list[Change]:
        """Applies `wanted`, of keys by their names, and returns those that changed. None leaves a key as it is."""
        changed = []
        for name, down in wanted.items():
            holders = self._held.setdefault(name, set())
            was = bool(holders)
            if down is not None:
                (holders.add if down else holders.discard)(part)
            if bool(holders) != was:
                changed.append((name, not was))
        return changed

    def _plain(self, event: pygame.event.Event) -> dict[str, bool | None]:
        if event.type == pygame.JOYAXISMOTION:
            return _stick(event.axis, event.value)
        if event.type == pygame.JOYHATMOTION:
            x, y = event.value
            return {PAD + "left": x < 0, PAD + "right": x > 0, PAD + "up": y > 0, PAD + "down": y < 0}
        if event.type in (pygame.JOYBUTTONDOWN, pygame.JOYBUTTONUP) and event.button < len(IN_ORDER):
            return {PAD + IN_ORDER[event.button]: event.type == pygame.JOYBUTTONDOWN}
        return {}


def waiting_events() -> list[pygame.event.Event]:
    """All events so far, but for the end of a device that was gone before it was opened: pygame cannot tell of that."""
    events: list[pygame.event.Event] = []
    while True:
        try:
            event = pygame.event.poll()
        except SystemError:  # around a KeyError in its table of open devices
            continue
        if event.type == pygame.NOEVENT:
            return events
        events.append(event)


def _laid_out(event: pygame.event.Event) -> dict[str, bool | None]:
    if event.type == pygame.CONTROLLERAXISMOTION:
        return _stick(event.axis, event.value / 32768)
    if event.type in (pygame.CONTROLLERBUTTONDOWN, pygame.CONTROLLERBUTTONUP) and event.button in LAYOUT:
        return {PAD + LAYOUT[event.button]: event.type == pygame.CONTROLLERBUTTONDOWN}
    return {}


def _stick(axis: int, value: float) -> dict[str, bool | None]:
    """The two directions of an axis; None between pressed and released."""
    if axis not in AXES:
        return {}
    back, forth = AXES[axis]
    far = {back: -value, forth: value}
    return {PAD + name: True if way > PRESSED else False if way < RELEASED else None for name, way in far.items()}
