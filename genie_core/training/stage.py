"""The part that the three stages share: the optimizer, a schedule by the clock, the count of time really trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from genie_core.training.optimizer import MuonAdamW, build_optimizer
from genie_core.training.settings import StageSettings

Batch = dict[str, Tensor]
LONGEST_STEP_SECONDS = 60.0  # more than that is a machine asleep or a process halted, not training


class Stage(L.LightningModule):
    """Trains one network. A subclass gives `losses(batch)`, whose entry `loss` is minimised and all are logged."""

    name: str
    settings: StageSettings
    trained_seconds: Tensor

    def __init__(self, network: nn.Module, settings: StageSettings) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.register_buffer("trained_seconds", torch.zeros(()))
        self._tick = time.perf_counter()

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        raise NotImplementedError(f"{type(self).__name__} must say what it minimises")

    def picture(self, batch: Batch) -> Tensor:
        """What the network makes of a held-out batch, as uint8 (rows, t, H, W, 3)."""
        raise NotImplementedError(f"{type(self).__name__} must show what it learnt")

    @property
    def progress(self) -> float:
        """Share of this stage's minutes already trained, over all resumed runs."""
        return float(self.trained_seconds) / (60 * self.settings.minutes)

    def configure_optimizers(self) -> MuonAdamW:
        return build_optimizer(self.network, self.settings)

    def on_train_start(self) -> None:
        self._tick = time.perf_counter()

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        share = rate_share(self.global_step, self.progress, self.settings)
        muon, adamw = self.optimizers().param_groups  # type: ignore[union-attr]
        muon["lr"] = share * self.settings.muon_learning_rate
        adamw["lr"] = share * self.settings.learning_rate

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        losses = self.losses(batch)
        self.log_dict({f"train/{key}": value for key, value in losses.items()}, prog_bar=True)
        return losses["loss"]

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_index: int) -> None:
        now = time.perf_counter()
        self.trained_seconds += min(now - self._tick, LONGEST_STEP_SECONDS)
        self._tick = now
        self.log("minutes", self.trained_seconds / 60)
        if self.progress >= 1:
            self.trainer.should_stop = True

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        losses = self.losses(batch)
        self.log_dict({f"val/{key}": value for key, value in losses.items()}, batch_size=1)

    def on_validation_end(self) -> None:
        self._tick = time.perf_counter()  # looking is not learning


def batch_psnr(squared_error: Tensor) -> Tensor:
    """PSNR in dB of a whole batch, to log, from its mean squared error on pixels in [-1, 1]."""
    return 10 * torch.log10(4 / squared_error.detach())


def rate_share(step: int, progress: float, settings: StageSettings) -> float:
    """Share of the peak learning rate: a short rise, a plateau, a straight fall over the last `decay` of the time."""
    rise, decay = min(1.0, (step + 1) / settings.warmup_steps), settings.decay
    return rise * (min(1.0, max(0.0, (1 - progress) / decay)) if decay else 1.0)


class Batches(IterableDataset):
    """Endless batches from `sample(rng)`, drawn in a loader process beside the training thread."""

    def __init__(self, sample: Callable[[np.random.Generator], Batch], seed: tuple[int, ...]) -> None:
        self.sample = sample
        self.seed = seed

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng(self.seed)
        while True:
            yield self.sample(rng)
