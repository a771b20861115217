"""A Parquet shard: one column `frame`, H*W*3 bytes a row, in row groups of one zstd page with a checksum each.

Weighed against others on 2,048 frames each of three games, 64×64, one core. Parquet with zstd, 32 frames a group: 39 to
998 bytes a frame, 85,000 to 250,000 frames/s decoded. A tar of PNG files, as WebDataset has them: 712 to 2,727 bytes,
4,900 to 8,600 frames/s, and no way to one clip but through the tar. litdata writes chunks that only litdata reads.
Lance reads at random as well, in a format that fewer tools know. DuckDB, pandas and the Hub's viewer read Parquet.

Arrow decodes what a page's header promises. A page is refused before that unless it promises the frames of its group.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genie_core.data.arrays import MEND
from genie_core.data.footer import page_at, read_groups
from genie_core.errors import DataError
from genie_core.limits import ROW_GROUP_BYTES

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_FRAMES, GROUP_BYTES = 32, 2**21  # of a row group, whichever is fewer: a clip decodes a group or two
SLACK = 4096  # bytes by which a page may exceed its frames
COLUMN = "frame"


class GroupedFile:
    """A Parquet file of `frames` frames of `shape` (H, W, 3). `of_group` is how many a row group has."""

    def __init__(self, path: Path, frames: int, shape: tuple[int, ...]) -> None:
        import pyarrow.parquet as pq

        self._path, self._shape = path, shape
        self._groups = read_groups(path)
        self._file = pq.ParquetFile(
            path, page_checksum_verification=True, thrift_string_size_limit=2**20, thrift_container_size_limit=2**20
        )
        told = self._file.metadata
        column = self._file.schema.column(0)
        kind = (told.num_columns, told.num_rows, column.name, column.physical_type, column.max_definition_level)
        expected = (1, frames, COLUMN, "FIXED_LEN_BYTE_ARRAY", 0)
        if kind != expected or column.length != math.prod(shape):
            raise DataError(f"{path} holds {kind} of {column.length} bytes, expected {expected}; {MEND}")
        self.of_group = self._groups[0].rows
        most = max(1, ROW_GROUP_BYTES // math.prod(shape))
        if not 1 <= self.of_group <= most:
            raise DataError(f"{path} has row groups of {self.of_group:,} frames, expected 1 to {most}; {MEND}")

    def read(self, group: int) -> np.ndarray:
        """The frames of a row group, uint8 (n, H, W, 3)."""
        rows = min(self.of_group, self._file.metadata.num_rows - group * self.of_group)
        self._check_page(group, rows)
        (chunk,) = self._file.read_row_group(group, use_threads=False).column(0).chunks
        if len(chunk) != rows or chunk.null_count:
            raise DataError(f"{self._path} has {len(chunk)} frames in row group {group}, expected {rows}; {MEND}")
        size = math.prod(self._shape)
        pixels = np.frombuffer(chunk.buffers()[1], np.uint8, rows * size, chunk.offset * size)
        return pixels.reshape(rows, *self._shape)

    def _check_page(self, group: int, rows: int) -> None:
        """Refuse a row group unless it is one page that becomes its frames and no more."""
        (column,) = self._groups[group].chunks
        with self._path.open("rb") as stream:
            page = page_at(stream, column.start)
        most = rows * math.prod(self._shape) + SLACK
        if (
            column.dictionary
            or column.values != rows
            or page.unpacked > most
            or not page.packed <= column.packed <= min(page.packed + SLACK, 2 * most)
        ):
            raise DataError(f"{self._path} has a row group {group} that is not {rows} frames; {MEND}")


class ShardWriter:
    """Writes one Parquet shard, a row group at a time. Groups but for the last must be of `group_frames` frames."""

    def __init__(self, file: Path, frame_size: tuple[int, int]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._kind: pa.DataType = pa.binary(3 * math.prod(frame_size))
        schema = pa.schema([pa.field(COLUMN, self._kind, nullable=False)])
        self._stream = file.open("wb")
        self._writer = pq.ParquetWriter(
            self._stream,
            schema,
            compression="zstd",
            compression_level=3,
            use_dictionary=False,
            write_statistics=False,
            store_schema=False,
            data_page_size=2**30,
            write_page_checksum=True,
        )

    def add(self, frames: np.ndarray) -> None:
        """Append uint8 (n, H, W, 3) as a row group."""
        import pyarrow as pa

        pixels = pa.py_buffer(np.ascontiguousarray(frames))
        column = pa.FixedSizeBinaryArray.from_buffers(self._kind, len(frames), [None, pixels])
        table = pa.Table.from_arrays([column], schema=pa.schema([pa.field(COLUMN, self._kind, nullable=False)]))
        self._writer.write_table(table, row_group_size=len(frames))

    def close(self) -> None:
        try:
            self._writer.close()
        finally:
            self._stream.close()


def group_frames(frame_size: tuple[int, int]) -> int:
    """Frames of a row group."""
    return max(1, min(GROUP_FRAMES, GROUP_BYTES // (3 * math.prod(frame_size))))
