"""`--train`: the three stages one after the other, each resumable, then a world.

A run is a folder: settings.toml, STAGE/last.ckpt (state, loaded with weights_only), STAGE/metrics.csv,
STAGE/pictures/, tokens/ (what the dynamics learns from) and, once all three have learnt, world/.
"""

from __future__ import annotations

import dataclasses
import shutil
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from genie_core.data.dataset import VideoDataset
from genie_core.errors import ConfigError
from genie_core.training.clips import FrameClips, split_starts
from genie_core.training.progress import TrainingProgress
from genie_core.training.settings import DEFAULT_FILE, STAGES, TrainingSettings, load_settings
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.training.stage import GRADIENT_NORM, Batch, Batches, Stage
from genie_core.training.tokenizer_stage import TokenizerStage

SAVE_EVERY = timedelta(minutes=5)
LOOK_EVERY_STEPS = 400
LOOK_CLIPS = 16

Sample = Callable[[np.random.Generator], Batch]


def train(
    data: Path,
    out: Path,
    config: Path | None = None,
    stage: str = "all",
    minutes: float | None = None,
    resume: bool = False,
    seed: int = 0,
    device: str = "auto",
    quiet: bool = False,
) -> None:
    """Trains `stage` of the run `out` on the data set `data`.

    `minutes`, if given, replaces what the settings say for each stage; with `resume` the minutes already trained
    count. Raises ConfigError for a run that exists when `resume` is off, or does not when it is on.
    """
    settings = _open_run(out, config, resume)
    if minutes is not None:
        stages = {name: dataclasses.replace(s, minutes=minutes) for name, s in settings.train.items()}
        settings = dataclasses.replace(settings, train=stages)
    dataset = VideoDataset(data)
    for name in STAGES if stage == "all" else (stage,):
        L.seed_everything(seed, verbose=False)
        _run_stage(name, settings, dataset, out, seed, device, quiet)


def _open_run(out: Path, config: Path | None, resume: bool) -> TrainingSettings:
    """The settings of the run, which keeps its own copy; a new run gets one."""
    kept = out / "settings.toml"
    if resume:
        if not kept.exists():
            raise ConfigError(f"there is no run to resume in {out}; start one without --resume")
        return load_settings(config or kept)
    if kept.exists():
        raise ConfigError(f"{out} holds a run already; go on with it by --resume, or choose another --out")
    settings = load_settings(config)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(config or DEFAULT_FILE, kept)
    return settings


def _run_stage(
    name: str, settings: TrainingSettings, dataset: VideoDataset, out: Path, seed: int, device: str, quiet: bool
) -> None:
    folder = out / name
    stage, sample, look = _build(name, settings, dataset, out)
    checkpoint = folder / "last.ckpt"
    state = torch.load(checkpoint, weights_only=True, map_location="cpu") if checkpoint.exists() else {}
    steps = state.get("global_step", 0)
    saver = ModelCheckpoint(
        folder, filename="last", train_time_interval=SAVE_EVERY, enable_version_counter=False, save_on_exception=True
    )
    trainer = L.Trainer(
        accelerator="auto" if device == "auto" else device,
        devices=1,
        max_epochs=-1,
        gradient_clip_val=GRADIENT_NORM,
        callbacks=[saver, TrainingProgress(folder / "pictures", quiet)],
        logger=CSVLogger(folder, name="", version="", flush_logs_every_n_steps=50),
        log_every_n_steps=20,
        val_check_interval=LOOK_EVERY_STEPS,
        limit_val_batches=1,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer.fit(
            stage,
            DataLoader(Batches(sample, (seed, steps)), batch_size=None, num_workers=1, prefetch_factor=4),
            DataLoader(Batches(look, (0,)), batch_size=None),
            ckpt_path=checkpoint if state else None,
            weights_only=True,
        )
    trainer.save_checkpoint(checkpoint)


def _build(name: str, settings: TrainingSettings, dataset: VideoDataset, out: Path) -> tuple[Stage, Sample, Sample]:
    """The stage called `name`, how it draws batches, and how held-out ones are drawn."""
    own = settings.train[name]
    if name == "tokenizer":
        starts, held_out = split_starts(dataset, own.clip_frames)
        stage = TokenizerStage(VideoTokenizer(settings.tokenizer), own)
        return (
            stage,
            FrameClips(dataset, starts, own.clip_frames, own.batch_size),
            FrameClips(dataset, held_out, own.clip_frames, LOOK_CLIPS),
        )
    raise ConfigError(f"no stage {name}")
