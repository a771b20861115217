"""A world without its networks: played by its graphs, or asked what it tells on disk. Torch is not imported."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from genie_core import checkpoint
from genie_core.config import WorldConfig
from genie_core.errors import MissingExtraError, MissingGraphError
from genie_core.graph_file import Graph

if TYPE_CHECKING:
    from genie_core.world import World

TORCH = "pip install -r requirements.txt"


class WorldOnDisk(NamedTuple):
    """What a world tells that is not loaded: its config, and the pictures that it brings to start from."""

    config: WorldConfig
    starts: list[Path]

    @classmethod
    def read(cls, folder: Path) -> WorldOnDisk:
        """Raises CheckpointError if there is no config.json in `folder`, or none that fits this version."""
        return cls(checkpoint.read_config(folder), checkpoint.starts_of(folder))


class GraphWorld:
    """The config, the name and the checked graphs of a world on disk."""

    def __init__(self, folder: Path, name: str, config: WorldConfig, graphs: dict[str, Graph]) -> None:
        self.folder, self.name, self.config, self.graphs = folder, name, config, graphs

    @classmethod
    def from_pretrained(cls, path: str | Path, revision: str | None = None) -> GraphWorld:
        """As `World.from_pretrained`; CheckpointError also for a world without graphs."""
        return checkpoint.open_world(path, revision, cls._load)

    @classmethod
    def _load(cls, folder: Path, name: str) -> GraphWorld:
        config = checkpoint.read_config(folder)
        files = checkpoint.files_of(folder)
        for network in checkpoint.NETWORKS:
            checkpoint.check_file(folder, checkpoint.weights_of(network), files)
            checkpoint.check_numbers(folder, checkpoint.weights_of(network))
        graphs = checkpoint.read_graphs(folder, config)
        if not graphs:
            raise MissingGraphError(f"{folder} has no {checkpoint.STEP} to play it by; play it with --runtime torch")
        return cls(folder, name, config, graphs)

    @property
    def starts(self) -> list[Path]:
        """As `World.starts`."""
        return checkpoint.starts_of(self.folder)

    @cached_property
    def _fingerprint(self) -> dict[str, str]:
        return checkpoint.fingerprint(self.folder)

    def fingerprint(self) -> dict[str, str]:
        """A sha256 of each network's weights: a saved session checks it against its world's."""
        return self._fingerprint

    @cached_property
    def whole(self) -> World:
        """The same world with its networks. Raises MissingExtraError without torch."""
        try:
            from genie_core.world import World
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"this needs the networks of the world, and {error.name} for them: {TORCH}"
            ) from error
        world = World.from_pretrained(self.folder)
        world.name = self.name
        return world

    def actions_between(self, frames: np.ndarray, progress: bool = False) -> list[int]:
        """As `World.actions_between`, with the networks loaded for it."""
        return self.whole.actions_between(frames, progress)
