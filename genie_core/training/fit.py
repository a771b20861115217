"""Training one stage until its minutes or steps are over: the loop, and when it saves, looks and goes back."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from lightning.fabric import Fabric

from genie_core.errors import GenieError
from genie_core.files import disk_refusals
from genie_core.limits import require
from genie_core.training.batches import Batches, Sample, load
from genie_core.training.building import Built
from genie_core.training.learner import Learner
from genie_core.training.learnt import load_network, remember_start
from genie_core.training.processes import LostRankError, error_of_any, lost_rank
from genie_core.training.progress import Progress
from genie_core.training.saved import load_state
from genie_core.training.stage import Batch
from genie_core.training.stopping import StopRequests
from genie_core.training.watchdog import ExplodedError

warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")  # convolutions' own layout, no loss

SAVE_EVERY = timedelta(minutes=3)
LOOK_EVERY_STEPS = 400
Part = tuple[Batch, int, int]
"""Rows of a batch, the number of the first in the global batch, and how many that has."""


class Meter(NamedTuple):
    """GFLOP of a step of each stage, and GFLOP/s that a device reaches at best; nothing where nobody looks."""

    step_gflop: Mapping[str, float] = MappingProxyType({})
    peak: float = 0.0


def fit(built: Built, out: Path, seed: int, fabric: Fabric, meter: Meter, quiet: bool) -> None:
    """Train a stage of the run `out`, from its saved state if there is one.

    Every LOOK_EVERY_STEPS steps, and at the end, a held-out batch is judged and drawn. A stage that is over stays as it
    is. A saved state brings its own seed. KeyboardInterrupt comes after the state is saved.
    """
    stage, state = built.stage, load_state(out, built.stage.name)
    if not state and stage.settings.start_from:
        load_network(out, stage.name, stage.network, stage.settings.start_from).train()
        if fabric.is_global_zero:
            remember_start(out, stage.name, stage.settings.start_from)
    learner = Learner(stage, fabric, out / stage.name, seed)
    if state:
        learner.load(state)
    else:
        learner.remember_start()
    if stage.progress >= 1:
        return
    with disk_refusals(out / stage.name, "make room and go on with --resume"), StopRequests() as stop:
        gflop = meter.step_gflop.get(stage.name, 0.0)
        progress = Progress(learner, out, built.look, gflop, meter.peak, quiet)
        try:
            while stage.progress < 1:
                try:
                    _learn(learner, built.sample, progress, stop)
                except ExplodedError as trouble:
                    progress.say(learner.go_back(load_state(out, stage.name), trouble))
        except RuntimeError as error:
            if not lost_rank(error):
                raise
            raise LostRankError(
                f"another process of this training has died; what {out / stage.name} holds is kept: go on with --resume"
            ) from error
        finally:
            progress.close()


def _learn(learner: Learner, sample: Sample, progress: Progress, stop: StopRequests) -> None:
    """Steps from where the stage is to its end, saved on the way and there."""
    stage, batches = learner.stage, _batches(learner, sample)
    learner.start_clock()
    while stage.progress < 1:
        parts, waited = _next(batches, learner)
        step = learner.step(parts, stop.asked)
        progress.stepped(step, waited)
        over = stage.progress >= 1
        if over:
            learner.finish()
        if step.stop or over or _due(learner):
            learner.save()
        if over or stage.step % LOOK_EVERY_STEPS == 0:
            progress.look()
        if step.stop or (over and learner.any_asks(stop.asked)):
            progress.say(f"{stage.name}: stopped and saved at step {stage.step:,}; go on with --resume")
            raise KeyboardInterrupt


def _next(batches: Iterator[list[Part]], learner: Learner) -> tuple[list[Part], float]:
    """The parts of a batch, and the seconds that this rank waited for its data.

    Where one rank cannot read its data on, all save what was learnt, and end.
    """
    parts: list[Part] = []
    error, asked = None, time.monotonic()
    try:
        parts = next(batches)
    except GenieError as refusal:
        error = refusal
    waited = time.monotonic() - asked  # without the wait for the other ranks, below
    error = error_of_any(learner.fabric, error)
    if error is not None:
        if learner.stage.step:  # or a stage that has learnt nothing would count as one that has
            learner.save()
        raise error
    return parts, waited


def _due(learner: Learner) -> bool:
    since = float(learner.stage.trained_seconds) - learner.saved_at
    return since >= SAVE_EVERY.total_seconds() and learner.watchdog.calm


def _batches(learner: Learner, sample: Sample) -> Iterator[list[Part]]:
    """This rank's slice of each global batch from the stage's step on, on its device, in the parts it is learnt in."""
    fabric, settings = learner.fabric, learner.stage.settings
    rank, ranks, rows = fabric.global_rank, fabric.world_size, settings.batch_size
    batches = Batches(sample, learner.seed, learner.stage.step, rank, ranks)
    parts = ranks * settings.accumulate
    require(rows % parts == 0, f"batch_size {rows} does not divide into {parts} parts: processes times accumulate")
    here = rows // parts
    for batch in load(batches, pin_memory=fabric.device.type == "cuda"):
        batch = fabric.to_device(batch)
        starts = range(0, rows // ranks, here)
        yield [
            ({name: value[start : start + here] for name, value in batch.items()}, rank * rows // ranks + start, rows)
            for start in starts
        ]
