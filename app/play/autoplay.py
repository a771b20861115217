"""What plays while the player does not: chance, or a list of actions from a script or a video."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genie_core.errors import ConfigError

LONGEST_HOLD = 8  # steps: with a new action each step a player gets nowhere


@dataclass(frozen=True)
class RandomActions:
    """Actions by chance, each held for one to `LONGEST_HOLD` steps."""

    seed: int = 0


@dataclass(frozen=True)
class ListedActions:
    """These action ids, one a step; with `repeat` from the start again at the end."""

    actions: Sequence[int]
    repeat: bool = False


Source = RandomActions | ListedActions


class Autoplayer:
    """Gives the actions of a source, one for each step."""

    def __init__(self, source: Source, num_actions: int, mix: bool) -> None:
        """Raises ConfigError if the source lists no action, or one that the world does not have."""
        self.source, self.mix = source, mix
        self._actions: Iterator[int]
        if isinstance(source, RandomActions):
            self._actions = _by_chance(source.seed, num_actions)
        elif source.actions and all(0 <= action < num_actions for action in source.actions):
            self._actions = itertools.cycle(source.actions) if source.repeat else iter(source.actions)
        else:
            raise ConfigError(f"autoplay needs actions from 0 to {num_actions - 1}, at least one")

    def next(self) -> int | None:
        """The next action, or None if the source has no more."""
        return next(self._actions, None)


def _by_chance(seed: int, num_actions: int) -> Iterator[int]:
    rng = np.random.default_rng(seed)
    while True:
        action = int(rng.integers(num_actions))
        for _ in range(rng.integers(1, LONGEST_HOLD + 1)):
            yield action
