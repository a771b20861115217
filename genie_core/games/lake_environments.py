"""Gymnasium's FrozenLake under a still camera, with a lake of its own for every seed; Gymnasium's is always the same.

    python launch.py --collect genie_core.games.lake_environments:Lakes-v0 --out DATA --frames N

An episode begins anywhere on the ice, so that films show all of a lake. Whoever falls through the ice, or reaches the
flag, stands at the start a step later, so that they go on.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.toy_text.frozen_lake import FrozenLakeEnv, generate_random_map

from genie_core.limits import require


class Lakes(gymnasium.Env[Any, Any]):
    """A lake of `cells`×`cells`, of which about the share `frozen` is ice and the rest holes; actions as FrozenLake's:
    0 left, 1 down, 2 right, 3 up."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012 - so Gymnasium has it

    def __init__(self, render_mode: str | None = None, cells: int = 8, frozen: float = 0.9) -> None:
        require(2 <= cells <= 32, f"cells {cells}: expected 2 to 32")
        require(0.5 <= frozen <= 1, f"frozen {frozen}: expected a share of 0.5 to 1, or few lakes have a way through")
        self.render_mode, self.cells, self.frozen = render_mode, cells, frozen
        self.action_space = gymnasium.spaces.Discrete(4)
        self.observation_space = gymnasium.spaces.Discrete(cells * cells)
        self._over = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Somewhere on another lake."""
        super().reset(seed=seed)
        lake = generate_random_map(self.cells, self.frozen, seed=int(self.np_random.integers(2**31 - 1)))
        self._lake, self._over = FrozenLakeEnv("rgb_array", lake, is_slippery=False), False
        self._lake.reset(seed=0)
        ice = np.flatnonzero(np.asarray(self._lake.desc) == b"F")
        self._lake.s = int(self.np_random.choice(ice)) if ice.size else 0
        return self._lake.s, {}

    def step(self, action: Any) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """An episode never ends by itself."""
        if self._over:
            state, told = self._lake.reset()
            self._over = False
            return state, 0.0, False, False, told
        state, reward, self._over, _, told = self._lake.step(int(action))
        return int(state), float(reward), False, False, told

    def render(self) -> np.ndarray:
        picture: np.ndarray = self._lake.render()
        return picture


gymnasium.register("Lakes-v0", entry_point=f"{__name__}:Lakes", max_episode_steps=48)
