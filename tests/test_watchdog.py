"""A loss that is no number or explodes: told, taken back to the last good state, tried once more at a lower rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from training_clock import count_steps

from genie_core.errors import GenieError
from genie_core.training.batches import Sample
from genie_core.training.building import Built
from genie_core.training.fit import Meter, fit
from genie_core.training.learner import LOWER_RATE
from genie_core.training.order import Rows
from genie_core.training.processes import Machines, start
from genie_core.training.saved import load_state
from genie_core.training.settings import StageSettings
from genie_core.training.stage import Batch, Stage
from genie_core.training.watchdog import ExplodedError, Watchdog

STEPS = 120


def watched(losses: np.ndarray) -> int | None:
    """The step at which the watchdog barks, None if it does not."""
    watchdog = Watchdog()
    for step, loss in enumerate(losses):
        try:
            watchdog.see(float(loss), 1.0)
        except ExplodedError:
            return step
    return None


def falling(steps: int = 600, noise: float = 0.1, level: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    return level + 6 * np.exp(-np.arange(steps) / 100) + 1 + noise * rng.standard_normal(steps)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("level", [0.0, -1.0, -0.9])
def test_a_healthy_loss_is_let_be(noise: float, level: float) -> None:
    """Also one that nears zero, one that is below, one batch that is hard, and guesses that raise it by a fifth."""
    losses = falling(noise=noise, level=level)
    losses[300] += 3
    losses[400:] += 0.2
    assert watched(losses) is None


@pytest.mark.parametrize("seed", range(3))
def test_a_loss_near_zero_that_varies_by_more_than_itself_is_let_be(seed: int) -> None:
    """As where films are carried on, and some are lost: what is usual tells what is not."""
    assert watched(0.008 * np.exp(np.random.default_rng(seed).standard_normal(800))) is None


def test_a_loss_that_explodes_is_noticed_soon() -> None:
    losses = falling()
    losses[400:] *= 1.2 ** np.arange(200)
    step = watched(losses)
    assert step is not None and 400 < step < 425


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_no_number_is_noticed_at_once(wrong: float) -> None:
    for loss, gradient in ((wrong, 1.0), (1.0, wrong)):
        with pytest.raises(ExplodedError, match="not a number"):
            Watchdog().see(loss, gradient)


class Ones(Sample):
    batch_size = 2

    def __call__(self, rows: Rows) -> Batch:
        return {"x": torch.ones(rows.stop - rows.first, 3)}


class Line(Stage):
    """Learns to give 0, and breaks where `breaks` says so of the stage."""

    name = "line"

    def __init__(self, breaks: Callable[[Stage], bool]) -> None:
        torch.manual_seed(0)
        super().__init__(torch.nn.Linear(3, 1), StageSettings(steps=STEPS, batch_size=2, warmup_steps=1))
        self.breaks = breaks

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        factor = math.nan if self.training and self.breaks(self) else 1.0
        return {"loss": factor * self.network(batch["x"]).square().mean()}

    def picture(self, batch: Batch) -> Tensor:
        return torch.zeros(1, 1, 8, 8, 3, dtype=torch.uint8)


def learn(breaks: Callable[[Stage], bool], out: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    count_steps(monkeypatch)
    stage = Line(breaks)
    fit(Built(stage, Ones(), Ones()), out, 0, start(Machines("cpu")), Meter(), quiet=True)
    return stage


@pytest.mark.slow
def test_a_broken_run_goes_back_and_on_at_a_lower_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = learn(lambda stage: stage.rate == 1 and stage.step == 70, tmp_path, monkeypatch)
    assert stage.step == STEPS and stage.rate == LOWER_RATE
    assert all(torch.isfinite(weights).all() for weights in stage.network.parameters())
    assert "at step 70 the loss is not a number any more; back to step 0" in capsys.readouterr().out
    assert load_state(tmp_path, "line")["rate"] == LOWER_RATE


@pytest.mark.slow
def test_a_run_that_breaks_twice_ends_in_words_with_its_last_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genie_core.training.fit._due", lambda learner: learner.stage.step == 50)
    with pytest.raises(GenieError, match=r"line: at step 70 .* again.*is kept in .*learning_rate.*--resume --config"):
        learn(lambda stage: stage.step == 70, tmp_path, monkeypatch)
    with pytest.raises(GenieError, match=r"at step 7 .* again.*No state had been saved yet\. Lower"):
        learn(lambda stage: stage.step == 7, tmp_path / "young", monkeypatch)
    state = load_state(tmp_path, "line")
    assert state["global_step"] == 50
    assert all(torch.isfinite(weights).all() for weights in state["state_dict"].values())
