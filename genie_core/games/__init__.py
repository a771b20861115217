"""What is known of single games, a folder each. No other file of genie_core or app knows one."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from genie_core.games.base import Figure, Game, Play

__all__ = ["Figure", "Game", "Play", "find", "known_games"]


@cache
def known_games() -> tuple[str, ...]:
    """The names of the wings, found by looking: a new one needs no entry anywhere."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.ispkg))


def find(name: object) -> Game:
    """The game called `name`, which may be anything from a stranger's file; any video for a name without a wing."""
    return _wing(name) if isinstance(name, str) and name in known_games() else Game()


@cache
def _wing(name: str) -> Game:
    game: Game = importlib.import_module(f"{__name__}.{name}").GAME()
    return game
