"""The pictures at hand to start from, and the colours that they have in common."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from genie_core.pictures import fit, load_picture, palette_of

STARTS = "coinrun*.png"  # among the pictures that ship there are others, of the program itself
PALETTE_SIDE = 64


class Prompts:
    """Picture files to go through, one after the other, round and round."""

    def __init__(self, folder: Path, first: Path | None = None) -> None:
        """Those in `folder`, and `first` before them if it is none of them."""
        self.first = first
        files = sorted(folder.glob(STARTS))
        self.shipped = files
        known = [path.resolve() for path in files]
        self._at = known.index(first.resolve()) if first is not None and first.resolve() in known else 0
        if first is not None and first.resolve() not in known:
            files = [first, *files]
        self.files = files

    def next(self, by: int = 1) -> Path:
        """The picture after the one last given, or before it with -1."""
        self._at = (self._at + by) % len(self.files)
        return self.files[self._at]

    @cached_property
    def palette(self) -> np.ndarray | None:
        """Colours of the pictures that ship, uint8 (n, 3), for the fit called palette."""
        pictures = [fit(load_picture(path), PALETTE_SIDE) for path in self.shipped]
        return palette_of(pictures) if pictures else None
