"""What every kind of video gives: pictures with times, and an account of what was wrong on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple, Protocol

import numpy as np

from genie_core.errors import PictureError
from genie_core.limits import VIDEO_PIXELS, Size


def require_size(size: Size) -> None:
    """Raises PictureError unless frames of `size` (H, W) are small enough."""
    if size[0] * size[1] > VIDEO_PIXELS:
        most = f"at most {VIDEO_PIXELS / 10**6:.0f} million pixels"
        raise PictureError(f"it has frames of {size[1]}×{size[0]}, expected {most}; make them smaller")


class Part(NamedTuple):
    """A rectangle of a picture, in pixels as shown."""

    top: int
    left: int
    height: int
    width: int


class Picture(Protocol):
    """One frame, converted only when it is asked for. `size` is (H, W) as shown: upright, with square pixels."""

    @property
    def size(self) -> Size: ...

    def rgb(self, part: Part | None = None, size: Size | None = None) -> np.ndarray:
        """`part`, or all of it, as uint8 (H, W, 3) in [0, 255]; shrunk to `size` by averaging if that is given."""
        ...


class Timed(NamedTuple):
    """A picture as its file has it. `stamp` is the second at which it appears, `lasts` how long it is shown, each None
    where the file does not say; `joined` is False if damage lies between the picture before and this one."""

    stamp: float | None
    lasts: float | None
    picture: Picture
    joined: bool = True


class Shown(NamedTuple):
    """A picture on the clock of its video: shown from `start` to `end` seconds; `joined` as in `Timed`."""

    start: float
    end: float
    picture: Picture
    joined: bool


@dataclass
class Account:
    """What was met while a video was read: `frames` in `seconds`, as far as it was read.

    `restarts` counts timestamps that start anew, `damages` stretches that cannot be decoded; `missing_s` is how much
    shorter the video is than its file says.
    """

    frames: int = 0
    seconds: float = 0.0
    restarts: int = 0
    damages: int = 0
    missing_s: float = 0.0

    @property
    def fps(self) -> float:
        """Frames a second, on average; 0 if that is unknown."""
        return self.frames / self.seconds if self.seconds else 0.0

    def __add__(self, other: Account) -> Account:
        """The account of two stretches of a video."""
        return Account(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))

    def warnings(self, fps: float) -> list[str]:
        """What a user should know who reads the video at `fps` frames a second, in sentences."""
        told = []
        if 0 < self.fps < 0.9 * fps and self.frames > 1:
            told.append(
                f"the video has {self.fps:.3g} frames a second, not {fps:g}: repeated frames look like doing nothing"
            )
        if self.restarts:
            told.append(f"the video's clock starts anew {times(self.restarts)}; the parts were put end to end")
        if self.damages:
            told.append(f"the video is damaged in {places(self.damages)}, where frames were left out")
        if self.missing_s:
            whole = self.seconds + self.missing_s
            told.append(f"the file is cut short: {self.seconds:.1f} of its {whole:.1f} s could be read")
        return told


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def places(count: int) -> str:
    return "one place" if count == 1 else f"{count} places"


class Source(Protocol):
    """An open video. `size` is that of its frames as shown, (H, W); `seconds` and `fps` are what its file says of
    length and frame rate, None where that is unknown; `sought` is whether `frames` can begin anywhere."""

    account: Account

    @property
    def size(self) -> Size: ...

    @property
    def seconds(self) -> float | None: ...

    @property
    def fps(self) -> float | None: ...

    @property
    def sought(self) -> bool: ...

    def frames(self, start_s: float = 0.0, end_s: float = math.inf) -> Iterator[Timed]:
        """All pictures in order, once; of a video that can be sought, those from `start_s` on and before `end_s`."""
        ...

    def samples(self, count: int) -> Iterator[Picture]:
        """Up to `count` pictures from all over the video, quickly; apart from what `frames` gives."""
        ...

    def close(self) -> None: ...
