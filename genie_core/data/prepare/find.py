"""Which videos are meant by files, folders and patterns. Opens none of them."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from genie_core.errors import DataError
from genie_core.video.animations import PICTURE_SUFFIXES, numbered_pictures

ANIMATED_SUFFIXES = frozenset((".webp", ".png"))  # of pictures that may move; they count as videos if named themselves
SAMPLE_BYTES = 2**16  # of each end of a file, by which copies are told


class Video(NamedTuple):
    """A file, or a folder of numbered pictures. `name` is what messages and the data set call it; `print` tells its
    content from any other's."""

    name: str
    path: str
    print: str


class Found(NamedTuple):
    """The videos, and what was left out at once: (name, why)."""

    videos: list[Video]
    left_out: list[tuple[str, str]]


def find_videos(places: Sequence[str | Path]) -> Found:
    """The videos at `places`: files, folders with all below them, folders of numbered pictures, and glob patterns.

    Hidden files and pictures without a number are passed over, copies of a file left out. Raises DataError for a place
    where nothing is.
    """
    videos: list[Video] = []
    left_out: list[tuple[str, str]] = []
    seen: dict[str, str] = {}
    for name, path in (each for place in places for each in _at(str(place))):
        video = Video(name, str(path.absolute()), _print(path))
        if not video.print:
            left_out.append((name, "it is empty or may not be read"))
        elif video.print in seen:
            if seen[video.print] != name:
                left_out.append((name, f"it is a copy of {seen[video.print]}"))
        else:
            seen[video.print] = name
            videos.append(video)
    return Found(videos, left_out)


def _at(place: str) -> Iterator[tuple[str, Path]]:
    if Path(place).is_dir():
        yield from _in_folder(Path(place))
    elif Path(place).exists():
        yield place, Path(place)
    else:
        found = sorted(glob.glob(place, recursive=True))  # noqa: PTH207 - of a pattern that may be absolute
        if not found:
            raise DataError(f"there is no video {place}; expected files, folders or patterns such as 'films/*.mp4'")
        for each in found:
            yield from _at(each)


def _in_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if numbered_pictures(Path(here)):
            yield here, Path(here)
        for file in sorted(files):
            if not file.startswith(".") and Path(file).suffix.lower() not in PICTURE_SUFFIXES:
                yield str(Path(here, file)), Path(here, file)


def _print(path: Path) -> str:
    """A digest of what tells files apart: their size and both ends; of a folder, the names in it. Empty for none."""
    digest = hashlib.sha256()
    try:
        if path.is_dir():
            digest.update("\n".join(f"{file.name} {file.stat().st_size}" for file in numbered_pictures(path)).encode())
            digest.update(str(path.absolute()).encode())
        else:
            size = path.stat().st_size
            with path.open("rb") as file:
                digest.update(str(size).encode() + file.read(SAMPLE_BYTES))
                file.seek(max(0, size - SAMPLE_BYTES))
                digest.update(file.read(SAMPLE_BYTES))
            if not size:
                return ""
    except OSError:
        return ""
    return digest.hexdigest()[:16]
