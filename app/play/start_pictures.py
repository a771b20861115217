"""The pictures that ship to start from, and the colours that they have in common."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from genie_core.games import find, known_games
from genie_core.pictures import fit, load_picture, palette_of

if TYPE_CHECKING:
    from genie_core.config import WorldConfig

PALETTE_FRAME = (64, 64)  # pixels; colours are taken from pictures of one size


class Opened(Protocol):
    """A world, and the pictures that it brings to start from."""

    @property
    def config(self) -> WorldConfig: ...
    @property
    def starts(self) -> list[Path]: ...


class Prompts:
    """Picture files to go through, one after the other, round and round.

    `world` is set before the pictures are asked for. The pictures are those that it brings, else those that ship of its
    game. None, or a game of which no pictures ship, gives the pictures of every game.
    """

    def __init__(self, folder: Path, first: Path | None = None, world: Opened | None = None) -> None:
        """The pictures in `folder` that suit the world, with `first` before them unless it is among them."""
        self.folder, self.first, self.world = folder, first, world

    @cached_property
    def shipped(self) -> list[Path]:
        """Among the pictures that ship some are of the program itself; a game's are named after it."""
        # by name without its ending, so that the plainest name comes first
        pictures, own = sorted(self.folder.glob("*.png"), key=lambda path: path.stem), list[Path]()
        if self.world is not None:
            if self.world.starts:
                return self.world.starts
            config = self.world.config
            game, source = config.game, config.training.get("source")
            pattern = find(game).start_pictures(source if isinstance(source, dict) else {})
            own = sorted(self.folder.glob(pattern)) if pattern else []
            own = own or [path for path in pictures if game and path.name.startswith(game)]
        return own or [path for path in pictures if path.name.startswith(known_games())]

    @cached_property
    def files(self) -> list[Path]:
        known = [path.resolve() for path in self.shipped]
        first = self.first
        self._at = known.index(first.resolve()) if first is not None and first.resolve() in known else 0
        return self.shipped if first is None or first.resolve() in known else [first, *self.shipped]

    def next(self, by: int = 1) -> Path:
        """The picture after the one last given, or before it with -1."""
        files = self.files
        self._at = (self._at + by) % len(files)
        return files[self._at]

    @cached_property
    def palette(self) -> np.ndarray | None:
        """Colours of the pictures that ship, uint8 (n, 3), for the fit called palette."""
        pictures = [fit(load_picture(path), PALETTE_FRAME) for path in self.shipped]
        return palette_of(pictures) if pictures else None
