"""Who acts while an environment is recorded: a scripted policy, or a function of the user's own.

A function of one's own is named `module:function` and called as `function(observation, env, rng)` before each recorded
step. It returns an action of `env.action_space`. `rng` is a numpy Generator, seeded by --seed.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from genie_core.data.environments.action_set import ActionSet
from genie_core.data.environments.opening import import_own, told_by
from genie_core.errors import ConfigError

LONGEST_HOLD = 12  # steps
Chosen = tuple[Any, int]
"""An action as the environment takes it, and its id."""
Choose = Callable[[Any], Chosen]
"""From the observation to what is done next."""


def random_ids(rng: np.random.Generator, count: int) -> Iterator[int]:
    """Any action, a new one each step."""
    while True:
        yield int(rng.integers(count))


def held_ids(rng: np.random.Generator, count: int) -> Iterator[int]:
    """Any action, held for 1 to 12 steps as a person holds a key."""
    while True:
        held = int(rng.integers(count))
        for _ in range(int(rng.integers(LONGEST_HOLD)) + 1):
            yield held


SCRIPTED = {"random": random_ids, "explore": held_ids}


def open_policy(policy: str, actions: ActionSet, env: Any, seed: int) -> Choose:
    """What chooses each next action; ConfigError for a policy that there is none of."""
    rng = np.random.default_rng(seed)
    if policy in SCRIPTED:
        ids = SCRIPTED[policy](rng, len(actions))
        return lambda observation: (actions.actions[i := next(ids)], i)
    own = _function(policy)

    def choose(observation: Any) -> Chosen:
        with told_by(f"policy {policy}", "to choose an action"):
            action = own(observation, env, rng)
        return actions.accept(action)

    return choose


def _function(policy: str) -> Callable[..., Any]:
    module, colon, name = policy.partition(":")
    if not (module and colon and name):
        near = difflib.get_close_matches(policy, SCRIPTED, n=1)
        told = f"did you mean {near[0]}?" if near else f"expected {', '.join(SCRIPTED)} or your own module:function"
        raise ConfigError(f"there is no policy {policy}; {told}")
    found = getattr(import_own(module, f"policy {policy}"), name, None)
    if not callable(found):
        raise ConfigError(f"{module} has no function {name}, which policy {policy} names")
    function: Callable[..., Any] = found
    return function
