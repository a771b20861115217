"""The player's own keys: what they change, how they are saved, and which shortcuts they leave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pygame
import pytest

from app.play.keymap import bound_keys, build_keymap, keys_of, keys_shown, resolve
from app.window.keys import Key, Keyboard
from app.window.settings import Settings, load_settings, save_settings
from app.window.shortcuts import ALSO, SHORTCUTS, find_shortcut, keys_to
from genie_core.config import Action
from genie_core.errors import ConfigError

OWN = Settings({"right": ["v", "l"]}, {"record": "x"}, "light", True, False, "pad")


def test_settings_come_back_as_they_were_kept(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys.json"
    assert load_settings(path) == Settings()
    save_settings(OWN, path)
    assert load_settings(path) == OWN
    assert [file.name for file in path.parent.iterdir()] == ["keys.json"]


@pytest.mark.parametrize(
    "content",
    [
        *(
            "",
            "[]",
            "{",
            '{"theme": "pink"}',
            '{"actions": {"right": "v"}}',
            '{"actions": {"right": [1]}}',
            '{"keys": 1}',
        ),
        *('{"commands": {"record": 3}}', '{"smooth": 1}', "[" * 100_000, '{"fit": "tile"}'),
    ],
)
def test_damaged_settings_are_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(ConfigError, match=r"keys\.json is damaged"):
        load_settings(tmp_path / "keys.json")


def test_settings_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        save_settings(OWN, tmp_path / "file" / "keys.json")


def test_own_keys_replace_the_worlds_and_combine(actions: tuple[Action, ...]) -> None:
    named = {action.name: action.id for action in actions}
    keymap = build_keymap(actions, {"right": ["v"]})
    assert resolve(["v"], keymap) == named["right"] and resolve(["right"], keymap) is None
    assert resolve(["v", "space"], keymap) == resolve(["up", "v"], keymap) == named["jump_right"]
    assert resolve(["up", "right"], keymap) == named["jump"], "the world's own key has gone"
    assert resolve(["pad right"], keymap) == named["right"], "a gamepad stays as it was"
    assert resolve(["1"], keymap) == 0
    assert keys_of(actions[named["right"]], {"right": ["v"]}) == ["v"]
    assert keys_of(actions[named["jump_right"]], {"right": ["v"]}) == []
    assert keys_shown(actions[named["jump_right"]], actions, {"right": ["v"]}) == ["up+v", "space+v"]


@pytest.fixture
def keyboard() -> Iterator[Keyboard]:
    pygame.display.init()
    yield Keyboard()
    pygame.quit()


def test_keys_that_move_are_no_commands(actions: tuple[Action, ...], keyboard: Keyboard) -> None:
    def found(key: str, ctrl: bool, settings: Settings) -> str | None:
        return find_shortcut(Key(key, key), ctrl, moving, settings, keyboard)

    moving = bound_keys(build_keymap(actions, OWN.actions))
    assert {"v", "l"} <= moving
    assert found("l", False, Settings()) is None
    assert found("l", True, Settings()) == "recall", "but with Ctrl"
    assert keys_to("recall", Settings(), moving, keyboard) == ("ctrl", "l")
    assert keys_to("record", Settings(), moving, keyboard) == (), "Ctrl+V pastes"
    assert keys_to("record", OWN, moving, keyboard) == ("x",)
    assert found("x", False, OWN) == "record"
    assert found("f1", False, OWN) == found("h", False, OWN) == "help"


def test_no_usual_key_is_used_twice_nor_moves(actions: tuple[Action, ...]) -> None:
    usual = [shortcut.key for shortcut in SHORTCUTS.values()]
    assert len(set(usual) | ALSO.keys()) == len(usual) + len(ALSO)
    assert not bound_keys(build_keymap(actions)) & (set(usual) | ALSO.keys())
    assert set(ALSO.values()) <= SHORTCUTS.keys()


def press(scancode: int, keycode: int) -> pygame.event.Event:
    return pygame.event.Event(pygame.KEYDOWN, scancode=scancode, key=keycode)


CYRILLIC = {"w": "ц", "a": "ф", "r": "к", "1": "1", ".": "ю", "left": "left"}
AZERTY = {"w": "z", "z": "w", "a": "q", "q": "a", "1": "&", "6": "-", "-": ")", ".": ":", "m": ",", "r": "r"}


@pytest.mark.parametrize(
    ("layout", "place", "moves", "does"),
    [
        *((CYRILLIC, "w", True, None), (CYRILLIC, "a", True, None), (CYRILLIC, "r", False, "restart")),
        *((AZERTY, "w", True, None), (AZERTY, "1", True, None), (AZERTY, ".", False, "step")),
        *((AZERTY, "6", True, None), (AZERTY, "r", False, "restart"), (AZERTY, "m", False, None)),
    ],
)
def test_places_move_and_names_command(
    keyboard: Keyboard, actions: tuple[Action, ...], layout: dict[str, str], place: str, moves: bool, does: str | None
) -> None:
    """Real keyboards are driven in test_real_window.py; here SDL's answers are put in its place."""
    keyboard.names |= layout
    wasd = Action(0, "up", ("w",)), Action(1, "left", ("a",)), *actions[2:]
    moving = bound_keys(build_keymap(wasd))
    scancode = getattr(pygame, f"KSCAN_{'PERIOD' if place == '.' else place.upper()}")
    key = keyboard.key(press(scancode, ord(layout[place])))
    assert key == Key(place, layout[place]) and (place in moving) == moves
    assert find_shortcut(key, False, moving, Settings(), keyboard) == does


def test_keys_without_a_latin_name_are_keys_of_their_own(keyboard: Keyboard) -> None:
    """Pygame calls them all by the empty name."""
    keyboard.names |= CYRILLIC
    keys = [keyboard.key(press(pygame.KSCAN_W, ord("ц"))), keyboard.key(press(pygame.KSCAN_A, ord("ф")))]
    assert keys == [Key("w", "ц"), Key("a", "ф")]
    assert [keyboard.command(key) for key in keys] == ["w", "a"] and keyboard.label("w") == "ц"
