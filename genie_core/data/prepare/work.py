"""What is done to one video, in whatever process: it is read, cropped, sifted, and put down as a part.

A part is a folder: frames.bin, uint8 (frames, H, W, 3), and part.json, written last. A folder with part.json is whole.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genie_core.data.prepare.look import reason
from genie_core.data.prepare.sift import Scene, Sieve, Sifted
from genie_core.errors import PictureError
from genie_core.files import disk_refusals, write_whole
from genie_core.limits import Size
from genie_core.pictures import fit
from genie_core.video import Account, Source, at_pace, open_video, shown
from genie_core.video.read import middle
from genie_core.video.source import Part, Picture

ADVICE = "make room, and give the same command again: what is done stays done"
FRAMES, PART = "frames.bin", "part.json"
TELL_EVERY_S = 2.0  # of video


class Task(NamedTuple):
    """A video to prepare: frames of `size` (H, W) at `fps`, out of its picture `inside` the bars, into `folder`."""

    name: str
    path: str
    inside: Part
    size: Size
    fps: float
    folder: str


class Prepared(NamedTuple):
    """What became of a video: its scenes, one after the other in frames.bin, frames left out by why, and what to tell.
    `refused` says why it could not be read at all."""

    scenes: list[Scene]
    seconds: float
    counts: dict[str, int]
    warnings: list[str]
    refused: str | None = None

    @property
    def frames(self) -> int:
        return sum(scene.length for scene in self.scenes)


def prepare_video(task: Task, tell: Callable[[float], None] = lambda seconds: None) -> Prepared:
    """Makes the part of one video, or finds it made; `tell` hears of each few seconds of video that are done.

    Raises WriteError if the disk refuses. A video that cannot be read comes back as `refused`.
    """
    folder = Path(task.folder)
    done = read_part(folder)
    if done is not None:
        tell(done.seconds)
        return done
    with disk_refusals(folder, ADVICE):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        file = (folder / FRAMES).open("wb", buffering=0)

    def write(frames: np.ndarray) -> None:
        with disk_refusals(folder, ADVICE):
            rest = memoryview(frames.tobytes())
            while rest:
                rest = rest[file.write(rest) :]

    with file:
        try:
            prepared = _sift(task, write, tell)
        except PictureError as error:
            prepared = Prepared([], 0.0, {}, [], reason(error, task.path))
    write_whole(folder / PART, json.dumps(prepared._asdict()))
    return prepared


def read_part(folder: Path) -> Prepared | None:
    """What was made of a video before, None if it was not made to the end."""
    try:
        told = json.loads((folder / PART).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Prepared(**told | {"scenes": [Scene(*scene) for scene in told["scenes"]]})


def part_frames(folder: Path, size: Size, count: int) -> np.ndarray:
    """The frames of a part, uint8 (count, H, W, 3), on disk until they are used."""
    return np.memmap(folder / FRAMES, np.uint8, "r", shape=(count, *size, 3)) if count else np.empty((0, *size, 3))


def _sift(task: Task, write: Callable[[np.ndarray], Any], tell: Callable[[float], None]) -> Prepared:
    sieve, told_s = Sieve(task.fps, write), 0.0
    with open_video(task.path, threads=1, folder_fps=task.fps) as source:
        for step in at_pace(shown(source), task.fps):
            sieve.add(_frame(step.picture, task), step.seconds, step.joined)
            if step.seconds - told_s >= TELL_EVERY_S:
                tell(step.seconds - told_s)
                told_s = step.seconds
        found = sieve.close()
        tell(source.account.seconds - told_s)
        return _prepared(source, found, task.fps)


def _frame(picture: Picture, task: Task) -> np.ndarray:
    whole = Part(0, 0, *picture.size)
    fits = task.inside.top + task.inside.height <= whole.height and task.inside.left + task.inside.width <= whole.width
    part = middle(task.inside if fits else whole, task.size)  # a video may change its size on the way
    shrinks = part.height >= task.size[0] and part.width >= task.size[1]
    pixels = picture.rgb(part, task.size if shrinks else None)
    return pixels if shrinks else fit(pixels, task.size)


def _prepared(source: Source, found: Sifted, fps: float) -> Prepared:
    account: Account = source.account
    if not account.frames:
        return Prepared([], 0.0, {}, [], "it holds no whole frame")
    counts = {name: value for name, value in dataclasses.asdict(found).items() if name != "scenes"}
    counts["damaged"] = account.damages
    return Prepared(found.scenes, account.seconds, counts, account.warnings(fps))
