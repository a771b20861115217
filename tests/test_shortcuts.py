"""The player's own keys: what they change, how they are saved, and which shortcuts they leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.play.keymap import bound_keys, build_keymap, keys_of, resolve
from app.window.settings import Settings, load_settings, save_settings
from app.window.shortcuts import ALSO, SHORTCUTS, clashes, find_shortcut
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


def test_keys_that_move_are_no_commands(actions: tuple[Action, ...]) -> None:
    moving = bound_keys(build_keymap(actions, OWN.actions))
    assert {"v", "l"} <= moving
    assert find_shortcut("v", False, moving, Settings()) is None
    assert find_shortcut("v", True, moving, Settings()) == "record", "but with Ctrl"
    assert clashes(Settings(), moving) == {"recall": "ctrl+l", "record": "ctrl+v"}
    assert find_shortcut("x", False, moving, OWN) == "record"
    assert find_shortcut("f1", False, moving, OWN) == find_shortcut("h", False, moving, OWN) == "help"


def test_no_usual_key_is_used_twice_nor_moves(actions: tuple[Action, ...]) -> None:
    usual = [shortcut.key for shortcut in SHORTCUTS.values()]
    assert len(set(usual) | ALSO.keys()) == len(usual) + len(ALSO)
    assert not bound_keys(build_keymap(actions)) & (set(usual) | ALSO.keys())
    assert set(ALSO.values()) <= SHORTCUTS.keys()
