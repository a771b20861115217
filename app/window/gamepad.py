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
Change = tuple[str, bool]


class Pad(NamedTuple):
    """An open device, with `layout` if SDL knows its layout. Pygame closes both when either is garbage-collected."""

    joystick: pygame.joystick.JoystickType
    layout: controller.Controller | None


class Gamepads:
    """All devices plugged in. `changes` turns an event into keys that went down (True) or up (False)."""

    def __init__(self) -> None:
        pygame.joystick.init()
        controller.init()
        self._open: dict[int, Pad] = {}  # by instance id
        self._down: dict[int, set[str]] = {}

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
            return [(name, False) for name in sorted(self._down.pop(pad))]
        laid_out = self._open[pad].layout is not None
        return self._set(pad, _laid_out(event) if laid_out else self._plain(event))

    def _plug_in(self, index: int) -> None:
        joystick = pygame.joystick.Joystick(index)
        pad = joystick.get_instance_id()
        self._open[pad] = Pad(joystick, controller.Controller(index) if controller.is_controller(index) else None)
        self._down.setdefault(pad, set())

    def _set(self, pad: int, wanted: dict[str, bool | None]) -> list[Change]:
        """Applies `wanted` and returns the keys it changed. None leaves a key as it is."""
        held, changed = self._down[pad], []
        for short, down in wanted.items():
            name = PAD + short
            if down is not None and down != (name in held):
                (held.add if down else held.discard)(name)
                changed.append((name, down))
        return changed

    def _plain(self, event: pygame.event.Event) -> dict[str, bool | None]:
        if event.type == pygame.JOYAXISMOTION:
            return _stick(event.axis, event.value)
        if event.type == pygame.JOYHATMOTION:
            x, y = event.value
            return {"left": x < 0, "right": x > 0, "up": y > 0, "down": y < 0}
        if event.type in (pygame.JOYBUTTONDOWN, pygame.JOYBUTTONUP) and event.button < len(IN_ORDER):
            return {IN_ORDER[event.button]: event.type == pygame.JOYBUTTONDOWN}
        return {}


def _laid_out(event: pygame.event.Event) -> dict[str, bool | None]:
    if event.type == pygame.CONTROLLERAXISMOTION:
        return _stick(event.axis, event.value / 32768)
    if event.type in (pygame.CONTROLLERBUTTONDOWN, pygame.CONTROLLERBUTTONUP) and event.button in LAYOUT:
        return {LAYOUT[event.button]: event.type == pygame.CONTROLLERBUTTONDOWN}
    return {}


def _stick(axis: int, value: float) -> dict[str, bool | None]:
    """The two directions of an axis; None between pressed and released."""
    if axis not in AXES:
        return {}
    back, forth = AXES[axis]
    far = {back: -value, forth: value}
    return {name: True if way > PRESSED else False if way < RELEASED else None for name, way in far.items()}
