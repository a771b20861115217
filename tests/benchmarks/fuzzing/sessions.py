"""Saved sessions: their tensors, their header, and what they tell of a playthrough."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path

import numpy as np

from fuzzing.changes import other_bytes, other_value
from fuzzing.kind import Files, Kind
from fuzzing.tiny import tiny_world
from fuzzing.worlds import other_tensors

STEPS = 6


class Sessions(Kind):
    """Two branches and a kept moment: parsed, opened, each branch looked at, and played on for a step."""

    name = "sessions"
    batch = 500

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from app.play import commands, session_file
        from app.play.session import PlaySession
        from app.play.session_snapshot import snapshot
        from app.play.start import Start, begin
        from genie_core import World, WorldEngine

        self._file, self._start, self._begin = session_file, Start, begin
        self._engine = WorldEngine(World.from_pretrained(tiny_world(folder / "tiny")), runtime="torch")
        session = PlaySession(self._engine, np.zeros((16, 16, 3), np.uint8))
        list(session.play([0, 1, 2, 3, 0, 1][:STEPS]))
        session.handle(commands.Keep())
        session.handle(commands.GoTo(0, 2))
        list(session.play([3, 2]))
        self._corpus = snapshot(session)()
        (length,) = struct.unpack_from("<Q", self._corpus)
        header = json.loads(self._corpus[8 : 8 + length])
        self._told = json.loads(header["__metadata__"][session_file.KEY])

    def damaged(self, rng: random.Random) -> Files:
        way = rng.random()
        if way < 0.2:
            return {"session.genie": other_bytes(rng, self._corpus)}
        if way < 0.4:
            return {"session.genie": other_tensors(rng, self._corpus)}
        return {"session.genie": self._remade(rng)}

    def _remade(self, rng: random.Random) -> bytes:
        """Other tensors or other metadata, whose digest is right."""
        from safetensors.numpy import load, save

        tensors, told = load(self._corpus), json.loads(json.dumps(self._told))
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
        path = self.folder / "session.genie"
        path.write_bytes(files["session.genie"])
        saved = self._file.load_session(path, self._engine.world)
        session = self._begin(self._engine, self._start(None, saved=saved))
        for line in session.timeline.lines[:8]:
            session.timeline.thumbnail(line)
        if session.sampling.unmask_steps <= 8:
            list(session.play([0]))
