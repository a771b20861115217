"""The tables of a LeRobotDataset being written: what stands in each column, for an episode or for all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genie_core.data.lerobot.layout import ACTION, CHUNK_FILES, DATA, DATA_MB

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64", "index": "int64"}
COLUMNS |= {"task_index": "int64"}


class Actions:
    """What stands in the column `action`: the vectors that `source` lists for the ids, or the ids themselves."""

    def __init__(self, source: dict[str, Any]) -> None:
        sources = source.get("sets") or [source]
        listed = sources[0].get("actions")
        same = all(each.get("actions") == listed for each in sources)
        self.vectors = np.array(listed, np.float32) if same and _are_vectors(listed) else None

    def feature(self) -> dict[str, Any]:
        if self.vectors is None:
            return {"dtype": "int64", "shape": [1], "names": [ACTION]}
        count = self.vectors.shape[1]
        return {"dtype": "float32", "shape": [count], "names": [f"{ACTION}_{i}" for i in range(count)]}

    def rows(self, ids: np.ndarray) -> np.ndarray:
        """The column for the ids (t-1,) between t frames: (t,) or (t, numbers). The last one stands twice."""
        ids = np.append(ids, ids[-1:] if len(ids) else 0).astype(np.int64)
        if self.vectors is None:
            return ids
        rows: np.ndarray = self.vectors[ids]
        return rows


def _are_vectors(listed: object) -> bool:
    """Whether all are lists of as many numbers."""
    if not isinstance(listed, list) or not listed or not all(isinstance(row, list) and row for row in listed):
        return False
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for row in listed for value in row)
    return numbers and len({len(row) for row in listed}) == 1


def numbering(lengths: Sequence[int], fps: float, first: int = 0, episode: int = 0) -> dict[str, np.ndarray]:
    """The columns that number frames, of episodes of `lengths` that begin with frame `first` and `episode`."""
    frame = np.concatenate([np.arange(length) for length in lengths])
    return {
        "timestamp": (frame / fps).astype(np.float32),
        "frame_index": frame,
        "episode_index": np.repeat(np.arange(episode, episode + len(lengths)), lengths),
        "index": np.arange(first, first + len(frame)),
        "task_index": np.zeros(len(frame), np.int64),
    }


class DataFiles:
    """The tables of all frames, a row group for each episode, a new file when one is full."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, -1
        self._writer: pa.parquet.ParquetWriter | None = None

    def add_episode(self, columns: dict[str, np.ndarray]) -> tuple[int, int]:
        """Append an episode; returns its chunk and file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({name: _column(values) for name, values in columns.items()})
        if self._writer is None or self._path().stat().st_size > DATA_MB * 2**20:
            self.close()
            self._number += 1
            self._path().parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._path(), table.schema)
        self._writer.write_table(table)
        return self._number // CHUNK_FILES, self._number % CHUNK_FILES

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _path(self) -> Path:
        chunk, file = divmod(self._number, CHUNK_FILES)
        return self._folder / DATA.format(chunk=chunk, file=file)


def _column(values: np.ndarray) -> pa.Array:
    import pyarrow as pa

    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def write_tasks(path: Path, task: str) -> None:
    """The table of tasks, with the task as its index: LeRobot reads it with pandas, which is told so in the schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"task_index": ("int64", "int64"), "task": ("unicode", "object")}
    columns = [
        {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": None}
        for name, (kind, numpy) in kinds.items()
    ]
    told = {"index_columns": ["task"], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0"}
    table = pa.table({"task_index": pa.array([0], pa.int64()), "task": pa.array([task])})
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(told)}), path)
