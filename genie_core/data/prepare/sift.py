"""What of a video is worth learning from: its scenes, without stretches in which nothing moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from genie_core.data.prepare.cuts import CutFinder

SHORTEST_FRAMES = 24  # of a scene: training takes clips of up to 20 frames
STILL_S = 1.0  # that nothing may move before frames are left out; an idle second is worth learning from
STILL = 10  # of 255 by which no pixel may change more
CHUNK_FRAMES = 256  # that are held at most


class Scene(NamedTuple):
    """`length` frames, shown from `start_s` to `end_s` seconds of the video."""

    length: int
    start_s: float
    end_s: float


@dataclass
class Sifted:
    """The scenes that were kept, how many of their frames show no change, and how many frames were left out, by why."""

    scenes: list[Scene] = field(default_factory=list)
    cuts: int = 0
    idle: int = 0
    still: int = 0
    short: int = 0

    @property
    def counts(self) -> dict[str, int]:
        return {"cuts": self.cuts, "idle": self.idle, "still": self.still, "short": self.short}


class Sieve:
    """Takes the frames of a video in order and hands those of its scenes to `write`, uint8 (n, H, W, 3) at a time."""

    def __init__(self, fps: float, write: Callable[[np.ndarray], None]) -> None:
        self.found = Sifted()
        self._write, self._fps = write, fps
        self._cuts = CutFinder()
        self._held: list[np.ndarray] = []  # frames of this scene that are not written yet
        self._written = 0
        self._start_s = self._end_s = 0.0
        self._anchor: np.ndarray | None = None  # the last frame in which something had moved
        self._still = 0  # frames since then
        self._last_still: tuple[np.ndarray, float] | None = None  # left out, unless something moves next

    def add(self, frame: np.ndarray, seconds: float, joined: bool) -> None:
        """Takes the frame that is shown at `seconds`; `joined` is False if damage lies before it."""
        cut = self._cuts.is_cut(frame)
        if not joined or cut:
            self.found.cuts += joined
            self._end_scene()
            self._anchor, self._still, self._last_still = None, 0, None
        if self._is_still(frame):
            self._add_still(frame, seconds)
            return
        if self._last_still is not None:
            self.found.still -= 1
            self._keep(*self._last_still)
        self._anchor, self._still, self._last_still = frame, 0, None
        self._keep(frame, seconds)

    def close(self) -> Sifted:
        """Ends the last scene; returns what was found."""
        self._end_scene()
        return self.found

    def _add_still(self, frame: np.ndarray, seconds: float) -> None:
        self._still += 1
        if self._still <= STILL_S * self._fps:
            self.found.idle += 1
            self._keep(frame, seconds)
            return
        self._end_scene()
        self.found.still += 1
        self._last_still = frame, seconds

    def _is_still(self, frame: np.ndarray) -> bool:
        if self._anchor is None:
            return False
        return int((np.maximum(self._anchor, frame) - np.minimum(self._anchor, frame)).max()) <= STILL

    def _keep(self, frame: np.ndarray, seconds: float) -> None:
        if not self._held and not self._written:
            self._start_s = seconds
        self._held.append(frame)
        self._end_s = seconds + 1 / self._fps
        if len(self._held) >= CHUNK_FRAMES:
            self._flush()

    def _flush(self) -> None:
        self._write(np.stack(self._held))
        self._written += len(self._held)
        self._held = []

    def _end_scene(self) -> None:
        length = self._written + len(self._held)
        if length >= SHORTEST_FRAMES:
            if self._held:
                self._flush()
            self.found.scenes.append(Scene(length, round(self._start_s, 3), round(self._end_s, 3)))
        else:
            self.found.short += length
            self.found.idle -= min(self._still, length)
        self._held, self._written = [], 0
