"""Recording while one plays: everything that is slow happens in a thread of its own, and play only hands frames over.

A video is written in fragments of two seconds, each whole as soon as it is on disk, so that a full disk, or a crash,
loses no more than the last one.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from app.media.write import MP4_ENLARGED, MP4_QUALITY, RecordingError
from genie_core.errors import GenieError

WAITING = 600  # frames that may wait to be written; more than that are left out, and counted
FRAGMENT_SECONDS = 2
LEAST_SIDE = 256  # pixels; smaller frames are enlarged crisply


class Background:
    """Does jobs one after the other in a thread. Each returns a sentence, or raises a GenieError that has one."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[Callable[[], str] | None] = queue.Queue()
        self._told: deque[tuple[bool, str]] = deque()
        self._thread = threading.Thread(target=self._work, name="saving", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], str]) -> None:
        self._jobs.put(job)

    def told(self) -> list[tuple[bool, str]]:
        """Whether it went well, and the sentence, of each job done since this was last asked."""
        return [self._told.popleft() for _ in range(len(self._told))]

    def close(self) -> list[tuple[bool, str]]:
        """Waits for all jobs; returns what there is to tell."""
        self._jobs.put(None)
        self._thread.join()
        return self.told()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._told.append((True, job()))
            except GenieError as error:
                self._told.append((False, str(error)))


class VideoRecorder:
    """A video in the making. `add` frames of one size as they are shown, then `close`."""

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self.fps = path, fps
        self.frames = 0  # handed over
        self.left_out = 0
        self.problem: RecordingError | None = None
        self._waiting: queue.Queue[np.ndarray | None] = queue.Queue()
        self._thread = threading.Thread(target=self._write, name="recording", daemon=True)
        self._thread.start()

    def add(self, frame: np.ndarray) -> None:
        """Takes a frame, uint8 (H, W, 3), that nobody changes afterwards; never waits."""
        if self.problem is not None:
            return
        if self._waiting.qsize() >= WAITING:
            self.left_out += 1
            return
        self.frames += 1
        self._waiting.put(frame)

    def close(self) -> str:
        """Waits until all is written; returns where it is, in a sentence. Raises RecordingError if the disk refused."""
        self._waiting.put(None)
        self._thread.join()
        if self.problem is not None:
            raise self.problem
        lost = f", {self.left_out} frames left out: the disk was too slow" if self.left_out else ""
        return f"saved {self.path.name}, {self.frames / self.fps:.1f} s{lost}"

    def _write(self) -> None:
        import av  # brings ffmpeg, which nothing else here needs

        try:
            self._encode(av)
        except (av.FFmpegError, OSError) as error:
            kept = (
                "what was written before plays" if self.path.exists() and self.path.stat().st_size else "nothing kept"
            )
            self.problem = RecordingError(f"{self.path} cannot be written on ({error}); {kept}; make room")

    def _encode(self, av: Any) -> None:
        first = self._waiting.get()
        if first is None:
            return
        times = MP4_ENLARGED if max(first.shape[:2]) < LEAST_SIDE else 1
        options = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
        container = av.open(str(self.path), "w", format="mp4", options=options)
        try:
            stream = container.add_stream("libx264", rate=Fraction(self.fps).limit_denominator(1001))
            height, width = (times * side // 2 * 2 for side in first.shape[:2])  # of yuv420p, which is in pairs
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.options = {"crf": str(MP4_QUALITY), "preset": "veryfast"}
            stream.codec_context.gop_size = max(1, round(FRAGMENT_SECONDS * self.fps))
            stream.codec_context.thread_count = 1  # the world needs the other cores
            frame: np.ndarray | None = first
            while frame is not None:
                large = frame.repeat(times, 0).repeat(times, 1)[:height, :width]
                if large.shape[:2] == (height, width):  # of a window that was made smaller there is no frame
                    picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(large), format="rgb24")
                    container.mux(stream.encode(picture))
                frame = self._waiting.get()
            container.mux(stream.encode())
        finally:
            container.close()
