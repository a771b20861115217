"""What a person sees of a training stage: a bar in minutes with the loss, and pictures of held-out clips."""

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

from genie_core.training.stage import Batch, Stage

PICTURE_SCALE = 3


class TrainingProgress(L.Callback):
    """A bar over the minutes of the stage, counting those trained before a resume, and a picture a look."""

    def __init__(self, pictures: Path, quiet: bool) -> None:
        self.pictures = pictures
        self.quiet = quiet
        self.bar: tqdm | None = None

    def on_train_start(self, trainer: L.Trainer, stage: Stage) -> None:  # type: ignore[override]
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.bar = tqdm(
            total=stage.settings.minutes,
            initial=float(stage.trained_seconds) / 60,
            desc=stage.name,
            disable=self.quiet,
            mininterval=2,
            bar_format="{l_bar}{bar}| {n:.1f}/{total:.0f} min{postfix}",
        )

    def on_train_batch_end(self, trainer: L.Trainer, stage: Stage, *_: Any) -> None:  # type: ignore[override]
        if self.bar is None or trainer.global_step % 10:
            return
        minutes = float(stage.trained_seconds) / 60
        numbers = {key.removeprefix("train/"): f"{value:.4g}" for key, value in trainer.progress_bar_metrics.items()}
        numbers |= {"step": str(trainer.global_step), "left": f"{stage.settings.minutes - minutes:.1f} min"}
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


def save_rows(path: Path, rows: torch.Tensor) -> None:
    """Writes uint8 (rows, t, H, W, 3) as one enlarged picture, a clip a row."""
    sheet = rearrange(rows, "r t H W c -> (r H) (t W) c").cpu().numpy()
    large = np.kron(sheet, np.ones((PICTURE_SCALE, PICTURE_SCALE, 1), np.uint8))
    Image.fromarray(large).save(path)


def training_flops(stage: Stage, batch: Batch) -> int:
    """Floating-point operations of one forward and backward pass over `batch`, multiplications and additions."""
    counter = FlopCounterMode(display=False)
    with counter:
        stage.losses(batch)["loss"].backward()
    stage.zero_grad()
    return counter.get_total_flops()
