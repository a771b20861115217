"""Texts: settings in TOML, action scripts, files of keys."""

from __future__ import annotations

import random
from pathlib import Path

from fuzzing.changes import other_json, other_text
from fuzzing.kind import REPOSITORY, Files, Kind


class Settings(Kind):
    name = "settings"
    batch = 4000
    measured = 10

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from genie_core.training.settings import load_settings

        self._load = load_settings
        found = sorted((REPOSITORY / "genie_core").rglob("*.toml"))
        self._corpus = [path.read_text() for path in found]
        words = {word for text in self._corpus for word in text.split() if word[0].isalpha()}
        marks = ["[", "]", "[[", "]]", "=", ".", ",", '"', "'''", "#", "\n", "{}", "inf", "nan", "1_0", "0x7f", "1e400"]
        self._words = sorted(words) + marks * 5

    def damaged(self, rng: random.Random) -> Files:
        text = rng.choice(self._corpus)
        lines = text.splitlines(keepends=True)
        if rng.random() < 0.5:  # most lines are comments and numbers of training
            lines = [line for line in lines if rng.random() < 0.95]
        return {"settings.toml": other_text(rng, "".join(lines), self._words)}

    def use(self, files: Files) -> None:
        (self.folder / "settings.toml").write_bytes(files["settings.toml"])
        self._load(self.folder / "settings.toml", (64, 64))


class Scripts(Kind):
    name = "scripts"
    batch = 20_000
    measured = 50

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from app.play.script import format_script, parse_script, source_of
        from genie_core.checkpoint import read_config

        self._parse, self._format, self._source = parse_script, format_script, source_of
        self._actions = read_config(REPOSITORY / "checkpoints/coinrun").actions
        names = [action.name for action in self._actions]
        self._corpus = ["right*20,jump*4,7*10", "random", "0", " 0 , 1 * 5 ,stay", ",".join(names), "right*99999,left"]
        self._words = [*names, *map(str, range(9)), ",", "*", "*0", "*1", "*100001", " ", "-", "+", "*-1", "random"]

    def damaged(self, rng: random.Random) -> Files:
        return {"script": other_text(rng, rng.choice(self._corpus), self._words)}

    def use(self, files: Files) -> None:
        text = files["script"].decode(errors="replace")
        if text != "random":
            ids = self._parse(text, self._actions)
            assert self._parse(self._format(ids, self._actions), self._actions) == ids
        self._source(text, self._actions, 0)


class Keys(Kind):
    name = "keys"
    batch = 4000
    measured = 10

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import pygame

        from app.window.bindings import Bindings
        from app.window.drawing import Canvas
        from app.window.keys import Keyboard
        from app.window.settings import Settings, load_settings, save_settings
        from app.window.shortcuts import SHORTCUTS
        from genie_core.checkpoint import read_config

        pygame.display.init()
        pygame.font.init()
        self._load, self._keyboard = load_settings, Keyboard()
        self._bindings, self._shortcuts = Bindings, list(SHORTCUTS)
        self._canvas = Canvas(pygame.Surface((300, 300)))
        self._actions = read_config(REPOSITORY / "checkpoints/coinrun").actions
        names = [action.name for action in self._actions]
        chosen = Settings({names[0]: ["q", "up+e"], names[1]: []}, {"pause": "p", "rewind": "backspace"}, "light", True)
        self._corpus = []
        for settings in (Settings(), chosen):
            save_settings(settings, folder / "keys.json")
            self._corpus.append((folder / "keys.json").read_bytes())
        self._words = ["{", "}", "[", "]", ":", ",", '"', "null", "1e999", *names, "+", "pad a", "\\u0000", "\\ud800"]

    def damaged(self, rng: random.Random) -> Files:
        before = rng.choice(self._corpus)
        if rng.random() < 0.7:
            return {"keys.json": other_json(rng, before)}
        return {"keys.json": other_text(rng, before.decode(), self._words)}

    def use(self, files: Files) -> None:
        (self.folder / "keys.json").write_bytes(files["keys.json"])
        settings = self._load(self.folder / "keys.json")
        bindings = self._bindings(self._actions, self._shortcuts, settings, self._keyboard, lambda _: None)
        bindings.roles()
        for row in bindings.rows:
            for keys in bindings.keys(row):
                for key in keys:
                    self._canvas.key(0, 0, key)
