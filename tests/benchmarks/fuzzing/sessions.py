"""Saved sessions: their tensors, their header, and what they tell of a playthrough."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fuzzing.changes import other_bytes, other_value
from fuzzing.kind import Files, Kind
from fuzzing.tiny import tiny_world
from fuzzing.worlds import other_tensors

if TYPE_CHECKING:
    from genie_core import WorldEngine

STEPS = 9  # one more than to the second picture that is kept for ever


class Sessions(Kind):
    """Two branches and a kept moment: parsed, opened, each branch looked at, and played on for a step."""

    name = "sessions"
    batch = 500

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from app.play import session_file
        from app.play.start import Start, begin
        from genie_core import World, WorldEngine

        self._file, self._start, self._begin = session_file, Start, begin
        self._engines = {
            f"{name}.genie": WorldEngine(World.from_pretrained(tiny_world(folder / name, reference)), runtime="torch")
            for name, reference in (("spelt anew", False), ("by reference", True))
        }
        self._corpus = {name: _played(engine) for name, engine in self._engines.items()}

    def damaged(self, rng: random.Random) -> Files:
        name, way = rng.choice([*self._corpus]), rng.random()
        if way < 0.2:
            return {name: other_bytes(rng, self._corpus[name])}
        if way < 0.4:
            return {name: other_tensors(rng, self._corpus[name])}
        return {name: self._remade(rng, self._corpus[name])}

    def _remade(self, rng: random.Random, corpus: bytes) -> bytes:
        """Other tensors or other metadata, whose digest is right."""
        from safetensors.numpy import load, save

        (length,) = struct.unpack_from("<Q", corpus)
        tensors = load(corpus)
        told = json.loads(json.loads(corpus[8 : 8 + length])["__metadata__"][self._file.KEY])
        if rng.random() < 0.5:
            name = rng.choice(sorted(tensors))
            side = rng.choice([0, 1, 2, 5, 6, 7, 8, 1000])
            shape = [rng.choice([*tensors[name].shape, side]) for _ in range(rng.choice([1, 3, 3, 4]))]
            kind = rng.choice([tensors[name].dtype, np.int32, np.uint8, np.float32, np.int64, np.bool_])
            odd = [0, 1, 3, 255, 256, 2**31 - 1, -1]
            numbers = np.array([rng.choice(odd)]).astype(kind)
            if rng.random() < 0.5 and tensors[name].size:
                tensors[name] = tensors[name].copy()
                tensors[name].flat[rng.randrange(tensors[name].size)] = rng.choice(odd[:4])
            else:
                tensors[name] = np.broadcast_to(numbers, [min(each, 20) for each in shape]).copy()
        if rng.random() < 0.9:
            told["content"] = self._file.digest_of(tensors)
        if rng.random() < 0.7:
            sound = {key: told[key] for key in ("sha256", "content")}
            told = other_value(rng, told)
            if isinstance(told, dict) and rng.random() < 0.8:
                told |= sound
        return save(tensors, {self._file.KEY: json.dumps(told)})

    def use(self, files: Files) -> None:
        ((name, content),) = files.items()
        path, engine = self.folder / name, self._engines[name]
        path.write_bytes(content)
        saved = self._file.load_session(path, engine.world)
        session = self._begin(engine, self._start(None, saved=saved))
        for line in session.timeline.lines[:8]:
            session.timeline.thumbnail(line)
        if session.sampling.unmask_steps <= 8:
            list(session.play([0]))


def _played(engine: WorldEngine) -> bytes:
    from app.play import commands
    from app.play.session import PlaySession
    from app.play.session_snapshot import snapshot

    session = PlaySession(engine, np.zeros((16, 16, 3), np.uint8))
    list(session.play([step % 4 for step in range(STEPS)]))
    session.handle(commands.Keep())
    session.handle(commands.GoTo(0, 2))
    list(session.play([3, 2]))
    return snapshot(session)()
