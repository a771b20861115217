"""A first look at a video: its size, pace and length, and the black bars around its picture."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from genie_core.errors import PictureError
from genie_core.video import Source, open_video
from genie_core.video.source import Part

SAMPLES = 12
ENOUGH = 8  # samples that prove a bar; of fewer, the video is read through
DARK = 30  # of 255; a bar is darker throughout
LEAST_BAR = 0.01  # share of the side
MOST_BARS = 0.8  # share of the side that both may take together


class Look(NamedTuple):
    """`inside` is the picture without its black bars, in pixels as shown; `refused` says why there is none."""

    inside: Part | None
    fps: float | None
    seconds: float | None
    refused: str | None = None


def look(path: str) -> Look:
    """What a video is, or why it cannot be read."""
    try:
        with open_video(path, threads=1) as source:
            size = source.size
            return Look(_inside(path, source), source.fps, source.seconds) if min(size) else Look(None, None, None)
    except PictureError as error:
        return Look(None, None, None, reason(error, path))


def reason(error: PictureError, path: str) -> str:
    """What is wrong, without the path and the advice."""
    return str(error).split(";")[0].removeprefix(path).removeprefix(" cannot be read as a video: ").strip()


def _inside(path: str, source: Source) -> Part:
    """The picture without bars. A dark scene is no bar: a bar is dark throughout, and its like is on the other side."""
    whole = Part(0, 0, *source.size)
    samples = [picture.rgb() for picture in source.samples(SAMPLES)]
    inside = without_bars(samples, whole)
    if inside == whole or len(samples) >= ENOUGH:
        return inside
    with open_video(path, threads=1) as again:
        step = max(1, round((source.seconds or 60) * (source.fps or 25) / (2 * SAMPLES)))
        every = [timed.picture.rgb() for i, timed in enumerate(again.frames()) if i % step == 0 and i < 1000 * step]
    return without_bars(every, whole)


def without_bars(pictures: Iterable[np.ndarray], whole: Part) -> Part:
    """The part of uint8 pictures (H, W, 3) of one size inside black bars that all of them have on opposite sides."""
    light = [picture.max(-1) for picture in pictures if picture.shape[:2] == whole[2:] and picture.max() > DARK]
    if not light:
        return whole
    rows = np.max([picture.max(1) for picture in light], 0) > DARK
    columns = np.max([picture.max(0) for picture in light], 0) > DARK
    top, left = _bar(rows), _bar(columns)
    return Part(top, left, whole.height - 2 * top, whole.width - 2 * left)


def _bar(lit: np.ndarray) -> int:
    """How many lines at either end are dark."""
    ends = np.flatnonzero(lit)
    dark = min(int(ends[0]), len(lit) - 1 - int(ends[-1]))
    return dark if LEAST_BAR * len(lit) <= dark <= MOST_BARS / 2 * len(lit) else 0
