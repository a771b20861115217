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
    assert len(names) == 8 and set(names) == {"left", "right", "stay", "jump", None}
    assert report["rollout"]["psnr_by_step"] == [60] * EFFORT.longest
    assert report["rollout"]["repeat_prompt"]["psnr"]["mean"] < 30


@pytest.mark.slow
def test_every_mean_has_its_interval(perfect: Evaluation) -> None:
    """Wilson's for shares, which is never 0; and none for what happens to be the same in all clips."""
    assert at(perfect.report, "control.walls")["ci95"] > 0.1
    assert at(perfect.report, "drift.idle_motion_px")["ci95"] == at(perfect.report, "tokenizer.psnr")["ci95"] == 0


# ---- one fault each: what becomes worse, at least by how much, and what stays as it is

ROLLOUT = {
    "rollout.psnr": 15.0,
    "rollout.ssim": 0.15,
    "rollout.psnr_changed_pixels": 15.0,
    "rollout.psnr_player": 15.0,
    "rollout.four_frames.psnr": 15.0,
    "rollout.four_frames.ssim": 0.15,
    "rollout.four_frames.psnr_changed_pixels": 15.0,
    "teacher_forced.psnr": 15.0,
    "teacher_forced.ssim": 0.15,
    "teacher_forced.psnr_changed_pixels": 10.0,
}
TOKENIZER = ("tokenizer.psnr", "tokenizer.ssim", "tokenizer.psnr_player")
CODES = ("nmi", "accuracy")
GAINS = ("latent_action.code_gain_db", "latent_action.scene_cut_gain_db")
X, Y = "control.transfer.along_x", "control.transfer.along_y"
OPPOSITE, RISES, LANDS, WALLS = (f"control.{name}" for name in ("opposite_actions", "rises", "lands", "walls"))
POLICIES = ("", "idle.", "held.")
ALIVE, ANSWERS, BOTH = (
    tuple(f"drift.{policy}{name}_200" for policy in POLICIES)
    for name in ("player_alive", "answers", "alive_and_answers")
)
FROZEN, MELTED, EXPLODED = (f"drift.{name}" for name in ("frozen", "melted", "exploded"))
IDLE, AREA = "drift.idle_motion_px", "drift.idle_changed_area"
PLAYER = ("rollout.player_found", "delta_psnr.random_rollouts.player_found")
DELTA, SHARP, RANDOM_SHARP = "delta_psnr.value", "rollout.sharpness", "delta_psnr.random_rollouts.sharpness"


def all_by(least: float, *names: str) -> dict[str, float]:
    return dict.fromkeys(names, least)


FAULTS: list[tuple[type, str, dict[str, float], tuple[str, ...]]] = [
    (planted.Frozen, "fidelity", {**ROLLOUT, DELTA: 30}, (*TOKENIZER, *CODES, *PLAYER)),
    (planted.Frozen, "control", {**all_by(1, OPPOSITE, RISES, LANDS, X), Y: 0.5}, (WALLS, *GAINS)),
    (planted.Frozen, "drift", all_by(1, FROZEN, *ANSWERS, *BOTH), (*ALIVE, MELTED, EXPLODED, IDLE, AREA)),
    (planted.Shuffled, "fidelity", {**ROLLOUT, DELTA: 35}, (*TOKENIZER, *CODES, *PLAYER, SHARP)),
    (planted.Shuffled, "control", {**all_by(1, OPPOSITE, RISES, LANDS), X: 0.3, Y: 0.3, WALLS: 0.3}, GAINS),
    (planted.Deaf, "fidelity", {**ROLLOUT, DELTA: 30}, (*TOKENIZER, *CODES, *PLAYER)),
    (planted.Deaf, "control", {**all_by(1, OPPOSITE, RISES, LANDS), X: 0.3, Y: 0.5, WALLS: 0.5}, GAINS),
    (planted.Deaf, "drift", {**all_by(1, *ANSWERS, *BOTH), IDLE: 0}, (*ALIVE, MELTED, EXPLODED)),
    (planted.Lost, "fidelity", {}, (*ROLLOUT, *TOKENIZER, *PLAYER, DELTA)),
    (planted.Lost, "drift", all_by(1, *ALIVE, *BOTH), (*ANSWERS, FROZEN, MELTED, EXPLODED, IDLE)),
    (planted.Blurred, "fidelity", {**ROLLOUT, **all_by(0.2, *TOKENIZER), SHARP: 0.5, RANDOM_SHARP: 0.5}, CODES),
    (planted.Blurred, "control", {}, (OPPOSITE, RISES, LANDS, WALLS, X, Y, *GAINS)),
    (planted.Blurred, "drift", {MELTED: 1}, (*ALIVE, *ANSWERS, FROZEN, EXPLODED, IDLE)),
    (planted.Hovering, "fidelity", {"rollout.psnr": 5, "rollout.ssim": 0.1, DELTA: 1}, (*TOKENIZER, *CODES, *PLAYER)),
    (planted.Hovering, "control", {LANDS: 1}, (OPPOSITE, RISES, WALLS, X, Y, *GAINS)),
    (planted.Ghost, "fidelity", {}, (*ROLLOUT, *TOKENIZER, DELTA)),
    (planted.Ghost, "control", {WALLS: 1}, (OPPOSITE, RISES, LANDS, X, Y, *GAINS)),
    (planted.Creeping, "drift", {IDLE: 25, AREA: 0.3}, (*ALIVE, *ANSWERS, FROZEN, MELTED, EXPLODED)),
    (planted.Running, "drift", {IDLE: 160, AREA: 0.3}, (*ALIVE, *ANSWERS, FROZEN, MELTED, EXPLODED)),
    (planted.Exploding, "drift", {EXPLODED: 1, AREA: 0.3}, (*ANSWERS, FROZEN, MELTED, IDLE)),
    (planted.Melting, "drift", {MELTED: 1}, (*ANSWERS, FROZEN, EXPLODED, IDLE)),
    (planted.LeakyLatentActions, "fidelity", {**ROLLOUT, DELTA: 20, "nmi": 0.8, "accuracy": 0.3}, TOKENIZER),
    (planted.LeakyLatentActions, "control", {GAINS[1]: 1}, (OPPOSITE, RISES, LANDS, WALLS)),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "part", "worse", "same"), FAULTS, ids=[f"{fault.__name__}-{part}" for fault, part, *_ in FAULTS]
)
def test_a_fault_shows_in_the_figures_it_should_and_in_no_others(
    perfect: Evaluation, figures: Figures, fault: type, part: str, worse: dict[str, float], same: tuple[str, ...]
) -> None:
    best, found = means(perfect.samples), figures(fault, part)
    for name, least in worse.items():
        assert loss(name, best[name], found[name]) >= least, (name, best[name], found[name])
    for name in same:
        assert found[name] == pytest.approx(best[name], abs=0.05), (name, best[name], found[name])


def loss(name: str, best: float, found: float) -> float:
    """By how much `found` is worse than `best`."""
    better = FIGURES[name].better if name in FIGURES else "higher"
    if better == "one":
        return abs(found - 1) - abs(best - 1)
    return best - found if better == "higher" else found - best
