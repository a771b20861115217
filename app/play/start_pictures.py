"""The pictures that ship to start from, and the colours that they have in common."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from genie_core.games import known_games
from genie_core.pictures import fit, load_picture, palette_of

PALETTE_FRAME = (64, 64)  # pixels; colours are taken from pictures of one size


class Prompts:
    """Picture files to go through, one after the other, round and round.

    `game` is the world's, to be set before the pictures are asked for; None, or a game of which no pictures ship, gives
    the pictures of every game.
    """

    def __init__(self, folder: Path, first: Path | None = None, game: str | None = None) -> None:
        """The game's pictures in `folder`, with `first` before them unless it is among them."""
        self.folder, self.first, self.game = folder, first, game

    @cached_property
    def shipped(self) -> list[Path]:
        """Among the pictures that ship some are of the program itself; a game's are named after it."""
        pictures = sorted(self.folder.glob("*.png"))
        own = [path for path in pictures if self.game and path.name.startswith(self.game)]
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
