"""Reading a data set: a folder of frame shards, cut into episodes.

dataset.json       format_version, name, frame_size, fps, frames, episodes, shards [{file, frames}], source {...}
frames-00000.npy   uint8 (n, H, W, 3); or .npz with one array `frames`, compressed, for small sets
episodes.npy       int64 (episodes, 3): first frame, length, level seed (-1 where there is none)
true_actions.npy   int8 (frames,), if known: entry i is the game's own action that takes frame i to i+1,
                   -1 at an episode's last frame. For evaluation only: training never reads it.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from genie_core.errors import DataError

FORMAT_VERSION = 1
_HOW_TO_RECORD = "record one with: python launch.py --collect coinrun --out DIR"


@dataclass(frozen=True)
class DatasetInfo:
    """What dataset.json says. `shards` are (file name, frames) in order; `source` tells where the frames came from."""

    name: str
    frame_size: int
    fps: float
    frames: int
    episodes: int
    shards: tuple[tuple[str, int], ...]
    source: dict[str, Any]
    format_version: int = FORMAT_VERSION


class VideoDataset:
    """A data set opened for reading: frames stay on disk until a clip is asked for.

    Cheap to pickle: a copy opens the folder again. Raises DataError, in words, for a folder that is
    missing, foreign or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.info = _read_info(self.path)
        self.episodes = _load_array(self.path / "episodes.npy", (self.info.episodes, 3), np.int64)
        _check_episodes(self.path, self.episodes, self.info.frames)
        self._shards = [
            _load_array(self.path / file, (frames, self.info.frame_size, self.info.frame_size, 3), np.uint8)
            for file, frames in self.info.shards
        ]
        self._shard_ends = np.cumsum([frames for _, frames in self.info.shards])

    def __reduce__(self) -> tuple[type[VideoDataset], tuple[Path]]:
        return VideoDataset, (self.path,)

    def __len__(self) -> int:
        """Number of frames."""
        return self.info.frames

    def clip(self, start: int, length: int) -> np.ndarray:
        """Frames start .. start+length-1 as uint8 (length, H, W, 3); DataError if they leave their episode."""
        self._check_clip(start, length)
        pieces, position, end = [], start, start + length
        while position < end:
            shard = int(np.searchsorted(self._shard_ends, position, side="right"))
            offset = int(self._shard_ends[shard]) - len(self._shards[shard])
            pieces.append(self._shards[shard][position - offset : end - offset])
            position += len(pieces[-1])
        return np.concatenate(pieces)

    def clip_starts(self, length: int) -> np.ndarray:
        """Every start, int64 ascending, whose clip of `length` frames stays inside one episode."""
        starts = [np.arange(first, first + frames - length + 1) for first, frames, _ in self.episodes]
        found = np.concatenate(starts).astype(np.int64)
        if length < 1 or not len(found):
            longest = int(self.episodes[:, 1].max())
            raise DataError(
                f"{self.path} has no clip of {length} frames: its longest episode has {longest}; ask for 1 to {longest}"
            )
        return found

    def true_actions(self, start: int, length: int) -> np.ndarray:
        """The game's own actions between the frames of a clip, int8 (length-1,). For evaluation only."""
        self._check_clip(start, length)
        return np.array(self._true_actions[start : start + length - 1])

    @property
    def has_true_actions(self) -> bool:
        return (self.path / "true_actions.npy").exists()

    @cached_property
    def _true_actions(self) -> np.ndarray:
        if not self.has_true_actions:
            raise DataError(f"{self.path} has no true_actions.npy; recordings of a game have it: {_HOW_TO_RECORD}")
        return _load_array(self.path / "true_actions.npy", (self.info.frames,), np.int8)

    def _check_clip(self, start: int, length: int) -> None:
        if length < 1 or not 0 <= start < len(self):
            raise DataError(f"{self.path} has no clip of {length} frames at {start}: its frames are 0..{len(self) - 1}")
        episode = int(np.searchsorted(self.episodes[:, 0], start, side="right")) - 1
        end = int(self.episodes[episode, :2].sum())
        if start + length > end:
            raise DataError(
                f"a clip of {length} frames at {start} of {self.path} leaves episode {episode}, "
                f"which ends with frame {end - 1}; take a start from clip_starts({length})"
            )


def _read_info(path: Path) -> DatasetInfo:
    file = path / "dataset.json"
    if not path.is_dir():
        raise DataError(f"there is no data set folder {path}; {_HOW_TO_RECORD}")
    if not file.is_file():
        raise DataError(f"{path} is not a data set: it has no dataset.json; {_HOW_TO_RECORD}")
    try:
        values = json.loads(file.read_text())
        version = values.get("format_version")
        if version != FORMAT_VERSION:
            raise DataError(f"{file} has format_version {version!r}, expected {FORMAT_VERSION}; {_HOW_TO_RECORD}")
        shards = tuple((str(shard["file"]), int(shard["frames"])) for shard in values["shards"])
        known = {field.name: values[field.name] for field in dataclasses.fields(DatasetInfo)}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{file} is not a data set description ({error!r}); {_HOW_TO_RECORD}") from error
    info = DatasetInfo(**{**known, "shards": shards})
    if sum(frames for _, frames in shards) != info.frames:
        raise DataError(f"{file} promises {info.frames} frames, its shards hold {sum(n for _, n in shards)}")
    return info


def _load_array(file: Path, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """The array of a .npy, memory-mapped, or `frames` of a .npz; DataError unless shape and dtype are as expected."""
    if not file.is_file():
        raise DataError(f"data set {file.parent} lacks its file {file.name}; copy it again, or record the set anew")
    try:
        array = np.load(file)["frames"] if file.suffix == ".npz" else np.load(file, mmap_mode="r")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{file} is truncated or damaged ({error}); copy it again, or record the set anew") from error
    if array.shape != shape or array.dtype != dtype:
        raise DataError(
            f"{file} holds {array.dtype} {array.shape}, dataset.json promises {np.dtype(dtype)} {shape}; "
            "the files are not of one data set"
        )
    return array


def _check_episodes(path: Path, episodes: np.ndarray, frames: int) -> None:
    """Episodes must lie end to end and cover every frame: clips are cut by trusting them."""
    ends = np.cumsum(episodes[:, 1])
    if not len(episodes) or ends[-1] != frames or (episodes[:, 1] < 1).any() or (episodes[1:, 0] != ends[:-1]).any():
        raise DataError(f"{path / 'episodes.npy'} does not cut the {frames} frames of {path} into episodes")
