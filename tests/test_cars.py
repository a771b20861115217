"""CarRacing is recorded as films of a drive, as near at the start as later, and without its instruments."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest

import launch
from genie_core.data.dataset import VideoDataset
from genie_core.errors import ConfigError

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
    assert not (first[-20:] == 0).all(-1).any(), "part of the board, which is black"
    held(env, NOTHING, 60)
    assert (env.render() != first).any(-1).mean() < 1e-3, "who touches nothing stays where he is, and the camera too"


def test_a_quarter_turn_leaves_the_road_as_wide() -> None:
    """The camera turns with the car, so a picture that is stretched would change what it shows."""
    env = opened()
    car, widths = env.unwrapped.car, []
    for angle in (0.0, np.pi / 2):
        car.hull.angle = car.hull.angle + angle
        road = np.ptp(env.render().astype(int), axis=-1) < 10  # grey
        row, column = road[:250].sum(1), road[:, :250].sum(0)
        widths.append(np.median(row[row > 0]) if not angle else np.median(column[column > 0]))
    assert widths[1] == pytest.approx(widths[0], rel=0.06), widths


def test_a_copy_drives_too() -> None:
    assert copy.deepcopy(gymnasium.make(CARS, render_mode="rgb_array").unwrapped).render_mode == "rgb_array"


def test_the_driver_of_another_environment_is_told_which_to_record() -> None:
    with pytest.raises(ConfigError, match=r"record genie_core\.games.car_environments:Cars-v0"):
        drive(None, gymnasium.make("CartPole-v1"), np.random.default_rng(0))


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
        call = ["--collect", CARS, "--out", str(tmp_path / name), "--frames", "280", "--frame-size", "32x32"]
        assert launch.main([*call, "--policy", f"{drive.__module__}:drive", "--seed", "3", "--quiet"]) == 0
        return VideoDataset(tmp_path / name)

    first, again = recorded("a"), recorded("b")
    assert first.episodes[:, 1].tolist() == [251, 29]
    begun = [first.clip(int(start), 29) for start in first.episodes[:, 0]]
    assert not np.array_equal(*begun), "another track"
    for start, length, _ in first.episodes:
        assert np.array_equal(first.clip(int(start), int(length)), again.clip(int(start), int(length)))
        assert np.array_equal(*(each.true_actions(int(start), int(length)) for each in (first, again)))
