"""The form of a kind of input, and the corpus that damage starts from."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
Files = dict[str, bytes]
"""An input: the content of each of its files, by name. A text has one."""


class Kind(ABC):
    """Makes damaged inputs of one kind, and gives them to the code that takes such inputs from outside.

    `folder` is empty, in memory, and the kind's own. `batch` inputs are tried by one process, whose peak of memory is
    looked at after every `measured` of them.
    """

    name: str
    batch = 1000
    measured = 1

    def __init__(self, folder: Path) -> None:
        """Makes the corpus, and imports and loads whatever an input does not bring."""
        self.folder = folder

    @abstractmethod
    def damaged(self, rng: random.Random) -> Files:
        """One input."""

    @abstractmethod
    def use(self, files: Files) -> None:
        """Uses the input as the product does. A GenieError refuses it; any other exception is a finding."""

    def written(self, files: Files, name: str = "input") -> Path:
        """The folder with the input's files, and those alone."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        for path in folder.rglob("*"):
            if not path.is_dir() and path.relative_to(folder).as_posix() not in files:
                path.unlink()
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder
