"""What the keys that do not move do, and what the player changed of it: kept in a file per user.

A key that moves is never a command. A command whose key moves in this world is reached with Ctrl and that key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import platformdirs

from genie_core.config import build
from genie_core.errors import ConfigError
from genie_core.pictures import FITS

THEMES = ("dark", "light")
FILE = "keys.json"


class Control(NamedTuple):
    """A command: the key it has unless the player gives it another, and what it does in a few words."""

    key: str
    does: str


CONTROLS = {
    "help": Control("h", "this help, and keys of your own"),
    "pause": Control("tab", "pause, play on"),
    "step": Control(".", "one step"),
    "rewind": Control("backspace", "rewind, while held"),
    "forward": Control("return", "forward again, while held"),
    "restart": Control("r", "restart"),
    "seed": Control("n", "new seed"),
    "slower": Control("-", "slower"),
    "faster": Control("=", "faster"),
    "previous": Control("page up", "previous picture"),
    "next": Control("page down", "next picture"),
    "sees": Control("i", "what the world sees"),
    "keep": Control("k", "keep this moment"),
    "recall": Control("l", "back to a kept moment"),
    "branch": Control("b", "next branch"),
    "autoplay": Control("t", "autoplay: off, on, mixed"),
    "record": Control("v", "record a video; Shift: with HUD"),
    "gif": Control("g", "last ten seconds as GIF"),
    "photo": Control("p", "PNG; Shift: with HUD"),
    "save": Control("f5", "save the session"),
    "load": Control("f9", "back to the saved session"),
    "hud": Control("f2", "HUD on, off"),
    "latency": Control("f3", "latency graph"),
    "theme": Control("f6", "dark, light"),
    "smooth": Control("f7", "crisp, smooth"),
    "screen": Control("f11", "full screen"),
    "quit": Control("escape", "quit"),
}
ALSO = {"f1": "help", "pause": "pause", "pad start": "pause", "pad back": "restart", "pad l": "rewind"}
ALSO |= {"pad r": "forward", "pad x": "step", "pad y": "keep", "[enter]": "forward", "[+]": "faster", "[-]": "slower"}


@dataclass(frozen=True)
class Settings:
    """What a player changed: keys by name of the action, a key by name of the command, and how things look."""

    actions: dict[str, list[str]] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    theme: str = "dark"
    smooth: bool = False
    hud: bool = True
    fit: str = "crop"

    def __post_init__(self) -> None:
        lists = all(
            isinstance(keys, list) and all(isinstance(key, str) for key in keys) for keys in self.actions.values()
        )
        texts = all(isinstance(key, str) for key in self.commands.values())
        if not (lists and texts and self.theme in THEMES and self.fit in FITS):
            raise ConfigError("the settings do not have the form of those that are saved")

    def key(self, command: str) -> str:
        return self.commands.get(command, CONTROLS[command].key)


def command_of(key: str, ctrl: bool, moving: Set[str], settings: Settings) -> str | None:
    """The command that `key`, by pygame's name, stands for while the keys in `moving` move; None if for none."""
    if key in moving and not ctrl:
        return None
    own = {settings.key(name): name for name in reversed(CONTROLS)}
    return own.get(key) or ALSO.get(key)


def clashes(settings: Settings, moving: Set[str]) -> Mapping[str, str]:
    """Commands whose key moves, with what reaches them instead."""
    return {name: f"ctrl+{settings.key(name)}" for name in CONTROLS if settings.key(name) in moving}


def settings_file() -> Path:
    return Path(platformdirs.user_config_dir("genie", appauthor=False)) / FILE


def load_settings(path: Path) -> Settings:
    """What was saved, or what is usual where nothing was. ConfigError if the file is damaged."""
    try:
        settings: Settings = build(Settings, json.loads(path.read_text(encoding="utf-8")))
        return settings
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not what was saved there ({error}); the usual keys are used") from error


def save_settings(settings: Settings, path: Path) -> None:
    """Writes the file whole or not at all; ConfigError if the disk refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(asdict(settings), indent=2) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error}); your keys last until you quit") from error
