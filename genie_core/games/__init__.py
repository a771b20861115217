"""What is known of single games, a folder each. No other file of genie_core or app knows one."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

from genie_core.config import LatentActionConfig
from genie_core.games.base import LOOKS, Game, Play, Subject
from genie_core.games.directions import ActionMotions

if TYPE_CHECKING:
    from genie_core.models.latent_action import LatentActionModel

__all__ = ["LOOKS", "OLDEST", "ActionMotions", "Game", "Play", "Subject", "find", "known_games", "latent_action_model"]

OLDEST = "coinrun"  # the game whose rules worlds of format 1 follow


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


def latent_action_model(config: LatentActionConfig) -> LatentActionModel:
    """The network for `config`, built by the game whose rules it follows; ConfigError if that game is unknown here."""
    return find(config.rules and config.rules.game).latent_action_model(config)
