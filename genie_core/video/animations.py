"""Animations such as WebP, whose frames Pillow puts together, single pictures, and folders of numbered pictures."""

from __future__ import annotations

import contextlib
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from genie_core.errors import PictureError
from genie_core.limits import Size
from genie_core.pictures import MID_GREY, load_picture
from genie_core.video.source import Account, Part, Picture, Timed, require_size

AS_BROWSERS_MS = 10.0, 100.0  # browsers show a frame of at most the first for the second
PICTURE_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".tga", ".ppm", ".qoi"))


class WholePicture:
    """A picture that is in memory, uint8 (H, W, 3)."""

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels = pixels
        self.size: Size = (pixels.shape[0], pixels.shape[1])

    def rgb(self, part: Part | None = None, size: Size | None = None) -> np.ndarray:
        top, left, height, width = part or Part(0, 0, *self.size)
        pixels = self._pixels[top : top + height, left : left + width]
        if size is None or size == pixels.shape[:2]:
            return pixels.copy()
        return np.array(Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BOX))


class Animation:
    """An open animation of one of `formats` of Pillow's. Raises PictureError, without a path, if it is damaged."""

    fps = None
    sought = False
    seconds = None  # that would take reading all of it

    def __init__(self, path: Path, formats: tuple[str, ...]) -> None:
        self.account = Account()
        self._image = Image.open(path, formats=formats)
        self.size: Size = (self._image.height, self._image.width)
        require_size(self.size)

    def close(self) -> None:
        self._image.close()

    def frames(self, start_s: float = 0.0, end_s: float = math.inf) -> Iterator[Timed]:
        index, stamp = 0, 0.0
        while self._at(index):
            shown_ms = float(self._image.info.get("duration") or 0)
            shown_ms = shown_ms if shown_ms > AS_BROWSERS_MS[0] else AS_BROWSERS_MS[1]
            yield Timed(stamp, shown_ms / 1000, WholePicture(_over_grey(self._image)))
            index, stamp = index + 1, stamp + shown_ms / 1000

    def samples(self, count: int) -> Iterator[Picture]:
        number = getattr(self._image, "n_frames", 1)
        for index in sorted({number * at // count for at in range(count)}):
            if self._at(index):
                yield WholePicture(_over_grey(self._image))

    def _at(self, index: int) -> bool:
        """Goes to a frame and decodes it; False if there is none. A damaged one ends the animation."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd tags, which do not matter
                self._image.seek(index)
                self._image.load()
        except EOFError:
            return False
        except Exception as error:  # parsers meet damaged bytes with almost any exception, each meaning the same
            if not index:
                raise PictureError(f"it is damaged ({error})") from error
            self.account.damages += 1
            return False
        return True


def _over_grey(image: Image.Image) -> np.ndarray:
    """uint8 (H, W, 3), mid-grey where the picture is clear."""
    if not image.has_transparency_data:
        return np.array(image.convert("RGB"))
    behind = Image.new("RGBA", image.size, (*MID_GREY, 255))
    return np.array(Image.alpha_composite(behind, image.convert("RGBA")).convert("RGB"))


class PictureFiles:
    """Pictures in files of their own, `fps` a second by declaration. One that cannot be read is left out."""

    sought = False

    def __init__(self, files: Sequence[Path], fps: float) -> None:
        self.account = Account()
        self._files, self.fps = files, fps
        self.seconds = len(files) / fps

    def close(self) -> None: ...

    @property
    def size(self) -> Size:
        height, width = load_picture(self._files[0]).shape[:2]
        return height, width

    def frames(self, start_s: float = 0.0, end_s: float = math.inf) -> Iterator[Timed]:
        joined = True
        for index, file in enumerate(self._files):
            try:
                picture = WholePicture(load_picture(file))
            except PictureError:
                self.account.damages += joined
                joined = False
                continue
            yield Timed(index / self.fps, 1 / self.fps, picture, joined)
            joined = True

    def samples(self, count: int) -> Iterator[Picture]:
        for index in sorted({len(self._files) * at // count for at in range(count)}):
            with contextlib.suppress(PictureError):
                yield WholePicture(load_picture(self._files[index]))


def numbered_pictures(folder: Path) -> list[Path]:
    """The pictures in a folder that have a number in their name, by that number; empty for fewer than two."""
    found = [
        (int(numbers[-1]), file)
        for file in folder.iterdir()
        if file.suffix.lower() in PICTURE_SUFFIXES and (numbers := re.findall(r"\d+", file.stem))
    ]
    return [file for _, file in sorted(found)] if len(found) > 1 else []
