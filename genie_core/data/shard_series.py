"""A series of Parquet shards being written. Knows episodes only as rows, noted down beside the shard they end in.

Memory holds one row group of frames. A shard with its note is whole; a series that was interrupted goes on after the
last row noted, and writes the same bytes as one that was not.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from genie_core.data.arrays import undamaged
from genie_core.data.description import Shard
from genie_core.data.folder import Folder
from genie_core.data.parquet import ShardWriter, group_frames
from genie_core.data.shards import Reader
from genie_core.files import write_whole

Row = list[Any]
"""An episode: its length in frames first, then what the writer wants to know of it again; all as JSON has it."""


class ShardSeries:
    """`shards` are those that are whole, in `folder`, of `shard_frames` frames (H, W) = `frame_size` each."""

    def __init__(self, folder: Path, frame_size: tuple[int, int], shard_frames: int) -> None:
        self.folder, self.frame_size, self.shard_frames = folder, frame_size, shard_frames
        self.shards: list[Shard] = []
        self.pending: list[Row] = []  # episodes that have ended and stand in no note
        self._group = np.empty((group_frames(frame_size), *frame_size, 3), np.uint8)
        self._filled = 0  # frames in `_group`
        self._written = 0  # frames of the shard being written that have left `_group`
        self._writer: ShardWriter | None = None

    def append(self, frames: np.ndarray) -> None:
        """Append uint8 (n, H, W, 3). A full shard ends when a frame more comes, with the episodes until then."""
        while len(frames):
            if self._written + self._filled == self.shard_frames:
                self.end_shard()
            room = min(len(self._group), self.shard_frames - self._written)
            taken = min(len(frames), room - self._filled)
            self._group[self._filled : self._filled + taken] = frames[:taken]
            self._filled += taken
            frames = frames[taken:]
            if self._filled == room:
                self._write_group()

    def end_shard(self) -> None:
        """End the shard that is being written, if there is one, and note it down with the episodes that ended."""
        if self._filled:
            self._write_group()
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        writer.close()
        path = self.folder / self._next
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        shard = Shard(path.name, self._written, path.stat().st_size, digest)
        write_whole(path.with_suffix(".json"), json.dumps({"shard": shard._asdict(), "episodes": self.pending}))
        self.shards.append(shard)
        self.pending, self._written = [], 0

    def stop(self) -> None:
        """Close the file that is being written; it has no end and is of no use."""
        if self._writer is not None:
            with contextlib.suppress(Exception):
                self._writer.close()

    def remove_notes(self) -> None:
        for note in self.folder.glob("frames-*.json"):
            note.unlink()

    def resume(self) -> list[Row]:
        """Read the notes, go back to the end of the last episode in them, and return all episodes."""
        notes = []
        while (file := (self.folder / self._next).with_suffix(".json")).exists():
            with undamaged(file):
                note = json.loads(file.read_text(encoding="utf-8"))
                self.shards.append(Shard(**note["shard"]))
                notes.append(note["episodes"])
        rows = [row for note in notes for row in note]
        ended = sum(row[0] for row in rows)
        while self.shards and sum(shard.frames for shard in self.shards) > ended:
            self.pending = notes.pop() + self.pending
            self._reopen(self.shards.pop(), ended)
        return rows

    def _reopen(self, shard: Shard, ended: int) -> None:
        """Of a whole shard, the last one, keep the frames before frame `ended` of the series and write on."""
        kept = self.folder / "kept.parquet"
        (self.folder / shard.file).with_suffix(".json").unlink()
        (self.folder / shard.file).replace(kept)
        count = ended - sum(each.frames for each in self.shards)
        if count > 0:
            frames = Reader().open(Folder(self.folder), shard._replace(file=kept.name), self.frame_size)
            for first in range(0, count, len(self._group)):
                self.append(frames.read(first, min(count, first + len(self._group))))
        kept.unlink()

    @property
    def _next(self) -> str:
        """The file name of the shard being written."""
        return f"frames-{len(self.shards):05d}.parquet"

    def _write_group(self) -> None:
        if self._writer is None:
            self._writer = ShardWriter(self.folder / self._next, self.frame_size)
        self._writer.add(self._group[: self._filled])
        self._written += self._filled
        self._filled = 0
