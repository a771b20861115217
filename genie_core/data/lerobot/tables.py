"""Parquet tables of a LeRobotDataset: columns of numbers, whose sizes are checked before they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from genie_core.data.footer import pages, read_groups
from genie_core.errors import DataError
from genie_core.limits import COLUMN_BYTES, COLUMN_NUMBERS

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 65_536
ADVICE = "copy the data set again"


def read_batches(file: Path, columns: Mapping[str, int], most_rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of `file`, of `columns` only, each of which has at most so many numbers a row.

    DataError if it is damaged, lacks a column, has one of another kind, or is larger than that.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not file.is_file():
        raise DataError(f"there is no file {file}; {ADVICE}")
    rows = max(1, min(BATCH_ROWS, COLUMN_NUMBERS // max(columns.values())))
    try:
        _check_sizes(file, columns, most_rows)
        with pq.ParquetFile(file) as parquet:
            for name in columns:
                _check_kind(file, parquet.schema_arrow, name)
            yield from parquet.iter_batches(rows, columns=list(columns), use_threads=False)
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{file} is truncated or damaged; {ADVICE}") from error


def _check_kind(file: Path, schema: pa.Schema, name: str) -> None:
    """Refuse a column that is missing, or whose values are no numbers: text may be a megabyte in each row."""
    from pyarrow import types

    if schema.get_field_index(name) < 0:
        raise DataError(f"{file} lacks the column {name}, or has two; {ADVICE}")
    kind = schema.field(name).type
    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind = kind.value_type
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
        raise DataError(f"{file} has {kind} in the column {name}, expected numbers; {ADVICE}")


def _check_sizes(file: Path, columns: Mapping[str, int], most_rows: int) -> None:
    """Refuse a file unless its footer and the headers of its pages both promise sizes that may be."""
    groups = read_groups(file)
    if (rows := sum(group.rows for group in groups)) > most_rows:
        raise DataError(f"{file} has {rows:,} rows, expected at most {most_rows:,}; {ADVICE}")
    with file.open("rb") as stream:
        for group in groups:
            for chunk in (chunk for chunk in group.chunks if chunk.name in columns):
                if chunk.values > (most := group.rows * columns[chunk.name]):
                    raise DataError(
                        f"{file} has {chunk.values:,} values in the column {chunk.name} of a row group, expected at "
                        f"most {most:,}; {ADVICE}"
                    )
                if max(chunk.unpacked, sum(page.unpacked for page in pages(stream, chunk))) > COLUMN_BYTES:
                    raise DataError(f"{file} has a column of over {COLUMN_BYTES:,} bytes in one row group; {ADVICE}")
