"""Gymnasium's CarRacing without the zoom at the start and the instruments, and a scripted driver for it.

    python launch.py --collect genie_core.games.car_environments:Cars-v0 --out DATA --frames N
        --policy genie_core.games.car_environments:drive

The keys are CarRacing's: 0 nothing, 1 right, 2 left, 3 gas, 4 brake. The track is another for every seed.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import EzPickle

from genie_core.errors import ConfigError, MissingExtraError

try:
    from gymnasium.envs.box2d.car_racing import CarRacing
except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
    raise MissingExtraError(f"{__name__} needs a package that is missing; pip install box2d") from error

LETS_GO, LONGEST = 0.06, 12  # the chance a frame that the driver lets go of the road, and for how many frames at most
AHEAD = 5  # pieces of road at which the driver looks
STRAIGHT = 0.12  # radians off course below which the driver does not steer
CREEPING, SLOW, FAST = 12.0, 24.0, 36.0  # the game's units a second
NOTHING, RIGHT, LEFT, GAS, BRAKE = range(5)
BOARD = 1 / 8  # the share of the picture's height, at its bottom, that the instruments take
SIDE = 350  # pixels of a picture


class Cars(CarRacing):
    """CarRacing with five keys. Its pictures are square, and as wide as high in the game's units.

    Observations are black, because drawing one takes as long as drawing a picture: ask `render`.
    """

    metadata: dict[str, Any] = CarRacing.metadata | {"render_modes": ["rgb_array"]}

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode, continuous=False)
        EzPickle.__init__(self, render_mode)  # so that a copy is made with this class's arguments
        self.let_go: tuple[int, int] = (NOTHING, 0)
        """A key that the driver holds whatever the road does, and for how many frames more."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin on the seed's track, at the zoom that CarRacing reaches after a second."""
        found = super().reset(seed=seed, options=options)
        self.t, self.let_go = 1.0, (NOTHING, 0)
        return found

    def render(self) -> np.ndarray:
        """What is above the instruments, uint8 (SIDE, SIDE, 3)."""
        super()._render("rgb_array")
        surface: Any = self.surf  # on which it has drawn
        side = round(surface.get_height() * (1 - BOARD))
        square = surface.subsurface(((surface.get_width() - side) // 2, 0, side, side))
        picture: np.ndarray = self._create_image_array(square, (SIDE, SIDE))
        return picture

    def _render(self, mode: str) -> Any:
        """What a step takes as its observation."""
        return np.zeros_like(self.observation_space.low)  # type: ignore[attr-defined]


def drive(observation: Any, env: Any, rng: np.random.Generator) -> int:
    """Mostly along the road; now and then any key for a while, so that films show what each does anywhere.

    ConfigError in another environment than Cars.
    """
    game = env.unwrapped
    if not isinstance(game, Cars):
        raise ConfigError(f"drive drives Cars alone, not {game}; record {__name__}:Cars-v0")
    key, frames = game.let_go
    if not frames and rng.random() < LETS_GO:
        key, frames = int(rng.integers(5)), int(rng.integers(LONGEST)) + 1
    if frames:
        game.let_go = key, frames - 1
        return key
    assert game.car is not None
    hull, road = game.car.hull, np.array([piece[2:] for piece in game.track])
    offsets = road - np.array(hull.position)
    x, y = offsets[(int((offsets**2).sum(1).argmin()) + AHEAD) % len(road)]
    turned = (np.arctan2(-x, y) - hull.angle + np.pi) % (2 * np.pi) - np.pi
    speed = float(np.hypot(*hull.linearVelocity))
    if abs(turned) > STRAIGHT and speed > CREEPING:
        return LEFT if turned > 0 else RIGHT
    return GAS if speed < SLOW else BRAKE if speed > FAST else NOTHING


gymnasium.register("Cars-v0", entry_point=f"{__name__}:Cars", max_episode_steps=750)
