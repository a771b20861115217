"""Parquet tables of a LeRobotDataset, read column by column with a bound on their size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genie_core.errors import DataError
from genie_core.limits import COLUMN_BYTES

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 65_536
ADVICE = "copy the data set again"


def read_batches(file: Path, columns: Sequence[str], most_rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of `file`, of `columns` only; DataError if it is damaged, lacks a column or has more rows than that."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not file.is_file():
        raise DataError(f"there is no file {file}; {ADVICE}")
    try:
        with pq.ParquetFile(file) as parquet:
            missing = set(columns) - set(parquet.schema_arrow.names)
            if missing:
                raise DataError(f"{file} lacks the column {sorted(missing)[0]}; {ADVICE}")
            _check_sizes(file, parquet.metadata, columns, most_rows)
            yield from parquet.iter_batches(BATCH_ROWS, columns=list(columns), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file} is truncated or damaged; {ADVICE}") from error


def _check_sizes(file: Path, told: pa.parquet.FileMetaData, columns: Sequence[str], most_rows: int) -> None:
    if told.num_rows > most_rows:
        raise DataError(f"{file} has {told.num_rows:,} rows, expected at most {most_rows:,}; {ADVICE}")
    for group in range(told.num_row_groups):
        row_group = told.row_group(group)
        for index in range(row_group.num_columns):
            column = row_group.column(index)
            if column.path_in_schema.split(".list.")[0] in columns and column.total_uncompressed_size > COLUMN_BYTES:
                raise DataError(f"{file} has a column of over {COLUMN_BYTES:,} bytes in one row group; {ADVICE}")
