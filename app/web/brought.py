"""Worlds of the Hub that visitors have brought to this computer's disk: their bytes have a bound, the oldest go first.

They are noted in a file of their own. What lies in the cache without a note is the owner's, and stays.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import NamedTuple

import platformdirs

from app.web import limits
from genie_core.errors import GenieError
from genie_core.files import read_text, write_whole
from genie_core.hub.cache import forget
from genie_core.hub.download import Weighed

NOTES_BYTES = 2**20


class Brought(NamedTuple):
    """A world of which `bytes` were fetched for visitors."""

    repo: str
    commit: str
    bytes: int


class BroughtWorlds:
    """`notes` is the file that names them, the one named longest ago first."""

    def __init__(self, notes: Path | None = None) -> None:
        self._notes = notes or Path(platformdirs.user_cache_dir("genie", appauthor=False)) / "brought.json"

    def admit(self, repo: str, world: Weighed) -> None:
        """Makes room for a world that is about to be fetched, and notes it. Raises HubError if what has to go stays."""
        before = self._read()
        known = [each for each in before if (each.repo, each.commit) == (repo, world.commit)]
        others = [each for each in before if each not in known]
        if not world.missing and not known:
            return  # the owner's own
        coming = Brought(repo, world.commit, max([world.missing, *(each.bytes for each in known)]))
        while others and sum(each.bytes for each in others) + coming.bytes > limits.BROUGHT_BYTES:
            forget(others[0].repo, others[0].commit)
            del others[0]
        with contextlib.suppress(GenieError, OSError):  # a disk that takes no note takes no world either
            self._notes.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._notes, json.dumps([*others, coming]))

    def _read(self) -> list[Brought]:
        try:
            told = json.loads(read_text(self._notes, NOTES_BYTES))
            return [Brought(str(repo), str(commit), max(0, int(size))) for repo, commit, size in told]
        except (OSError, ValueError, TypeError, RecursionError):  # there is none yet, or it was damaged
            return []
