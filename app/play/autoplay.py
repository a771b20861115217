"""What plays while the player does not: chance, or a list of actions from a script or a video."""

from __future__ import annotations

from collections.abc import Sequence
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
        self._count = num_actions
        self._taken = 0
        self._left = 0  # steps for which chance keeps its action
        self._action = 0
        if isinstance(source, RandomActions):
            self._rng = np.random.default_rng(source.seed)
        elif not source.actions or not all(0 <= action < num_actions for action in source.actions):
            raise ConfigError(f"autoplay needs actions from 0 to {num_actions - 1}, at least one")

    def next(self) -> int | None:
        """The next action, or None if the source has no more."""
        return self._chance() if isinstance(self.source, RandomActions) else self._listed(self.source)

    def _listed(self, source: ListedActions) -> int | None:
        if self._taken == len(source.actions):
            if not source.repeat:
                return None
            self._taken = 0
        self._taken += 1
        return int(source.actions[self._taken - 1])

    def _chance(self) -> int:
        if not self._left:
            self._action = int(self._rng.integers(self._count))
            self._left = int(self._rng.integers(1, LONGEST_HOLD + 1))
        self._left -= 1
        return self._action
