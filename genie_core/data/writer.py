"""Writing a data set, episode by episode. `dataset.py` describes the files.

All files go to a hidden sibling folder, which takes the final name at the end: an interrupted recording leaves
nothing that looks like a data set.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from genie_core.data.dataset import DatasetInfo
from genie_core.errors import DataError
from genie_core.files import disk_refusals

SHARD_BYTES = 122_880_000  # of frames, the most that a writer holds in memory


class DatasetWriter:
    """A data set being written: `with DatasetWriter(out, ...) as writer: writer.add_episode(...)`.

    `frame_size` is (H, W). `compressed` writes .npz shards, much smaller for drawn games, which readers keep in
    memory. Raises DataError if `out` already holds something, WriteError if the disk refuses.
    """

    def __init__(
        self,
        out: str | Path,
        *,
        source: dict[str, Any],
        frame_size: tuple[int, int],
        fps: float = 15,
        shard_bytes: int = SHARD_BYTES,
        compressed: bool = False,
    ) -> None:
        self.out = Path(out).resolve()
        self.source, self.frame_size, self.fps, self.compressed = source, frame_size, fps, compressed
        shard_frames = max(1, shard_bytes // (3 * math.prod(frame_size)))
        self._buffer = np.empty((shard_frames, *frame_size, 3), np.uint8)
        self._filled = 0
        self._shards: list[tuple[str, int]] = []
        self._episodes: list[tuple[int, int, int]] = []
        self._actions: list[np.ndarray] = []
        self._partial = self.out.with_name(f".{self.out.name}.{os.getpid()}.partial")

    def __enter__(self) -> DatasetWriter:
        if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise DataError(f"{self.out} already exists and is not empty; choose another --out, or remove it first")
        with self._disk():
            self._partial.mkdir(parents=True)
        return self

    def __exit__(self, error_type: type[BaseException] | None, *details: object) -> None:
        try:
            if error_type is None:
                with self._disk():
                    self._finish()
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)

    @property
    def frames(self) -> int:
        """Frames added so far."""
        return sum(length for _, length, _ in self._episodes)

    def add_episode(self, frames: np.ndarray, actions: np.ndarray | None = None, level_seed: int = -1) -> None:
        """Append uint8 frames (t, H, W, 3) and the game's own actions between them (t-1,), if it has any."""
        frames = np.asarray(frames)
        expected = (len(frames), *self.frame_size, 3)
        if frames.shape != expected or frames.dtype != np.uint8 or not len(frames):
            raise DataError(f"an episode is {frames.dtype} {frames.shape}, expected uint8 {('t', *expected[1:])}")
        if actions is not None and len(actions) != len(frames) - 1:
            raise DataError(f"an episode of {len(frames)} frames has {len(actions)} actions, expected one less")
        if self._episodes and (actions is None) == bool(self._actions):
            raise DataError("some episodes have true actions and some have none; give them for all or for none")
        self._episodes.append((self.frames, len(frames), level_seed))
        if actions is not None:
            self._actions.append(np.append(actions, -1).astype(np.int8))
        self._append(frames)

    def _disk(self) -> AbstractContextManager[None]:
        return disk_refusals(self.out, "choose another --out, or make room")

    def _append(self, frames: np.ndarray) -> None:
        while len(frames):
            taken = min(len(frames), len(self._buffer) - self._filled)
            self._buffer[self._filled : self._filled + taken] = frames[:taken]
            self._filled += taken
            frames = frames[taken:]
            if self._filled == len(self._buffer):
                with self._disk():
                    self._write_shard()

    def _write_shard(self) -> None:
        file = f"frames-{len(self._shards):05d}.{'npz' if self.compressed else 'npy'}"
        if self.compressed:
            np.savez_compressed(self._partial / file, frames=self._buffer[: self._filled])
        else:
            np.save(self._partial / file, self._buffer[: self._filled])
        self._shards.append((file, self._filled))
        self._filled = 0

    def _finish(self) -> None:
        if not self._episodes:
            raise DataError(f"nothing was written to {self.out}: not one episode was found")
        if self._filled:
            self._write_shard()
        np.save(self._partial / "episodes.npy", np.array(self._episodes, np.int64))
        if self._actions:
            np.save(self._partial / "true_actions.npy", np.concatenate(self._actions))
        (self._partial / "dataset.json").write_text(json.dumps(self._description(), indent=1) + "\n")
        if self.out.exists():
            self.out.rmdir()
        self._partial.rename(self.out)

    def _description(self) -> dict[str, Any]:
        info = DatasetInfo(
            name=self.out.name,
            frame_size=self.frame_size,
            fps=self.fps,
            frames=self.frames,
            episodes=len(self._episodes),
            shards=tuple(self._shards),
            source=self.source,
        )
        shards = [{"file": file, "frames": frames} for file, frames in self._shards]
        return {**dataclasses.asdict(info), "shards": shards}
