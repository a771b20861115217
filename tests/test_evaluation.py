"""Every measure on a world whose truth is known, and on the same world with one fault each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import planted
import pytest
import tiny
import torch

from genie_core.data import DatasetWriter, VideoDataset
from genie_core.engine import WorldEngine
from genie_core.evaluation.control import measure_control
from genie_core.evaluation.drift import measure_drift
from genie_core.evaluation.fidelity import HORIZON, measure_fidelity
from genie_core.evaluation.figures import FIGURES, at
from genie_core.evaluation.rollout import rollout, teacher_forced
from genie_core.evaluation.run import Effort, Evaluation, evaluate
from genie_core.evaluation.samples import Samples, draw_clips, standing_scenes, wall_scenes
from genie_core.world import World

EFFORT = Effort(clips=12, longest=16, scenes=8, rollouts=2, steps=200)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> VideoDataset:
    """Of the planted game."""
    return planted.record(tmp_path_factory.mktemp("data") / "planted")


@pytest.fixture(scope="module")
def perfect(data: VideoDataset) -> Evaluation:
    return evaluate(planted.make_world(), data, EFFORT, quiet=True)


Figures = Callable[[planted.Game | planted.PlantedLatentActions, str], dict[str, float]]


@pytest.fixture(scope="module")
def figures(data: VideoDataset) -> Figures:
    """Means of all values of one part of the evaluation, for a world with a fault."""
    clips = draw_clips(data, EFFORT.clips, HORIZON + 1, EFFORT.longest + 1)

    @cache
    def measure(fault: type, part: str) -> dict[str, float]:
        is_game = issubclass(fault, planted.Game)
        world = planted.make_world(fault()) if is_game else planted.make_world(latent_action=fault())
        if part == "fidelity":
            samples, _ = measure_fidelity(world, clips, 0, True, True)
        elif part == "control":
            samples = measure_control(world, data, clips, EFFORT.scenes, 0, True)
        else:
            samples, _ = measure_drift(world, clips.frames[[0, -1], 0], EFFORT.steps, 0, True, True)
        return means(samples)

    return measure


def means(samples: Samples) -> dict[str, float]:
    found = {name: float(np.nanmean(values)) for name, values in samples.values.items()}
    told = {"nmi": "latent_action.nmi", "accuracy": "latent_action.mapping_accuracy_200"}
    facts = {name: samples.facts[key] for name, key in told.items() if key in samples.facts}
    return found | {name: fact["accuracy"] if isinstance(fact, dict) else fact for name, fact in facts.items()}


# ---- a perfect copy


@pytest.mark.slow
@pytest.mark.parametrize(
    ("figure", "best"),
    {
        "tokenizer.psnr": 60,
        "tokenizer.ssim": 1,
        "tokenizer.psnr_player": 60,
        "rollout.psnr": 60,
        "rollout.ssim": 1,
        "rollout.psnr_changed_pixels": 60,
        "rollout.psnr_player": 60,
        "rollout.player_found": 1,
        "rollout.sharpness": 1,
        "rollout.four_frames.psnr": 60,
        "rollout.four_frames.psnr_changed_pixels": 60,
        "teacher_forced.psnr": 60,
        "teacher_forced.psnr_changed_pixels": 60,
        "delta_psnr.random_rollouts.player_found": 1,
        "delta_psnr.random_rollouts.sharpness": pytest.approx(1, abs=0.05),
        "latent_action.scene_cut_gain_db": pytest.approx(0, abs=0.05),
        "control.opposite_actions": 1,
        "control.transfer.along_x": 1,
        "control.transfer.along_y": 1,
        "control.rises": 1,
        "control.lands": 1,
        "control.walls": 1,
        "drift.player_alive_200": 1,
        "drift.alive_and_answers_200": 1,
        "drift.idle.player_alive_200": 1,
        "drift.held.player_alive_200": 1,
        "drift.frozen": 0,
        "drift.melted": 0,
        "drift.exploded": 0,
        "drift.idle_motion_px": 0,
        "drift.idle_changed_area": 0,
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_perfect_copy_has_the_best_value_of_each_figure(perfect: Evaluation, figure: str, best: float) -> None:
    mean = at(perfect.report, figure)
    assert mean["mean"] == (best if not isinstance(best, int) else pytest.approx(best, abs=1e-9))
    assert mean["n"] >= 2


@pytest.mark.slow
def test_a_perfect_copy_tells_actions_apart(perfect: Evaluation) -> None:
    report = perfect.report
    assert report["delta_psnr"]["value"]["mean"] > 20 and min(report["delta_psnr"]["by_t"][3:]) > 20
    assert report["latent_action"]["code_gain_db"]["mean"] > 20
    assert report["latent_action"]["nmi"] == pytest.approx(1)
    assert report["latent_action"]["mapping_accuracy_200"]["accuracy"] == 1
    names = report["latent_action"]["best_mapping"]
    assert all(name is None or name == planted.NAMES[code] for code, name in enumerate(names))
    assert set(names) == {"left", "right", "stay", "jump", None}
    assert report["rollout"]["psnr_by_step"] == [60] * EFFORT.longest
    assert report["rollout"]["repeat_prompt"]["psnr"]["mean"] < 30


@pytest.mark.slow
def test_every_mean_has_its_interval(perfect: Evaluation) -> None:
    """Wilson's for shares, which is never 0; and none for what happens to be the same in all clips."""
    assert at(perfect.report, "control.walls")["ci95"] > 0.1
    assert at(perfect.report, "drift.idle_motion_px")["ci95"] == at(perfect.report, "tokenizer.psnr")["ci95"] == 0


# ---- one fault each: what falls, what rises, and what stays as it was

WORSE, SAME = "worse", "same"
CONTROL = [name for name in FIGURES if name.startswith("control.")]
ROLLOUT = ["rollout.psnr", "rollout.ssim", "rollout.psnr_changed_pixels", "rollout.psnr_player", "teacher_forced.psnr"]
ALIVE = [f"drift.{policy}player_alive_200" for policy in ("", "idle.", "held.")]
ANSWERS = ["drift.answers_0", "drift.answers_200", "drift.idle.answers_200", "drift.held.answers_200"]
STATES = ["drift.frozen", "drift.melted", "drift.exploded"]
TOKENIZER = ["tokenizer.psnr", "tokenizer.ssim", "tokenizer.psnr_player"]
CODES = ["latent_action.code_gain_db", "latent_action.scene_cut_gain_db"]
TRANSFER = ["control.transfer.along_x", "control.transfer.along_y"]

# By fault and part: the figures that become worse, at least by so much; those not named stay as they are.
FAULTS: dict[type, dict[str, dict[str, float]]] = {
    planted.Frozen: {
        "fidelity": {
            **dict.fromkeys(ROLLOUT, 0.3),
            "delta_psnr.value": 30,
            "rollout.sharpness": 0,
            "rollout.four_frames.psnr": 25,
            "rollout.four_frames.ssim": 0.3,
            "rollout.four_frames.psnr_changed_pixels": 30,
            "teacher_forced.ssim": 0.3,
            "teacher_forced.psnr_changed_pixels": 30,
            "delta_psnr.random_rollouts.sharpness": 0,
        },
        "control": {
            "control.opposite_actions": 1,
            "control.rises": 1,
            "control.lands": 1,
            "control.transfer.along_x": 1,
            "control.transfer.along_y": 0.5,
        },
        "drift": {"drift.frozen": 1, **dict.fromkeys(("drift.alive_and_answers_200",), 1)},
    },
}
