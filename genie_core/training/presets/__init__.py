"""Settings by name, for `--config NAME`: the files here, those of the known games, and `auto`."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genie_core import games
from genie_core.data.dataset import VideoDataset
from genie_core.errors import ConfigError
from genie_core.files import read_text
from genie_core.limits import SETTINGS_BYTES, Size, grid_of
from genie_core.models.foretelling import AHEAD
from genie_core.training.clips import middle_of_longest
from genie_core.training.settings import TrainingSettings, clips_for

AUTO = "auto"

MOST_TOKENS = 160  # of a frame: what two cores predict at a playable pace
MOST_PATCHES = 2048  # of a frame: each is compared with each
LEVELS = [32, 48, 96, 128, 192]  # channels at 1/2, 1/4, … of the frame
PLENTY = 200_000  # frames: fewer are learnt for a shorter time, or they are learnt by heart
LEAST = 0.25  # of the minutes, however few frames there are


class Source(NamedTuple):
    """Settings as text, and where they come from, for messages."""

    text: str
    name: str


def names() -> list[str]:
    """All presets."""
    return [AUTO, *games.known_games(), *sorted(file.stem for file in Path(__file__).parent.glob("*.toml"))]


def find(name: Path | str | None, dataset: VideoDataset) -> Source:
    """The settings file or preset `name`; None is the game's own, or `auto` where it has none.

    ConfigError if there is neither a file nor a preset of that name.
    """
    game = games.find(dataset.info.source.get("game"))
    if name is None:
        name = game.name if game.name in games.known_games() else AUTO
    if Path(name).is_file():
        return read(Path(name))
    if str(name) == AUTO:
        return Source(chosen_for(dataset), f"preset {AUTO}")
    if str(name) in games.known_games():
        return Source(games.find(str(name)).settings.read_text(encoding="utf-8"), f"preset {name}")
    file = Path(__file__).with_name(f"{name}.toml")
    if str(name) not in names():
        raise ConfigError(
            f"{name} does not exist; --config takes a TOML file, such as a copy of genie_core/games/unknown.toml, or "
            f"one of {', '.join(names())}"
        )
    return Source(file.read_text(encoding="utf-8"), f"preset {name}")


def read(file: Path) -> Source:
    """The settings in `file`; ConfigError if it is no text."""
    try:
        return Source(read_text(file, SETTINGS_BYTES), str(file))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} is not a readable TOML file: {error}") from error


def chosen_for(dataset: VideoDataset) -> str:
    """Settings for any video: those of genie_core/games/unknown.toml, fitted to the size and number of its frames.

    The tokenizer halves a frame until it has MOST_TOKENS tokens; coarser tokens get more bits. Fewer than PLENTY frames
    are learnt for a time that goes with the root of their number. Films are no longer than half of the episodes
    and what is held out allow.
    """
    values = tomllib.loads(games.Game.settings.read_text(encoding="utf-8"))
    size, frames = dataset.info.frame_size, len(dataset)
    levels = levels_for(size)
    values["tokenizer"]["channels"] = LEVELS[:levels]
    if 2**levels > 8:
        values["tokenizer"] |= {"code_bits": 24, "token_factors": 3}
    patches = {side: math.prod(grid_of(size, side)) for side in (8, 16, 32)}
    values["latent_action"]["patch_size"] = next(side for side, count in patches.items() if count <= MOST_PATCHES)
    share = min(1.0, max(LEAST, math.sqrt(frames / PLENTY)))
    for stage in values["train"].values():
        stage["minutes"] = max(1, round(share * stage["minutes"]))
    dynamics = values["train"]["dynamics"]
    dynamics["token_clips"] = clips_for(dynamics["token_clips"], share)
    longest = _longest_film(dataset.episodes)
    latent_action = values["train"]["latent_action"]
    latent_action["clip_frames"] = max(2, min(latent_action["clip_frames"], longest))
    longest -= AHEAD
    dynamics["film_frames"] = max(dynamics["clip_frames"], min(dynamics["film_frames"], longest))
    head = f"# Chosen for {frames:,} frames of {size[1]}x{size[0]} pixels, from genie_core/games/unknown.toml."
    return f"{head}\n\n{dump(values)}"


def _longest_film(episodes: np.ndarray) -> int:
    """As many frames as half of the episodes have, and as what is held out of few episodes has."""
    half = int(np.median(episodes[:, 1]))
    if len(episodes) >= TrainingSettings.held_out_every:
        return half
    first, end = middle_of_longest(episodes, TrainingSettings.held_out_every)
    return min(half, end - first)


def levels_for(size: Size) -> int:
    """How often a tokenizer halves frames of `size`: at least twice, until MOST_TOKENS tokens are left."""
    counts = {levels: math.prod(grid_of(size, 2**levels)) for levels in range(2, len(LEVELS) + 1)}
    return next((levels for levels, count in counts.items() if count <= MOST_TOKENS), len(LEVELS))


def dump(values: Mapping[str, Any], section: str = "") -> str:
    """`values` as TOML: numbers, texts, lists and sections of them."""
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    lines = [f"{key} = {_literal(value)}" for key, value in plain.items()]
    text = "\n".join(([f"[{section}]"] if section and lines else []) + lines) + "\n"
    for key, value in values.items():
        if isinstance(value, dict):
            text += "\n" + dump(value, f"{section}.{key}" if section else key)
    return text.lstrip("\n")


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return (
        repr(value)
        if isinstance(value, int | float)
        else '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
    )
