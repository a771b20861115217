"""What a world brings: config.json, weights, graphs, and whole folders of them."""

from __future__ import annotations

import hashlib
import json
import random
import struct
from pathlib import Path

from fuzzing.changes import other_bytes, other_json, other_text
from fuzzing.kind import REPOSITORY, Files, Kind
from fuzzing.tiny import files_in, tiny_world

CONFIG = "config.json"
WEIGHTS = "model.safetensors"


class Configs(Kind):
    """config.json as `--worlds`, the model card and the window's panel use it."""

    name = "configs"
    batch = 2000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import pygame

        from app.cli.console import one_line
        from app.window.drawing import Canvas
        from genie_core.checkpoint import read_config
        from genie_core.hub.card import card

        pygame.font.init()
        self._read, self._card, self._one_line = read_config, card, one_line
        self._canvas = Canvas(pygame.Surface((300, 300)))
        shipped = sorted((REPOSITORY / "checkpoints").glob("*/config.json"))
        self._corpus = [path.read_bytes() for path in (*shipped, REPOSITORY / "tests/data/world-1.0/config.json")]
        self._corpus += 3 * [(tiny_world(folder / "tiny") / CONFIG).read_bytes()]
        self._words = ["{", "}", "[", "]", ":", ",", '"', "null", "1e999", "NaN", "-", "9" * 20, "\\ud800"]

    def damaged(self, rng: random.Random) -> Files:
        before = rng.choice(self._corpus)
        if rng.random() < 0.85:
            return {CONFIG: other_json(rng, before)}
        return {CONFIG: other_text(rng, before.decode(), self._words)}

    def use(self, files: Files) -> None:
        config = self._read(self.written(files))
        for action in config.actions:
            self._one_line(action.name)
            self._canvas.text(action.name, (0, 0))
        self._card(config).encode()


def promised(files: Files) -> Files:
    """The same with sizes and hashes that config.json would promise of the files as they are."""
    try:
        told = json.loads(files[CONFIG])
        for path in told["files"]:
            if path in files:
                sha256 = hashlib.sha256(files[path]).hexdigest()
                told["files"][path] = {"size": len(files[path]), "sha256": sha256}
        return files | {CONFIG: json.dumps(told).encode()}
    except (ValueError, KeyError, TypeError, RecursionError):
        return files


def other_tensors(rng: random.Random, before: bytes) -> bytes:
    """A safetensors file with another header: shapes, kinds, offsets, names, its length, or any bytes of the file."""
    if len(before) < 8 or rng.random() < 0.2:
        return other_bytes(rng, before)
    (length,) = struct.unpack_from("<Q", before)
    header, numbers = before[8 : 8 + length], before[8 + length :]
    if rng.random() < 0.2:
        numbers = other_bytes(rng, numbers)
    if rng.random() < 0.8:
        header = header.replace(b"F32", rng.choice([b"F64", b"F16", b"BF16", b"I8", b"BOOL", b"C64", b"F8_E4M3"]), 1)
    if rng.random() < 0.9:
        header = other_json(rng, header)
    length = len(header) if rng.random() < 0.95 else rng.choice([0, 2**63, len(header) + 1, 100_000_000, 2**32])
    return struct.pack("<Q", length) + header + numbers


class Weights(Kind):
    """Weights, of which config.json promises the right size and hash."""

    name = "weights"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from genie_core import checkpoint, weights
        from genie_core.world import World

        self._load, self._fingerprint = weights.load_weights, checkpoint.fingerprint
        self._corpus = files_in(tiny_world(folder / "tiny"))
        self._networks = World.from_pretrained(folder / "tiny").networks()
        self._paths = sorted(path for path in self._corpus if path.endswith(WEIGHTS))

    def damaged(self, rng: random.Random) -> Files:
        path = rng.choice(self._paths)
        return promised(self._corpus | {path: other_tensors(rng, self._corpus[path])})

    def use(self, files: Files) -> None:
        folder = self.written(files)
        self._load(folder, self._networks)
        self._fingerprint(folder)


class Graphs(Kind):
    """ONNX graphs. One that is let in is run, for a step."""

    name = "graphs"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import onnx

        from genie_core.checkpoint import PLAYED, read_config, require_fits
        from genie_core.graph_file import read_graph

        self._onnx, self._read, self._fits = onnx, read_graph, require_fits
        tiny = tiny_world(folder / "tiny")
        self._config, files = read_config(tiny), files_in(tiny)
        self._sizes = {path: len(files[path]) for path in PLAYED}
        self._weights = {path: files[path] for path in PLAYED}
        self._corpus = {name: files[name] for name in ("step.onnx", "encode.onnx")}
        self._models = {name: onnx.load_from_string(content) for name, content in self._corpus.items()}

    def damaged(self, rng: random.Random) -> Files:
        name = rng.choice(sorted(self._corpus))
        if rng.random() < 0.4:
            return {name: other_bytes(rng, self._corpus[name])}
        model = self._onnx.ModelProto()
        model.CopyFrom(self._models[name])
        for _ in range(rng.choice([1, 1, 2, 4])):
            self._change(rng, model.graph)
        return {name: model.SerializeToString()}

    def _change(self, rng: random.Random, graph: object) -> None:
        """A node, a weight, an input or an output other than it was."""
        nodes, weights = graph.node, graph.initializer  # type: ignore[attr-defined]
        node, weight = rng.choice(nodes), rng.choice(weights)
        change = rng.randrange(8)
        if change == 0:
            node.op_type = rng.choice([rng.choice(nodes).op_type, "Loop", "If", "Expand", "Tile", "Foo", "\x00"])
        elif change == 1:
            node.domain = rng.choice(["ai.onnx", "com.microsoft", "ai.onnx.ml", "x"])
        elif change == 2 and node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(
                [rng.choice(weights).name, rng.choice(nodes).output[0]]
            )
        elif change == 3 and weight.dims:
            weight.dims[rng.randrange(len(weight.dims))] = rng.choice([0, 1, 3, 2**20, 2**31, 2**62, -1])
        elif change == 4 and weight.external_data:
            entry = rng.choice(weight.external_data)
            entry.value = rng.choice(["0", "-4", "1e3", "9" * 30, "/etc/passwd", "../config.json", "4096", ""])
        elif change == 5:
            whole = [each for each in weights if each.data_type == 7 and each.raw_data]
            if whole:
                rng.choice(whole).raw_data = rng.choice([1, 3, 2**20, 2**40, -1]).to_bytes(8, "little", signed=True)
        elif change == 6 and node.attribute:
            attribute = rng.choice(node.attribute)
            attribute.i = rng.choice([0, -1, 7, 2**31, 2**62])
            if attribute.ints:
                attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice([0, -1, 2**20, 2**40])
        else:
            side = rng.choice([*graph.input, *graph.output]).type.tensor_type  # type: ignore[attr-defined]
            side.elem_type = rng.choice([1, 6, 7, 10, 99])

    def use(self, files: Files) -> None:
        ((name, content),) = files.items()
        graph = self._read(content, self._sizes)
        self._fits(graph, name, self._config)


class Folders(Kind):
    """Whole worlds: listed, then loaded and played for two steps on both runtimes."""

    name = "worlds"
    batch = 100

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import numpy as np

        from app.cli.worlds import describe_worlds
        from genie_core import World, WorldEngine
        from genie_core.errors import GenieError
        from genie_core.graph_world import GraphWorld

        self._world, self._graph_world, self._engine, self._describe = World, GraphWorld, WorldEngine, describe_worlds
        self._error = GenieError
        self._corpus = files_in(tiny_world(folder / "tiny"))
        self._prompt = np.zeros((16, 16, 3), np.uint8)
        self._graphs = Graphs(folder / "graphs")
        for kind in (World, GraphWorld):
            self._play(kind, folder / "tiny")

    def damaged(self, rng: random.Random) -> Files:
        files = dict(self._corpus)
        for path in rng.choices([CONFIG, CONFIG, CONFIG, *sorted(files)], k=rng.choice([1, 1, 2])):
            if rng.random() < 0.02:
                files.pop(path, None)
            elif path == CONFIG and path in files:
                files[path] = other_json(rng, files[path])
            elif path.endswith(WEIGHTS) and path in files:
                files[path] = other_tensors(rng, files[path])
            elif path in files:
                files[path] = other_bytes(rng, files[path])
        if rng.random() < 0.3:
            files |= self._graphs.damaged(rng)
        return promised(files) if rng.random() < 0.9 else files

    def use(self, files: Files) -> None:
        folder = self.written(files)
        self._describe(folder.parent, folder / "none")
        refusal = None
        for kind in (self._world, self._graph_world):
            try:
                self._play(kind, folder)
            except self._error as error:
                refusal = error
        if refusal is not None:
            raise refusal

    def _play(self, kind: type, folder: Path) -> None:
        engine = self._engine(kind.from_pretrained(folder))  # type: ignore[attr-defined]
        engine.reset(self._prompt)
        for action in (0, 1):
            engine.step(action)
