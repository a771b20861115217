"""Shards: files of frames that give any stretch of them. Three kinds, of which the first is written today.

.parquet  see parquet.py
.npy      uint8 (n, H, W, 3), read in place; format 1 and 2
.npz      the same, compressed as a whole, so read as a whole; format 1 and 2
"""

from __future__ import annotations

import math
import os
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from genie_core.data.arrays import MEND, check_header, undamaged
from genie_core.data.description import Shard
from genie_core.data.folder import Folder
from genie_core.data.parquet import GroupedFile
from genie_core.errors import DataError
from genie_core.limits import COMPRESSED_BYTES

MOST_KEPT = 2**27  # bytes of decoded frames kept in memory, in each process that reads
OPEN_FILES = 64


class Frames(Protocol):
    """A shard opened for reading."""

    frames: int

    def read(self, first: int, stop: int) -> np.ndarray:
        """Frames `first` to `stop` - 1, uint8 (n, H, W, 3)."""
        ...


class Recent:
    """Things made on demand and kept while they are used: `most` of them, as `size` counts. Empty after a fork."""

    def __init__(self, most: int, size: Callable[[Any], int]) -> None:
        self._most, self._size = most, size
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._held, self._process = 0, os.getpid()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if self._process != os.getpid():  # what is kept may be a file, whose place both processes would move
            self._kept.clear()
            self._held, self._process = 0, os.getpid()
        if key not in self._kept:
            made = make()
            self._kept[key] = made
            self._held += self._size(made)
            while self._held > self._most and len(self._kept) > 1:
                self._held -= self._size(self._kept.popitem(last=False)[1])
        self._kept.move_to_end(key)
        return self._kept[key]


class Reader:
    """Opens shards; they share what is kept in memory, at most MOST_KEPT bytes or one block of frames."""

    def __init__(self) -> None:
        self.blocks = Recent(MOST_KEPT, lambda block: block.nbytes)
        self.files = Recent(OPEN_FILES, lambda file: 1)

    def open(self, folder: Folder, shard: Shard, frame_size: tuple[int, int]) -> Frames:
        kinds: dict[str, type[ArrayFrames | ArchiveFrames | ParquetFrames]] = {
            ".npy": ArrayFrames,
            ".npz": ArchiveFrames,
            ".parquet": ParquetFrames,
        }
        return kinds[Path(shard.file).suffix](self, folder, shard, frame_size)


class ArrayFrames:
    """A .npy. It is opened for each read, so that no size is believed for longer than that."""

    def __init__(self, reader: Reader, folder: Folder, shard: Shard, frame_size: tuple[int, int]) -> None:
        self.frames, self._shape = shard.frames, (*frame_size, 3)
        self._file = _of_older_version(folder, shard.file)
        with undamaged(self._file), self._file.open("rb") as stream:
            check_header(stream, self._file, (self.frames, *self._shape), np.dtype(np.uint8))
            self._start = stream.tell()
            if self._file.stat().st_size < self._start + self.frames * math.prod(self._shape):
                raise DataError(f"{self._file} is truncated or damaged; {MEND}")

    def read(self, first: int, stop: int) -> np.ndarray:
        count, size = stop - first, math.prod(self._shape)
        with undamaged(self._file), self._file.open("rb") as stream:
            stream.seek(self._start + first * size)
            return np.fromfile(stream, np.uint8, count * size).reshape(count, *self._shape)


def _of_older_version(folder: Folder, name: str) -> Path:
    """The path of a shard without a hash, by which those of an address are fetched."""
    if folder.remote:
        raise DataError(f"{folder} is of an older version, which opens from a folder alone; download it and name that")
    return folder.shard(name, 0, "")


class ArchiveFrames:
    """A .npz with one array `frames`."""

    def __init__(self, reader: Reader, folder: Folder, shard: Shard, frame_size: tuple[int, int]) -> None:
        self.frames, self._shape, self._reader = shard.frames, (shard.frames, *frame_size, 3), reader
        self._file = _of_older_version(folder, shard.file)
        if (size := math.prod(self._shape)) > COMPRESSED_BYTES:
            raise DataError(
                f"{self._file} holds {size / 2**20:,.0f} MiB of compressed frames, which must fit in memory; at most "
                f"{COMPRESSED_BYTES / 2**20:,.0f} are read; write shards of fewer frames"
            )
        with undamaged(self._file), zipfile.ZipFile(self._file) as archive:
            self._open(archive).close()

    def _open(self, archive: zipfile.ZipFile) -> IO[bytes]:
        stream = archive.open("frames.npy")
        check_header(stream, self._file, self._shape, np.dtype(np.uint8))
        return stream

    def read(self, first: int, stop: int) -> np.ndarray:
        block: np.ndarray = self._reader.blocks.get(self._file, self._load)
        return block[first:stop]

    def _load(self) -> np.ndarray:
        with undamaged(self._file), zipfile.ZipFile(self._file) as archive, self._open(archive) as stream:
            return np.frombuffer(stream.read(math.prod(self._shape)), np.uint8).reshape(self._shape)


class ParquetFrames:
    """A .parquet; one of an address is fetched when its first frame is asked for."""

    def __init__(self, reader: Reader, folder: Folder, shard: Shard, frame_size: tuple[int, int]) -> None:
        self.frames, self._shape, self._reader = shard.frames, (*frame_size, 3), reader
        self._fetch = partial(folder.shard, shard.file, shard.bytes, shard.sha256)
        self._name, self._local = folder / shard.file, None if folder.remote else self._fetch()

    def read(self, first: int, stop: int) -> np.ndarray:
        with undamaged(self._name):
            path = self._local or self._fetch()
            path.stat()  # an open file would hide that it was deleted
            file: GroupedFile = self._reader.files.get(path, lambda: GroupedFile(path, self.frames, self._shape))
            of_group = file.of_group
            pieces = []
            for group in range(first // of_group, (stop - 1) // of_group + 1):
                block: np.ndarray = self._reader.blocks.get((path, group), partial(file.read, group))
                pieces.append(block[max(0, first - group * of_group) : stop - group * of_group])
            return np.concatenate(pieces)
