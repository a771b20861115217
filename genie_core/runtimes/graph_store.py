"""Where the graphs of a world come from: its folder, else the cache, else torch makes them and they are kept there.

The cache's files are named after the weights they read and the number of passes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs

from genie_core import checkpoint
from genie_core.config import WorldConfig
from genie_core.errors import ConfigError, GenieError, MissingExtraError
from genie_core.files import make_room, write_whole
from genie_core.graph_file import Graph, read_graph
from genie_core.graph_world import TORCH, GraphWorld

GRAPHS_BYTES = 2**28  # kept altogether: those of a hundred worlds; the least recently used go first
GRAPH_VERSION = 3  # raised when graphs of the same weights change, for those that were made before are kept


class GraphStore:
    """The graphs of one world, whose weights lie in `files`, contents by path."""

    def __init__(
        self,
        config: WorldConfig,
        shipped: Mapping[str, Graph],
        files: Mapping[str, bytes],
        make: Callable[[int | None, Mapping[str, bytes]], bytes],
    ) -> None:
        """`make` writes the step in so many passes, or the encoding for None, with its weights in `files`."""
        self.config, self._shipped, self.files, self._make = config, shipped, files, make

    def encode(self) -> Graph:
        """The encoding of a prompt."""
        return self._shipped.get(checkpoint.ENCODE) or self._kept(None)

    def step(self, unmask_steps: int) -> Graph:
        """The step in so many passes. Raises ConfigError if there is none and it cannot be made here."""
        shipped = self._shipped.get(checkpoint.STEP)
        if shipped is not None and shipped.inputs["uniform"][1] == unmask_steps:
            return shipped
        return self._kept(unmask_steps)

    def _kept(self, unmask_steps: int | None) -> Graph:
        """A graph out of the cache, or made and put there."""
        name = checkpoint.ENCODE if unmask_steps is None else f"step-{unmask_steps}.onnx"
        file = cache_folder() / self._key / name
        try:
            found = self.checked(file.read_bytes())
            os.utime(file)
            return found
        except (OSError, ConfigError):  # none yet, or a damaged one
            content = self._make(unmask_steps, self.files)
        try:
            make_room(cache_folder().glob("*/*.onnx"), len(content), GRAPHS_BYTES)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, content)
        except (OSError, GenieError):  # a cache that cannot be written to is made do without
            pass
        return self.checked(content)

    def checked(self, content: bytes) -> Graph:
        """A graph that reads its weights out of this store's files. Raises ConfigError if it is damaged."""
        return read_graph(content, {path: len(file) for path, file in self.files.items()})

    @property
    def _key(self) -> str:
        digest = hashlib.sha256(f"{GRAPH_VERSION}".encode())
        for path in sorted(self.files):
            digest.update(hashlib.sha256(self.files[path]).digest())
        return digest.hexdigest()[:32]


def cache_folder() -> Path:
    """Where graphs are kept that no world brings."""
    return Path(platformdirs.user_cache_dir("genie", appauthor=False)) / "graphs"


def of_graph_world(world: GraphWorld) -> GraphStore:
    """The graphs of a world on disk; other numbers of passes than its own need torch."""

    def make(unmask_steps: int | None, files: Mapping[str, bytes]) -> bytes:
        try:
            from genie_core.runtimes.making import make_graph

            return make_graph(world.whole, unmask_steps, files)
        except (MissingExtraError, ModuleNotFoundError) as error:
            own = world.graphs[checkpoint.STEP].inputs["uniform"][1]
            raise ConfigError(
                f"the graph of this world takes {own} passes, and making one for {unmask_steps} needs torch and onnx; "
                f"{TORCH}, or leave --unmask-steps at {own}"
            ) from error

    return GraphStore(world.config, world.graphs, weights_in(world.folder), make)


def weights_in(folder: Path) -> dict[str, bytes]:
    """The files with the weights that play needs, by path."""
    return {path: (folder / path).read_bytes() for path in checkpoint.PLAYED}
