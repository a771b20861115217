"""Reads videos and animations into frames at a given frame rate and size."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

from genie_core.errors import PictureError
from genie_core.pictures import FORMATS, fit

MOST_FRAMES = 3_000  # of a video: 200 seconds at 15 frames a second
MOST_PIXELS = 4096 * 4096  # of one frame
# Containers that hold their own frames. A playlist or a script would make FFmpeg open the files that it names.
CONTAINERS = "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,obu,ivf,flv,asf,ogg,gif,apng"
SHORTEST_MS = 20.0  # that a frame of an animation is shown; browsers do the same
_ADVICE = (
    "expected a video such as MP4, WebM or an animated GIF; "
    'make one: python launch.py --play assets/coinrun.png --actions "right*30" --save moves.mp4'
)


def read_video(
    path: str | Path,
    size: tuple[int, int],
    fps: float,
    how: str = "crop",
    palette: np.ndarray | None = None,
    most_frames: int = MOST_FRAMES,
) -> np.ndarray:
    """The first frames of a video or animation at `fps` frames a second, fitted to uint8 (t, H, W, 3) of `size`.

    Each is the frame that the video shows at that time: frames of a faster video are left out, those of a slower one
    repeated. Raises PictureError if the file is no video, is damaged, or has frames of over 16 million pixels.
    """
    frames = [fit(frame, size, how, palette) for frame in _at_pace(_decoded(path), fps, most_frames)]
    if not frames:
        raise PictureError(f"{path} holds no frame; {_ADVICE}")
    return np.stack(frames)


def _at_pace(frames: Iterator[tuple[float, np.ndarray]], fps: float, most: int) -> Iterator[np.ndarray]:
    """The frames shown at 0, 1/fps, 2/fps, … seconds; `frames` have the seconds at which they appear."""
    before, shown, due, gap = 0.0, None, 0, 0.0
    for seconds, frame in itertools.chain(frames, [(math.nan, None)]):
        if frame is None:
            seconds = before + gap  # the last frame is shown as long as the one before it
        while shown is not None and due < most and (not due or (due + 0.01) / fps < seconds):
            yield shown
            due += 1
        if due >= most:
            return
        before, shown, gap = seconds, frame, seconds - before


def is_animated(path: str | Path) -> bool:
    """Whether a file has more than one frame: an animation or a video."""
    try:
        with Image.open(path, formats=FORMATS) as picture:
            return getattr(picture, "n_frames", 1) > 1
    except Image.DecompressionBombError:
        return False
    except (UnidentifiedImageError, OSError, ValueError):
        return len(list(itertools.islice(_readable(path), 2))) > 1


def _readable(path: str | Path) -> Iterator[tuple[float, np.ndarray]]:
    """The frames of a file as far as it can be read."""
    with contextlib.suppress(PictureError):
        yield from _video(path)


def _decoded(path: str | Path) -> Iterator[tuple[float, np.ndarray]]:
    """The frames of a file, uint8 (H, W, 3), with the seconds at which each appears."""
    if not Path(path).is_file():
        raise PictureError(f"there is no file {path}; {_ADVICE}")
    try:
        Image.open(path, formats=FORMATS).close()
        known = True
    except Exception:  # parsers meet foreign bytes with almost any exception; FFmpeg may know them
        known = False
    yield from _animation(path) if known else _video(path)


def _animation(path: str | Path) -> Iterator[tuple[float, np.ndarray]]:
    """As `_decoded`, of a GIF, WebP or PNG, whose frames Pillow puts together."""
    try:
        with Image.open(path, formats=FORMATS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise _too_large(path, picture.width, picture.height)
            seconds = 0.0
            for frame in ImageSequence.Iterator(picture):
                yield seconds, np.array(frame.convert("RGB"))
                seconds += max(float(frame.info.get("duration", 0)), SHORTEST_MS) / 1000
    except PictureError:
        raise
    except Exception as error:  # as above
        raise PictureError(f"{path} cannot be read as an animation: {error}; {_ADVICE}") from error


def _video(path: str | Path) -> Iterator[tuple[float, np.ndarray]]:
    """As `_decoded`, of any other video."""
    import av  # brings ffmpeg, which nothing else here needs

    try:
        # FFmpeg gets bytes, no name: there is no protocol that it may open anything by.
        options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "none"}
        with Path(path).open("rb") as file, av.open(file, "r", options=options) as container:
            if not container.streams.video:
                raise PictureError(f"{path} has no pictures in it; {_ADVICE}")
            first = None
            for frame in container.decode(container.streams.video[0]):
                if frame.width * frame.height > MOST_PIXELS:
                    raise _too_large(path, frame.width, frame.height)
                seconds = frame.time if frame.time is not None else 0.0
                first = seconds if first is None else first
                yield seconds - first, frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, OSError, ValueError, IndexError) as error:
        why = getattr(error, "strerror", None) or "it is damaged"
        raise PictureError(f"{path} cannot be read as a video: {why}; {_ADVICE}") from error


def _too_large(path: str | Path, width: int, height: int) -> PictureError:
    most = f"at most {MOST_PIXELS / 10**6:.0f} million pixels"
    return PictureError(f"{path} has frames of {width}×{height}, expected {most}; make them smaller")
