"""A world as a Gymnasium environment, to train agents in. Gymnasium is optional.

    import gymnasium
    env = gymnasium.make("genie_core.env:Genie-v0", world="checkpoints/coinrun", prompts=[picture])
    envs = gymnasium.make_vec("genie_core.env:Genie-v0", num_envs=8, world="checkpoints/coinrun", prompts=[picture])

A world has no reward and no end: pass `reward` to score steps; an episode is truncated after `max_steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genie_core.engine import WorldEngine
from genie_core.errors import ConfigError, MissingExtraError
from genie_core.world import World

try:
    import gymnasium
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ImportError as error:
    raise MissingExtraError("genie_core.env needs gymnasium; pip install 'gymnasium>=1.1,<2'") from error

ID = "Genie-v0"
MAX_STEPS = 500
Reward = Callable[[np.ndarray, int, np.ndarray], float]


class WorldEnv(gymnasium.Env[np.ndarray, np.int64]):
    """One playthrough of a world. Observations are frames, uint8 (H, W, 3); actions are latent action ids.

    An episode starts from one of `prompts`, uint8 (H, W, 3) of any size, drawn with the environment's generator, or
    from `options["prompt"]`. `reward(before, action, after)` is given the frames before and after; without it rewards
    are 0. `info` has the step's number and the name of the action.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012  # as gymnasium has it

    def __init__(
        self,
        world: World | str | Path,
        prompts: Sequence[np.ndarray],
        reward: Reward | None = None,
        max_steps: int = MAX_STEPS,
        render_mode: str | None = None,
    ) -> None:
        self.world = _loaded(world, prompts, max_steps)
        self.metadata = {**self.metadata, "render_fps": self.world.config.fps}
        self.observation_space, self.action_space = _spaces(self.world)
        self.render_mode = render_mode
        self._prompts, self._reward, self._max_steps = prompts, reward, max_steps
        self._engine = WorldEngine(self.world)
        self._frame: np.ndarray | None = None
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The prompt as the world sees it."""
        super().reset(seed=seed)
        prompt = (options or {}).get("prompt")
        self._frame = _begin(self._engine, 0, self._prompts if prompt is None else [prompt], self.np_random)
        self._steps = 0
        return self._frame.copy(), {"step": 0}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """The next frame, its reward, terminated (always False) and whether the episode is truncated here."""
        if self._frame is None:
            raise gymnasium.error.ResetNeeded("step() before reset(): there is no picture to go on from")
        before, self._frame = self._frame, self._engine.step(int(action))
        self._steps += 1
        reward = float(self._reward(before, int(action), self._frame)) if self._reward else 0.0
        info = {"step": self._steps, "action": self.world.config.actions[int(action)].name}
        return self._frame.copy(), reward, False, self._steps >= self._max_steps, info

    def render(self) -> np.ndarray | None:
        """The frame shown, uint8 (H, W, 3), with `render_mode="rgb_array"`."""
        return None if self.render_mode is None or self._frame is None else self._frame.copy()


class WorldVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """Several playthroughs of one world, stepped as one batch; otherwise as `WorldEnv`. A truncated one starts anew
    with the next step."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(
        self,
        world: World | str | Path,
        prompts: Sequence[np.ndarray],
        num_envs: int = 1,
        reward: Reward | None = None,
        max_steps: int = MAX_STEPS,
        render_mode: str | None = None,
    ) -> None:
        self.world = _loaded(world, prompts, max_steps)
        self.num_envs, self.render_mode = num_envs, render_mode
        self.single_observation_space, self.single_action_space = _spaces(self.world)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._prompts, self._reward, self._max_steps = prompts, reward, max_steps
        self._engine = WorldEngine(self.world, players=num_envs)
        self._rngs = [np.random.default_rng() for _ in range(num_envs)]
        self._frames = np.zeros(self.observation_space.shape or (), np.uint8)
        self._steps = np.zeros(num_envs, np.int64)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """All prompts. An int `seed` gives player i the seed `seed + i`."""
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed or [None] * self.num_envs
        for player, own in enumerate(seeds):
            if own is not None:
                self._rngs[player] = gymnasium.utils.seeding.np_random(own)[0]
            self._begin(player)
        return self._frames.copy(), {"step": self._steps.copy()}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Next frames (players, H, W, 3), rewards, terminated (all False) and truncated, each (players,)."""
        done = self._steps >= self._max_steps
        going = {player: int(action) for player, action in enumerate(actions) if not done[player]}
        rewards = np.zeros(self.num_envs)
        for player, frame in self._engine.step(going).items():
            if self._reward is not None:
                rewards[player] = self._reward(self._frames[player].copy(), going[player], frame)
            self._frames[player] = frame
            self._steps[player] += 1
        for player in np.flatnonzero(done).tolist():
            self._begin(player)
        cut = self._steps >= self._max_steps
        return self._frames.copy(), rewards, np.zeros(self.num_envs, bool), cut, {"step": self._steps.copy()}

    def render(self) -> tuple[np.ndarray, ...] | None:
        """The frames shown, each uint8 (H, W, 3), with `render_mode="rgb_array"`."""
        return None if self.render_mode is None else tuple(self._frames.copy())

    def _begin(self, player: int) -> None:
        self._frames[player] = _begin(self._engine, player, self._prompts, self._rngs[player])
        self._steps[player] = 0


def _begin(engine: WorldEngine, player: int, prompts: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Starts `player` from one of `prompts` with a seed, both drawn."""
    prompt = prompts[int(rng.integers(len(prompts)))]
    return engine.reset(prompt, player, int(rng.integers(2**31)))


def _spaces(world: World) -> tuple[gymnasium.spaces.Box, gymnasium.spaces.Discrete]:
    frames = gymnasium.spaces.Box(0, 255, (*world.config.frame_size, 3), np.uint8)
    return frames, gymnasium.spaces.Discrete(len(world.config.actions))


def _loaded(world: World | str | Path, prompts: Sequence[np.ndarray], max_steps: int) -> World:
    if not len(prompts):
        raise ConfigError("there are no prompts; give at least one picture, uint8 (H, W, 3), from load_picture")
    if max_steps < 1:
        raise ConfigError(f"max_steps {max_steps} is not positive")
    return world if isinstance(world, World) else World.from_pretrained(world)


gymnasium.register(ID, entry_point="genie_core.env:WorldEnv", vector_entry_point="genie_core.env:WorldVectorEnv")
