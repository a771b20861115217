"""Names of worlds on the Hub: OWNER/NAME[@REVISION]."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from genie_core.errors import ConfigError

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*")


class Address(NamedTuple):
    """A repository on the Hub and a branch, tag or commit of it; None is the newest commit."""

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"


def find_address(world: str | Path, revision: str | None = None) -> Address | None:
    """The address on the Hub that `world` names, or None for a folder; an existing folder wins.

    Raises ConfigError if a folder is given a revision, or two different revisions are given.
    """
    repo, at, told = str(world).partition("@")
    is_address = isinstance(world, str) and not Path(world).exists() and REPOSITORY.fullmatch(repo)
    if not is_address:
        if revision is not None:
            raise ConfigError(f"{world} is a folder, which has no revision {revision!r}; leave the revision out")
        return None
    if at and not told:
        raise ConfigError(f"{world} names no revision after the @; write a branch, tag or commit, or leave out the @")
    if told and revision not in (None, told):
        raise ConfigError(f"{world} and revision {revision!r} contradict each other; give one of them")
    return Address(repo, told or revision)


def require_repository(name: str) -> None:
    """Raise ConfigError if `name` is not OWNER/NAME."""
    if not REPOSITORY.fullmatch(name):
        raise ConfigError(f"{name!r} is not OWNER/NAME, as in ada/my-world; your OWNER is what `hf auth whoami` prints")
