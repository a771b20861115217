"""`--evaluate`: all measurements of a world, as one JSON file.

Every figure is at the world's own sampling settings. The same command on the same machine gives the same figures,
except for speed.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genie_core.config import UNKNOWN_GAME
from genie_core.data.dataset import VideoDataset
from genie_core.data.scenes import draw_clips, spread
from genie_core.errors import DataError
from genie_core.evaluation import metrics
from genie_core.evaluation.control import measure_control
from genie_core.evaluation.distances import Filmstrips, measure_distances
from genie_core.evaluation.drift import measure_drift
from genie_core.evaluation.fidelity import HORIZON, LONGEST, measure_fidelity
from genie_core.evaluation.speed import measure_speed
from genie_core.figures import Samples, at, nested, table_of
from genie_core.files import write_whole
from genie_core.games import Game, find
from genie_core.world import World

SAME_PACE = 0.1  # of the frames a second, by which those of data may differ
NOTHING_FOUND = "no clip, scene or rollout of this data and effort shows it"


@dataclass(frozen=True)
class Effort:
    """How much is measured: clips and how far they are played, scenes of each test of control, long rollouts under each
    policy and their length, and clips for the FVD, 0 for none."""

    clips: int = 128
    longest: int = LONGEST
    scenes: int = 64
    rollouts: int = 8
    steps: int = 500
    fvd_clips: int = 0


EFFORTS = {
    "quick": Effort(clips=12, longest=16, scenes=8, rollouts=2, steps=200),
    "default": Effort(),
    "full": Effort(clips=512, scenes=128, rollouts=64, fvd_clips=256),
}


@dataclass(frozen=True)
class Evaluation:
    """`report` is what the JSON file holds; `samples` the single values behind its means; the rest is to look at."""

    report: dict[str, Any]
    samples: Samples
    strips: Filmstrips
    long_play: np.ndarray


def evaluate(
    world: World, dataset: VideoDataset, effort: Effort = EFFORTS["default"], seed: int = 0, quiet: bool = False
) -> Evaluation:
    """Measures `world` on clips and scenes of `dataset`. Raises DataError if it has no clip of 11 frames, or as
    `require_alike`."""
    require_alike(world, dataset)
    game = _game_of(world, dataset)
    clips = draw_clips(dataset, effort.clips, HORIZON + 1, effort.longest + 1)
    samples, strips = measure_fidelity(world, clips, game, seed, quiet)
    samples.update(measure_control(world, dataset, clips, game, effort.scenes, seed, quiet))
    prompts = clips.frames[spread(len(clips), effort.rollouts), 0]
    drift, long_play = measure_drift(world, prompts, game, effort.steps, seed, quiet)
    samples.update(drift)
    report = _report(samples) | measure_distances(strips, clips, effort.fvd_clips, seed, quiet)
    report |= {
        "not_measured": _reasons(report, samples, game, effort),
        "speed": measure_speed(world, quiet),
        "clips": len(clips),
        "settings": dataclasses.asdict(world.config.sampling) | {"seed": seed, **dataclasses.asdict(effort)},
        "world": world.name,
        "game": game.name,
        "data": dataset.info.name,
        "source": dataset.info.source,
    }
    return Evaluation(report, samples, strips, long_play)


def require_alike(world: World, dataset: VideoDataset) -> None:
    """Raises DataError for data of frames of another size, or of another pace, than the world's."""
    own, told = world.config.frame_size, dataset.info.frame_size
    size, other = (f"{height}x{width}" for height, width in (own, told))
    if own != told:
        raise DataError(
            f"{world.name} has frames of {size} pixels and {dataset.info.name} of {other}; record or prepare data with "
            f"--frame-size {size}"
        )
    fps, data_fps = world.config.fps, dataset.info.fps
    if abs(fps - data_fps) > SAME_PACE * fps:
        raise DataError(
            f"{world.name} has {fps:g} frames a second and {dataset.info.name} {data_fps:g}, so their motions differ; "
            f"record or prepare data with --fps {fps:g}"
        )


def _game_of(world: World, dataset: VideoDataset) -> Game:
    """The game of `world`; any video if the data is of another game, whose buttons and looks it cannot tell."""
    own, told = world.config.game, dataset.info.game
    return find(own if told in (own, None, UNKNOWN_GAME) else UNKNOWN_GAME)


def write_json(path: Path, report: dict[str, Any]) -> None:
    """Writes `report` whole or not at all."""
    write_whole(path, json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def _report(samples: Samples) -> dict[str, Any]:
    known = {}
    for name, values in samples.values.items():
        mean = metrics.share_ci95(values) if name in samples.shares else metrics.mean_ci95(values)
        if mean.n:
            known[name] = mean._asdict()
    return {"control": {}} | nested({**known, **samples.curves, **samples.facts})  # there in any case


def _reasons(report: dict[str, Any], samples: Samples, game: Game, effort: Effort) -> dict[str, str]:
    """Why each figure of the table that `report` lacks was left out."""
    reasons = {name: reason for name, reason in samples.missing.items() if not at(report, name)}
    for name in table_of(game.figures):
        if at(report, name) is None and not any(name.startswith(known) for known in reasons):
            asked = name.startswith("fvd") and not effort.fvd_clips
            reasons[name] = "not asked for; --full measures it" if asked else NOTHING_FOUND
    return reasons
