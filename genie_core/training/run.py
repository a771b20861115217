"""`--train`: the three stages one after the other, each resumable, then a world.

A run is a folder: settings.toml; for each stage last.ckpt (its state, loaded with weights_only), pictures/ and
metrics/from-STEP/metrics.csv; tensorboard/; tokens/ (what the dynamics learns from) and, once all three have learnt,
world/.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch

from genie_core.data.dataset import VideoDataset
from genie_core.errors import DataError, GenieError
from genie_core.limits import counting_only
from genie_core.training import plan
from genie_core.training.assemble import assemble, fits_together
from genie_core.training.building import Builder
from genie_core.training.clips import split_starts
from genie_core.training.cost import Cost, cost
from genie_core.training.fit import Meter, fit
from genie_core.training.learnt import trained_shares
from genie_core.training.opening import Opened, keep_settings, open_run
from genie_core.training.processes import Machines, by_first, end_quietly, start
from genie_core.training.saved import CHECKPOINT, alone_with
from genie_core.training.settings import STAGES, TrainingSettings


def train(
    data: Sequence[Path | str],
    out: Path,
    config: Path | None = None,
    stage: str = "all",
    minutes: float | None = None,
    resume: bool = False,
    seed: int = 0,
    device: str = "auto",
    quiet: bool = False,
    labels: float | None = None,
    devices: int | None = None,
    nodes: int | None = None,
    strategy: str = "auto",
    precision: str = "auto",
    dry_run: bool = False,
) -> None:
    """Train `stage` of the run `out` on the data sets `data`, by the settings `config`, a file or the name of a preset.

    Without `config`, the settings are those of the data's game, or chosen for the data. `minutes`, if given, replaces
    the length of each stage; with `resume` the minutes already trained count. `labels`, if given, is the share of
    steps whose button is told to the latent actions. `devices` and `nodes` share each batch over so many processes.
    What it will take is printed first; `dry_run` stops there. Raises ConfigError for a run that exists when `resume`
    is off, or does not when it is on. KeyboardInterrupt, from Ctrl-C or SIGTERM, comes after the state is saved.
    """
    machines, dataset = Machines(device, devices, nodes, strategy, precision), VideoDataset(*data)
    if dry_run:
        with counting_only():
            opened = open_run(out, config, resume, dataset, dry_run)
            _tell(_changed(opened.settings, minutes, labels), opened, dataset, machines, stage, out)
        return
    opened = open_run(out, config, resume, dataset)
    settings, fabric = _changed(opened.settings, minutes, labels), start(machines)
    names, loud = STAGES if stage == "all" else (stage,), fabric.is_global_zero and not quiet
    builder = Builder(settings, dataset, out, seed, fabric, not loud)
    with ExitStack() as held:
        try:
            builder.check(names)
            by_first(fabric, lambda: _take(held, out, opened))
            meter = _tell(settings, opened, dataset, machines, stage, out) if loud else Meter()
            for name in names:
                if trained_shares(out, settings).get(name, 0) < 1:  # else it stays as it is, and so do its tokens
                    torch.manual_seed(seed)
                    fit(builder.build(name), out, seed, fabric, meter, quiet)
            if all((out / name / CHECKPOINT).exists() or settings.stage(name).start_from for name in STAGES):
                by_first(fabric, lambda: _put_together(out, settings, dataset, fabric.device, quiet))
        except GenieError as error:
            end_quietly(fabric, error)
            raise


def _changed(settings: TrainingSettings, minutes: float | None, labels: float | None) -> TrainingSettings:
    """`settings` with what the command line says."""
    if minutes is not None:
        settings = settings.lasting(minutes)
    return settings if labels is None else settings.labelled(labels)


def _take(held: ExitStack, out: Path, opened: Opened) -> None:
    """Keep other trainings out of the run's folder, and the settings in it."""
    held.enter_context(alone_with(out))
    keep_settings(out, opened)


def _put_together(
    out: Path, settings: TrainingSettings, dataset: VideoDataset, device: torch.device, quiet: bool
) -> None:
    """Make the world, unless its dynamics learnt other tokens or actions than its other networks give by now."""
    if fits_together(out, settings):
        assemble(out, settings, dataset, device)
    elif not quiet:
        print(
            f"{out / 'world'} is not made anew: the tokenizer or the latent actions have learnt on since the dynamics "
            "learnt what they gave; teach it with --resume --stage dynamics --minutes M, M being more than it has had"
        )


def _tell(
    settings: TrainingSettings, opened: Opened, dataset: VideoDataset, machines: Machines, stage: str, out: Path
) -> Meter:
    """Print what the stages of the run `out` will take; what their steps cost and what this machine computes."""
    pace, own = plan.pace_of(machines), settings.dynamics
    costs: dict[str, Cost] = {}

    def counted() -> Iterator[tuple[str, Cost]]:
        for name in STAGES if stage == "all" else (stage,):
            costs[name] = cost(name, settings, plan.sharing_of(machines))
            yield name, costs[name]

    clips = own.token_clips
    with contextlib.suppress(DataError):  # of a dry run, whose settings may be for longer episodes
        clips = min(clips, len(split_starts(dataset, own.written_frames, settings.held_out_every)[0]))
    for line in plan.plan(settings, opened.source.name, counted(), pace, clips, trained_shares(out, settings)):
        print(line, flush=True)
    return Meter({name: each.step_flop / 1e9 for name, each in costs.items()}, pace.peak)
