"""What is done to a stretch of one video, on whatever machine: it is read, cropped, sifted, and put down as a part.

A part is a folder: frames.bin, uint8 (frames, H, W, 3), hashes.npy, two numbers for each, and part.json. It takes its
name when it is whole.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genie_core.data.prepare.duplicates import hashes
from genie_core.data.prepare.look import KEPT, reason, require_there
from genie_core.data.prepare.sift import Scene, Sieve
from genie_core.errors import PictureError
from genie_core.files import disk_refusals, write_whole
from genie_core.limits import Size
from genie_core.pictures import fit
from genie_core.video import Account, Picture, at_pace, open_video, shown
from genie_core.video.read import middle
from genie_core.video.source import Part

FRAMES, HASHES, PART = "frames.bin", "hashes.npy", "part.json"
ADVICE = f"make room, and give the same command again: {KEPT}"
TELL_EVERY_S = 2.0  # of video


class Task(NamedTuple):
    """A stretch of a video to prepare into `folder`, from `start_s` to `end_s` or to the end: frames of `size` (H, W)
    at `fps`, out of the picture `inside` the bars."""

    path: str
    inside: Part
    size: Size
    fps: float
    folder: str
    start_s: float = 0.0
    end_s: float | None = None


class Prepared(NamedTuple):
    """What became of a stretch of video: its scenes, one after the other in frames.bin; how many frames were left out,
    by why; and the reader's account. `refused` says why it could not be read at all."""

    scenes: list[Scene]
    counts: dict[str, int]
    account: Account
    refused: str | None = None

    @property
    def frames(self) -> int:
        return sum(scene.length for scene in self.scenes)


def refusal(why: str | None) -> Prepared:
    return Prepared([], {}, Account(), why)


def joined(parts: Sequence[Prepared]) -> Prepared:
    """What became of a video, from its stretches in order; refused if all of them are."""
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part.counts)
    account = sum((part.account for part in parts), Account())
    refused = next((part.refused for part in parts), None) if all(part.refused for part in parts) else None
    return Prepared([scene for part in parts for scene in part.scenes], dict(counts), account, refused)


def prepare_video(task: Task, tell: Callable[[float], None] = lambda seconds: None) -> Prepared:
    """Makes a part, or finds it made; `tell` hears of each few seconds of video that are done.

    Raises WriteError if the disk refuses, DataError if the video has vanished. A video that cannot be read comes back
    as `refused`, and is tried again the next time. Done twice at once, as a cluster may when a machine is lost, it
    makes one part.
    """
    folder = Path(task.folder)
    done = read_part(folder)
    if done is not None and not done.refused:
        tell(done.account.seconds)
        return done
    own = folder.with_name(f".{folder.name}.{platform.node()}.{os.getpid()}")
    try:
        with disk_refusals(folder, ADVICE):
            shutil.rmtree(own, ignore_errors=True)
            own.mkdir(parents=True)
        prepared = _make(task, own, tell)
        write_whole(own / PART, json.dumps(prepared._asdict() | {"account": dataclasses.asdict(prepared.account)}))
        with disk_refusals(folder, ADVICE):
            if done is not None:
                shutil.rmtree(folder)
            own.rename(folder)
    except BaseException:
        shutil.rmtree(own, ignore_errors=True)
        if (done := read_part(folder)) is not None:  # another was quicker
            return done
        raise
    return prepared


def read_part(folder: Path) -> Prepared | None:
    """What was made before, None if it was not made to the end."""
    try:
        told = json.loads((folder / PART).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    scenes = [Scene(*scene) for scene in told["scenes"]]
    return Prepared(scenes, told["counts"], Account(**told["account"]), told["refused"])


def part_frames(folder: Path, size: Size, count: int) -> np.ndarray:
    """The frames of a part, uint8 (count, H, W, 3), on disk until they are used."""
    shape = (count, *size, 3)
    return np.memmap(folder / FRAMES, np.uint8, "r", shape=shape) if count else np.empty(shape, np.uint8)


def part_hashes(folder: Path) -> np.ndarray:
    """The hashes of those frames, uint64 (count, 2)."""
    hashed: np.ndarray = np.load(folder / HASHES)
    return hashed


def _make(task: Task, folder: Path, tell: Callable[[float], None]) -> Prepared:
    with disk_refusals(task.folder, ADVICE):
        file = (folder / FRAMES).open("wb", buffering=0)
    hashed = [np.empty((0, 2), np.uint64)]

    def write(frames: np.ndarray) -> None:
        hashed.append(hashes(frames))
        with disk_refusals(task.folder, ADVICE):
            rest = memoryview(frames.tobytes())
            while rest:
                rest = rest[file.write(rest) :]

    with file:
        try:
            prepared = _sift(task, write, tell)
        except PictureError as error:
            require_there(task.path)
            return refusal(reason(error, task.path))
    with disk_refusals(task.folder, ADVICE):
        np.save(folder / HASHES, np.concatenate(hashed))
    return prepared


def _sift(task: Task, write: Callable[[np.ndarray], None], tell: Callable[[float], None]) -> Prepared:
    sieve, told_s = Sieve(task.fps, write), 0.0
    with open_video(task.path, threads=1, folder_fps=task.fps) as source:
        end_s = math.inf if task.end_s is None else task.end_s
        for step in at_pace(shown(source, task.start_s, end_s), task.fps):
            sieve.add(_frame(step.picture, task), task.start_s + step.seconds, step.joined)
            if step.seconds - told_s >= TELL_EVERY_S:
                tell(step.seconds - told_s)
                told_s = step.seconds
        found = sieve.close()
        tell(source.account.seconds - told_s)
    if not source.account.frames and not task.start_s:
        return refusal("it holds no whole frame")
    return Prepared(found.scenes, found.counts, source.account)


def _frame(picture: Picture, task: Task) -> np.ndarray:
    whole = Part(0, 0, *picture.size)
    fits = task.inside.top + task.inside.height <= whole.height and task.inside.left + task.inside.width <= whole.width
    part = middle(task.inside if fits else whole, task.size)  # a video may change its size on the way
    shrinks = part.height >= task.size[0] and part.width >= task.size[1]
    pixels = picture.rgb(part, task.size if shrinks else None)
    return pixels if shrinks else fit(pixels, task.size)
