"""The worlds a visitor may name, each loaded once and shared by all its players."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from pathlib import Path
from weakref import WeakSet

from app.web import limits
from app.web.brought import BroughtWorlds
from genie_core.engine import WorldEngine
from genie_core.errors import GenieError, HubError
from genie_core.graph_world import WorldOnDisk
from genie_core.hub.address import REPOSITORY, Address
from genie_core.hub.download import Weighed, weigh
from genie_core.world import World


class LoadedWorlds:
    """`first`, the world that the demo was started with; the worlds in the folder `shipped`, by folder name; and
    worlds on the Hub, as OWNER/NAME[@REVISION]. Each has an engine with as many players as there are seats."""

    def __init__(self, first: World, shipped: Path, seats: int) -> None:
        self.title, self.first = first.name, WorldEngine(first, players=seats)
        self._seats, self._device = seats, first.device
        self._folders = {path.parent.name: path.parent for path in sorted(shipped.glob("*/config.json"))}
        self._loaded: OrderedDict[str, WorldEngine] = OrderedDict()
        self._names: dict[str, str] = {}  # of worlds on the Hub, under which they are loaded
        self._brought = BroughtWorlds()
        self._lock = threading.Lock()  # for a moment
        self._reading, self._fetching = threading.Lock(), threading.Lock()  # for as long as a disk, or the Hub, takes
        self._open: WeakSet[WorldEngine] = WeakSet()  # those loaded, and those whose players are still there

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
        loaded = self._known(name)
        if loaded is not None:
            return loaded
        if name in self._folders:
            with self._reading:
                return self._known(name) or self._keep(name, World.from_pretrained(self._folders[name]))
        return self._fetched(name)

    def _fetched(self, name: str) -> WorldEngine:
        """The engine of a world on the Hub. Only one is fetched at a time, and nobody waits for it: who waits takes a
        thread that others need."""
        repo, _, revision = name.partition("@")
        if not REPOSITORY.fullmatch(repo) or Path(name).exists():  # a visitor names no folder of this machine
            raise GenieError(
                f"{name[:100]!r} is neither of {', '.join(self.names)} nor OWNER/NAME of a world on the Hub"
            )
        if not self._fetching.acquire(blocking=False):
            raise GenieError("a world is being fetched for somebody here; try again in a minute")
        try:
            world = weigh(Address(repo, revision or None))
            key = f"{repo}@{world.commit}"  # whatever its branch or tag is called
            engine = self._known(key) or self._keep(key, self._fetch(name, repo, world))
            with self._lock:
                self._names[name] = key
            return engine
        finally:
            self._fetching.release()

    def _fetch(self, name: str, repo: str, weighed: Weighed) -> World:
        if weighed.bytes > limits.WORLD_BYTES:
            most = limits.WORLD_BYTES // 10**6
            raise HubError(f"{name} has {weighed.bytes // 10**6:,} MB, and this demo plays worlds of at most {most} MB")
        gc.collect()  # of what nobody plays any more
        if len(self._open) >= limits.WORLDS_LOADED + self._seats:
            raise GenieError(
                f"as many worlds are open here as fit; choose one of {', '.join(self.names)}, or come later"
            )
        self._brought.admit(repo, weighed)
        loaded = World.from_pretrained(repo, weighed.commit)  # that was weighed, even if the branch has moved on
        loaded.name = name
        return loaded

    def _known(self, name: str) -> WorldEngine | None:
        """One that is loaded, which becomes the one used last."""
        with self._lock:
            key = self._names.get(name, name)
            if key in self._loaded:
                self._loaded.move_to_end(key)
            return self._loaded.get(key)

    def _keep(self, key: str, world: World) -> WorldEngine:
        engine = WorldEngine(world.to(self._device), players=self._seats)
        with self._lock:
            self._loaded[key] = engine
            self._open.add(engine)
            while len(self._loaded) > limits.WORLDS_LOADED:  # its players keep the engine
                self._loaded.popitem(last=False)
            self._names = {name: key for name, key in self._names.items() if key in self._loaded}
        return engine
