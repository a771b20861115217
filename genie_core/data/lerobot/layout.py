"""Where the files of a LeRobotDataset v3 lie, and its info.json, checked: a folder may come from a stranger."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

from genie_core.errors import DataError
from genie_core.limits import DATASET_EPISODES, DATASET_FRAMES, DESCRIPTION_BYTES, MOST_FPS, told

VERSION = "v3.0"
INFO, STATS, TASKS, CARD = "meta/info.json", "meta/stats.json", "meta/tasks.parquet", "README.md"
EPISODES = "meta/episodes/chunk-{chunk:03d}/file-{file:03d}.parquet"
DATA = "data/chunk-{chunk:03d}/file-{file:03d}.parquet"
VIDEO = "videos/{key}/chunk-{chunk:03d}/file-{file:03d}.mp4"
CHUNK_FILES = 1000  # files of a chunk
DATA_MB, VIDEO_MB = 100, 200  # of a file, the most
ACTION = "action"
TEMPLATES = {
    "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
    "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
}
MOST_NUMBERS = 1024  # of one action
CONVERT = "convert it with LeRobot's own script, convert_dataset_v21_to_v30"


class LeRobotInfo(NamedTuple):
    """What info.json says: `videos` are the keys of its videos in order; `action` is how many numbers an action has, 0
    where there is none."""

    fps: float
    episodes: int
    frames: int
    videos: tuple[str, ...]
    action: int


def is_lerobot(folder: str | Path) -> bool:
    """Whether `folder` holds a LeRobotDataset of any version."""
    return (Path(folder) / INFO).is_file()


def read_info(folder: Path) -> LeRobotInfo:
    """The info.json of `folder`; DataError, in words, unless it is one of version 3 with a video."""
    file = folder / INFO
    try:
        with file.open("rb") as stream:
            values = json.loads(stream.read(DESCRIPTION_BYTES))
        features = {str(key): dict(feature) for key, feature in values["features"].items()}
        version = str(values["codebase_version"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{file} does not describe a LeRobotDataset; copy the data set again") from error
    if not version.startswith("v3."):
        raise DataError(f"{folder} is a LeRobotDataset of version {told(version)}, expected {VERSION}; {CONVERT}")
    for name, template in TEMPLATES.items():
        if values.get(name) not in (None, template):
            raise DataError(f"{file} has another {name}, {told(values[name])}; expected {template}")
    videos = tuple(key for key, feature in features.items() if feature.get("dtype") == "video" and not _depth(feature))
    if not videos:
        raise DataError(
            f"{folder} has no video; expected a LeRobotDataset recorded with videos, not with single images"
        )
    if wrong := next((key for key in videos if not re.fullmatch(r"[\w. -]+", key) or ".." in key), None):
        raise DataError(f"{file} has a video called {told(wrong)}; expected letters, digits and dots")
    return LeRobotInfo(
        _number(file, values, "fps", MOST_FPS),
        int(_number(file, values, "total_episodes", DATASET_EPISODES)),
        int(_number(file, values, "total_frames", DATASET_FRAMES)),
        videos,
        _action_numbers(file, features.get(ACTION)),
    )


def _depth(feature: dict[str, Any]) -> bool:
    infos = [feature.get("info"), feature.get("video_info")]
    return any(info.get("is_depth_map") or info.get("video.is_depth_map") for info in infos if isinstance(info, dict))


def _number(file: Path, values: dict[str, Any], name: str, most: int) -> float:
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise DataError(f"{file} has an unusable {name}: {told(value)}; expected a number up to {most:,}")
    return value


def _action_numbers(file: Path, feature: dict[str, Any] | None) -> int:
    """How many numbers an action has; 0 for actions that are no numbers."""
    if feature is None or not re.match(r"u?int|float|bool", str(feature.get("dtype"))):
        return 0
    shape = feature.get("shape")
    if not isinstance(shape, list) or not all(isinstance(side, int) and 0 < side <= MOST_NUMBERS for side in shape):
        raise DataError(f"{file} has actions of shape {told(shape)}; expected up to {MOST_NUMBERS} numbers")
    return math.prod(shape) if math.prod(shape) <= MOST_NUMBERS else 0
