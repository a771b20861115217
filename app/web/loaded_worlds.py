"""The worlds a visitor may name, each loaded once and shared by all its players."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from app.web import limits
from app.web.brought import BroughtWorlds
from genie_core.engine import WorldEngine
from genie_core.errors import GenieError, HubError
from genie_core.graph_world import WorldOnDisk
from genie_core.hub.address import REPOSITORY, Address
from genie_core.hub.download import weigh
from genie_core.world import World


class LoadedWorlds:
    """`first`, the world that the demo was started with; the worlds in the folder `shipped`, by folder name; and
    worlds on the Hub, as OWNER/NAME[@REVISION]. Each has an engine with as many players as there are seats."""

    def __init__(self, first: World, shipped: Path, seats: int) -> None:
        self.title, self.first = first.name, WorldEngine(first, players=seats)
        self._seats, self._device = seats, first.device
        self._folders = {path.parent.name: path.parent for path in sorted(shipped.glob("*/config.json"))}
        self._loaded: OrderedDict[str, WorldEngine] = OrderedDict()
        self._brought = BroughtWorlds()
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """The worlds that need no download, the first one first."""
        return [self.title, *(name for name in self._folders if name != self.title)]

    def told(self, name: str) -> WorldOnDisk:
        """What one of `names` tells of itself, without loading it. Raises CheckpointError as `read` does."""
        if name == self.title:
            return WorldOnDisk(self.first.world.config, self.first.world.starts)
        return WorldOnDisk.read(self._folders[name])

    def engine(self, name: str) -> WorldEngine:
        """The engine of a world. Loads the world the first time, which is slow.

        Raises GenieError if no world has this name, HubError and CheckpointError as `World.from_pretrained` does.
        """
        if name == self.title:
            return self.first
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = WorldEngine(self._load(name).to(self._device), players=self._seats)
            self._loaded.move_to_end(name)
            while len(self._loaded) > limits.WORLDS_LOADED:  # its players keep the engine
                self._loaded.popitem(last=False)
            return self._loaded[name]

    def _load(self, name: str) -> World:
        if name in self._folders:
            return World.from_pretrained(self._folders[name])
        repo, _, revision = name.partition("@")
        if not REPOSITORY.fullmatch(repo) or Path(name).exists():  # a visitor names no folder of this machine
            raise GenieError(
                f"{name[:100]!r} is neither of {', '.join(self.names)} nor OWNER/NAME of a world on the Hub"
            )
        world = weigh(Address(repo, revision or None))
        if world.bytes > limits.WORLD_BYTES:
            most = limits.WORLD_BYTES // 10**6
            raise HubError(f"{name} has {world.bytes // 10**6:,} MB, and this demo plays worlds of at most {most} MB")
        self._brought.admit(repo, world)
        loaded = World.from_pretrained(repo, world.commit)  # that was weighed, even if the branch has moved on
        loaded.name = name
        return loaded
