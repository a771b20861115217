"""Training one stage by Lightning, saved every few minutes, until its minutes are over."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from genie_core.files import disk_refusals
from genie_core.training.learnt import CHECKPOINT, WholeCheckpoints, load_network, load_state, remember_start
from genie_core.training.progress import TrainingProgress
from genie_core.training.stage import Batch, Batches, Stage

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # the bar says what a person needs

SAVE_EVERY = timedelta(minutes=3)
LOOK_EVERY_STEPS = 400

Sample = Callable[[np.random.Generator], Batch]


def fit(stage: Stage, sample: Sample, look: Sample, out: Path, seed: int, device: str, quiet: bool) -> None:
    """Train `stage` of the run `out` on batches of `sample`, from its saved state if there is one.

    Every LOOK_EVERY_STEPS steps a batch of `look` is judged and drawn. A stage that has had its minutes stays as it is.
    """
    folder, settings = out / stage.name, stage.settings
    state = load_state(out, stage.name)
    steps = state.get("global_step", 0)
    if state and float(state["state_dict"]["trained_seconds"]) >= 60 * settings.minutes:
        return
    if not state and settings.start_from:
        load_network(out, stage.name, stage.network, settings.start_from).train()
        remember_start(out, stage.name, settings.start_from)
    trainer = _trainer(stage, folder, steps, device, quiet)
    with warnings.catch_warnings(), disk_refusals(folder, "make room and go on with --resume"):
        warnings.filterwarnings("ignore", module="lightning")
        try:
            trainer.fit(
                stage,
                DataLoader(
                    Batches(sample, (seed, steps)),
                    batch_size=None,
                    num_workers=1,
                    prefetch_factor=4,
                    worker_init_fn=_hush,
                ),
                DataLoader(Batches(look, (0,)), batch_size=None),
                ckpt_path=folder / CHECKPOINT if state else None,
                weights_only=True,
            )
            trainer.save_checkpoint(folder / CHECKPOINT)
        except SystemExit as stop:  # what Lightning makes of Ctrl-C, after it has saved
            raise KeyboardInterrupt from stop


def _hush(_: int) -> None:
    """Errors of the loader process reach the training process; a connection cut by Ctrl-C is none."""
    sys.excepthook = lambda *_: None


def _trainer(stage: Stage, folder: Path, steps: int, device: str, quiet: bool) -> L.Trainer:
    saver = ModelCheckpoint(
        folder,
        filename=Path(CHECKPOINT).stem,
        train_time_interval=SAVE_EVERY,
        save_on_exception=True,
        enable_version_counter=False,
    )
    return L.Trainer(
        accelerator="auto" if device == "auto" else device,
        devices=1,
        max_epochs=-1,
        gradient_clip_val=stage.settings.gradient_norm,
        callbacks=[saver, TrainingProgress(folder / "pictures", quiet)],
        plugins=[WholeCheckpoints()],
        logger=CSVLogger(folder, name="metrics", version=f"from-{steps:06d}", flush_logs_every_n_steps=50),
        log_every_n_steps=20,
        val_check_interval=LOOK_EVERY_STEPS,
        limit_val_batches=1,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
