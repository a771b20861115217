"""Reading a data set: a folder of frame shards, cut into episodes.

dataset.json       format_version, name, frame_size [H, W], fps, frames, episodes, shards [{file, frames}], source {...}
                   In version 1, frame_size is one number: the side of a square.
frames-00000.npy   uint8 (n, H, W, 3); or .npz with one array `frames`, compressed, for small sets
episodes.npy       int64 (episodes, 3): first frame, length, level seed (-1 where there is none)
true_actions.npy   int8 (frames,), if known: entry i is the game's own action that takes frame i to i+1,
                   -1 at an episode's last frame. Training reads it with --labels alone.

A folder may come from a stranger: every size is checked against the file's own header before memory is taken.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from genie_core.errors import DataError

FORMAT_VERSION = 2
READABLE_VERSIONS = (1, 2)
LARGEST_SIDE = 4096  # pixels
HIGHEST_FPS = 1000
MOST_COMPRESSED = 4 * 2**30  # bytes of frames in compressed shards, which are held in memory
_HOW_TO_RECORD = "record one with: python launch.py --collect GAME --out DIR"


@dataclass(frozen=True)
class DatasetInfo:
    """What dataset.json says. `frame_size` is (H, W); `shards` are (file name, frames) in order.

    `source` names the game and says how it was recorded.
    """

    name: str
    frame_size: tuple[int, int]
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
        self._shards = [
            _load_array(folder / file, (frames, *self.info.frame_size, 3), np.uint8)
            for folder, info in zip(self.paths, infos, strict=True)
            for file, frames in info.shards
        ]
        self._shard_ends = np.cumsum([len(shard) for shard in self._shards])

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

    def clip_with_past(self, start: int, length: int, past: int) -> np.ndarray:
        """A clip and the `past` frames before it, uint8 (past + length, H, W, 3).

        Where the episode begins within the past, its first frame stands for what came before.
        """
        self._check_clip(start, length)
        episode = int(np.searchsorted(self.episodes[:, 0], start, side="right")) - 1
        known = min(past, start - int(self.episodes[episode, 0]))
        clip = self.clip(start - known, known + length)
        return np.concatenate([np.repeat(clip[:1], past - known, axis=0), clip])

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
        """The game's own actions between the frames of a clip, int8 (length-1,)."""
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


def _read_info(path: Path) -> DatasetInfo:
    file = path / "dataset.json"
    if not path.is_dir():
        raise DataError(f"there is no data set folder {path}; {_HOW_TO_RECORD}")
    if not file.is_file():
        raise DataError(f"{path} is not a data set: it has no dataset.json; {_HOW_TO_RECORD}")
    values = _read_values(file)
    shards = tuple((shard["file"], shard["frames"]) for shard in values["shards"])
    info = DatasetInfo(**{**values, "frame_size": tuple(values["frame_size"]), "shards": shards})
    if sum(frames for _, frames in shards) != info.frames:
        raise DataError(f"{file} promises {info.frames} frames, its shards hold {sum(n for _, n in shards)}")
    return info


def _read_values(file: Path) -> dict[str, Any]:
    """The fields of DatasetInfo as dataset.json has them, each of the kind and in the range it must have."""
    names = [field.name for field in dataclasses.fields(DatasetInfo)]
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        values = {name: values[name] for name in names}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{file} is not a data set description; expected JSON with {', '.join(names)}; {_HOW_TO_RECORD}"
        ) from error
    version = values["format_version"]
    if version not in READABLE_VERSIONS:
        known = " or ".join(map(str, READABLE_VERSIONS))
        raise DataError(f"{file} has format_version {version!r}, expected {known}; update the program, or record anew")
    if version == 1:
        values["frame_size"] = [values["frame_size"]] * 2
    for name, fits in _FITTING.items():
        if not fits(values[name]):
            found = repr(values[name])[:60]
            raise DataError(f"{file} has an unusable {name}: {found}; copy the data set again, or record it anew")
    return values


def _is_count(value: object, most: int = 2**40) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most


def _is_shard(value: object) -> bool:
    """A file name without any folder, and how many frames the file holds."""
    if not isinstance(value, dict) or not _is_count(value.get("frames")):
        return False
    return isinstance(value.get("file"), str) and bool(re.fullmatch(r"[\w.-]+\.np[yz]", value["file"]))


_FITTING = {
    "name": lambda value: isinstance(value, str),
    "frame_size": lambda value: (
        isinstance(value, list) and len(value) == 2 and all(_is_count(side, LARGEST_SIDE) for side in value)
    ),
    "fps": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= HIGHEST_FPS,
    "frames": _is_count,
    "episodes": _is_count,
    "shards": lambda value: isinstance(value, list) and all(map(_is_shard, value)),
    "source": lambda value: isinstance(value, dict),
}


def _join(infos: list[DatasetInfo]) -> DatasetInfo:
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
    game = first.source.get("game")
    if any(info.source.get("game") != game for info in others):
        game = None
    return DatasetInfo(
        name="+".join(info.name for info in infos),
        frame_size=first.frame_size,
        fps=first.fps,
        frames=sum(info.frames for info in infos),
        episodes=sum(info.episodes for info in infos),
        shards=tuple(shard for info in infos for shard in info.shards),
        source={"game": game, "sets": [info.source for info in infos]},
    )


def size_text(info: DatasetInfo) -> str:
    """The frame size as people write it: width x height."""
    return f"{info.frame_size[1]}x{info.frame_size[0]}"


def _load_array(file: Path, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """The array of a .npy, memory-mapped, or `frames` of a .npz; DataError unless shape and dtype are as expected."""
    if not file.is_file():
        raise DataError(f"data set {file.parent} lacks its file {file.name}; copy it again, or record the set anew")
    try:
        return (_read_compressed if file.suffix == ".npz" else _map)(file, shape, np.dtype(dtype))
    except DataError:
        raise
    except Exception as error:  # NumPy and zipfile raise a dozen kinds of error for bytes that are not theirs
        raise DataError(f"{file} is truncated or damaged; copy it again, or record the set anew") from error


def _map(file: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    with file.open("rb") as stream:
        order = _check_header(stream, file, shape, dtype)
        return np.memmap(file, dtype, "r", stream.tell(), shape, order)


def _read_compressed(file: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    with zipfile.ZipFile(file) as archive, archive.open("frames.npy") as stream:
        order = _check_header(stream, file, shape, dtype)
        size = math.prod(shape) * dtype.itemsize
        if size > MOST_COMPRESSED:
            raise DataError(
                f"{file} holds {size / 2**30:.1f} GiB of compressed frames, which must fit in memory; at most "
                f"{MOST_COMPRESSED // 2**30} are read: write the data set uncompressed"
            )
        return np.frombuffer(stream.read(size), dtype).reshape(shape, order=order)


def _check_header(stream: IO[bytes], file: Path, shape: tuple[int, ...], dtype: np.dtype) -> Literal["C", "F"]:
    """Read the header of an array and leave `stream` behind it; DataError unless it promises what is expected."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    found_shape, by_columns, found_dtype = read(stream)
    if found_shape != shape or found_dtype != dtype:
        raise DataError(
            f"{file} holds {found_dtype} {found_shape}, dataset.json promises {dtype} {shape}; "
            "the files are not of one data set"
        )
    return "F" if by_columns else "C"


def _read_episodes(path: Path, info: DatasetInfo) -> np.ndarray:
    """Read the episodes, which must lie end to end and cover every frame: clips are cut by trusting them."""
    episodes = _load_array(path / "episodes.npy", (info.episodes, 3), np.int64)
    ends = np.cumsum(episodes[:, 1])
    if (
        not len(episodes)
        or ends[-1] != info.frames
        or (episodes[:, 1] < 1).any()
        or (episodes[:, 1] > info.frames).any()
        or (episodes[1:, 0] != ends[:-1]).any()
    ):
        raise DataError(f"{path / 'episodes.npy'} does not cut the {info.frames} frames of {path} into episodes")
    return episodes
