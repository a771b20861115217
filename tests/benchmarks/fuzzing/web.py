"""What strangers send to the web demo: messages of a page, posts, links, and the fields of the endpoints."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.changes import other_bytes, other_json, other_text, other_value
from fuzzing.kind import REPOSITORY, Files, Kind
from fuzzing.tiny import tiny_world

MESSAGES: list[dict[str, Any]] = [
    {"do": "key", "code": "ArrowRight", "down": True, "number": 1},
    {"do": "key", "code": "Digit3", "down": True, "number": 2},
    {"do": "key", "code": "Gamepad pad left", "down": False, "number": 2**31 - 1},
    {"do": "release_all"},
    {"do": "here"},
    {"do": "share"},
    {"do": "shown", "frame": 3},
    {"do": "pause", "on": False},
    {"do": "step"},
    {"do": "speed", "times": 2.0},
    {"do": "rewind", "held": True},
    {"do": "forward", "held": True},
    {"do": "restart"},
    {"do": "seed", "seed": 7},
    {"do": "keep"},
    {"do": "recall", "kept": 0},
    {"do": "line", "line": 1},
    {"do": "autoplay", "script": "right*3,jump", "mix": True},
    {"do": "tune", "unmask_steps": 1, "temperature": 0.5},
]


class Loop:
    """An event loop that calls at once."""

    def call_soon_threadsafe(self, call: Any, *args: Any) -> None:
        call(*args)


def tiny_starts(folder: Path) -> Any:
    """The web demo's games of a tiny world."""
    from app.play.start_pictures import Prompts
    from app.web.game_starts import GameStarts
    from app.web.loaded_worlds import LoadedWorlds
    from genie_core import World, WorldEngine

    world = World.from_pretrained(tiny_world(folder / "tiny"))
    worlds = LoadedWorlds(world, folder / "none", 1)
    worlds.first = WorldEngine(world, runtime="torch")  # which makes no graph for each new number of passes
    return GameStarts(worlds, Prompts(REPOSITORY / "assets"))


class Messages(Kind):
    """Parsed, and taken in by a player who plays on; each process plays one game with all its messages."""

    name = "messages"
    batch = 10_000
    measured = 50

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from app.web.outbox import Outbox
        from app.web.player import Player
        from app.web.protocol import Here, OutOfRange, Shown, parse
        from app.web.transport import _messages

        self._parse, self._posted, self._later, self._out_of_range = parse, _messages, (Here, Shown), OutOfRange
        starts = tiny_starts(folder)
        self._outbox = Outbox(Loop())  # type: ignore[arg-type]
        self._player = Player(0, self._outbox)
        self._player.begin(starts.from_picture(np.zeros((16, 16, 3), np.uint8), starts.worlds.title))
        self._corpus = [json.dumps(message) for message in MESSAGES]
        self._words = ["{", "}", ":", ",", '"', "null", "true", "1e999", "NaN", "-1", "9" * 20, "\\ud800"]

    def damaged(self, rng: random.Random) -> Files:
        texts = [rng.choice(self._corpus) for _ in range(rng.choice([1, 1, 2]))]
        way = rng.random()
        if way < 0.6:
            texts = [other_json(rng, text.encode()).decode("utf-8", "surrogatepass") for text in texts]
        elif way < 0.9:
            texts = [other_text(rng, text, self._words).decode("utf-8", "replace") for text in texts]
        body = json.dumps(texts).encode("utf-8", "surrogatepass")
        return {"post.json": other_bytes(rng, body) if rng.random() < 0.1 else body}

    def use(self, files: Files) -> None:
        for text in self._posted(files["post.json"]):
            message = self._parse(text)
            if not isinstance(message, self._later):
                self._player.handle(message)
        for _ in range(2):
            action = self._player.decide()
            if action is not None:
                self._player.take(self._player.engine.step({0: action})[0])
        self._outbox.shown(self._outbox.numbered)
        self._outbox._items.clear()


class Calls(Kind):
    """Bodies of `POST /play`, links, and the fields of /start, /step, /steps and /rollout."""

    name = "calls"
    batch = 10_000
    measured = 50

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from app.play.session import PlaySession
        from app.web.api import _script, find_action
        from app.web.routes import _game
        from app.web.share import to_fragment
        from app.web.uploads import _paths, is_upload

        self._starts, self._game, self._script, self._find = tiny_starts(folder), _game, _script, find_action
        self._paths, self._is_upload = _paths, is_upload
        starts, self._actions = self._starts, self._starts.worlds.first.world.config.actions
        picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
        game = starts.from_picture(picture, starts.worlds.title)
        session = PlaySession(game.engine, picture)
        list(session.play([0, 0, 1, 3]))
        self._link = to_fragment(game, session)
        shipped = starts.prompts.shipped[0].name
        title, file = starts.worlds.title, {"path": "/tmp/x.png", "meta": {"_type": "gradio.FileData"}}
        self._corpus: list[Any] = [
            ["post", {"link": self._link}],
            ["post", {"link": f"w={title}&s=1&a=0x3.1x2&p=pictures/{shipped}&k=2&t=0.5"}],
            ["post", {"picture": shipped, "world": title}],
            ["start", [file, title, 0]],
            ["step", ["token", "right"]],
            ["steps", ["token", "right*3,jump"]],
            ["rollout", [file, "right*20,left*4", title, 3]],
            ["paths", {"data": [file, [file, {"image": file}]]}],
        ]
        self._words = ["&", "=", "#", "%", "%00", "w=", "a=", "d=", "p=", "s=", "k=", "t=nan", "x", ".", "9999x9"]

    def damaged(self, rng: random.Random) -> Files:
        way, value = json.loads(json.dumps(rng.choice(self._corpus)))
        if way == "post" and "link" in value and rng.random() < 0.6:
            value = {"link": other_text(rng, value["link"], self._words).decode("utf-8", "replace")}
        else:
            value = other_value(rng, value)
        body = json.dumps(value).encode("utf-8", "surrogatepass")
        return {way: other_bytes(rng, body) if rng.random() < 0.1 else body}

    def use(self, files: Files) -> None:
        ((way, body),) = files.items()
        if way == "post":
            self._game(self._starts, body)
            return
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            return  # Gradio's own parser answers
        if way == "paths":
            for path in self._paths(fields):
                assert not self._is_upload(path)
            return
        fields = (fields if isinstance(fields, list) else []) + [None] * 4
        if way == "step":
            self._find(fields[1], self._actions)
        elif way == "steps":
            self._script(fields[1], self._actions)
        else:
            *_, world, seed = fields[: 3 if way == "start" else 4]
            picture = np.zeros((16, 16, 3), np.uint8)
            game = self._starts.from_picture(picture, world, seed=seed)
            if way == "rollout":
                self._script(fields[1], game.engine.world.config.actions)
