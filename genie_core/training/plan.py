"""What a run will take, told before it begins: weights, operations a step, memory, and an honest time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import torch

from genie_core.machine import matmul_gflops
from genie_core.training.cost import Cost, Sharing, forward_flop
from genie_core.training.processes import Machines, precision_of
from genie_core.training.settings import TrainingSettings
from genie_core.world import pick_device

REACHED = 0.25
"""Share of a large matrix product's rate that training reaches, before its first steps are timed."""
H100_GFLOPS = 989e3  # in bfloat16: what is reckoned with where the plan is for GPUs that are not here
NAMING_STEPS = 54 * 8  # played for each action when a run ends: 48 prompts and 6, held for 8 steps


class Pace(NamedTuple):
    """GFLOP/s of all ranks together, and where the number comes from."""

    gflops: float
    told: str
    peak: float


def pace_of(machines: Machines) -> Pace:
    """What this machine computes, measured in a second, or, for CUDA where there is none, what an H100 is said to."""
    ranks = math.prod(machines.sizes())
    many = f"{ranks} processes" if ranks > 1 else "one process"
    if machines.device == "cuda" and not torch.cuda.is_available():
        gpus = f"{ranks} x H100 at {REACHED:.0%} of their {H100_GFLOPS / 1e3:.0f} TFLOP/s"
        return Pace(REACHED * H100_GFLOPS * ranks, gpus, H100_GFLOPS)
    peak = matmul_gflops(pick_device(machines.device).type, precision_of(machines).startswith("bf16"))
    here = f"{many} at {REACHED:.0%} of the {peak:.0f} GFLOP/s of a large matrix product here"
    return Pace(REACHED * peak * ranks, here, peak)


def sharing_of(machines: Machines) -> Sharing:
    """How `machines` share a batch and the weights."""
    sharded, half = machines.strategy == "fsdp", precision_of(machines).startswith("bf16")
    return Sharing(math.prod(machines.sizes()), sharded, 2 if half else 4)


def plan(
    settings: TrainingSettings,
    source: str,
    costs: Iterable[tuple[str, Cost]],
    pace: Pace,
    clips: int,
    trained: Mapping[str, float],
) -> Iterator[str]:
    """Lines that say what each stage of `settings`, from `source`, takes, each as soon as its cost is counted.

    The dynamics learns from `clips` clips. `trained` is the share of each stage that an earlier call has trained.
    """
    networks = settings.networks
    height, width = networks.tokenizer.frame_size
    yield (
        f"settings: {source}; frames of {width}x{height}, {networks.dynamics.num_actions} actions, "
        f"{networks.dynamics.context_frames} frames of context"
    )
    yield f"{'stage':14}{'weights':>10}{'a step':>14}{'memory':>10}{'length':>16}{'time':>12}"
    total = 0.0
    for name, each in costs:
        if name == "dynamics":
            written = 0.0 if trained.get(name) else clips * forward_flop(settings) / pace.gflops / 1e9
            total += written
            yield f"{'tokens':14}{'':34}{f'{clips:,} clips':>16}{_left(written):>12}"
        seconds = stage_seconds(name, settings, each, pace) * max(0.0, 1 - trained.get(name, 0.0))
        total += seconds
        flop, memory = scaled(each.step_flop) + "FLOP", scaled(each.memory) + "B"
        length = settings.stage(name).length
        yield f"{name:14}{scaled(each.parameters):>10}{flop:>14}{memory:>10}{length:>16}{_left(seconds):>12}"
        if name == "dynamics":
            played = NAMING_STEPS * networks.dynamics.num_actions
            naming = played * step_flop(settings, each) / pace.gflops / 1e9
            total += naming
            yield f"{'naming':14}{'':50}{told(naming):>12}"
    end = (datetime.now() + timedelta(seconds=total)).strftime(", done about %H:%M") if total < 86_400 else ""
    yield f"all: about {told(total)}{end}, by {pace.told}"


def _left(seconds: float) -> str:
    return told(seconds) if seconds else "done"


def stage_seconds(name: str, settings: TrainingSettings, each: Cost, pace: Pace) -> float:
    own = settings.stage(name)
    return 60 * own.minutes if own.steps is None else own.steps * each.step_flop / pace.gflops / 1e9


def step_flop(settings: TrainingSettings, dynamics: Cost) -> float:
    """About what a frame of play takes: a training step's way there, of one frame, for each pass."""
    own = settings.dynamics
    return dynamics.step_flop / 3 / own.batch_size / own.clip_frames * (settings.sampling.unmask_steps + 1)


def scaled(number: float) -> str:
    """A number with three digits and the letter of its thousands."""
    for letter, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.3g} "


def told(seconds: float) -> str:
    """A length of time in its two largest units."""
    units = (("years", 31_557_600), ("days", 86_400), ("h", 3600), ("min", 60))
    for index, (unit, size) in enumerate(units):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            if unit == "years":
                return f"{count:,.0f} {unit}"
            smaller, small = units[index + 1] if index + 1 < len(units) else ("s", 1)
            return f"{count:.0f} {unit} {rest // small:.0f} {smaller}"
    return f"{seconds:.0f} s"
