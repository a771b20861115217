"""Writing files whole: under a name beside the destination first, then moved there; reading with a bound."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
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
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with disk_refusals(path, raises=raises):
            yield partial
            partial.replace(path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


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
