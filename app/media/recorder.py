"""Recording during play: a thread of its own encodes and writes, and play only hands frames over.

A video is written in fragments of two seconds, so that a full disk or a crash loses no more than the last fragment.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from app.media.mp4 import open_mp4
from app.media.write import MP4_ENLARGED, RecordingError
from genie_core.errors import GenieError

WAITING, WAITING_BYTES = 600, 2**28  # frames that may wait to be written; more are left out, and counted
LEAST_SIDE = 256  # pixels; smaller frames are enlarged crisply


class Background:
    """Does jobs one after the other in a thread. Each returns a sentence to show, or raises a GenieError."""

    def __init__(self) -> None:
        self._worker, self._jobs = ThreadPoolExecutor(1, "saving"), deque[Future[str]]()

    def submit(self, job: Callable[[], str]) -> Future[str]:
        self._jobs.append(self._worker.submit(job))
        return self._jobs[-1]

    def told(self) -> list[tuple[bool, str]]:
        """For each job done since the last call: whether it went well, and its sentence."""
        told = []
        while self._jobs and self._jobs[0].done():
            try:
                told.append((True, self._jobs.popleft().result()))
            except GenieError as error:
                told.append((False, str(error)))
        return told

    def close(self) -> list[tuple[bool, str]]:
        """Waits for all jobs; returns as `told` does."""
        self._worker.shutdown()
        return self.told()


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
        """Takes a frame, uint8 (H, W, 3), that nothing changes afterwards; never waits."""
        if self.problem is not None:
            return
        waiting = self._waiting.qsize()
        if waiting >= WAITING or waiting * frame.nbytes >= WAITING_BYTES:
            self.left_out += 1
            return
        self.frames += 1
        self._waiting.put(frame)

    def close(self) -> str:
        """Waits until all is written; returns a sentence to show. Raises RecordingError if the disk refused."""
        self._waiting.put(None)
        self._thread.join()
        if self.problem is not None:
            raise self.problem
        if not self.frames:
            return "nothing was recorded: no frame was played"
        lost = f"; the disk was too slow, and {self.left_out} frames left out" if self.left_out else ""
        return f"saved {self.path.name}, {self.frames / self.fps:.1f} s{lost}"

    def _write(self) -> None:
        import av  # brings ffmpeg, which nothing else here needs

        first = self._waiting.get()
        if first is None:
            return
        try:
            self._encode(first)
        except (av.FFmpegError, OSError) as error:
            begun = self.path.exists() and self.path.stat().st_size
            kept = "the video up to here plays" if begun else "nothing was kept"
            why = error.strerror or error
            self.problem = RecordingError(f"{self.path} cannot be written on: {why}; {kept}; make room on the disk")

    def _encode(self, first: np.ndarray) -> None:
        times = MP4_ENLARGED if max(first.shape[:2]) < LEAST_SIDE else 1
        with open_mp4(str(self.path), first.shape, self.fps, times, live=True) as add:
            frame: np.ndarray | None = first
            while frame is not None:
                add(frame)
                frame = self._waiting.get()
