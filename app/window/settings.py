"""The player's settings: own keys, theme and fit, kept in one file per user."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import platformdirs

from app.window.drawing import THEMES
from genie_core.config import build
from genie_core.errors import ConfigError, WriteError
from genie_core.files import disk_refusals, read_text, whole_file
from genie_core.limits import SETTINGS_BYTES
from genie_core.pictures import FITS

FILE, ASIDE = "keys.json", "keys.damaged-{}.json"


@dataclass(frozen=True)
class Settings:
    """What a player changed: a list of keys by action name, one key by shortcut name, and the look."""

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
            raise ConfigError("a key is not text, or the theme or the fit is unknown")


def settings_file() -> Path:
    return Path(platformdirs.user_config_dir("genie", appauthor=False)) / FILE


def load_settings(path: Path) -> Settings:
    """Reads the saved settings, or returns the defaults if there is no file.

    Raises ConfigError if it cannot be read, or is damaged; then it is put aside.
    """
    try:
        settings: Settings = build(Settings, json.loads(read_text(path, SETTINGS_BYTES)))
        return settings
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); the default keys are used") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is damaged ({error}); the default keys are used; {_put_aside(path)}") from error


def _put_aside(path: Path) -> str:
    """What to do about a damaged file, which gets another name, for the next change of a setting would replace it."""
    aside = next(name for name in (path.with_name(ASIDE.format(n)) for n in itertools.count(1)) if not name.exists())
    try:
        path.rename(aside)
    except OSError:
        return "mend it before you change a setting"
    return f"mend {aside.name} beside it, and name it {FILE} again"


def save_settings(settings: Settings, path: Path) -> None:
    """Writes the settings, whole or not at all. Raises ConfigError if the disk refuses."""
    try:
        with disk_refusals(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            partial.write_text(json.dumps(asdict(settings), indent=2) + "\n", encoding="utf-8")
    except WriteError as error:
        raise ConfigError(f"your settings last until you quit: {error}") from error
