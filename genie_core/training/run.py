"""`--train`: the three stages one after the other, each resumable, then a world.

A run is a folder: settings.toml; for each stage last.ckpt (its state, loaded with weights_only), pictures/ and
metrics/from-STEP/metrics.csv; tokens/ (what the dynamics learns from) and, once all three have learnt, world/.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import subprocess
import warnings
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.utils.data import DataLoader

from genie_core.actions.naming import measure_actions, name_actions
from genie_core.config import WorldConfig
from genie_core.data.dataset import VideoDataset
from genie_core.errors import ConfigError
from genie_core.models.dynamics import DynamicsModel
from genie_core.models.latent_action import LatentActionModel
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.rollout import rollout
from genie_core.training.clips import FrameClips, split_starts
from genie_core.training.dynamics_stage import DynamicsStage
from genie_core.training.grow import can_grow, go_on_from
from genie_core.training.latent_action_stage import LatentActionStage
from genie_core.training.progress import TrainingProgress
from genie_core.training.settings import DEFAULT_FILE, STAGES, TrainingSettings, load_settings
from genie_core.training.stage import GRADIENT_NORM, Batch, Batches, Stage
from genie_core.training.tokenizer_stage import TokenizerStage
from genie_core.training.tokens import TokenClips, write_tokens
from genie_core.world import World

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # the bar says what a person needs

SAVE_EVERY = timedelta(minutes=3)
LOOK_EVERY_STEPS = 400
LOOK_CLIPS = 16
NAMING_PROMPTS = 48
CHECKPOINT = "last.ckpt"
BEFORE = "before.json"

Network = TypeVar("Network", bound=nn.Module)
Sample = Callable[[np.random.Generator], Batch]


def train(
    data: Sequence[Path],
    out: Path,
    config: Path | None = None,
    stage: str = "all",
    minutes: float | None = None,
    resume: bool = False,
    seed: int = 0,
    device: str = "auto",
    quiet: bool = False,
) -> None:
    """Trains `stage` of the run `out` on the data sets `data`.

    `minutes`, if given, replaces what the settings say for each stage; with `resume` the minutes already trained
    count. Raises ConfigError for a run that exists when `resume` is off, or does not when it is on.
    """
    dataset = VideoDataset(*data)
    settings = _open_run(out, config, resume, dataset)
    if minutes is not None:
        stages = {name: dataclasses.replace(s, minutes=minutes) for name, s in settings.train.items()}
        settings = dataclasses.replace(settings, train=stages)
    for name in STAGES if stage == "all" else (stage,):
        L.seed_everything(seed, verbose=False)
        _run_stage(name, settings, dataset, out, seed, device, quiet)
    if all((out / name / CHECKPOINT).exists() or settings.train[name].start_from for name in STAGES):
        _, held_out = split_starts(dataset, 1)
        assemble(out, settings, dataset, pick_frames(dataset, held_out))


def _open_run(out: Path, config: Path | None, resume: bool, dataset: VideoDataset) -> TrainingSettings:
    """The settings of the run, which keeps its own copy; a new run gets one, once nothing stands in its way."""
    kept = out / "settings.toml"
    if resume:
        if not kept.exists():
            raise ConfigError(f"there is no run to resume in {out}; start one without --resume")
        settings = _resumed_settings(kept, config)
        _check_frame_size(settings, dataset)
        _check_starts(settings, out)
        return settings
    if kept.exists():
        raise ConfigError(f"{out} holds a run already; go on with it by --resume, or choose another --out")
    settings = load_settings(config)
    _check_frame_size(settings, dataset)
    _check_starts(settings, out)
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(config or DEFAULT_FILE, kept)
    return settings


def _check_frame_size(settings: TrainingSettings, dataset: VideoDataset) -> None:
    ours, theirs = settings.tokenizer.frame_size, dataset.info.frame_size
    if ours != theirs:
        raise ConfigError(
            f"frames of {dataset.path} are {theirs} pixels wide, the tokenizer's {ours}; set frame_size in a copy of "
            f"{DEFAULT_FILE} and name it with --config"
        )


def _check_starts(settings: TrainingSettings, out: Path) -> None:
    """Raises ConfigError for a stage that has yet to start, from a world whose network cannot become the run's own."""
    for name, stage in settings.train.items():
        if stage.start_from is None or (out / name / CHECKPOINT).exists():
            continue
        ours, theirs = (getattr(config, name) for config in (settings, World.from_pretrained(stage.start_from).config))
        if not can_grow(theirs, ours):
            raise ConfigError(
                f"[{name}] of the settings is {ours}, but start_from in [train.{name}] names {stage.start_from}, "
                f"whose own is {theirs}; take that over, or leave start_from out, in the file named with --config"
            )


def _resumed_settings(kept: Path, config: Path | None) -> TrainingSettings:
    """The run's settings, in which `config` may change the pace but not the networks."""
    settings = load_settings(kept)
    if config is None:
        return settings
    changed = load_settings(config)
    for name in STAGES:
        if getattr(changed, name) != getattr(settings, name):
            raise ConfigError(
                f"[{name}] of {config} is not what {kept} says; a network cannot change on the way: "
                "start another run with another --out"
            )
    if config.resolve() != kept.resolve():
        shutil.copy(config, kept)
    return changed


def _run_stage(
    name: str, settings: TrainingSettings, dataset: VideoDataset, out: Path, seed: int, device: str, quiet: bool
) -> None:
    folder = out / name
    stage, sample, look = _build(name, settings, dataset, out, seed, quiet)
    checkpoint = folder / CHECKPOINT
    state = torch.load(checkpoint, weights_only=True, map_location="cpu") if checkpoint.exists() else {}
    steps = state.get("global_step", 0)
    if not state and stage.settings.start_from:
        load_network(out, name, stage.network, stage.settings.start_from).train()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / BEFORE).write_text(json.dumps(_done_before(name, stage.settings.start_from)))
    if state and float(state["state_dict"]["trained_seconds"]) >= 60 * stage.settings.minutes:
        return
    saver = ModelCheckpoint(
        folder,
        filename=Path(CHECKPOINT).stem,
        train_time_interval=SAVE_EVERY,
        save_on_exception=True,
        enable_version_counter=False,
    )
    trainer = L.Trainer(
        accelerator="auto" if device == "auto" else device,
        devices=1,
        max_epochs=-1,
        gradient_clip_val=GRADIENT_NORM,
        callbacks=[saver, TrainingProgress(folder / "pictures", quiet)],
        logger=CSVLogger(folder, name="metrics", version=f"from-{steps:06d}", flush_logs_every_n_steps=50),
        log_every_n_steps=20,
        val_check_interval=LOOK_EVERY_STEPS,
        limit_val_batches=1,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        try:
            trainer.fit(
                stage,
                DataLoader(Batches(sample, (seed, steps)), batch_size=None, num_workers=1, prefetch_factor=4),
                DataLoader(Batches(look, (0,)), batch_size=None),
                ckpt_path=checkpoint if state else None,
                weights_only=True,
            )
        except SystemExit as stop:  # what Lightning makes of Ctrl-C, after it has saved
            raise KeyboardInterrupt from stop
    trainer.save_checkpoint(checkpoint)
    if name != "dynamics" and not stage.settings.decoder_only:
        shutil.rmtree(out / "tokens", ignore_errors=True)  # what was written with the older network


def _build(
    name: str, settings: TrainingSettings, dataset: VideoDataset, out: Path, seed: int, quiet: bool
) -> tuple[Stage, Sample, Sample]:
    """The stage called `name`, how it draws batches, and how held-out ones are drawn."""
    own = settings.train[name]
    if name == "dynamics":
        return _build_dynamics(settings, dataset, out, seed, quiet)
    starts, held_out = split_starts(dataset, own.clip_frames)
    stage: Stage
    if name == "tokenizer":
        stage = TokenizerStage(VideoTokenizer(settings.tokenizer), own)
    else:
        stage = LatentActionStage(LatentActionModel(settings.latent_action), own)
    return (
        stage,
        FrameClips(dataset, starts, own.clip_frames, own.batch_size),
        FrameClips(dataset, held_out, own.clip_frames, LOOK_CLIPS),
    )


def _build_dynamics(
    settings: TrainingSettings, dataset: VideoDataset, out: Path, seed: int, quiet: bool
) -> tuple[Stage, Sample, Sample]:
    own = settings.train["dynamics"]
    starts_from = {name: stage.start_from for name, stage in settings.train.items()}
    tokenizer = load_network(out, "tokenizer", VideoTokenizer(settings.tokenizer), starts_from["tokenizer"])
    latent_action = load_network(
        out, "latent_action", LatentActionModel(settings.latent_action), starts_from["latent_action"]
    )
    rng = np.random.default_rng(seed)
    for part, starts, clips in zip(
        ("train", "held_out"), split_starts(dataset, own.clip_frames), (settings.token_clips, 256), strict=True
    ):
        if not (out / "tokens" / part).exists():
            chosen = np.sort(rng.choice(starts, min(clips, len(starts)), replace=False))
            write_tokens(
                out / "tokens" / part,
                dataset,
                chosen,
                own.clip_frames,
                tokenizer,
                latent_action,
                mirror=part == "train",
                quiet=quiet,
            )
    return (
        DynamicsStage(DynamicsModel(settings.dynamics), own, tokenizer),
        TokenClips(out / "tokens" / "train", own.batch_size),
        TokenClips(out / "tokens" / "held_out", LOOK_CLIPS),
    )


def assemble(out: Path, settings: TrainingSettings, dataset: VideoDataset, prompts: np.ndarray) -> World:
    """Puts what the run has learnt together as the world `out`/world.

    Its actions are named by watching what they do from `prompts`, uint8 (n, H, W, 3), that training has not seen.
    """
    config = WorldConfig(
        settings.tokenizer,
        settings.latent_action,
        settings.dynamics,
        settings.sampling,
        fps=dataset.info.fps,
        training={
            "data": dataset.info.name,
            "source": dataset.info.source,
            "stages": _what_was_done(out, settings),
            "commit": _commit(),
        },
    )
    world = World(config)
    for name, network in world.networks().items():
        load_network(out, name, network, settings.train[name].start_from)
    motions = measure_actions(partial(rollout, world), prompts, len(config.actions))
    world.config = dataclasses.replace(config, actions=name_actions(motions.typical))
    world.save_pretrained(out / "world")
    return world


def pick_frames(dataset: VideoDataset, starts: np.ndarray) -> np.ndarray:
    """NAMING_PROMPTS frames, uint8 (n, H, W, 3), spread evenly over `starts`."""
    chosen = starts[np.linspace(0, len(starts) - 1, NAMING_PROMPTS).astype(int)]
    return np.stack([dataset.clip(int(start), 1)[0] for start in chosen])


def _commit() -> str | None:
    """The commit this program runs from, if it runs from a clone."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        answer = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return answer.stdout.strip() or None


def _what_was_done(out: Path, settings: TrainingSettings) -> dict[str, dict[str, Any]]:
    """Steps and minutes of each stage here, and under `before` what the world it started from tells of its own."""
    done: dict[str, dict[str, Any]] = {}
    for name in STAGES:
        checkpoint, before = out / name / CHECKPOINT, out / name / BEFORE
        if not checkpoint.exists():
            done[name] = {"steps": 0, "minutes": 0.0, "before": _done_before(name, settings.train[name].start_from)}
            continue
        state = torch.load(checkpoint, weights_only=True, map_location="cpu")
        minutes = float(state["state_dict"]["trained_seconds"]) / 60
        done[name] = {"steps": state["global_step"], "minutes": round(minutes, 1)}
        if before.exists():
            done[name]["before"] = json.loads(before.read_text())
    return done


def _done_before(name: str, start_from: str | None) -> Any:
    """What the world `start_from` tells of its stage `name`; a world from elsewhere may tell nothing."""
    stages = World.from_pretrained(start_from).config.training.get("stages") if start_from else None
    return stages.get(name) if isinstance(stages, dict) else None


def load_network(out: Path, name: str, network: Network, start_from: str | None = None) -> Network:
    """Fills `network` with what the run `out` has learnt in stage `name`, or else with the world `start_from`'s own.

    ConfigError if the stage has not run and there is no such world.
    """
    checkpoint = out / name / CHECKPOINT
    if not checkpoint.exists():
        if start_from is None:
            raise ConfigError(f"the run {out} has no trained {name}; train it first with --stage {name}")
        go_on_from(network, World.from_pretrained(start_from).networks()[name])
        return network.eval()
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")["state_dict"]
    prefix = "network."
    network.load_state_dict({key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)})
    return network.eval()
