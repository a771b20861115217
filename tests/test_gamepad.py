"""Gamepads, by SDL's own virtual joystick in the library that pygame brings: plugged in, used and pulled out."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pygame
import pytest
from conftest import FakeEngine
from test_window import JUMP, JUMP_RIGHT, LEFT, RIGHT, STAY, down
from test_window_loop import play_two_branches, press
from test_window_worlds import window as one_of_three_worlds

from app.play.session import PlaySession
from app.window import play as window
from app.window.ask import Ask
from app.window.gamepad import waiting_events
from app.window.help import Help
from app.window.loop import WindowLoop
from app.window.worlds import Worlds

window_with_worlds = one_of_three_worlds

PLAIN, LAID_OUT = 0, 1  # SDL_JOYSTICK_TYPE_UNKNOWN, SDL_JOYSTICK_TYPE_GAMECONTROLLER
AXES, BUTTONS, HATS = 6, 15, 1
DPAD_UP, DPAD_RIGHT = 11, 14  # SDL_CONTROLLER_BUTTON_*


def sdl() -> ctypes.CDLL:
    """The SDL that pygame has loaded."""
    home = Path(pygame.__file__).parent
    patterns = {"linux": "../pygame.libs/libSDL2-2*", "darwin": ".dylibs/libSDL2-2*", "win32": "SDL2.dll"}
    (library,) = home.glob(patterns[sys.platform])
    loaded = ctypes.CDLL(str(library))
    loaded.SDL_JoystickOpen.restype = ctypes.c_void_p
    return loaded


class VirtualGamepad:
    """Moves as a hand would; what it does reaches pygame as its events."""

    def __init__(self, kind: int) -> None:
        self._sdl = sdl()
        self.index = self._sdl.SDL_JoystickAttachVirtual(kind, AXES, BUTTONS, HATS)
        assert self.index >= 0
        self._joystick = ctypes.c_void_p(self._sdl.SDL_JoystickOpen(self.index))

    def button(self, number: int, pressed: bool) -> None:
        assert self._sdl.SDL_JoystickSetVirtualButton(self._joystick, number, ctypes.c_uint8(pressed)) == 0

    def axis(self, number: int, way: float) -> None:
        assert self._sdl.SDL_JoystickSetVirtualAxis(self._joystick, number, ctypes.c_int16(int(32767 * way))) == 0

    def hat(self, value: int) -> None:
        assert self._sdl.SDL_JoystickSetVirtualHat(self._joystick, 0, ctypes.c_uint8(value)) == 0

    def pull_out(self) -> None:
        assert self._sdl.SDL_JoystickDetachVirtual(self.index) == 0


@pytest.fixture(autouse=True)
def unplugged(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pygame.quit()  # SDL reads the next line when its joysticks start, so none may be left on by a test before
    monkeypatch.setenv("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "1")  # a window that nobody sees has no focus
    yield
    pygame.quit()


def played(engine: FakeEngine, prompt: np.ndarray, kind: int, hands: dict[int, object]) -> list[int]:
    """What the engine is asked for when a gamepad is plugged in during step 1 and `hands[n]` move it in step n."""
    pads: list[VirtualGamepad] = []

    def act(step: int) -> None:
        if step == 1:
            pads.append(VirtualGamepad(kind))
        for name, *values in hands.get(step, []):  # type: ignore[attr-defined]
            getattr(pads[0], name)(*values)
        if step == max(hands):
            pygame.event.post(down(pygame.K_ESCAPE))

    engine.on_step = act
    window.play(lambda tell: PlaySession(engine, prompt), "fake")
    return engine.taken


@pytest.mark.parametrize("kind", [PLAIN, LAID_OUT], ids=["joystick", "gamepad"])
def test_the_stick_moves_the_player(engine: FakeEngine, prompt: np.ndarray, kind: int) -> None:
    hands = {2: [("axis", 0, 1.0)], 4: [("axis", 0, 0.4)], 5: [("axis", 0, -1.0)], 6: [("axis", 0, 0.0)], 7: []}
    assert played(engine, prompt, kind, hands) == [STAY, STAY, RIGHT, RIGHT, RIGHT, LEFT, STAY]


@pytest.mark.parametrize("kind", [PLAIN, LAID_OUT], ids=["joystick", "gamepad"])
def test_a_button_jumps_also_to_the_right(engine: FakeEngine, prompt: np.ndarray, kind: int) -> None:
    hands = {2: [("button", 0, True)], 3: [("axis", 0, 1.0)], 4: [("button", 0, False)], 5: []}
    assert played(engine, prompt, kind, hands) == [STAY, STAY, JUMP, JUMP_RIGHT, RIGHT]


def test_the_cross_of_a_gamepad(engine: FakeEngine, prompt: np.ndarray) -> None:
    hands = {
        2: [("button", DPAD_RIGHT, True)],
        3: [("button", DPAD_UP, True)],
        4: [("button", DPAD_RIGHT, False)],
        5: [],
    }
    assert played(engine, prompt, LAID_OUT, hands) == [STAY, STAY, RIGHT, JUMP_RIGHT, JUMP]


def test_the_hat_of_a_joystick(engine: FakeEngine, prompt: np.ndarray) -> None:
    hands = {2: [("hat", 2)], 3: [("hat", 3)], 4: [("hat", 0)], 5: []}
    assert played(engine, prompt, PLAIN, hands) == [STAY, STAY, RIGHT, JUMP_RIGHT, STAY]


@pytest.mark.parametrize("kind", [PLAIN, LAID_OUT], ids=["joystick", "gamepad"])
def test_a_stick_that_trembles_at_rest_lets_go_of_no_cross(engine: FakeEngine, prompt: np.ndarray, kind: int) -> None:
    cross, away = (
        (("hat", 2), ("hat", 0)) if kind == PLAIN else (("button", DPAD_RIGHT, True), ("button", DPAD_RIGHT, False))
    )
    hands = {2: [cross], 3: [("axis", 0, 0.02)], 4: [("axis", 0, 0.0)], 5: [away], 6: []}
    assert played(engine, prompt, kind, hands) == [STAY, STAY, RIGHT, RIGHT, RIGHT, STAY]


def test_one_of_two_gamepads_lets_go_of_its_own_keys_alone(with_worlds: WindowLoop) -> None:
    one, other = (plugged_in(with_worlds, LAID_OUT) for _ in range(2))
    move(with_worlds, one, ("button", DPAD_RIGHT, True))
    move(with_worlds, other, ("button", DPAD_RIGHT, True), ("button", DPAD_RIGHT, False))
    assert with_worlds.pilot.held.look()
    other.pull_out()
    take(with_worlds)
    assert with_worlds.pilot.held.look()
    one.pull_out()
    take(with_worlds)
    assert not with_worlds.pilot.held.look()


def test_a_gamepad_that_was_pulled_out_again_is_left_out(with_worlds: WindowLoop) -> None:
    VirtualGamepad(LAID_OUT).pull_out()
    take(with_worlds)
    pad = plugged_in(with_worlds, LAID_OUT)
    move(with_worlds, pad, ("axis", 0, 1.0))
    assert with_worlds.pilot.held.look()


def test_pulling_it_out_lets_go(engine: FakeEngine, prompt: np.ndarray) -> None:
    hands = {2: [("axis", 0, 1.0)], 4: [("pull_out",)], 6: []}
    assert played(engine, prompt, LAID_OUT, hands) == [STAY, STAY, RIGHT, RIGHT, STAY, STAY]


@pytest.fixture
def with_worlds(window_with_worlds: WindowLoop) -> Iterator[WindowLoop]:
    yield window_with_worlds
    window_with_worlds.gamepads.close()


def take(loop: WindowLoop) -> None:
    """Lets the window take what pygame tells."""
    for event in waiting_events():
        loop.handle(event)


def plugged_in(loop: WindowLoop, kind: int) -> VirtualGamepad:
    pad = VirtualGamepad(kind)
    take(loop)
    return pad


def move(loop: WindowLoop, pad: VirtualGamepad, *hands: tuple[str, int, float]) -> None:
    """Moves `pad`, and lets the window take it each time."""
    for name, *values in hands:
        getattr(pad, name)(*values)
        take(loop)


@pytest.mark.parametrize("kind", [PLAIN, LAID_OUT], ids=["joystick", "gamepad"])
def test_a_gamepad_chooses_another_world(with_worlds: WindowLoop, kind: int) -> None:
    """Also one that is plugged in meanwhile, of which SDL tells once."""
    press(with_worlds, pygame.K_F4)
    pad = plugged_in(with_worlds, kind)
    move(with_worlds, pad, ("axis", 0, 1.0), ("axis", 0, 0.0))
    assert isinstance(with_worlds.overlay, Worlds) and with_worlds.overlay.at == 2
    move(with_worlds, pad, ("button", 1, True), ("button", 1, False))
    assert with_worlds.overlay is None and with_worlds.next is None, "its second button plays on"
    move(with_worlds, pad, ("button", 1, True), ("button", 1, False))
    assert isinstance(with_worlds.overlay, Worlds), "and offers the worlds"
    move(with_worlds, pad, ("axis", 0, -1.0), ("axis", 0, 0.0), ("button", 0, True))
    assert with_worlds.next is not None and with_worlds.next.name == "meadow"


def test_a_gamepad_answers_what_is_asked_before_a_game_is_lost(with_worlds: WindowLoop, tmp_path: Path) -> None:
    """Its second button plays on, its first saves the session and goes to the other world."""
    play_two_branches(with_worlds)
    pad = plugged_in(with_worlds, LAID_OUT)
    for button in (1, 0):
        assert with_worlds.next is None and not (tmp_path / "genie").exists()
        press(with_worlds, pygame.K_F4, pygame.K_LEFT, pygame.K_RETURN)
        assert isinstance(with_worlds.overlay, Ask)
        move(with_worlds, pad, ("button", button, True), ("button", button, False))
        assert with_worlds.overlay is None
    assert with_worlds.next is not None and with_worlds.next.name == "meadow"
    with_worlds.saver.close(quiet=True)
    assert len(list((tmp_path / "genie").glob("*.genie"))) == 1


def test_a_stick_let_go_under_the_help_is_not_held_afterwards(with_worlds: WindowLoop) -> None:
    pad = plugged_in(with_worlds, LAID_OUT)
    move(with_worlds, pad, ("axis", 0, 1.0))
    assert with_worlds.pilot.held.look()
    press(with_worlds, pygame.K_F1)
    move(with_worlds, pad, ("button", 0, True), ("button", 0, False), ("axis", 0, 0.0))
    assert isinstance(with_worlds.overlay, Help), "keys are changed there, by the keyboard"
    press(with_worlds, pygame.K_ESCAPE)
    assert not with_worlds.pilot.held.look()
    move(with_worlds, pad, ("axis", 0, 1.0))
    assert with_worlds.pilot.held.look()
