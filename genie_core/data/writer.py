"""Writing a data set, frame by frame. `dataset.py` describes the files.

All files go to a hidden sibling folder, `.NAME.partial`, which takes the final name at the end: an interrupted writer
leaves nothing that looks like a data set.
"""

from __future__ import annotations

import json
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from genie_core.data.description import FILE, DatasetInfo
from genie_core.data.room import SHARD_BYTES, FullError, Room, shard_frames
from genie_core.data.shard_series import ShardSeries
from genie_core.errors import DataError
from genie_core.files import disk_refusals, write_whole

BEGUN, LOCK = "begun.json", ".lock"


class Episode(NamedTuple):
    """A finished episode: its length in frames, true actions int8 (length,) with -1 at the end, and its origin."""

    length: int
    actions: np.ndarray | None
    level_seed: int
    provenance: dict[str, Any]


class DatasetWriter:
    """A data set being written: `with DatasetWriter(out, ...) as writer: writer.add_episode(...)`.

    `frame_size` is (H, W). With `resume`, what was written stays when the writer is interrupted. The next writer of the
    same `out`, `source`, `frame_size` and `fps` goes on after the last episode that ended before the last whole shard:
    `episodes` holds what is there already. Raises DataError if `out` holds something, or if another process writes
    it; WriteError if the disk refuses; FullError, which is a DataError, at an episode that does not fit among what is
    read back: what `add_episode` has written before is finished then, a whole data set.
    """

    def __init__(
        self,
        out: str | Path,
        *,
        source: dict[str, Any],
        frame_size: tuple[int, int],
        fps: float = 15,
        shard_bytes: int = SHARD_BYTES,
        resume: bool = False,
    ) -> None:
        self.out = Path(out).resolve()
        self.source, self.frame_size, self.fps, self.resume = source, frame_size, fps, resume
        self.episodes: list[Episode] = []
        self._open_frames = 0  # of the episode that goes on
        self._partial = self.out.with_name(f".{self.out.name}.partial")
        self._series = ShardSeries(self._partial, frame_size, shard_frames(frame_size, shard_bytes))
        self._room = Room(source, frame_size, self._series.shard_frames)
        self._lock: IO[str] | None = None

    def __enter__(self) -> DatasetWriter:
        if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise DataError(f"{self.out} already exists and is not empty; choose another --out, or remove it first")
        with self._disk():
            self._partial.mkdir(parents=True, exist_ok=True)
            self._lock = self._alone()
            try:
                self._go_on() if self.resume and (self._partial / BEGUN).exists() else self._begin()
            except BaseException:
                self._unlock()
                raise
        return self

    def __exit__(self, error_type: type[BaseException] | None, *details: object) -> None:
        try:
            full = error_type is not None and issubclass(error_type, FullError)
            if error_type is None or (full and self.episodes and not self._open_frames):
                with self._disk():
                    self._finish()
        finally:
            self._series.stop()
            self._unlock()
            if not self.resume:
                shutil.rmtree(self._partial, ignore_errors=True)

    @property
    def frames(self) -> int:
        """Frames of the episodes that have ended."""
        return self._room.frames

    def add_frames(self, frames: np.ndarray) -> None:
        """Append uint8 frames (t, H, W, 3) to the episode that goes on, or begin one."""
        frames = np.asarray(frames)
        expected = (len(frames), *self.frame_size, 3)
        if frames.shape != expected or frames.dtype != np.uint8 or not len(frames):
            raise DataError(f"an episode is {frames.dtype} {frames.shape}, expected uint8 {('t', *expected[1:])}")
        self._require_room(self._open_frames + len(frames), None)
        with self._disk():
            self._series.append(frames)
        self._open_frames += len(frames)

    def end_episode(
        self, actions: np.ndarray | None = None, level_seed: int = -1, provenance: dict[str, Any] | None = None
    ) -> None:
        """End the episode. `actions` (t-1,) are the game's own between its t frames, for all episodes or for none.

        `provenance` says where the episode comes from, in what JSON can hold.
        """
        length = self._open_frames
        if not length:
            raise DataError("an episode without frames was ended; add frames first")
        self._require_room(length, provenance)
        _check_actions(length, actions)
        if self.episodes and (actions is None) != (self.episodes[0].actions is None):
            raise DataError("some episodes have true actions and some have none; give them for all or for none")
        known = None if actions is None else np.append(actions, -1).astype(np.int8)
        episode = Episode(length, known, int(level_seed), provenance or {})
        told = None if known is None else known.tolist()
        self._series.pending.append([length, told, episode.level_seed, episode.provenance])
        self._take(episode)
        self._open_frames = 0

    def add_episode(
        self,
        frames: np.ndarray,
        actions: np.ndarray | None = None,
        level_seed: int = -1,
        provenance: dict[str, Any] | None = None,
    ) -> None:
        """Append a whole episode: `add_frames`, then `end_episode`."""
        _check_actions(len(frames), actions)
        self._require_room(len(frames), provenance)
        self.add_frames(frames)
        self.end_episode(actions, level_seed, provenance)

    def _take(self, episode: Episode) -> None:
        self.episodes.append(episode)
        self._room.take(episode.length, episode.provenance)

    def _require_room(self, frames: int, provenance: dict[str, Any] | None) -> None:
        if why := self._room.lacks(frames, provenance):
            raise FullError(
                f"{self.out} is full with {self.frames:,} frames in {len(self.episodes):,} episodes: one more would "
                f"give {why}; write the others to another data set, and give --data both"
            )

    def _disk(self) -> AbstractContextManager[None]:
        advice = "make room and run the same command again" if self.resume else "choose another --out, or make room"
        return disk_refusals(self.out, advice)

    def _alone(self) -> IO[str] | None:
        """Raise DataError if another process writes the data set; None where there are no such locks."""
        try:
            import fcntl
        except ImportError:
            return None
        lock = (self._partial / LOCK).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise DataError(
                f"another process is writing {self.out}; wait for its end, or choose another --out"
            ) from None
        except OSError:  # of a file system without such locks
            lock.close()
            return None
        return lock

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def _begin(self) -> None:
        """Forget what an interrupted writer has left, and note down what is to be written."""
        for path in self._partial.iterdir():
            if path.name != LOCK:
                path.unlink()
        write_whole(self._partial / BEGUN, json.dumps(self._told()))

    def _go_on(self) -> None:
        """Take up what an interrupted writer has left; DataError if it wrote something else."""
        before = json.loads((self._partial / BEGUN).read_text(encoding="utf-8"))
        now = json.loads(json.dumps(self._told()))
        if changed := [name for name in now if before.get(name) != now[name]]:
            raise DataError(
                f"{self.out} was begun with another {', '.join(changed)}; give the same options again, or delete "
                f"{self._partial} to begin anew"
            )
        for length, actions, level_seed, provenance in self._series.resume():
            known = None if actions is None else np.array(actions, np.int8)
            self._take(Episode(length, known, level_seed, provenance))

    def _told(self) -> dict[str, Any]:
        size, shard = list(self.frame_size), self._series.shard_frames
        return {"source": self.source, "frame_size": size, "fps": self.fps, "shard_frames": shard}

    def _finish(self) -> None:
        if self._open_frames:
            raise DataError(f"the last {self._open_frames} frames for {self.out} belong to no episode; end it first")
        if not self.episodes:
            raise DataError(f"nothing was written to {self.out}: not one episode was found")
        self._series.end_shard()
        self._write_episodes()
        write_whole(self._partial / FILE, self._info().text())
        self._series.remove_notes()
        for name in (BEGUN, LOCK):
            (self._partial / name).unlink(missing_ok=True)
        if self.out.exists():
            self.out.rmdir()
        self._partial.rename(self.out)

    def _write_episodes(self) -> None:
        lengths = np.array([episode.length for episode in self.episodes])
        seeds = [episode.level_seed for episode in self.episodes]
        rows = np.stack([np.cumsum(lengths) - lengths, lengths, seeds], 1)
        np.save(self._partial / "episodes.npy", rows.astype(np.int64))
        actions = [episode.actions for episode in self.episodes if episode.actions is not None]
        if actions:
            np.save(self._partial / "true_actions.npy", np.concatenate(actions))
        origins = [episode.provenance for episode in self.episodes]
        if any(origins):
            write_whole(self._partial / "provenance.json", json.dumps(origins) + "\n")

    def _info(self) -> DatasetInfo:
        return DatasetInfo(
            name=self.out.name,
            frame_size=self.frame_size,
            fps=self.fps,
            frames=self.frames,
            episodes=len(self.episodes),
            shards=tuple(self._series.shards),
            source=self.source,
        )


def _check_actions(length: int, actions: np.ndarray | None) -> None:
    if actions is not None and len(actions) != length - 1:
        raise DataError(f"an episode of {length} frames has {len(actions)} actions, expected one less")
