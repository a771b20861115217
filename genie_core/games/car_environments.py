"""Gymnasium's CarRacing from above, close from the start and without the board of instruments, and somebody who drives.

    python launch.py --collect genie_core.games.car_environments:Cars-v0 --out DATA --frames N
        --policy genie_core.games.car_environments:drive

The keys are CarRacing's: 0 nothing, 1 right, 2 left, 3 gas, 4 brake. The track is another for every seed.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.box2d.car_racing import CarRacing

LETS_GO, LONGEST = 0.06, 12  # the chance a frame that the driver lets go of the road, and for how many frames at most
AHEAD = 5  # pieces of road at which the driver looks
STRAIGHT = 0.12  # radians off the way that need no wheel
CREEPING, SLOW, FAST = 12.0, 24.0, 36.0  # the game's units a second
NOTHING, RIGHT, LEFT, GAS, BRAKE = range(5)
BOARD = 1 / 8  # of the picture's height, at its bottom, has the instruments


class Cars(CarRacing):
    """CarRacing with five keys, whose picture is a square above the instruments."""

    metadata: dict[str, Any] = CarRacing.metadata | {"render_modes": ["rgb_array", "state_pixels"]}

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode, continuous=False)
        self.let_go: tuple[int, int] = (NOTHING, 0)
        """A key that the driver holds whatever the road does, and for how many frames more."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """On another track, seen from as near as after the first second."""
        found = super().reset(seed=seed, options=options)
        self.t, self.let_go = 1.0, (NOTHING, 0)
        return found

    def render(self) -> np.ndarray:
        picture = self._render("rgb_array")
        height = round(len(picture) * (1 - BOARD))
        left = (picture.shape[1] - height) // 2
        return np.ascontiguousarray(picture[:height, left : left + height])

    def _render(self, mode: str) -> Any:
        """A step draws an observation; nobody looks at it, and it takes as long as the picture."""
        return np.zeros((96, 96, 3), np.uint8) if mode == "state_pixels" else super()._render(mode)


def drive(observation: Any, env: Any, rng: np.random.Generator) -> int:
    """Mostly along the road; now and then any key for a while, so that films show what each does anywhere."""
    game = env.unwrapped
    key, frames = game.let_go
    if not frames and rng.random() < LETS_GO:
        key, frames = int(rng.integers(5)), int(rng.integers(LONGEST)) + 1
    if frames:
        game.let_go = key, frames - 1
        return key
    hull, road = game.car.hull, np.array([piece[2:] for piece in game.track])
    offsets = road - np.array(hull.position)
    x, y = offsets[(int((offsets**2).sum(1).argmin()) + AHEAD) % len(road)]
    turned = (np.arctan2(-x, y) - hull.angle + np.pi) % (2 * np.pi) - np.pi
    speed = float(np.hypot(*hull.linearVelocity))
    if abs(turned) > STRAIGHT and speed > CREEPING:
        return LEFT if turned > 0 else RIGHT
    return GAS if speed < SLOW else BRAKE if speed > FAST else NOTHING


gymnasium.register("Cars-v0", entry_point=f"{__name__}:Cars", max_episode_steps=750)
