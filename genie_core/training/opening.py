"""A run's folder: which settings it has, and whether it may be begun or gone on with. Checks read and write nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

from genie_core.data.dataset import VideoDataset
from genie_core.data.description import size_text
from genie_core.errors import ConfigError
from genie_core.files import write_whole
from genie_core.limits import Size, counting_only
from genie_core.training import presets
from genie_core.training.learnt import check_starts
from genie_core.training.presets import Source
from genie_core.training.settings import STAGES, TrainingSettings, parse_settings

KEPT = "settings.toml"


class Opened(NamedTuple):
    """The settings of a run, and the text that they come from."""

    settings: TrainingSettings
    source: Source


def open_run(out: Path, config: Path | None, resume: bool, dataset: VideoDataset, dry_run: bool = False) -> Opened:
    """The settings `config`, a file or preset, for the run `out`; None takes what the run has, or the data asks for.

    A dry run may be of settings for frames of another size than the data's.
    ConfigError for a run that exists when `resume` is off, or does not when it is on, and for other networks than its.
    """
    kept, size = out / KEPT, dataset.info.frame_size
    if resume and not kept.exists():
        raise ConfigError(f"there is no run to resume in {out}; start one without --resume")
    if not resume and kept.exists():
        raise ConfigError(f"{out} holds a run already; go on with it by --resume, or choose another --out")
    source = presets.read(kept) if resume and config is None else presets.find(config, dataset)
    settings = _parse(source, size)
    if resume:
        before = parse_settings(*presets.read(kept), size)
        for name, ours, theirs in zip(STAGES, before.networks, settings.networks, strict=True):
            if ours != theirs:
                raise ConfigError(
                    f"[{name}] of {source.name} is not what {kept} says; a network cannot change on the way: "
                    "start another run with another --out"
                )
    own = settings.networks.tokenizer.frame_size
    if own != size and source.name == str(kept):
        raise ConfigError(
            f"the run {out} learns from frames of {own[1]}x{own[0]} pixels, those of {dataset.path} are "
            f"{size_text(dataset.info)}; give it its own --data, or start another run with another --out"
        )
    if own != size and not dry_run:
        raise ConfigError(
            f"frames of {dataset.path} are {size_text(dataset.info)} pixels, frame_size {list(own)} in {source.name} "
            f"means {own[1]}x{own[0]}; leave frame_size out of a copy of that file and name the copy with --config"
        )
    check_starts(settings, out)
    return Opened(settings, source)


def _parse(source: Source, size: Size) -> TrainingSettings:
    try:
        return parse_settings(*source, size)
    except ConfigError as error:
        with counting_only():
            parse_settings(*source, size)  # or the settings make no sense of any size
        raise ConfigError(f"{error}: too large to be trained here; --dry-run tells what it would take") from error


def keep_settings(out: Path, opened: Opened) -> None:
    """Give the run `out` its copy of the settings, which tells the size of the frames too."""
    text = opened.source.text
    if "frame_size" not in tomllib.loads(text):
        size = list(opened.settings.networks.tokenizer.frame_size)
        text = f"frame_size = {size}  # height, width: the data's\n\n{text}"
    if not (out / KEPT).exists() or (out / KEPT).read_text(encoding="utf-8") != text:
        write_whole(out / KEPT, text)
