"""What dataset.json says of a data set: read from anywhere, checked field by field, written in the newest version."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from genie_core.data.folder import Folder
from genie_core.errors import DataError
from genie_core.limits import (
    DATASET_EPISODES,
    DATASET_FRAMES,
    DATASET_SIDE,
    DESCRIPTION_BYTES,
    MOST_FPS,
    MOST_NAME,
    SHARD_BYTES,
    is_shallow,
    told,
)

FILE = "dataset.json"
FORMAT_VERSION = 3
READABLE_VERSIONS = (1, 2, 3)
HOW_TO_GET_ONE = (
    "record one with: python launch.py --collect GAME --out DIR, or make one with: "
    "python launch.py --prepare VIDEOS --out DIR"
)


class Shard(NamedTuple):
    """A file of frames. Its size in bytes and its sha256 are known from version 3 on."""

    file: str
    frames: int
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class DatasetInfo:
    """What dataset.json says. `frame_size` is (H, W); `shards` are in order.

    `source` names the game and says how it was recorded.
    """

    name: str
    frame_size: tuple[int, int]
    fps: float
    frames: int
    episodes: int
    shards: tuple[Shard, ...]
    source: dict[str, Any]
    format_version: int = FORMAT_VERSION

    @property
    def game(self) -> str | None:
        """The game, or the environment that it was recorded from, as far as its source tells."""
        told = self.source.get("game") or self.source.get("environment")
        return told if isinstance(told, str) and len(told) <= MOST_NAME else None

    def text(self) -> str:
        """The content of dataset.json."""
        shards = [shard._asdict() for shard in self.shards]
        return json.dumps({**dataclasses.asdict(self), "shards": shards}, indent=1) + "\n"


def read_info(folder: Folder) -> DatasetInfo:
    """Read the dataset.json of `folder`; DataError, in words, unless every field makes sense."""
    if not folder.has(FILE):
        raise DataError(f"{folder} is not a data set: it has no {FILE}; {HOW_TO_GET_ONE}")
    values = _read_values(folder)
    shards = tuple(
        Shard(**{name: shard[name] for name in Shard._fields if name in shard}) for shard in values["shards"]
    )
    info = DatasetInfo(**{**values, "frame_size": tuple(values["frame_size"]), "shards": shards})
    held = sum(shard.frames for shard in shards)
    if held != info.frames:
        raise DataError(f"{folder / FILE} promises {info.frames} frames, its shards hold {held}")
    return info


def _shard(values: dict[str, Any]) -> Shard:
    return Shard(**{name: values[name] for name in Shard._fields if name in values})


def _read_values(folder: Folder) -> dict[str, Any]:
    """The fields of DatasetInfo as dataset.json has them, each of the kind and in the range it must have."""
    file, names = folder / FILE, [field.name for field in dataclasses.fields(DatasetInfo)]
    try:
        values = json.loads(folder.read(FILE, DESCRIPTION_BYTES))
        values = {name: values[name] for name in names}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{file} is not a data set description; expected JSON with {', '.join(names)}; {HOW_TO_GET_ONE}"
        ) from error
    version = values["format_version"]
    if not _is_count(version) or version not in READABLE_VERSIONS:
        known = ", ".join(map(str, READABLE_VERSIONS))
        raise DataError(
            f"{file} has format_version {told(version)}, expected one of {known}; update the program, or record anew"
        )
    if version == 1:
        values["frame_size"] = [values["frame_size"]] * 2
    for name, fits in _FITTING.items():
        if not fits(values[name]) or (name == "shards" and not all(map(_SHARDS[version], values[name]))):
            raise DataError(
                f"{file} has an unusable {name}: {told(values[name])}; copy the data set again, or record it anew"
            )
    return values


def _is_count(value: object, most: int = DATASET_FRAMES) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most


def _is_array(value: Any) -> bool:
    """A file name without any folder, and how many frames the file holds."""
    return _is_file(value, r"[\w.-]{1,200}\.np[yz]")


def _is_parquet(value: Any) -> bool:
    return (
        _is_file(value, r"[\w.-]{1,200}\.parquet")
        and _is_count(value.get("bytes"), SHARD_BYTES)
        and isinstance(value.get("sha256"), str)
        and bool(re.fullmatch("[0-9a-f]{64}", value["sha256"]))
    )


def _is_file(value: Any, pattern: str) -> bool:
    if not isinstance(value, dict) or not _is_count(value.get("frames")):
        return False
    return isinstance(value.get("file"), str) and bool(re.fullmatch(pattern, value["file"]))


_SHARDS: dict[int, Callable[[Any], bool]] = {1: _is_array, 2: _is_array, 3: _is_parquet}
_FITTING: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: isinstance(value, str),
    "frame_size": lambda value: (
        isinstance(value, list) and len(value) == 2 and all(_is_count(side, DATASET_SIDE) for side in value)
    ),
    "fps": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MOST_FPS,
    "frames": _is_count,
    "episodes": lambda value: _is_count(value, DATASET_EPISODES),
    "shards": lambda value: isinstance(value, list),
    "source": lambda value: isinstance(value, dict) and is_shallow(value),
}


def join(infos: list[DatasetInfo]) -> DatasetInfo:
    """Describe several data sets read as one; `source` lists the source of each."""
    first, *others = infos
    for other in others:
        if (other.frame_size, other.fps) != (first.frame_size, first.fps):
            raise DataError(
                f"{first.name} has frames of {size_text(first)} pixels at {first.fps:g} a second, {other.name} of "
                f"{size_text(other)} at {other.fps:g}; only sets alike in both can be read as one"
            )
    if not others:
        return first
    games = {info.game for info in infos}
    return DatasetInfo(
        name="+".join(info.name for info in infos),
        frame_size=first.frame_size,
        fps=first.fps,
        frames=sum(info.frames for info in infos),
        episodes=sum(info.episodes for info in infos),
        shards=tuple(shard for info in infos for shard in info.shards),
        source={"game": games.pop() if len(games) == 1 else None, "sets": [info.source for info in infos]},
    )


def size_text(info: DatasetInfo) -> str:
    """The frame size as people write it: width x height."""
    return f"{info.frame_size[1]}x{info.frame_size[0]}"
