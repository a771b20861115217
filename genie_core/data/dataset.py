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
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from genie_core.errors import DataError

FORMAT_VERSION = 1
CLIPS_ASKED = 64
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
    """One data set, or several read as one, opened for reading: frames stay on disk until a clip is asked for.

    Cheap to pickle: a copy opens the folders again. Raises DataError, in words, for a folder that is missing,
    foreign or damaged, and for sets whose frames differ in size or pace.
    """

    def __init__(self, path: str | Path, *more: str | Path) -> None:
        self.paths = (Path(path), *map(Path, more))
        infos = [_read_info(folder) for folder in self.paths]
        self.info = _join(infos)
        self.episodes = np.concatenate([_read_episodes(*each) for each in zip(self.paths, infos, strict=True)])
        self.episodes[:, 0] = np.cumsum(self.episodes[:, 1]) - self.episodes[:, 1]  # end to end, over all sets
        size = self.info.frame_size
        self._shards = [
            _load_array(folder / file, (frames, size, size, 3), np.uint8)
            for folder, info in zip(self.paths, infos, strict=True)
            for file, frames in info.shards
        ]
        self._shard_ends = np.cumsum([len(shard) for shard in self._shards])
        self._set_ends = np.cumsum([info.frames for info in infos])

    def __reduce__(self) -> tuple[type[VideoDataset], tuple[Path, ...]]:
        return VideoDataset, self.paths

    @property
    def path(self) -> str:
        """The folders, for messages."""
        return " and ".join(map(str, self.paths))

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

    def set_of(self, frames: np.ndarray) -> np.ndarray:
        """The index, from 0, of the data set that each of the frame numbers `frames` (n,) belongs to: (n,)."""
        return np.searchsorted(self._set_ends, frames, side="right")

    def true_actions(self, start: int, length: int) -> np.ndarray:
        """The game's own actions between the frames of a clip, int8 (length-1,). For evaluation only."""
        self._check_clip(start, length)
        return np.array(self._true_actions[start : start + length - 1])

    @property
    def has_true_actions(self) -> bool:
        return all((folder / "true_actions.npy").exists() for folder in self.paths)

    @cached_property
    def _true_actions(self) -> np.ndarray:
        if not self.has_true_actions:
            raise DataError(f"{self.path} has no true_actions.npy; recordings of a game have it: {_HOW_TO_RECORD}")
        files = [folder / "true_actions.npy" for folder in self.paths]
        return np.concatenate([_load_array(file, (_read_info(file.parent).frames,), np.int8) for file in files])

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


def ask_each_set(sets: np.ndarray, ask: Callable[[np.ndarray], bool]) -> np.ndarray:
    """For each of some clips what `ask` says of the data set that it is of, `sets` (n,): bool (n,).

    It is given the positions of up to CLIPS_ASKED of its clips, evenly from first to last.
    """
    answers = np.zeros(len(sets), bool)
    for each in np.unique(sets):
        own = np.flatnonzero(sets == each)
        answers[own] = ask(own[np.linspace(0, len(own) - 1, min(CLIPS_ASKED, len(own))).astype(int)])
    return answers


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
        names = ", ".join(field.name for field in dataclasses.fields(DatasetInfo))
        raise DataError(
            f"{file} is not a data set description; expected JSON with {names}; {_HOW_TO_RECORD}"
        ) from error
    info = DatasetInfo(**{**known, "shards": shards})
    if sum(frames for _, frames in shards) != info.frames:
        raise DataError(f"{file} promises {info.frames} frames, its shards hold {sum(n for _, n in shards)}")
    return info


def _join(infos: list[DatasetInfo]) -> DatasetInfo:
    """What is true of several data sets read as one; where they come from is told of each."""
    first, *others = infos
    for other in others:
        if (other.frame_size, other.fps) != (first.frame_size, first.fps):
            raise DataError(
                f"{first.name} has frames of {first.frame_size} pixels at {first.fps:g} a second, {other.name} of "
                f"{other.frame_size} at {other.fps:g}; only sets alike in both can be read as one"
            )
    if not others:
        return first
    return DatasetInfo(
        name="+".join(info.name for info in infos),
        frame_size=first.frame_size,
        fps=first.fps,
        frames=sum(info.frames for info in infos),
        episodes=sum(info.episodes for info in infos),
        shards=tuple(shard for info in infos for shard in info.shards),
        source={"game": first.source.get("game"), "sets": [info.source for info in infos]},
    )


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


def _read_episodes(path: Path, info: DatasetInfo) -> np.ndarray:
    """Episodes must lie end to end and cover every frame: clips are cut by trusting them."""
    episodes = _load_array(path / "episodes.npy", (info.episodes, 3), np.int64)
    ends = np.cumsum(episodes[:, 1])
    if (
        not len(episodes)
        or ends[-1] != info.frames
        or (episodes[:, 1] < 1).any()
        or (episodes[1:, 0] != ends[:-1]).any()
    ):
        raise DataError(f"{path / 'episodes.npy'} does not cut the {info.frames} frames of {path} into episodes")
    return episodes
