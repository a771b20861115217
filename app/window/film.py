"""A dropped video as the window keeps it: decoded once, small enough to keep whole, to be fitted in any way later."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from threading import Event
from typing import NamedTuple

import numpy as np

from genie_core.errors import PictureError
from genie_core.limits import Size
from genie_core.pictures import fit
from genie_core.video import at_pace, fitted, open_video, shown
from genie_core.video.source import Picture

MOST_FRAMES = 900  # a minute at 15 frames a second
MOST_BYTES = 150_000_000  # of the frames kept
SPARE = 2  # a whole frame is kept at this many times the world's size, if it has as many pixels


class Film(NamedTuple):
    """Frames at the world's pace: `cropped` uint8 (H, W, 3) of the world's size, and `whole` ones, of any shape.

    `told` is what the player should know of the video, in sentences.
    """

    cropped: list[np.ndarray]
    whole: list[np.ndarray]
    told: tuple[str, ...] = ()

    def frame(self, at: int, size: Size, how: str, palette: np.ndarray | None) -> np.ndarray:
        """Frame `at` fitted by `how`, uint8 (H, W, 3) of `size`."""
        source = self.cropped if how in ("crop", "palette") else self.whole
        return fit(source[at], size, how, palette)

    def __len__(self) -> int:
        return len(self.cropped)


def picture_film(picture: np.ndarray, size: Size) -> Film:
    """A single picture, uint8 (H, W, 3) of any size, as a film of one frame."""
    return Film([fit(picture, size)], [picture])


def read_film(path: Path, size: Size, fps: float, stopped: Event) -> Film:
    """The first frames of a video, as many as are kept; none of those after `stopped` is set.

    Raises PictureError as `open_video` does.
    """
    cropped: list[np.ndarray] = []
    whole: list[np.ndarray] = []
    with open_video(path, threads=1) as source:
        steps = at_pace(shown(source), fps)
        for step in islice(steps, MOST_FRAMES):
            cropped.append(fitted(step.picture, size))
            whole.append(_small(step.picture, size))
            if stopped.is_set() or len(whole) * (whole[-1].nbytes + cropped[-1].nbytes) > MOST_BYTES:
                break
        if not cropped:
            raise PictureError(f"{path} holds no whole frame; drop another video")
        told = source.account.warnings(fps)
        if not stopped.is_set() and next(steps, None) is not None:
            told.append(f"only the first {len(cropped) / fps:.0f} s of {path.name} were read; cut it to choose others")
    return Film(cropped, whole, tuple(told))


def _small(picture: Picture, size: Size) -> np.ndarray:
    height, width = picture.size
    times = min(height / (SPARE * size[0]), width / (SPARE * size[1]))
    return picture.rgb(None, (round(height / times), round(width / times)) if times > 1 else None)
