"""Procgen's sixteen games as Gymnasium environments; their makers registered them with gym alone.

    python launch.py --collect genie_core.games.procgen_environments:Miner-v0 --out DATA --frames N

Options, by --env-options: start_level, num_levels (0: all there are), distribution_mode, and `buttons`, Procgen's
numbers of those that are pressed, the one at rest first. Cobbe et al. 2020 (arXiv:1912.01588), table 1 and appendix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np

from genie_core.games.procgen_opening import open_procgen
from genie_core.limits import require

NAMES = (
    *("bigfish", "bossfight", "caveflyer", "chaser", "climber", "coinrun", "dodgeball", "fruitbot", "heist", "jumper"),
    *("leaper", "maze", "miner", "ninja", "plunder", "starpilot"),
)
STILL, NEW_LEVEL, PRESSES = 4, -1, 15  # as Procgen numbers them; how many it has
BUTTONS = (STILL, 1, 7, 5, 3, 2, 8, 0, 6, 9)  # left, right, up, down, the four between, and what a game fires with


class ProcgenGame(gymnasium.Env[np.ndarray, Any]):
    """One game; observations are its frames, uint8 (64, 64, 3)."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 - so Gymnasium has it

    def __init__(
        self, name: str, render_mode: str | None = None, buttons: Sequence[int] = BUTTONS, **options: Any
    ) -> None:
        known = all(isinstance(button, int) and 0 <= button < PRESSES for button in buttons)
        require(known, f"buttons {list(buttons)}: expected Procgen's numbers, 0 to {PRESSES - 1}")
        for option in ("start_level", "num_levels"):  # of which Procgen makes the process end
            value = options.get(option, 0)
            sound = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
            require(sound, f"{option} {value!r}: expected a whole number from 0 to {2**31 - 1}")
        self.name, self.render_mode = name, render_mode
        self.buttons, self.options = np.array(buttons, np.int32), options
        self.action_space = gymnasium.spaces.Discrete(len(buttons))
        self.observation_space = gymnasium.spaces.Box(0, 255, (64, 64, 3), np.uint8)
        self._game: Any = None
        self._frame = np.zeros((64, 64, 3), np.uint8)
        self._fresh = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        """The first frame of the next level; `seed` says which levels come, in which order."""
        super().reset(seed=seed)
        if seed is not None or self._game is None:
            chosen = int(self.np_random.integers(2**31 - 1))
            self._game = open_procgen(self.name, chosen, **self.options)
        elif not self._fresh:
            self._game.act(np.array([NEW_LEVEL], np.int32))
        self._frame, self._fresh = self._look()[1], True
        return self._frame, {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Where a level ends the game goes on with the next by itself: the frame returned then is the last one's."""
        self._game.act(self.buttons[[int(action)]])
        reward, frame, self._fresh = self._look()
        if not self._fresh:
            self._frame = frame
        return self._frame, reward, self._fresh, False, {}

    def render(self) -> np.ndarray:
        return self._frame

    def _look(self) -> tuple[float, np.ndarray, bool]:
        reward, observation, first = self._game.observe()
        return float(reward[0]), observation["rgb"][0].copy(), bool(first[0])


for _name in NAMES:
    gymnasium.register(f"{_name.capitalize()}-v0", entry_point=f"{__name__}:ProcgenGame", kwargs={"name": _name})
