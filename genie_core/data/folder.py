"""A folder of files on this computer, or behind an address that fsspec knows: hf://datasets/OWNER/NAME, s3://…

Small files are read whole, with a bound. Shards of an address are fetched whole, once, into a cache on this
computer's disk, under the name of their sha256. So all readers read local files.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from genie_core.errors import DataError, GenieError, MissingExtraError
from genie_core.files import disk_refusals, locked, make_room, partial_of, remove_left

MOST_CACHED = 2**35  # bytes of fetched shards kept on disk; the least recently used go first
PIECE = 2**20  # bytes fetched at a time
TRIES = 4  # a network fails now and then in a training of days
S3_EXTRA = "pip install -r requirements.txt -r genie_core/data/requirements-s3.txt"


class Folder:
    """`place` is a path or an address. Raises DataError for what is missing or does not answer."""

    def __init__(self, place: str | Path) -> None:
        self.place = place if "://" in str(place) else Path(place)
        self.remote = isinstance(self.place, str)

    def __str__(self) -> str:
        return str(self.place).rstrip("/")

    def __truediv__(self, name: str) -> str:
        """The name of a file, for messages."""
        return f"{self}/{name}" if self.remote else str(Path(self.place) / name)

    def part(self, name: str) -> Folder:
        """The folder `name` inside."""
        return Folder(self / name)

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""
        if not self.remote:
            return (Path(self.place) / name).is_file()
        with _answering(self):
            try:
                return bool(self._system().info(self / name)["type"] == "file")
            except FileNotFoundError:
                return False

    def read(self, name: str, most: int) -> bytes:
        """The content of a file; DataError if it has more than `most` bytes, before they are read."""
        with _answering(self), self._open(name) as stream:
            content: bytes = stream.read(most + 1)
        if len(content) > most:
            raise DataError(f"{self / name} is larger than {most:,} bytes, the most that is read; make it anew")
        return content

    def shard(self, name: str, size: int, sha256: str) -> Path:
        """The path of a shard on this computer; DataError if it is missing or has another size or content."""
        if self.remote:
            return self._fetched(name, size, sha256)
        path = Path(self.place) / name
        if not path.is_file():
            raise DataError(f"data set {self} lacks its file {name}; copy it again, or make the data set anew")
        if size and path.stat().st_size != size:
            raise DataError(
                f"{path} is truncated or damaged: it has {path.stat().st_size:,} bytes, dataset.json promises "
                f"{size:,}; copy it again, or make the data set anew"
            )
        return path

    def _system(self) -> Any:
        """fsspec's file system, made anew in each process: network connections do not survive a fork."""
        import fsspec

        try:
            return fsspec.core.url_to_fs(str(self.place))[0]
        except ImportError as error:
            raise MissingExtraError(f"{self} needs one more package ({error}); for s3:// {S3_EXTRA}") from error

    def _open(self, name: str) -> Any:
        return self._system().open(self / name, "rb") if self.remote else (Path(self.place) / name).open("rb")

    def _fetched(self, name: str, size: int, sha256: str) -> Path:
        path = cache() / f"{sha256}{Path(name).suffix}"
        if path.is_file() and path.stat().st_size == size:
            with contextlib.suppress(OSError):  # of a cache that is read-only
                os.utime(path)
            return path
        for attempt in range(1, TRIES + 1):
            try:
                self._fetch(name, size, sha256, path)
                return path
            except DataError as error:
                if attempt == TRIES or isinstance(error.__cause__, FileNotFoundError):
                    raise
                time.sleep(2 ** (attempt - 1))
        raise AssertionError("the last try returns or raises")

    def _fetch(self, name: str, size: int, sha256: str, path: Path) -> None:
        partial = partial_of(path)
        digest, left = hashlib.sha256(), size
        try:
            with disk_refusals(path, "make room, or set XDG_CACHE_HOME to a folder elsewhere"):
                path.parent.mkdir(parents=True, exist_ok=True)
                remove_left(path)
                make_room(path.parent.iterdir(), size, MOST_CACHED)
                sink = partial.open("wb")
            with sink, locked(partial), _answering(self), self._open(name) as stream:
                while left > 0 and (piece := stream.read(min(PIECE, left))):
                    digest.update(piece)
                    left -= len(piece)
                    with disk_refusals(path, "make room, or set XDG_CACHE_HOME to a folder elsewhere"):
                        sink.write(piece)
            if left or digest.hexdigest() != sha256:
                raise DataError(f"{self / name} is not the shard that dataset.json describes; upload the data set anew")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def _answering(folder: Folder) -> Iterator[None]:
    """Say in words what a disk, a store or the Hub refuses. Each kind of store has errors of its own."""
    try:
        yield
    except GenieError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{folder} lacks a file, {error}; copy it again, or check the address") from error
    except Exception as error:
        if not folder.remote and not isinstance(error, OSError):
            raise
        mend = "check the address, the network and your login" if folder.remote else "copy the data set again"
        said = " ".join(str(error).split())[:300] or "no answer"
        raise DataError(f"{folder} cannot be read ({said}); {mend}") from error


def cache() -> Path:
    """Where fetched shards are kept."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("genie", appauthor=False)) / "shards"
