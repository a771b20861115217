"""A few actions that stand for all of an environment's: what scripted policies choose from, and what is written down.

A data set keeps one small id for each step. An action space with parts or with continuous values is laid down on a
list: the action at rest, then each part moved alone, to each of its values or to both ends of its range.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from genie_core.data.environments.packages import import_gymnasium
from genie_core.errors import ConfigError, DataError

MOST_ACTIONS = 127  # a data set has one signed byte for an id
BOUNDLESS = 1.0  # stands for the end of a range without one


class ActionSet:
    """The actions of an environment by id; `actions[i]` is one of its action space. Raises ConfigError for a space
    that no list can stand for."""

    def __init__(self, name: str, space: Any) -> None:
        self.name, self.space = name, space
        self.actions = list(_moves(name, space))
        if not 1 < len(self.actions) <= MOST_ACTIONS:
            raise ConfigError(
                f"{name} has {len(self.actions)} actions to choose from, expected 2 to {MOST_ACTIONS}; wrap it in an "
                "environment of your own with fewer, and record module:Env-v0"
            )

    def __len__(self) -> int:
        return len(self.actions)

    def told(self) -> list[Any]:
        """The actions by id, as JSON has them."""
        return [_plain(action) for action in self.actions]

    def accept(self, action: Any) -> tuple[Any, int]:
        """An action of a user's own policy as the environment takes it, and the id nearest to it.

        Raises DataError unless the action is one of the space.
        """
        spaces = import_gymnasium(self.name).spaces
        try:
            if isinstance(self.space, spaces.Box | spaces.MultiBinary | spaces.MultiDiscrete):
                action = np.asarray(action, self.space.dtype)
            elif isinstance(self.space, spaces.Discrete):
                action = self.space.dtype.type(int(action))
            known = bool(self.space.contains(action))
        except (TypeError, ValueError, OverflowError):
            known = False
        if not known:
            raise DataError(f"the policy gave {str(action)[:80]!r}, which is no action of {self.name}: {self.space}")
        flat = spaces.utils.flatten(self.space, action).astype(np.float64)
        return action, int(np.argmin(((self._flat - flat) ** 2).sum(-1)))

    @functools.cached_property
    def _flat(self) -> np.ndarray:
        flatten = import_gymnasium(self.name).spaces.utils.flatten
        return np.stack([flatten(self.space, action).astype(np.float64) for action in self.actions])


def _moves(name: str, space: Any) -> Iterator[Any]:
    """The action at rest first, which is the first of a plain list of actions."""
    spaces = import_gymnasium(name).spaces
    if isinstance(space, spaces.Discrete):
        return iter([space.dtype.type(space.start + i) for i in range(min(int(space.n), MOST_ACTIONS + 1))])
    if isinstance(space, spaces.Tuple):
        return _one_at_a_time([list(_moves(name, part)) for part in space.spaces], tuple)
    if isinstance(space, spaces.Dict):
        parts = [list(_moves(name, part)) for part in space.spaces.values()]
        return _one_at_a_time(parts, lambda chosen: dict(zip(space.spaces, chosen, strict=True)))
    if isinstance(space, spaces.Box | spaces.MultiBinary | spaces.MultiDiscrete):
        parts = [_values(part) for part in _parts(spaces, space)]
        return _one_at_a_time(parts, lambda chosen: np.array(chosen, space.dtype).reshape(space.shape))
    raise ConfigError(
        f"{name} takes actions of {space}, which cannot be recorded; wrap it in an environment of your own with "
        "Discrete or Box actions, and record module:Env-v0"
    )


def _parts(spaces: Any, space: Any) -> Iterator[tuple[float, float, bool]]:
    """Least and largest value of each number in an action, and whether those between count as well."""
    if isinstance(space, spaces.Box):
        for low, high in zip(space.low.ravel(), space.high.ravel(), strict=True):
            least = low if np.isfinite(low) else min(-BOUNDLESS, high - BOUNDLESS)
            most = high if np.isfinite(high) else max(BOUNDLESS, low + BOUNDLESS)
            yield least, most, False
    elif isinstance(space, spaces.MultiBinary):
        yield from [(0, 1, True)] * int(np.prod(space.shape))
    else:
        starts = np.broadcast_to(space.start, space.nvec.shape)
        yield from ((a, a + n - 1, True) for a, n in zip(starts.ravel(), space.nvec.ravel(), strict=True))


def _values(part: tuple[float, float, bool]) -> list[float]:
    """The value at rest, then the others that a part is moved to."""
    low, high, each = part
    if each:
        return list(range(int(low), int(low) + min(int(high - low), MOST_ACTIONS) + 1))
    rest = min(max(0, low), high)
    return [rest, *(end for end in (low, high) if end != rest)]


def _one_at_a_time(parts: list[list[Any]], join: Callable[[list[Any]], Any]) -> Iterator[Any]:
    rest = [values[0] for values in parts]
    yield join(rest)
    for place, values in enumerate(parts):
        for value in values[1:]:
            yield join([*rest[:place], value, *rest[place + 1 :]])


def _plain(action: Any) -> Any:
    if isinstance(action, dict):
        return {str(key): _plain(value) for key, value in action.items()}
    if isinstance(action, tuple):
        return [_plain(value) for value in action]
    return action.tolist()
