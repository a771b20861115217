"""FrozenLake with a lake for every seed is recorded as films that go on, by the rules of its maker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import launch
from genie_core.data.dataset import VideoDataset

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is only in tests/requirements.txt")

LAKES = "genie_core.games.lake_environments:Lakes-v0"
LEFT, DOWN, RIGHT, UP = range(4)


def opened(seed: int = 0, **options: float) -> gymnasium.Env:
    env = gymnasium.make(LAKES, render_mode="rgb_array", **options)
    env.reset(seed=seed)
    return env


def picture(env: gymnasium.Env) -> np.ndarray:
    drawn = env.render()
    assert isinstance(drawn, np.ndarray)
    return drawn.copy()


def test_a_seed_has_a_lake_of_its_own() -> None:
    first, again, other = (picture(opened(seed)) for seed in (5, 5, 6))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_step_goes_one_cell_and_the_shore_stops_it() -> None:
    env = opened(frozen=1.0, cells=4)
    for way in (LEFT, UP) * 3:
        env.step(way)
    went = [int(env.step(way)[0]) for way in (LEFT, UP, RIGHT, DOWN, DOWN, LEFT, LEFT)]
    assert went == [0, 0, 1, 5, 9, 8, 8]


def test_an_episode_begins_anywhere_on_the_ice() -> None:
    begun = {int(gymnasium.make(LAKES, frozen=1.0, cells=4).reset(seed=seed)[0]) for seed in range(60)}
    assert begun == set(range(1, 15))  # neither at the start nor at the flag


def test_whoever_reaches_the_flag_stands_at_the_start_a_step_later() -> None:
    env = opened(frozen=1.0, cells=2)
    env.step(UP)
    env.step(LEFT)
    start = picture(env)
    assert env.step(RIGHT)[0] == 1
    state, reward, terminated, truncated, _ = env.step(DOWN)
    assert (state, reward, terminated, truncated) == (3, 1, False, False)
    assert env.step(LEFT)[0] == 0 and np.array_equal(picture(env), start)
    assert env.step(RIGHT)[0] == 1  # and plays on


def test_whoever_falls_in_is_out_of_sight_and_then_at_the_start() -> None:
    env, rng, falls = opened(frozen=0.6), np.random.default_rng(0), 0
    holes = env.unwrapped._lake.desc.ravel() == b"H"
    before = picture(env)
    for _ in range(200):
        fallen = holes[env.step(int(rng.integers(4)))[0]]
        after = picture(env)
        if fallen:
            changed = (after != before).any(-1).reshape(8, 64, 8, 64).any((1, 3))
            assert 1 <= changed.sum() <= 2  # the cell that he left, and perhaps the ice that broke
            assert env.step(UP)[0] == 0
            after = picture(env)
            falls += 1
        before = after
    assert falls > 5


@pytest.mark.parametrize(("options", "words"), [({"cells": 1}, "2 to 32"), ({"frozen": 0.2}, "0.5 to 1")])
def test_a_lake_without_a_way_through_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: dict[str, float], words: str
) -> None:
    call = ["--collect", LAKES, "--out", str(tmp_path / "set"), "--frames", "20", "--env-options"]
    assert launch.main([*call, *(f"{key}={value}" for key, value in options.items())]) == 1
    assert words in capsys.readouterr().err and not (tmp_path / "set").exists()


def test_the_same_seed_gives_the_same_films(tmp_path: Path) -> None:
    def recorded(name: str) -> VideoDataset:
        call = ["--collect", LAKES, "--out", str(tmp_path / name), "--frames", "98", "--frame-size", "64x64"]
        assert launch.main([*call, "--seed", "3", "--env-options", "cells=4", "--quiet"]) == 0
        return VideoDataset(tmp_path / name)

    first, again = recorded("a"), recorded("b")
    assert len(first.episodes) == 2
    assert all(np.array_equal(first.clip(int(at), 4), again.clip(int(at), 4)) for at, *_ in first.episodes)
