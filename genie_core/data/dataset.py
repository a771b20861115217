"""Reading a data set: a folder of frame shards, cut into episodes. `writer.py` writes one.

dataset.json          format_version, name, frame_size [H, W], fps, frames, episodes, shards, source {...}
                      In version 1, frame_size is one number: the side of a square.
frames-00000.parquet  the frames; .npy or .npz in versions 1 and 2. `shards.py` and `parquet.py` say how
episodes.npy          int64 (episodes, 3): first frame, length, level seed (-1 where there is none)
provenance.json       a list with what is known of each episode's origin, where something is
true_actions.npy      int8 (frames,), if known: entry i is the game's own action that takes frame i to i+1,
                      -1 at an episode's last frame. Training reads it with --labels alone.

A folder may come from a stranger: every size is checked against the file's own header before memory is taken.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from genie_core.data.arrays import MEND, read_array
from genie_core.data.description import FILE, HOW_TO_GET_ONE, DatasetInfo, join, read_info
from genie_core.data.folder import Folder
from genie_core.data.shards import Reader
from genie_core.errors import DataError
from genie_core.limits import PROVENANCE_BYTES

PROBES = 32  # frames that a fingerprint looks at
PARTS = ("train", "test")


class VideoDataset:
    """One data set, or several read as one, opened for reading: frames stay on disk until a clip is asked for.

    A set is a folder or an address: hf://datasets/OWNER/NAME, s3://BUCKET/PREFIX. Of a folder that holds the data sets
    train and test, as --prepare writes it, `part` is opened. Cheap to pickle: a copy opens the folders again. Raises
    DataError, in words, for a folder that is missing, foreign or damaged, and for sets whose frames differ in size or
    pace.
    """

    def __init__(self, path: str | Path, *more: str | Path, part: str = PARTS[0]) -> None:
        self._folders = [find_part(Folder(each), part) for each in (path, *more)]
        self._infos = [read_info(folder) for folder in self._folders]
        self.info = join(self._infos)
        sets = list(zip(self._folders, self._infos, strict=True))
        self.episodes = np.concatenate([_read_episodes(folder, info) for folder, info in sets])
        self.episodes[:, 0] = np.cumsum(self.episodes[:, 1]) - self.episodes[:, 1]  # end to end, over all sets
        reader = Reader()
        self._shards = [reader.open(folder, shard, info.frame_size) for folder, info in sets for shard in info.shards]
        self.shard_ends = np.cumsum([shard.frames for shard in self._shards])

    def __reduce__(self) -> tuple[type[VideoDataset], tuple[str | Path, ...]]:
        return VideoDataset, self.paths

    @property
    def paths(self) -> tuple[str | Path, ...]:
        """The folders and addresses."""
        return tuple(folder.place for folder in self._folders)

    @property
    def path(self) -> str:
        """The folders, for messages."""
        return " and ".join(map(str, self._folders))

    @property
    def remote(self) -> bool:
        """Whether shards are fetched from somewhere: clips near each other are cheaper than clips from all over."""
        return any(folder.remote for folder in self._folders)

    def __len__(self) -> int:
        """Number of frames."""
        return self.info.frames

    def clip(self, start: int, length: int) -> np.ndarray:
        """Frames start .. start+length-1 as uint8 (length, H, W, 3); DataError if they leave their episode."""
        self._check_clip(start, length)
        pieces, position, end = [], start, start + length
        while position < end:
            number = int(np.searchsorted(self.shard_ends, position, side="right"))
            shard, offset = self._shards[number], int(self.shard_ends[number]) - self._shards[number].frames
            stop = min(end, int(self.shard_ends[number]))
            pieces.append(shard.read(position - offset, stop - offset))
            position = stop
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
        """The game's own actions between the frames of a clip, int8 (length-1,)."""
        self._check_clip(start, length)
        return np.array(self._true_actions[start : start + length - 1])

    @property
    def has_true_actions(self) -> bool:
        return all(folder.has("true_actions.npy") for folder in self._folders)

    @cached_property
    def _true_actions(self) -> np.ndarray:
        if not self.has_true_actions:
            raise DataError(f"{self.path} has no true_actions.npy; recordings of a game have it: {HOW_TO_GET_ONE}")
        sets = zip(self._folders, self._infos, strict=True)
        return np.concatenate(
            [read_array(folder, "true_actions.npy", (info.frames,), np.int8) for folder, info in sets]
        )

    @cached_property
    def provenance(self) -> list[dict[str, Any]]:
        """What is known of the origin of each episode; nothing where nobody said."""
        return [
            told for folder, info in zip(self._folders, self._infos, strict=True) for told in _provenance(folder, info)
        ]

    def fingerprint(self) -> str:
        """A sha256 that other frames, another order or other episodes change."""
        digest = hashlib.sha256(self.episodes.tobytes())
        for info in self._infos:
            digest.update(info.text().encode())
        for frame in np.linspace(0, len(self) - 1, PROBES).astype(int):
            if not self.remote:  # what is fetched, dataset.json tells the sha256 of
                digest.update(self.clip(int(frame), 1).tobytes())
        return digest.hexdigest()

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


def find_part(folder: Folder, part: str) -> Folder:
    """The data set that `folder` means: the folder itself, or its `part` if it has no dataset.json of its own."""
    if not folder.remote and not Path(folder.place).is_dir():
        raise DataError(
            f"there is no data set folder {folder}; {HOW_TO_GET_ONE}. One of the Hub is hf://datasets/OWNER/NAME"
        )
    inside = folder.part(part)
    return inside if not folder.has(FILE) and inside.has(FILE) else folder


def _read_episodes(folder: Folder, info: DatasetInfo) -> np.ndarray:
    """Read the episodes, which must lie end to end and cover every frame: clips are cut by trusting them."""
    episodes = read_array(folder, "episodes.npy", (info.episodes, 3), np.int64).copy()
    ends = np.cumsum(episodes[:, 1])
    if (
        ends[-1] != info.frames
        or (episodes[:, 1] < 1).any()
        or (episodes[:, 1] > info.frames).any()
        or (episodes[1:, 0] != ends[:-1]).any()
    ):
        raise DataError(f"{folder / 'episodes.npy'} does not cut the {info.frames} frames of {folder} into episodes")
    return episodes


def _provenance(folder: Folder, info: DatasetInfo) -> list[dict[str, Any]]:
    if not folder.has("provenance.json"):
        return [{}] * info.episodes
    try:
        told = json.loads(folder.read("provenance.json", PROVENANCE_BYTES))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{folder / 'provenance.json'} is not readable JSON; {MEND}") from error
    if not isinstance(told, list) or len(told) != info.episodes or not all(isinstance(each, dict) for each in told):
        raise DataError(f"{folder / 'provenance.json'} is not a list of {info.episodes} origins; {MEND}")
    return told
