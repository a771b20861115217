"""Small Gymnasium environments whose picture tells what was done: sound ones, and some with a fault each."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

HEIGHT, WIDTH = 40, 60
HIGHEST_STEP = 12


class Shades(gymnasium.Env[np.ndarray, Any]):
    """Shows the last action in red, the step's number in green and the seed's draw in blue. Ends after 12 steps."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012  # as gymnasium has it
    observation_space = spaces.Box(0, 255, (3,), np.uint8)
    action_space: spaces.Space[Any] = spaces.Discrete(4)

    def __init__(self, render_mode: str | None = None, fault: str = "", last: int = HIGHEST_STEP) -> None:
        self.render_mode, self.fault, self.last = render_mode, fault, last
        if fault == "open":
            raise RuntimeError("no such cartridge")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.seen = np.array([0, 0, self.np_random.integers(200)], np.uint8)
        return self.seen, {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.seen = np.array([50 + 50 * int(np.sum(action)), 10 * (self.seen[1] // 10 + 1), self.seen[2]], np.uint8)
        if self.fault == "step" and self.seen[1] == 50:
            raise ZeroDivisionError("speed")
        return self.seen, np.nan, self.fault != "endless" and self.seen[1] >= 10 * self.last, False, {}

    def render(self) -> Any:
        if self.fault == "none":
            return None
        if self.fault == "float":
            return np.full((HEIGHT, WIDTH, 3), np.nan)
        ended = self.seen[1] >= 10 * self.last
        picture = np.full((HEIGHT + 2 * (self.fault == "size" and self.seen[1] > 30), WIDTH, 3), self.seen, np.uint8)
        picture[0, 0] = 255
        return picture * 0 if self.fault == "blank" and ended else picture


class Moved(Shades):
    """Takes continuous actions."""

    action_space = spaces.Box(np.float32([-1, 0, -np.inf]), np.float32([1, 1, np.inf]))


class Sentences(Shades):
    action_space = spaces.Text(5)


gymnasium.register("Shades-v0", entry_point=Shades)
gymnasium.register("Moved-v0", entry_point=Moved)
gymnasium.register("Sentences-v0", entry_point=Sentences)


def always_two(observation: np.ndarray, env: Any, rng: np.random.Generator) -> int:
    assert observation.shape == (3,) and env.action_space.n == 4 and 0 <= rng.random() < 1
    return 2


def nine(observation: np.ndarray, env: Any, rng: np.random.Generator) -> int:
    return 9


def hasty(observation: np.ndarray, env: Any, rng: np.random.Generator) -> int:
    return int({}["speed"])


def nearly_right(observation: np.ndarray, env: Any, rng: np.random.Generator) -> list[float]:
    return [0.8, 0.1, 0.0]


def interrupted(observation: np.ndarray, env: Any, rng: np.random.Generator) -> int:
    raise KeyboardInterrupt
