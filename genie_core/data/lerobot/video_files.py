"""The videos of a LeRobotDataset being written: episodes one after the other in H.264, a new file when one is full."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from genie_core.data.lerobot.layout import CHUNK_FILES, VIDEO, VIDEO_MB
from genie_core.limits import Size

QUALITY = 10  # x264's constant rate factor
PIXELS = "yuv444p"  # as many bytes as with halved colours, and 12 to 17 dB better on frames so small
KEY_FRAMES = 2  # frames from one to the next, as LeRobot has it: a clip is read from anywhere
LONGEST_S = 900  # of a file: LeRobot finds frames by 32-bit seconds, a tenth of a millisecond off at the most


class VideoPlace(NamedTuple):
    """Where an episode lies among the video files, in seconds."""

    chunk: int
    file: int
    start: float
    end: float


class VideoFiles:
    """Episodes of frames of `size` (H, W) become files of `key` below `folder`."""

    def __init__(self, folder: Path, key: str, size: Size, fps: float) -> None:
        self._folder, self._key, self._size = folder, key, size
        self.rate = Fraction(fps).limit_denominator(100)
        self._number = -1
        self._frames = 0  # in the open file
        self._container: Any = None
        self._file: BinaryIO | None = None

    def add_episode(self, batches: Iterable[np.ndarray]) -> VideoPlace:
        """Append an episode of uint8 (t, H, W, 3) batches."""
        if self._file is None or self._is_full(self._file):
            self._next()
        first = self._frames
        for frames in batches:
            for frame in frames:
                self._encode(frame)
        start, end = (float(count / self.rate) for count in (first, self._frames))
        return VideoPlace(self._number // CHUNK_FILES, self._number % CHUNK_FILES, start, end)

    def close(self) -> None:
        """End the open file."""
        if self._container is not None:
            self._container.mux(self._stream.encode())
            self._container.close()
            self._container = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _is_full(self, file: BinaryIO) -> bool:
        return self._frames / self.rate > LONGEST_S or file.tell() > VIDEO_MB * 2**20

    def _path(self) -> Path:
        chunk, file = divmod(self._number, CHUNK_FILES)
        return self._folder / VIDEO.format(key=self._key, chunk=chunk, file=file)

    def _next(self) -> None:
        import av

        self.close()
        self._number, self._frames = self._number + 1, 0
        self._path().parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path().open("wb")
        self._container = av.open(self._file, "w", format="mp4")
        self._stream = self._container.add_stream("libx264", rate=self.rate)
        self._stream.height, self._stream.width = self._size
        self._stream.pix_fmt = PIXELS
        self._stream.time_base = 1 / self.rate
        self._stream.options = {"crf": str(QUALITY), "g": str(KEY_FRAMES), "bf": "0"}

    def _encode(self, frame: np.ndarray) -> None:
        import av

        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture.pts, picture.time_base = self._frames, 1 / self.rate
        self._container.mux(self._stream.encode(picture))
        self._frames += 1
