"""A first look at a video: its size, pace and length, and the black bars around its picture."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from genie_core.errors import DataError, PictureError
from genie_core.video import Source, open_video
from genie_core.video.source import Part

KEPT = "what is done stays done"
SAMPLES = 12
ENOUGH = 8  # samples that prove a bar; of fewer, the video is read through
DARK = 30  # of 255; a bar is darker throughout
LEAST_BAR = 0.01  # share of the side
MOST_BARS = 0.8  # share of the side that both may take together


class Look(NamedTuple):
    """`inside` is the picture without its black bars, in pixels as shown, and `refused` why there is none; the rest is
    as `Source` has it."""

    inside: Part | None
    fps: float | None = None
    seconds: float | None = None
    sought: bool = False
    refused: str | None = None


def look(path: str) -> Look:
    """What a video is, or why it cannot be read."""
    try:
        with open_video(path, threads=1) as source:
            inside = _inside(path, source)
            why = None if inside else "it holds no whole frame"
            return Look(inside, source.fps, source.seconds, source.sought, why)
    except PictureError as error:
        require_there(path)
        return Look(None, refused=reason(error, path))


def reason(error: PictureError, path: str) -> str:
    """What is wrong, without the path and the advice."""
    return str(error).split(";")[0].removeprefix(path).removeprefix(" cannot be read as a video: ").strip()


def require_there(path: str) -> None:
    """Raises DataError if a video has vanished since it was found. To do without it would be remembered for good."""
    if not Path(path).exists():
        raise DataError(f"{path} is no longer there; put it back, and give the same command again: {KEPT}")


def _inside(path: str, source: Source) -> Part | None:
    """The picture without bars; None if there is no picture."""
    bars = Bars()
    for picture in source.samples(SAMPLES):
        if not bars.possible_after(picture.rgb()):
            break
    if bars.inside == bars.whole or bars.seen >= ENOUGH:
        return bars.inside
    with open_video(path, threads=1) as again:
        step = max(1, round((source.seconds or 60) * (source.fps or 25) / (2 * SAMPLES)))
        for i, timed in enumerate(again.frames()):
            if i % step == 0 and not bars.possible_after(timed.picture.rgb()):
                break
    return bars.inside


class Bars:
    """Black bars that all pictures of a video have, alike on opposite sides. A dark scene has none."""

    def __init__(self) -> None:
        self.whole: Part | None = None
        self.seen = 0  # pictures that are not dark all over
        self._rows = self._columns = np.zeros(0, bool)  # that some picture lights

    def possible_after(self, picture: np.ndarray) -> bool:
        """Takes a picture, uint8 (H, W, 3); False once there cannot be bars. One of another size is passed over."""
        lit = np.maximum(np.maximum(picture[..., 0], picture[..., 1]), picture[..., 2]) > DARK
        if self.whole is None:
            self.whole = Part(0, 0, *lit.shape)
            self._rows, self._columns = np.zeros(lit.shape[0], bool), np.zeros(lit.shape[1], bool)
        if lit.shape == self.whole[2:] and lit.any():
            self.seen += 1
            self._rows, self._columns = self._rows | lit.any(1), self._columns | lit.any(0)
        return not self.seen or self.inside != self.whole

    @property
    def inside(self) -> Part | None:
        if self.whole is None or not self.seen:
            return self.whole
        top, left = _bar(self._rows), _bar(self._columns)
        return Part(top, left, self.whole.height - 2 * top, self.whole.width - 2 * left)


def _bar(lit: np.ndarray) -> int:
    """How many lines are dark at the end that has fewer of them."""
    ends = np.flatnonzero(lit)
    dark = min(int(ends[0]), len(lit) - 1 - int(ends[-1]))
    return dark if LEAST_BAR * len(lit) <= dark <= MOST_BARS / 2 * len(lit) else 0
