"""Procgen's games are recorded as Gymnasium environments: the same bytes again, whole levels, chosen buttons."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import launch
from genie_core.data.dataset import VideoDataset

pytest.importorskip("procgen", reason="recording needs procgen")
pytest.importorskip("gymnasium", reason="gymnasium is only in tests/requirements.txt")

from genie_core.errors import ConfigError
from genie_core.games.coinrun.names import BUTTON_NAMES, buttons
from genie_core.games.coinrun.real import RealCoinRun
from genie_core.games.procgen_environments import ProcgenGame

MINER = "genie_core.games.procgen_environments:Miner-v0"
EASY = 'distribution_mode="easy"'


def recorded(
    out: Path, seed: int = 0, options: tuple[str, ...] = ("num_levels=50", EASY), policy: str = "random"
) -> Path:
    call = [
        "--collect",
        MINER,
        "--out",
        str(out),
        "--frames",
        "300",
        "--seed",
        str(seed),
        "--quiet",
    ]
    assert launch.main([*call, "--policy", policy, "--env-options", *options]) == 0
    return out


def digest(folder: Path) -> str:
    return hashlib.sha256(
        b"".join(file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix != ".json")
    ).hexdigest()


def test_the_same_seed_gives_the_same_bytes_and_another_others(tmp_path: Path) -> None:
    first, again, other = (recorded(tmp_path / name, seed) for name, seed in (("a", 3), ("b", 3), ("c", 4)))
    assert digest(first) == digest(again)
    assert not np.array_equal(VideoDataset(first).clip(0, 2), VideoDataset(other).clip(0, 2))


def test_no_episode_goes_on_into_another_level(tmp_path: Path) -> None:
    dataset = VideoDataset(recorded(tmp_path / "set"))
    assert len(dataset.episodes) > 1
    for first, length, _ in dataset.episodes:
        frames = dataset.clip(int(first), int(length)).astype(int)
        changed = (np.abs(np.diff(frames, axis=0)).max(-1) > 10).mean((1, 2))
        assert changed.max() < 0.5  # the camera stands still: another level changes nearly all of the picture


def test_only_the_buttons_asked_for_are_pressed(tmp_path: Path) -> None:
    still = VideoDataset(recorded(tmp_path / "set", options=("num_levels=1", EASY, "buttons=[4,4]")))
    frames = still.clip(0, 30)
    assert still.info.source["actions"] == [0, 1]
    assert np.abs(np.diff(frames[5:].astype(int), axis=0)).mean() < 1  # nobody moves; a boulder may roll at first


@pytest.mark.parametrize("buttons", ["[4,15]", "[4,-1]", '[4,"left"]'])
def test_buttons_that_procgen_has_not_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], buttons: str
) -> None:
    call = ["--collect", MINER, "--out", str(tmp_path / "set"), "--frames", "20", "--env-options", f"buttons={buttons}"]
    assert launch.main(call) == 1
    assert "expected Procgen's numbers, 0 to 14" in capsys.readouterr().err and not (tmp_path / "set").exists()


@pytest.mark.parametrize("option", [{"num_levels": -3}, {"start_level": 2**31}, {"num_levels": "many"}])
def test_levels_that_procgen_would_end_the_process_for_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"(num|start)_levels? .*: expected a whole number from 0 to"):
        ProcgenGame("miner", **option)


def test_levels_beside_a_world_are_none_of_those_kept_for_labels_and_checks() -> None:
    with pytest.raises(ConfigError, match="--seed 100000 names no level to play; expected 0 to 99999"):
        RealCoinRun(100_000, {"mode": "easy"})


def test_actions_that_procgen_has_not_are_no_button() -> None:
    assert [BUTTON_NAMES[place] for place in buttons(np.array([7, 14, 20, -1, 127]))] == ["right", *["stay"] * 4]
