"""Data sets: dataset.json, arrays of episodes and actions, shards of each kind, and those of LeRobot."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import random
from pathlib import Path
from unittest import mock

import numpy as np

from fuzzing.changes import other_bytes, other_json
from fuzzing.kind import REPOSITORY, Files, Kind
from fuzzing.tiny import files_in


class DataSet(Kind):
    """A set of 90 frames, 8×8, in six episodes and three shards, of which one or two files are damaged.

    Nine in ten Parquet sets tell their new sizes and hashes, as a stranger's would.
    """

    batch = 1000
    shards: str
    json_only = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from genie_core.data import VideoDataset

        self._dataset = VideoDataset
        self._corpus = make(folder / "corpus", self.shards)
        self.use(self._corpus)

    def damaged(self, rng: random.Random) -> Files:
        files = dict(self._corpus)
        for _ in range(rng.choice([1, 1, 1, 2])):
            shards = [name for name in files if name.startswith("frames")]
            name = rng.choice([*(name for name in files if name not in shards), *rng.choices(shards, k=3)])
            name = "dataset.json" if self.json_only else name
            if rng.random() < 0.02:
                files.pop(name, None)
            elif name.endswith("json") and name in files and rng.random() < 0.75:
                files[name] = other_json(rng, files[name])
            elif name in files:
                files[name] = other_bytes(rng, files[name])
        return _promised(files) if self.shards in ("parquet", "unchecked") and rng.random() < 0.9 else files

    def use(self, files: Files) -> None:
        dataset = self._dataset(self.written(files))
        starts = dataset.clip_starts(10)
        for start in starts[np.linspace(0, len(starts) - 1, 10).astype(int)]:
            dataset.clip(int(start), 10)
        dataset.provenance, dataset.fingerprint()
        if dataset.has_true_actions:
            dataset.true_actions(0, 5)


class Parquet(DataSet):
    name, shards = "parquet", "parquet"


class Unchecked(DataSet):
    """Parquet without checksums of pages: damage gets through to the decoder."""

    name, shards = "parquet-unchecked", "unchecked"


class Npy(DataSet):
    name, shards = "npy", "npy"


class Npz(DataSet):
    name, shards = "npz", "npz"


class Descriptions(DataSet):
    name, shards, json_only = "dataset-json", "parquet", True
    batch = 2000


def _promised(files: Files) -> Files:
    with contextlib.suppress(Exception):  # where the description is none any more
        told = json.loads(files["dataset.json"])
        for shard in told["shards"]:
            body = files[shard["file"]]
            shard |= {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        return files | {"dataset.json": json.dumps(told).encode()}
    return files


def make(out: Path, kind: str) -> Files:
    import pyarrow.parquet as pq

    from genie_core.data import DatasetWriter

    rng, plain = np.random.default_rng(0), pq.ParquetWriter
    unchecked = mock.patch.object(pq, "ParquetWriter", lambda *a, **b: plain(*a, **b | {"write_page_checksum": False}))
    with (
        unchecked if kind == "unchecked" else contextlib.nullcontext(),
        DatasetWriter(out, source={"game": "noise"}, frame_size=(8, 8), shard_bytes=40 * 192) as writer,
    ):
        for number in range(6):
            frames = rng.integers(0, 256, (15, 4, 4, 3), np.uint8).repeat(2, 1).repeat(2, 2)
            writer.add_episode(frames, np.arange(14) % 5, number, {"file": f"{number}.mp4", "from": 0.5})
    if kind in ("npy", "npz"):
        _write_as_before(out, kind)
    return files_in(out)


def _write_as_before(out: Path, kind: str) -> None:
    from genie_core.data import VideoDataset

    dataset = VideoDataset(out)
    every = np.concatenate([dataset.clip(int(first), int(length)) for first, length, _ in dataset.episodes])
    shards = []
    for number, first in enumerate(range(0, len(every), 40)):
        file, frames = out / f"frames-{number:05d}.{kind}", every[first : first + 40]
        if kind == "npy":
            np.save(file, frames)
        else:
            np.savez_compressed(file, frames=frames)
        file.with_suffix(".parquet").unlink()
        shards.append({"file": file.name, "frames": len(frames)})
    told = dataclasses.asdict(dataset.info) | {"format_version": 2, "shards": shards}
    (out / "dataset.json").write_text(json.dumps(told))


class LeRobot(Kind):
    """A LeRobotDataset v3: its tables and JSON, now and then its videos. Two pictures of each episode are decoded."""

    name = "lerobot"
    batch = 300

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from genie_core.data.lerobot.read import LeRobotFolder

        self._open = LeRobotFolder
        self._corpus = files_in(REPOSITORY / "tests/data/lerobot")
        self.use(self._corpus)

    def damaged(self, rng: random.Random) -> Files:
        files = dict(self._corpus)
        light = sorted(name for name in files if not name.endswith("mp4"))
        for name in rng.choices([*light, "meta/info.json", *sorted(files)], k=rng.choice([1, 1, 2])):
            if rng.random() < 0.02:
                files.pop(name, None)
            elif name in files and name.endswith("json") and rng.random() < 0.75:
                files[name] = other_json(rng, files[name])
            elif name in files:
                files[name] = other_bytes(rng, files[name])
        return files

    def use(self, files: Files) -> None:
        folder = self._open(self.written(files))
        folder.size()
        list(folder.actions())
        for episode in folder.episodes():
            for _, picture in zip(range(2), episode.pictures, strict=False):
                picture.rgb()
