"""How much of what a data set may hold is taken: more would be written in hours and then refused by every reader."""

from __future__ import annotations

import json
import math
from typing import Any

from genie_core.errors import DataError
from genie_core.limits import (
    DATASET_EPISODES,
    DATASET_FRAMES,
    DATASET_SIDE,
    DESCRIPTION_BYTES,
    PROVENANCE_BYTES,
    Size,
)

SHARD_BYTES = 122_880_000  # of frames before they are compressed
TOLD_BYTES = 256  # of dataset.json for a shard, at most
OTHERS_BYTES = 4096  # of dataset.json for all but its shards and its source
SPLIT = "record several with other --seed, and give --data all of them"


class FullError(DataError):
    """A data set holds as much as one may."""


def shard_frames(frame_size: Size, shard_bytes: int = SHARD_BYTES) -> int:
    """Frames of a shard of about `shard_bytes`."""
    return max(1, shard_bytes // (3 * math.prod(frame_size)))


class Room:
    """Of a data set of frames (H, W) = `frame_size` in shards of `shard_frames`. DataError if nothing fits at all."""

    def __init__(self, source: dict[str, Any], frame_size: Size, shard_frames: int) -> None:
        self.frames, self.episodes, self._provenance = 0, 0, 3
        self._shard_frames, self._told = shard_frames, len(json.dumps(source, indent=2)) + OTHERS_BYTES
        if max(frame_size) > DATASET_SIDE:
            raise DataError(f"frames of {frame_size[1]}x{frame_size[0]} are too large, at most {DATASET_SIDE} a side")
        if self._told > DESCRIPTION_BYTES:
            raise DataError(f"source takes {self._told:,} bytes, expected at most {DESCRIPTION_BYTES:,}")

    def lacks(self, frames: int, provenance: dict[str, Any] | None = None) -> str | None:
        """Why an episode more of `frames` does not fit, in words; None if it does."""
        every, shards = self.frames + frames, -(-(self.frames + frames) // self._shard_frames)
        needed = {
            "frames": (every, DATASET_FRAMES),
            "episodes": (self.episodes + 1, DATASET_EPISODES),
            "bytes of dataset.json": (self._told + shards * TOLD_BYTES, DESCRIPTION_BYTES),
            "bytes of provenance.json": (self._provenance + _bytes(provenance), PROVENANCE_BYTES),
        }
        over = [f"{count:,} {what}, at most {most:,}" for what, (count, most) in needed.items() if count > most]
        return over[0] if over else None

    def take(self, frames: int, provenance: dict[str, Any] | None = None) -> None:
        self.frames += frames
        self.episodes += 1
        self._provenance += _bytes(provenance)


def _bytes(provenance: dict[str, Any] | None) -> int:
    return len(json.dumps(provenance or {})) + 2


def require_room(what: str, frames: int, frame_size: Size, advice: str) -> None:
    """Raises DataError unless a data set may hold `frames` frames, which `what` asks for."""
    if why := Room({}, frame_size, shard_frames(frame_size)).lacks(frames):
        raise DataError(f"{what} gives {why} in one data set; {advice}")
