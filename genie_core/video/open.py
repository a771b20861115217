"""Opens a file or folder with the reader that it needs, and says in words why it cannot be read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from PIL import Image

from genie_core.errors import PictureError
from genie_core.limits import Size
from genie_core.pictures import FORMATS
from genie_core.video.animations import Animation, PictureFiles, numbered_pictures
from genie_core.video.source import Source, require_size

ANIMATED = ("PNG", "WEBP", "AVIF")  # by Pillow; FFmpeg, which knows what of a GIF is clear, reads those
MARKED = tuple(name for name in FORMATS if name not in ("PCX", "TGA"))  # by their first bytes; a video has others
FOLDER_FPS = 15.0  # of numbered pictures, where nobody says
ADVICE = (
    "expected a video such as MP4, WebM or an animated GIF; "
    'make one: python launch.py --play assets/coinrun.png --actions "right*30" --save moves.mp4'
)


@contextmanager
def open_video(path: str | Path, threads: int = 0, folder_fps: float = FOLDER_FPS) -> Iterator[Source]:
    """An open video: a file, or a folder of numbered pictures, which has `folder_fps` of them a second.

    `threads` decode, 0 for as many as FFmpeg likes. Raises PictureError, here or while it is read, if it is missing,
    no video, damaged from its start, or has frames of over 16 million pixels.
    """
    path = Path(path)
    if not path.exists():
        raise PictureError(f"there is no file {path}; {ADVICE}")
    import av  # brings FFmpeg, which nothing else here needs

    source: Source | None = None
    try:
        source = _open(path, threads, folder_fps)
        yield source
    except PictureError as error:
        if str(error).startswith("it "):
            raise PictureError(f"{path} cannot be read as a video: {error}; {ADVICE}") from error
        raise
    except (av.FFmpegError, OSError) as error:
        why = getattr(error, "strerror", None) or "it is damaged"
        raise PictureError(f"{path} cannot be read as a video: {why}; {ADVICE}") from error
    finally:
        if source is not None:
            source.close()


def is_animated(path: str | Path) -> bool:
    """Whether a file has more than one frame: an animation or a video. False for what cannot be read."""
    try:
        with open_video(path) as source:
            return len(list(islice(source.frames(), 2))) > 1
    except PictureError:
        return False


def _open(path: Path, threads: int, folder_fps: float) -> Source:
    if path.is_dir():
        files = numbered_pictures(path)
        if not files:
            raise PictureError("it is a folder without numbered pictures")
        return PictureFiles(files, folder_fps)
    if path.stat().st_size == 0:
        raise PictureError("it is empty")
    kind, moves, size = _picture(path)
    if kind is None or (kind == "GIF" and moves):
        require_size(size)
        return _container(path, threads)
    return Animation(path, ANIMATED) if kind in ANIMATED and moves else PictureFiles([path], folder_fps)


def _container(path: Path, threads: int) -> Source:
    import av

    from genie_core.video.containers import ContainerVideo

    try:
        return ContainerVideo(path, threads)
    except (av.FFmpegError, ValueError) as error:
        if _picture(path, FORMATS)[0] is not None:
            return PictureFiles([path], FOLDER_FPS)
        with path.open("rb") as file:
            begins = file.read(12)
        if begins[4:8] == b"ftyp":
            raise PictureError("it lacks the index that is written last, so it was cut short, or is damaged") from error
        raise PictureError("it is in no format that is read here, or it is damaged") from error


def _picture(path: Path, formats: tuple[str, ...] = MARKED) -> tuple[str | None, bool, Size]:
    """The format of a picture, None for all else; whether it has more frames than one; its size, (H, W)."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=formats) as picture:
            return picture.format, getattr(picture, "n_frames", 1) > 1, (picture.height, picture.width)
    except Exception:  # parsers meet foreign bytes with almost any exception; FFmpeg may know them
        return None, False, (0, 0)
