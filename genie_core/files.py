"""Writing files whole: under a name beside the destination first, then moved there; reading with a bound.

What is being written is locked by its process, and the lock ends with it. So the next who writes to the same name tells
what a killed process has left from what a living one, perhaps on another machine, is writing.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from genie_core.errors import GenieError, WriteError


def read_text(path: Path, most: int) -> str:
    """The text of a file. Raises OSError, and ValueError if it is no UTF-8 or has more than `most` bytes."""
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it has over {most:,} bytes")
    return content.decode()


@contextmanager
def disk_refusals(
    path: str | Path, advice: str = "save elsewhere, or make room", raises: type[GenieError] = WriteError
) -> Iterator[None]:
    """Says in words, with `advice`, what the disk refuses while `path` is written. Any other error passes."""
    try:
        yield
    except OSError as error:
        raise raises(f"{path} cannot be written: {error.strerror or error}; {advice}") from error


@contextmanager
def whole_file(path: str | Path, raises: type[GenieError] = WriteError) -> Iterator[Path]:
    """Gives a path to write to; what was written there becomes `path` at the end, or nothing does.

    Raises `raises` if the disk refuses, in words. Any other error leaves `path` as it was.
    """
    path = Path(path)
    partial = partial_of(path)
    try:
        with disk_refusals(path, raises=raises):
            remove_left(path)
            partial.touch()
            with locked(partial):
                yield partial
                partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path, advice: str, raises: type[GenieError] = WriteError) -> Iterator[Path]:
    """Gives an empty folder, which the caller moves to `path` when it is whole; else it is removed at the end.

    Raises `raises` if the disk refuses, in words with `advice`. Any other error passes.
    """
    partial = partial_of(path)
    try:
        with disk_refusals(path, advice, raises):
            remove_left(path)
            shutil.rmtree(partial, ignore_errors=True)  # of a process that had this one's number
            partial.mkdir(parents=True)
            with locked(partial):
                yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def partial_of(path: Path) -> Path:
    """Where this process writes what becomes `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def remove_left(path: Path) -> None:
    """Removes what processes that are no more have left of writing `path`."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.[0-9]*.part"):
        if (lock := _lock(left)) is not None:
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)
            os.close(lock)


def make_room(files: Iterable[Path], size: int, most: int) -> None:
    """Deletes those of a cache's files that were used least recently, until `size` bytes more stay within `most`."""
    kept = []
    for path in files:
        with contextlib.suppress(OSError):  # another process may clear up as well
            kept.append((path.stat().st_mtime, path.stat().st_size, path))
    held = sum(each for _, each, _ in kept)
    for _, each, path in sorted(kept):
        if held + size <= most:
            break
        path.unlink(missing_ok=True)
        held -= each


@contextmanager
def alone_at(path: Path, refused: GenieError, remove: bool = False) -> Iterator[None]:
    """Holds the lock of the file `path`, which serves that alone; raises `refused` if another process holds it. With
    `remove` the file goes at the end, where it can.

    Where there are no locks, as on Windows and on some disks, nobody is kept out. WriteError if the disk refuses.
    """
    with disk_refusals(path):
        opened = path.open("w")
    with opened as file:
        with contextlib.suppress(ImportError):
            import fcntl

            with contextlib.suppress(OSError):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise refused from None
            os.register_at_fork(after_in_child=file.close)  # a child that outlives this process must not keep it
        try:
            yield
        finally:
            if remove:
                with contextlib.suppress(OSError):  # some systems remove no file that is open
                    path.unlink()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Marks a file or folder as one that this process writes, while it lives. Where there are no locks, as on Windows,
    nothing is marked and nothing is removed."""
    lock = _lock(path)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _lock(path: Path) -> int | None:
    """A descriptor that holds the lock of a file or folder; None if another holds it, or there are no locks."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):  # it may have been moved before it was locked
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def write_all(folder: Path, contents: Mapping[str, bytes | str], raises: type[GenieError] = WriteError) -> None:
    """Writes the files `contents`, by their paths in `folder`: all of them, in that order, or none if the disk refuses.

    They are moved to their names one after the other once all are written, so a process killed there leaves some.
    """
    with ExitStack() as written:
        for path, content in reversed(list(contents.items())):  # a stack is left from its end
            with disk_refusals(folder, raises=raises):
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
            partial = written.enter_context(whole_file(folder / path, raises))
            partial.write_bytes(content.encode() if isinstance(content, str) else content)


def write_whole(path: str | Path, content: bytes | str, raises: type[GenieError] = WriteError) -> None:
    """Writes `content`, text as UTF-8, to `path`, whole or not at all; raises `raises` if the disk refuses."""
    with whole_file(path, raises) as partial:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
