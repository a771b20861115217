"""The worlds a visitor may name, each loaded once and shared by all who play in it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from genie_core.engine import WorldEngine
from genie_core.errors import GenieError, HubError
from genie_core.hub.address import REPOSITORY, Address
from genie_core.hub.download import bytes_on_hub
from genie_core.world import World

MOST_LOADED = 3  # beside the world that the demo was started with
MOST_BYTES = 400_000_000  # of a world that a visitor names


class Library:
    """`first`, the world that the demo was started with; those in the folder `shipped`, by
    their folders' names; and those of the Hub as OWNER/NAME[@REVISION]. Each has an engine with a player a seat."""

    def __init__(self, first: World, shipped: Path, seats: int) -> None:
        self.title = first.name
        self._seats, self._device = seats, first.device
        self._first = WorldEngine(first, players=seats)
        self._folders = {path.parent.name: path.parent for path in sorted(shipped.glob("*/config.json"))}
        self._loaded: OrderedDict[str, WorldEngine] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """Those that need no download, the first one first."""
        return [self.title, *(name for name in self._folders if name != self.title)]

    def engine(self, name: str) -> WorldEngine:
        """The engine of a world, after loading it if need be, which takes its time.

        Raises GenieError for a name that is none here, HubError and CheckpointError as `World.from_pretrained` does.
        """
        if name == self.title:
            return self._first
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = WorldEngine(self._load(name).to(self._device), players=self._seats)
            self._loaded.move_to_end(name)
            while len(self._loaded) > MOST_LOADED:  # whoever plays in one keeps it
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
        size = bytes_on_hub(Address(repo, revision or None))
        if size > MOST_BYTES:
            raise HubError(
                f"{name} has {size // 10**6:,} MB, and this demo plays worlds of at most {MOST_BYTES // 10**6} MB"
            )
        return World.from_pretrained(name)
