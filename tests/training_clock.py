"""Training by steps instead of by the clock, so that a busy machine learns as much as an idle one; and short looks."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest

STEP_SECONDS = 0.1


def count_steps(patch: pytest.MonkeyPatch) -> None:
    """Let every training step take STEP_SECONDS: a run of m minutes is one of 600 m steps.

    Its unfinished world is looked at, and its actions are named, from a few pictures, or that would take longest.
    """
    ticks = count()
    clock = SimpleNamespace(perf_counter=lambda: STEP_SECONDS * next(ticks))
    patch.setattr("genie_core.training.learner.time", clock)
    patch.setattr("genie_core.training.building.CLIPS", 3)
    patch.setattr("genie_core.training.assemble.NAMING_PROMPTS", 12)


def minutes(steps: int) -> float:
    return (steps - 0.5) * STEP_SECONDS / 60
