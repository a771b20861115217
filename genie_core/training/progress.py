"""The view of a stage while it learns: a bar, numbers and pictures written down, and early signs of trouble."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

import torch
from tqdm import tqdm

from genie_core.layers.ranks import alone
from genie_core.training.batches import Sample
from genie_core.training.chance import Chance
from genie_core.training.learner import Learner, Step
from genie_core.training.order import Rows
from genie_core.training.plan import told
from genie_core.training.records import Records
from genie_core.training.signs import signs

LOG_EVERY_STEPS = 20
PROBING = 0.03
"""Share of the time that probes may take: the first waits until so much was trained that it is no more."""


class Progress:
    """Shows `learner`'s stage of the run `out`; rank 0 alone shows and writes. `look` gives held-out batches."""

    def __init__(self, learner: Learner, out: Path, look: Sample, step_gflop: float, peak: float, quiet: bool) -> None:
        self.learner, self._look, self.step_gflop, self.peak = learner, look, step_gflop, peak
        self.first = learner.fabric.is_global_zero
        self.loud = self.first and not quiet
        stage = learner.stage
        self.records = Records(out, stage.name, stage.step) if self.first else None
        self._times: deque[tuple[float, float]] = deque(maxlen=LOG_EVERY_STEPS)  # seconds of a step, of them waiting
        self._values: dict[str, float] = {}
        self._said: set[str] = set()
        self._last, self._probe_seconds, self._gflops = time.monotonic(), 0.0, 0.0
        steps = stage.settings.steps
        self._bar = tqdm(
            total=steps or stage.settings.minutes,
            initial=self._position(),
            desc=stage.name,
            disable=not self.loud,
            mininterval=2,
            bar_format="{l_bar}{bar}| {n:."
            + ("0f" if steps else "1f")
            + "}/{total:g} "
            + ("steps" if steps else "min")
            + "{postfix}",
        )

    def stepped(self, step: Step, waited: float) -> None:
        """Count a step, which waited so many seconds for its batch; every few, show and write its numbers."""
        now = time.monotonic()
        self._times.append((now - self._last, waited))
        self._last = now
        if self.first and (self.learner.stage.step % LOG_EVERY_STEPS == 0 or not self._values):
            self._show({f"train/{name}": float(value) for name, value in step.losses.items()})

    def look(self) -> None:
        """Judge and draw a held-out batch, and now and then what the world does so far. Every rank must call it."""
        learner, stage = self.learner, self.learner.stage
        stage.eval()
        stage.chance = Chance(learner.seed)
        batch = learner.fabric.to_device(self._look(Rows(0, 0, 0, self._look.batch_size)))
        with torch.no_grad():
            losses = learner.module(batch)
            values = {f"val/{name}": float(value) for name, value in losses.items()}
            if self.records is not None:
                with alone():
                    if not learner.sharded:
                        self.records.rows("step", stage.picture(batch).cpu().numpy(), stage.step)
                        values |= self._probe()
                self._judge(values)
        self._last = time.monotonic()

    def say(self, sentence: str) -> None:
        """Print a sentence above the bar, on rank 0; trouble is told however quiet."""
        if self.first:
            tqdm.write(sentence)

    def close(self) -> None:
        self._bar.close()
        if self.records is not None:
            self.records.close()
        if self.loud and self._gflops and self.peak:
            print(
                f"{self.learner.stage.name}: {self._gflops:.0f} GFLOP/s, {self._gflops / self.peak:.0%} of a large "
                f"matrix product's {self.peak:.0f}"
            )

    def _probe(self) -> dict[str, float]:
        """Figures of the unfinished world, where the stage can play and there is time for it."""
        stage, before = self.learner.stage, time.monotonic()
        if self._probe_seconds > PROBING * float(stage.trained_seconds) or self.records is None:
            return {}
        found = stage.probe()
        if found is None:
            return {}
        self.records.film("held", found.film, stage.step)
        self._probe_seconds += time.monotonic() - before
        return found.figures

    def _judge(self, values: dict[str, float]) -> None:
        stage = self.learner.stage
        assert self.records is not None
        self.records.numbers(values, stage.step)
        for sign in signs(stage.name, stage.progress, values):
            kind = sign.split("(")[0].translate(str.maketrans("", "", "0123456789%.±-"))
            if kind not in self._said:
                self._said.add(kind)
                self.say(f"trouble? {sign}")

    def _show(self, losses: dict[str, float]) -> None:
        stage, ranks = self.learner.stage, self.learner.fabric.world_size
        seconds = sum(pair[0] for pair in self._times) / len(self._times)
        waiting = sum(pair[1] for pair in self._times) / max(1e-9, sum(pair[0] for pair in self._times))
        frames = stage.settings.batch_size * stage.settings.clip_frames / max(seconds, 1e-9)
        self._gflops = self.step_gflop / ranks / max(seconds, 1e-9)
        share = self._gflops / self.peak if self.peak else 0.0
        self._values = losses | {
            "minutes": float(stage.trained_seconds) / 60,
            "rate": stage.rate,
            "frames_per_second": frames,
            "share_of_peak": share,
            "waiting": waiting,
        }
        assert self.records is not None
        self.records.numbers(self._values, stage.step)
        remaining = self._seconds_to_go(seconds)
        self._bar.set_postfix_str(
            f"step {stage.step:,}, loss {losses['train/loss']:.4g}, {frames:,.0f} frames/s, {share:.0%} of peak, "
            f"{told(remaining)} to go",
            refresh=False,
        )
        self._bar.n = min(self._position(), self._bar.total)
        self._bar.update(0)

    def _position(self) -> float:
        stage = self.learner.stage
        return stage.step if stage.settings.steps else float(stage.trained_seconds) / 60

    def _seconds_to_go(self, step_seconds: float) -> float:
        stage, settings = self.learner.stage, self.learner.stage.settings
        if settings.steps is not None:
            return (settings.steps - stage.step) * step_seconds
        return max(0.0, 60 * settings.minutes - float(stage.trained_seconds))
