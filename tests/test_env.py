"""The Gymnasium environment, by Gymnasium's own checks, and against the engine it wraps."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from tiny import make_world

from genie_core.engine import WorldEngine
from genie_core.errors import ConfigError
from genie_core.world import World

gymnasium = pytest.importorskip("gymnasium", reason="pip install -r tests/requirements.txt")
ID = "genie_core.env:Genie-v0"
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


@pytest.fixture(scope="module")
def prompts() -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8))


def test_gymnasium_finds_nothing_wrong(world: World, prompts: list[np.ndarray]) -> None:
    from gymnasium.utils.env_checker import check_env

    env = gymnasium.make(ID, world=world, prompts=prompts, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    assert env.unwrapped.metadata["render_fps"] == world.config.fps


def test_it_plays_as_the_engine_does(world: World, prompts: list[np.ndarray]) -> None:
    env = gymnasium.make(ID, world=world, prompts=prompts)
    first, info = env.reset(seed=3, options={"prompt": prompts[1]})
    engine = WorldEngine(world)
    assert np.array_equal(first, engine.reset(prompts[1])) and info == {"step": 0}
    for step, action in enumerate([0, 3, 1, 2], 1):
        frame, reward, terminated, truncated, info = env.step(np.int64(action))
        assert np.array_equal(frame, engine.step(action))
        assert (reward, terminated, truncated) == (0.0, False, False)
        assert info == {"step": step, "action": world.config.actions[action].name}


def test_rewards_and_the_cut(world: World, prompts: list[np.ndarray]) -> None:
    def reward(before: np.ndarray, action: int, after: np.ndarray) -> float:
        return action + 10 * float(not np.array_equal(before, after))

    env = gymnasium.make(ID, world=world, prompts=prompts, reward=reward, max_steps=3)
    env.reset(seed=0)
    results = [env.step(np.int64(action)) for action in (1, 2, 3)]
    assert [result[1] for result in results] == [11, 12, 13]
    assert [result[3] for result in results] == [False, False, True]


def test_the_seed_draws_the_prompt(world: World, prompts: list[np.ndarray]) -> None:
    env = gymnasium.make(ID, world=world, prompts=prompts)
    starts = [env.reset(seed=seed)[0].tobytes() for seed in (*range(12), 0)]
    assert starts[0] == starts[-1] and len(set(starts)) == 3


def test_many_step_as_one_batch_and_play_as_if_alone(world: World, prompts: list[np.ndarray]) -> None:
    envs = gymnasium.make_vec(ID, num_envs=3, world=world, prompts=prompts, max_steps=5)
    alone = [gymnasium.make(ID, world=world, prompts=prompts, max_steps=5).unwrapped for _ in range(3)]
    frames, _ = envs.reset(seed=7)
    assert frames.shape == (3, 16, 16, 3) and envs.observation_space.contains(frames)
    assert all(np.array_equal(frames[i], env.reset(seed=7 + i)[0]) for i, env in enumerate(alone))
    rng = np.random.default_rng(0)
    for step in range(1, 14):
        actions = rng.integers(4, size=3)
        frames, rewards, terminated, truncated, info = envs.step(actions)
        for i, env in enumerate(alone):
            expected = env.reset()[0] if step % 6 == 0 else env.step(actions[i])[0]
            assert np.abs(frames[i].astype(int) - expected).max() <= 1, "batches round differently"
        assert truncated.all() == (step % 6 == 5) and not terminated.any() and not rewards.any()
        assert info["step"].tolist() == [step % 6] * 3


def test_gymnasium_can_vectorise_it_itself(world: World, prompts: list[np.ndarray]) -> None:
    envs = gymnasium.make_vec(ID, num_envs=2, vectorization_mode="sync", world=world, prompts=prompts)
    frames, _ = envs.reset(seed=1)
    assert not np.array_equal(envs.step(np.array([0, 3]))[0], frames)


def test_what_cannot_be_is_refused(world: World, prompts: list[np.ndarray]) -> None:
    with pytest.raises(ConfigError, match="no prompts"):
        gymnasium.make(ID, world=world, prompts=[])
    with pytest.raises(ConfigError, match="max_steps 0"):
        gymnasium.make(ID, world=world, prompts=prompts, max_steps=0)
    with pytest.raises(gymnasium.error.ResetNeeded):
        gymnasium.make(ID, world=world, prompts=prompts).unwrapped.step(0)


def test_without_gymnasium_the_way_to_it_is_told() -> None:
    code = "import sys; sys.modules['gymnasium'] = None; import genie_core.env"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "MissingExtraError: genie_core.env needs gymnasium; pip install" in ended.stderr
