"""Data sets of ours become a LeRobotDataset v3 that LeRobot's own library opens and the Hub's viewer shows."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from genie_core.data.dataset import VideoDataset
from genie_core.data.description import FILE
from genie_core.data.lerobot import layout, statistics
from genie_core.data.lerobot.rows import COLUMNS, Actions, DataFiles, numbering, write_tasks
from genie_core.data.lerobot.statistics import PixelCounts, Statistics
from genie_core.data.lerobot.video_files import PIXELS, VideoFiles
from genie_core.errors import DataError, WriteError
from genie_core.files import alone_at, disk_refusals, whole_folder, write_whole

KEY = "observation.image"
BATCH = 256  # frames held in memory
CARD = """---
tags: [LeRobot]
task_categories: [robotics]
configs:
- config_name: default
  data_files: data/*/*.parquet
---
{frames:,} frames of {name} in {episodes:,} episodes, as a LeRobotDataset {version}.
"""


@contextmanager
def written_as_lerobot(
    out: Path, request: str = "", resumable: bool = False, quiet: bool = False
) -> Iterator[Path | None]:
    """Gives a folder beside `out` for a data set, or for train and test; what is there at the end becomes `out`.

    With `resumable`, that folder stays if its filling is interrupted, for the next call to go on in. Once filled, it
    stays in any case until `out` is written: the next call of the same `request` is given None and goes on with it.
    Raises DataError if `out` is not empty, another process writes it, or another request filled that folder.
    """
    out = out.resolve()
    _check_free(out)
    sets, lock, asked = filled_for(out), out.with_name(f".{out.name}.lock"), out.with_name(f".{out.name}.request")
    with disk_refusals(out, "choose another --out"):
        out.parent.mkdir(parents=True, exist_ok=True)
    told = f"{out} is being written by another process; wait, or choose another --out"
    with alone_at(lock, DataError(told), remove=True):
        filled = bool(_parts(sets))
        if filled and (not asked.is_file() or asked.read_text(encoding="utf-8") != request):
            raise DataError(
                f"{sets} holds what another command has recorded for {out}; give that command again, choose another "
                "--out, or remove the folder"
            )
        write_whole(asked, request)
        try:
            yield None if filled else sets
        except BaseException:
            if not (resumable or filled):
                shutil.rmtree(sets, ignore_errors=True)
                asked.unlink(missing_ok=True)
            raise
        write_lerobot(_parts(sets) or {"train": sets}, out, quiet)
        shutil.rmtree(sets, ignore_errors=True)
        asked.unlink(missing_ok=True)


def filled_for(out: Path) -> Path:
    """The folder beside `out` that `written_as_lerobot` gives, and from which it goes on."""
    return out.resolve().with_name(f".{out.resolve().name}.sets")


def _parts(sets: Path) -> dict[str, Path]:
    """The data sets in `sets` by the name of their split; none if any is still being written."""
    if not sets.is_dir() or any(path.name.startswith(".") for path in sets.iterdir()):
        return {}
    parts = {name: sets / name for name in ("train", "test") if (sets / name / FILE).is_file()}
    return parts or ({"train": sets} if (sets / FILE).is_file() else {})


def write_lerobot(sets: Mapping[str, Path], out: Path, quiet: bool = False) -> None:
    """Writes the data sets of `sets`, by the name of their split, as one LeRobotDataset into the folder `out`.

    True actions become the column `action`: vectors where the source lists them, else ids; the last of an episode
    stands twice, as that column has an entry for each frame. Raises DataError if `out` is not empty or the sets differ
    in frame size, pace or having actions, WriteError if the disk refuses. Nothing half-written stays.
    """
    import av

    out = out.resolve()
    _check_free(out)
    dataset = VideoDataset(*sets.values())
    try:
        with whole_folder(out, "choose another --out, or make room") as partial:
            (partial / "meta").mkdir()
            with tqdm(total=len(dataset), unit=" frames", desc="writing videos", disable=quiet) as bar:
                _Writing(dataset, partial, bar).write(_splits(sets))
            if out.exists():
                out.rmdir()
            partial.rename(out)
    except av.FFmpegError as error:
        cause = error.__context__ if isinstance(error.__context__, OSError) else error  # what the disk told FFmpeg
        why = cause.strerror or cause
        raise WriteError(f"{out} cannot be written: {why}; choose another --out, or make room") from error


def _check_free(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} already exists and is not empty; choose another --out, or remove it first")


def _splits(sets: Mapping[str, Path]) -> dict[str, str]:
    """Which episodes belong to which split, as LeRobot has it: "first:end"."""
    ends = np.cumsum([VideoDataset(path).info.episodes for path in sets.values()]).tolist()
    return {name: f"{first}:{end}" for name, first, end in zip(sets, [0, *ends], ends, strict=False)}


class _Writing:
    """One data set on its way into `folder`."""

    def __init__(self, dataset: VideoDataset, folder: Path, bar: tqdm) -> None:
        self.dataset, self.folder, self._bar = dataset, folder, bar
        self.actions = Actions(dataset.info.source) if dataset.has_true_actions else None
        self.videos = VideoFiles(folder, KEY, dataset.info.frame_size, dataset.info.fps)
        rate = self.videos.rate
        self.fps = int(rate) if rate.denominator == 1 else float(rate)
        self.data = DataFiles(folder)
        self.pixels: list[PixelCounts] = []

    def write(self, splits: dict[str, str]) -> None:
        with contextlib.closing(self.videos), contextlib.closing(self.data):
            rows = [self._episode(i, int(first), int(length)) for i, (first, length, _) in enumerate(self._places())]
        self._write_episodes(rows)
        write_tasks(self.folder / layout.TASKS, self._name())
        self._write_json(layout.STATS, self._all_statistics())
        self._write_json(layout.INFO, self._info(splits))
        info = self.dataset.info
        card = CARD.format(frames=info.frames, name=self._name(), episodes=info.episodes, version=layout.VERSION)
        (self.folder / layout.CARD).write_text(card, encoding="utf-8")

    def _places(self) -> list[list[int]]:
        places: list[list[int]] = self.dataset.episodes.tolist()
        return places

    def _name(self) -> str:
        source = self.dataset.info.source
        sources = source.get("sets") or [source]
        named = (each.get("environment") or each.get("game") or each.get("kind") for each in sources)
        return str(next(filter(None, named), "video"))

    def _episode(self, index: int, first: int, length: int) -> dict[str, Any]:
        """Writes an episode; returns its row of the table of episodes."""
        counts = PixelCounts()
        video = self.videos.add_episode(self._batches(first, length, counts))
        columns = self._columns([(first, length)], first, index)
        chunk, file = self.data.add_episode(columns)
        self.pixels.append(counts)
        row: dict[str, Any] = {"episode_index": index, "tasks": [self._name()], "length": length}
        row |= {"data/chunk_index": chunk, "data/file_index": file}
        row |= {"dataset_from_index": first, "dataset_to_index": first + length}
        row |= {f"videos/{KEY}/chunk_index": video.chunk, f"videos/{KEY}/file_index": video.file}
        row |= {f"videos/{KEY}/from_timestamp": video.start, f"videos/{KEY}/to_timestamp": video.end}
        told = {KEY: counts.statistics()} | {name: statistics.of_rows(rows) for name, rows in columns.items()}
        row |= {f"stats/{name}/{kind}": value for name, each in told.items() for kind, value in each.items()}
        return row | {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}

    def _batches(self, first: int, length: int, counts: PixelCounts) -> Iterator[np.ndarray]:
        for start in range(first, first + length, BATCH):
            frames = self.dataset.clip(start, min(BATCH, first + length - start))
            counts.add(frames)
            yield frames
            self._bar.update(len(frames))

    def _columns(self, places: list[tuple[int, int]], first: int, episode: int) -> dict[str, np.ndarray]:
        columns = {}
        if self.actions is not None:
            rows = [self.actions.rows(self.dataset.true_actions(start, length)) for start, length in places]
            columns[layout.ACTION] = np.concatenate(rows)
        return columns | numbering([length for _, length in places], float(self.fps), first, episode)

    def _all_statistics(self) -> dict[str, Statistics]:
        columns = self._columns([(first, length) for first, length, _ in self._places()], 0, 0)
        found = {KEY: statistics.together(self.pixels).statistics()}
        return found | {name: statistics.of_rows(rows) for name, rows in columns.items()}

    def _write_episodes(self, rows: list[dict[str, Any]]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.folder / layout.EPISODES.format(chunk=0, file=0)
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), path)

    def _write_json(self, name: str, value: object) -> None:
        (self.folder / name).write_text(json.dumps(value, indent=4) + "\n", encoding="utf-8")

    def _info(self, splits: dict[str, str]) -> dict[str, Any]:
        info = self.dataset.info
        features: dict[str, Any] = {KEY: self._video_feature()}
        if self.actions is not None:
            features[layout.ACTION] = self.actions.feature()
        features |= {name: {"dtype": kind, "shape": [1], "names": None} for name, kind in COLUMNS.items()}
        return {
            "codebase_version": layout.VERSION,
            "robot_type": None,
            "total_episodes": info.episodes,
            "total_frames": info.frames,
            "total_tasks": 1,
            "chunks_size": layout.CHUNK_FILES,
            "data_files_size_in_mb": layout.DATA_MB,
            "video_files_size_in_mb": layout.VIDEO_MB,
            "fps": self.fps,
            "splits": splits,
            **layout.TEMPLATES,
            "features": features,
        }

    def _video_feature(self) -> dict[str, Any]:
        height, width = self.dataset.info.frame_size
        told = {"height": height, "width": width, "codec": "h264", "pix_fmt": PIXELS}
        told |= {"is_depth_map": False, "fps": self.fps, "channels": 3}
        info = {f"video.{name}": value for name, value in told.items()} | {"has_audio": False}
        return {"dtype": "video", "shape": [height, width, 3], "names": ["height", "width", "channels"], "info": info}
