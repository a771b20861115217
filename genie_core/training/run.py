"""`--train`: the three stages one after the other, each resumable, then a world.

A run is a folder: settings.toml; for each stage last.ckpt (its state, loaded with weights_only), pictures/ and
metrics/from-STEP/metrics.csv; tokens/ (what the dynamics learns from) and, once all three have learnt, world/.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import lightning as L
import numpy as np

from genie_core import games
from genie_core.data.dataset import VideoDataset
from genie_core.data.description import size_text
from genie_core.errors import ConfigError
from genie_core.files import disk_refusals, write_whole
from genie_core.models.dynamics import DynamicsModel
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.training.assemble import assemble
from genie_core.training.clips import FrameClips, split_starts
from genie_core.training.dynamics_stage import DynamicsStage
from genie_core.training.fit import Sample, fit
from genie_core.training.labels import labelled_buttons
from genie_core.training.latent_action_stage import LatentActionStage
from genie_core.training.learnt import CHECKPOINT, check_starts, labelled_steps, load_network
from genie_core.training.settings import STAGES, TrainingSettings, load_settings
from genie_core.training.stage import Stage
from genie_core.training.tokenizer_stage import TokenizerStage
from genie_core.training.tokens import TokenClips, write_tokens

LOOK_CLIPS = 16
HELD_OUT_TOKEN_CLIPS = 256


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
    labels: float | None = None,
) -> None:
    """Train `stage` of the run `out` on the data sets `data`, by the settings of the data's game if `config` is None.

    `minutes`, if given, replaces what the settings say for each stage; with `resume` the minutes already trained
    count. `labels`, if given, is the share of steps whose button is told to the latent actions. Raises ConfigError for
    a run that exists when `resume` is off, or does not when it is on.
    """
    dataset = VideoDataset(*data)
    settings = _open_run(out, config, resume, dataset)
    if minutes is not None:
        settings = settings.lasting(minutes)
    if labels is not None:
        settings = settings.labelled(labels)
    with _alone(out):
        for name in STAGES if stage == "all" else (stage,):
            L.seed_everything(seed, verbose=False)
            fit(*_build(name, settings, dataset, out, seed, quiet), out, seed, device, quiet)
        if all((out / name / CHECKPOINT).exists() or settings.stage(name).start_from for name in STAGES):
            assemble(out, settings, dataset)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Raise ConfigError if another process trains the run, on systems that can tell."""
    with disk_refusals(out):
        lock = (out / ".lock").open("w")
    with lock as file:
        with contextlib.suppress(ImportError):  # of a system without such locks
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ConfigError(
                    f"another process trains the run {out}; wait for its end, or choose another --out"
                ) from None
        yield


def _open_run(out: Path, config: Path | None, resume: bool, dataset: VideoDataset) -> TrainingSettings:
    """The settings of the run, which keeps its own copy; a new run gets one, once nothing stands in its way."""
    kept, size = out / "settings.toml", dataset.info.frame_size
    if resume and not kept.exists():
        raise ConfigError(f"there is no run to resume in {out}; start one without --resume")
    if not resume and kept.exists():
        raise ConfigError(f"{out} holds a run already; go on with it by --resume, or choose another --out")
    file = config or (kept if resume else games.find(dataset.info.source.get("game")).settings)
    settings = load_settings(file, size)
    if resume:
        before = load_settings(kept, size)
        for name, ours, theirs in zip(STAGES, before.networks, settings.networks, strict=True):
            if ours != theirs:
                raise ConfigError(
                    f"[{name}] of {file} is not what {kept} says; a network cannot change on the way: "
                    "start another run with another --out"
                )
    own = settings.networks.tokenizer.frame_size
    if own != size:
        raise ConfigError(
            f"frames of {dataset.path} are {size_text(dataset.info)} pixels, frame_size {list(own)} in {file} means "
            f"{own[1]}x{own[0]}; leave frame_size out of a copy of that file and name the copy with --config"
        )
    check_starts(settings, out)
    if file != kept:
        with disk_refusals(out):
            out.mkdir(parents=True, exist_ok=True)
        write_whole(kept, file.read_bytes())
    return settings


def _build(
    name: str, settings: TrainingSettings, dataset: VideoDataset, out: Path, seed: int, quiet: bool
) -> tuple[Stage, Sample, Sample]:
    """The stage called `name`, how it draws batches, and how held-out ones are drawn."""
    if name == "dynamics":
        return _build_dynamics(settings, dataset, out, seed, quiet)
    if name == "latent_action":
        return _build_latent_action(settings, dataset, out, seed)
    own = settings.stage(name)
    starts, held_out = split_starts(dataset, own.clip_frames, settings.held_out_every)
    return (
        TokenizerStage(VideoTokenizer(settings.networks.tokenizer), settings.tokenizer),
        FrameClips(dataset, starts, own.clip_frames, own.batch_size),
        FrameClips(dataset, held_out, own.clip_frames, LOOK_CLIPS),
    )


def _build_latent_action(
    settings: TrainingSettings, dataset: VideoDataset, out: Path, seed: int
) -> tuple[Stage, Sample, Sample]:
    own, config = settings.latent_action, settings.networks.latent_action
    starts, held_out = split_starts(dataset, own.clip_frames, settings.held_out_every)
    buttons = None
    if own.labels:
        steps, _ = split_starts(dataset, 2, settings.held_out_every)
        buttons = labelled_buttons(dataset, steps, own.labels, config.num_actions, seed)
    told, before = 0 if buttons is None else int((buttons >= 0).sum()), labelled_steps(out)
    if before not in (None, told):
        raise ConfigError(f"the run {out} learns from {before:,} labelled steps, not {told:,}; give the same --labels")
    return (
        LatentActionStage(games.latent_action_model(config), own, told),
        FrameClips(dataset, starts, own.clip_frames, own.batch_size, buttons),
        FrameClips(dataset, held_out, own.clip_frames, LOOK_CLIPS),
    )


def _build_dynamics(
    settings: TrainingSettings, dataset: VideoDataset, out: Path, seed: int, quiet: bool
) -> tuple[Stage, Sample, Sample]:
    own, configs = settings.dynamics, settings.networks
    tokenizer = load_network(out, "tokenizer", VideoTokenizer(configs.tokenizer), settings.tokenizer.start_from)
    latent_action = load_network(
        out, "latent_action", games.latent_action_model(configs.latent_action), settings.latent_action.start_from
    )
    rng = np.random.default_rng(seed)
    train_starts, held_out = split_starts(dataset, own.clip_frames, settings.held_out_every)
    for part, starts, clips, mirrored in (
        ("train", train_starts, own.token_clips, own.mirrored),
        ("held_out", held_out, HELD_OUT_TOKEN_CLIPS, 0.0),
    ):
        chosen = np.sort(rng.choice(starts, min(clips, len(starts)), replace=False))
        folder = out / "tokens" / part
        write_tokens(folder, dataset, chosen, own.clip_frames, tokenizer, latent_action, mirrored, quiet)
    return (
        DynamicsStage(DynamicsModel(configs.dynamics), own, tokenizer),
        TokenClips(out / "tokens" / "train", own.batch_size),
        TokenClips(out / "tokens" / "held_out", LOOK_CLIPS),
    )
