"""CarRacing from above is recorded as films of a drive, from the start as near as later, without its instruments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import launch
from genie_core.data.dataset import VideoDataset

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is only in tests/requirements.txt")
pytest.importorskip("Box2D", reason="box2d is only in tests/requirements.txt")

from genie_core.games.car_environments import BRAKE, GAS, LEFT, NOTHING, RIGHT, drive  # noqa: E402

CARS = "genie_core.games.car_environments:Cars-v0"
HALF_A_ROAD = 40 / 6  # CarRacing's TRACK_WIDTH


def opened(seed: int = 0) -> gymnasium.Env:
    env = gymnasium.make(CARS, render_mode="rgb_array")
    env.reset(seed=seed)
    return env


def held(env: gymnasium.Env, key: int, steps: int) -> None:
    for _ in range(steps):
        env.step(key)


def test_a_seed_has_a_track_of_its_own() -> None:
    first, again, other = (np.array([piece[2:] for piece in opened(seed).unwrapped.track]) for seed in (5, 5, 6))
    assert np.array_equal(first, again) and (len(first) != len(other) or not np.array_equal(first, other))


def test_the_picture_is_square_near_from_the_start_and_has_no_instruments() -> None:
    env = opened()
    first = env.render()
    assert isinstance(first, np.ndarray) and first.shape == (350, 350, 3) and first.dtype == np.uint8
    assert not (first[300:] == 0).all(-1).any(1).all(), "a black board at the bottom"
    held(env, NOTHING, 60)
    assert (env.render() != first).any(-1).mean() < 1e-3, "who touches nothing stays where he is, and the camera too"


def test_the_keys_turn_drive_and_brake() -> None:
    env = opened()
    hull = env.unwrapped.car.hull
    held(env, GAS, 60)
    speed, angle = np.hypot(*hull.linearVelocity), hull.angle
    assert speed > 10
    held(env, LEFT, 15)
    assert hull.angle > angle + 0.05
    angle = hull.angle
    held(env, RIGHT, 40)
    assert hull.angle < angle - 0.05
    held(env, BRAKE, 60)
    assert np.hypot(*hull.linearVelocity) < speed / 2


def test_the_driver_keeps_to_the_road_and_leaves_it_and_uses_all_keys() -> None:
    env, rng, off, keys = opened(3), np.random.default_rng(0), [], []
    for _ in range(250):
        key = drive(None, env, rng)
        keys.append(key)
        held(env, key, 3)
        road = np.array([piece[2:] for piece in env.unwrapped.track])
        off.append(np.sqrt(((road - np.array(env.unwrapped.car.hull.position)) ** 2).sum(1).min()) > HALF_A_ROAD)
    assert 0.02 < np.mean(off) < 0.5
    assert np.bincount(keys, minlength=5).min() >= 5


def test_the_same_seed_gives_the_same_films(tmp_path: Path) -> None:
    def recorded(name: str) -> VideoDataset:
        call = ["--collect", CARS, "--out", str(tmp_path / name), "--frames", "40", "--frame-size", "64x64"]
        assert launch.main([*call, "--policy", f"{drive.__module__}:drive", "--seed", "3", "--quiet"]) == 0
        return VideoDataset(tmp_path / name)

    first, again = recorded("a"), recorded("b")
    assert np.array_equal(first.clip(0, 40), again.clip(0, 40))
    assert np.array_equal(first.true_actions(0, 40), again.true_actions(0, 40))
