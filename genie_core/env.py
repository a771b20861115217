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


class _Playing:
    """The part that both environments share: `num_envs` playthroughs of one world, and where their episodes begin."""

    metadata: dict[str, Any]

    def __init__(
        self,
        world: World | str | Path,
        prompts: Sequence[np.ndarray],
        reward: Reward | None = None,
        max_steps: int = MAX_STEPS,
        render_mode: str | None = None,
        num_envs: int = 1,
    ) -> None:
        if not len(prompts):
            raise ConfigError("there are no prompts; give at least one picture, uint8 (H, W, 3), from load_picture")
        if max_steps < 1:
            raise ConfigError(f"max_steps {max_steps} is not positive")
        self.world = world if isinstance(world, World) else World.from_pretrained(world)
        self.num_envs, self.render_mode = num_envs, render_mode
        self.metadata = {**self.metadata, "render_fps": self.world.config.fps}
        self._spaces(
            gymnasium.spaces.Box(0, 255, (*self.world.config.frame_size, 3), np.uint8),
            gymnasium.spaces.Discrete(len(self.world.config.actions)),
        )
        self._prompts, self._reward, self._max_steps = prompts, reward, max_steps
        self._engine = WorldEngine(self.world, players=num_envs)
        self._frames = np.zeros((num_envs, *self.world.config.frame_size, 3), np.uint8)
        self._steps = np.zeros(num_envs, np.int64)

    def _spaces(self, frame: gymnasium.spaces.Box, action: gymnasium.spaces.Discrete) -> None:
        """Sets the spaces of frames and actions."""
        raise NotImplementedError

    def _begin(self, player: int, rng: np.random.Generator, prompt: np.ndarray | None = None) -> None:
        """Starts `player` from `prompt`, else from one that is drawn, with a seed that is drawn."""
        prompts = self._prompts if prompt is None else [prompt]
        chosen = prompts[int(rng.integers(len(prompts)))]
        self._frames[player] = self._engine.reset(chosen, player, int(rng.integers(2**31)))
        self._steps[player] = 0

    def _play(self, actions: dict[int, int]) -> np.ndarray:
        """Steps the players of `actions`; returns the rewards of all, (players,)."""
        rewards = np.zeros(self.num_envs)
        for player, frame in self._engine.step(actions).items():
            if self._reward is not None:
                rewards[player] = self._reward(self._frames[player].copy(), actions[player], frame)
            self._frames[player] = frame
            self._steps[player] += 1
        return rewards


class WorldEnv(_Playing, gymnasium.Env[np.ndarray, np.int64]):
    """One playthrough of a world. Observations are frames, uint8 (H, W, 3); actions are latent action ids.

    An episode starts from one of `prompts`, uint8 (H, W, 3) of any size, drawn with the environment's generator, or
    from `options["prompt"]`. `reward(before, action, after)` is given the frames before and after; without it rewards
    are 0. `info` has the step's number and the name of the action.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012  # as gymnasium has it
    _started = False

    def _spaces(self, frame: gymnasium.spaces.Box, action: gymnasium.spaces.Discrete) -> None:
        self.observation_space, self.action_space = frame, action

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The prompt as the world sees it."""
        super().reset(seed=seed)
        self._begin(0, self.np_random, (options or {}).get("prompt"))
        self._started = True
        return self._frames[0].copy(), {"step": 0}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """The next frame, its reward, terminated (always False) and whether the episode is truncated here."""
        if not self._started:
            raise gymnasium.error.ResetNeeded("step() before reset(): there is no picture to go on from")
        reward, steps = float(self._play({0: int(action)})[0]), int(self._steps[0])
        info = {"step": steps, "action": self.world.config.actions[int(action)].name}
        return self._frames[0].copy(), reward, False, steps >= self._max_steps, info

    def render(self) -> np.ndarray | None:
        """The frame shown, uint8 (H, W, 3), with `render_mode="rgb_array"`."""
        return self._frames[0].copy() if self.render_mode is not None and self._started else None


class WorldVectorEnv(_Playing, VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """Several playthroughs of one world, stepped as one batch; otherwise as `WorldEnv`. A truncated one starts anew
    with the next step."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP, "render_modes": ["rgb_array"]}  # noqa: RUF012

    def _spaces(self, frame: gymnasium.spaces.Box, action: gymnasium.spaces.Discrete) -> None:
        self.single_observation_space, self.single_action_space = frame, action
        self.observation_space, self.action_space = (batch_space(space, self.num_envs) for space in (frame, action))
        self._rngs = [np.random.default_rng() for _ in range(self.num_envs)]

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """All prompts. An int `seed` gives player i the seed `seed + i`."""
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed or [None] * self.num_envs
        for player, own in enumerate(seeds):
            if own is not None:
                self._rngs[player] = gymnasium.utils.seeding.np_random(own)[0]
            self._begin(player, self._rngs[player])
        return self._frames.copy(), {"step": self._steps.copy()}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Next frames (players, H, W, 3), rewards, terminated (all False) and truncated, each (players,)."""
        done = self._steps >= self._max_steps
        rewards = self._play({player: int(action) for player, action in enumerate(actions) if not done[player]})
        for player in np.flatnonzero(done).tolist():
            self._begin(player, self._rngs[player])
        cut = self._steps >= self._max_steps
        return self._frames.copy(), rewards, np.zeros(self.num_envs, bool), cut, {"step": self._steps.copy()}

    def render(self) -> tuple[np.ndarray, ...] | None:
        """The frames shown, each uint8 (H, W, 3), with `render_mode="rgb_array"`."""
        return None if self.render_mode is None else tuple(self._frames.copy())


gymnasium.register(ID, entry_point="genie_core.env:WorldEnv", vector_entry_point="genie_core.env:WorldVectorEnv")
