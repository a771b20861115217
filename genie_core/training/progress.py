"""The view of a training stage: a bar in minutes with the loss, and pictures of held-out clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from einops import rearrange
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from genie_core.machine import matmul_gflops
from genie_core.training.stage import Batch, Stage

PICTURE_SCALE = 3


class TrainingProgress(L.Callback):
    """A bar over the minutes of the stage, those before a resume included, and a picture at each look."""

    def __init__(self, pictures: Path, quiet: bool) -> None:
        self.pictures = pictures
        self.quiet = quiet
        self.bar: tqdm | None = None
        self.flop_counter: FlopCounterMode | None = None
        self.step_flops = 0
        self.steps = 0
        self.start_seconds = 0.0

    def on_train_start(self, trainer: L.Trainer, stage: Stage) -> None:  # type: ignore[override]
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.start_seconds = float(stage.trained_seconds)
        self.bar = tqdm(
            total=stage.settings.minutes,
            initial=float(stage.trained_seconds) / 60,
            desc=stage.name,
            disable=self.quiet,
            mininterval=2,
            bar_format="{l_bar}{bar}| {n:.1f}/{total:g} min{postfix}",
        )

    def on_train_batch_start(self, trainer: L.Trainer, stage: Stage, batch: Batch, batch_index: int) -> None:  # type: ignore[override]
        if not self.step_flops:  # one real step is counted, forward, backward and update
            self.flop_counter = FlopCounterMode(display=False)
            self.flop_counter.__enter__()

    def gflops(self, stage: Stage) -> float:
        """GFLOP/s reached since this run began or was resumed; matrix products and convolutions count."""
        return self.step_flops * self.steps / max(float(stage.trained_seconds) - self.start_seconds, 1e-9) / 1e9

    def on_train_batch_end(self, trainer: L.Trainer, stage: Stage, *_: Any) -> None:  # type: ignore[override]
        self.steps += 1
        if self.flop_counter is not None:
            self.flop_counter.__exit__(None, None, None)
            self.step_flops = self.flop_counter.get_total_flops()
            self.flop_counter = None
        stage.log("gflops", self.gflops(stage))
        if self.bar is None or trainer.global_step % 10:
            return
        minutes = float(stage.trained_seconds) / 60
        numbers = {key.removeprefix("train/"): f"{value:.4g}" for key, value in trainer.progress_bar_metrics.items()}
        numbers |= {"step": str(trainer.global_step), "to go": f"{stage.settings.minutes - minutes:.1f} min"}
        self.bar.set_postfix(numbers, refresh=False)
        self.bar.n = min(minutes, stage.settings.minutes)
        self.bar.update(0)

    def on_validation_batch_end(  # type: ignore[override]
        self, trainer: L.Trainer, stage: Stage, outputs: Any, batch: Batch, *_: Any
    ) -> None:
        save_rows(self.pictures / f"step-{trainer.global_step:06d}.png", stage.picture(batch))

    def on_train_end(self, trainer: L.Trainer, stage: Stage) -> None:  # type: ignore[override]
        if self.bar is not None:
            self.bar.close()
        if not self.quiet:
            reached, peak = self.gflops(stage), matmul_gflops()
            print(f"{stage.name}: {reached:.0f} GFLOP/s, {reached / peak:.0%} of a large matrix product's {peak:.0f}")


def save_rows(path: Path, rows: torch.Tensor) -> None:
    """Writes uint8 (rows, t, H, W, 3) as one enlarged picture, a clip a row."""
    sheet = rearrange(rows, "r t H W c -> (r H) (t W) c").cpu().numpy()
    large = np.kron(sheet, np.ones((PICTURE_SCALE, PICTURE_SCALE, 1), np.uint8))
    Image.fromarray(large).save(path)
