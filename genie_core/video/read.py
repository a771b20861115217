"""A whole video as the frames of a world: sampled at its frame rate, fitted to its size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genie_core.errors import PictureError
from genie_core.limits import FILM_BYTES, VIDEO_FRAMES, Size
from genie_core.pictures import fit
from genie_core.video.open import ADVICE, open_video
from genie_core.video.source import Part, Picture, Shown, Source
from genie_core.video.timing import at_pace, on_one_clock

USUAL_FPS = 25.0  # of a video that does not say


class Film(NamedTuple):
    """Frames of a video, uint8 (t, H, W, 3), and what its reader should know, in sentences."""

    frames: np.ndarray
    warnings: tuple[str, ...]


def read_video(
    path: str | Path,
    size: Size,
    fps: float,
    how: str = "crop",
    palette: np.ndarray | None = None,
    most_frames: int = VIDEO_FRAMES,
) -> Film:
    """The first frames of a video or animation at `fps` frames a second, fitted to `size` by `how`, as `fit` does.

    They are `most_frames` at most, and fewer if frames of this size would take more than FILM_BYTES.

    Raises PictureError if the file is no video, is damaged from its start, or has frames of over 16 million pixels.
    """
    with open_video(path) as source:
        steps = at_pace(shown(source), fps)
        most = min(most_frames, max(1, FILM_BYTES // (3 * math.prod(size))))
        frames = [fitted(step.picture, size, how, palette) for step in islice(steps, most)]
        more = next(steps, None) is not None
        if not frames:
            raise PictureError(f"{path} holds no whole frame; {ADVICE}")
        told = source.account.warnings(fps)
        if more:
            told.append(_left_out(len(frames) / fps, source.seconds))
    return Film(np.stack(frames), tuple(told))


def shown(source: Source, start_s: float = 0.0, end_s: float = math.inf) -> Iterator[Shown]:
    """The frames of a video on one clock, from 0 on; a stretch of it as `Source.frames` says."""
    return on_one_clock(source.frames(start_s, end_s), source.account, 1 / (source.fps or USUAL_FPS))


def fitted(picture: Picture, size: Size, how: str = "crop", palette: np.ndarray | None = None) -> np.ndarray:
    """A picture of a video as a frame of `size`, uint8 (H, W, 3), by `how`, as `fit` does."""
    if how not in ("crop", "palette"):
        return fit(picture.rgb(), size, how, palette)
    part = middle(Part(0, 0, *picture.size), size)
    shrinks = part.height >= size[0] and part.width >= size[1]
    return fit(picture.rgb(part, size if shrinks else None), size, how, palette)


def middle(of: Part, size: Size) -> Part:
    """The largest part in the middle of `of` that has the shape of `size`, to the nearest pixel."""
    height = min(of.height, max(1, round(of.width * size[0] / size[1])))
    width = min(of.width, max(1, round(of.height * size[1] / size[0])))
    return Part(of.top + (of.height - height) // 2, of.left + (of.width - width) // 2, height, width)


def _left_out(read_s: float, whole_s: float | None) -> str:
    whole = f"of {whole_s:.0f} s" if whole_s else "of more"
    return f"only the first {read_s:.0f} s {whole} were read; cut the video to choose another part"
