"""What a Parquet file says of its row groups and pages, checked before Arrow reads it.

Arrow for Python ends the whole process where it meets damage in the description of a row group or a column that it is
asked for: `metadata.row_group(0).column(0)` lets C++ exceptions through. So nothing asks it; it is read here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from genie_core.data.thrift import I32, I64, LIST, STRUCT, Thrift, Wanted
from genie_core.errors import DataError
from genie_core.limits import FOOTER_BYTES, PAGE_HEADER_BYTES

MARK = b"PAR1"
# The numbers of fields, from parquet.thrift of Apache Parquet
PATH, VALUES, UNPACKED, PACKED, DATA_AT, DICTIONARY_AT = 3, 5, 6, 7, 9, 11
_NUMBER: tuple[int, Wanted | None] = (I64, None)
_COLUMN: Wanted = {PATH: (LIST, None)} | dict.fromkeys((VALUES, UNPACKED, PACKED, DATA_AT, DICTIONARY_AT), _NUMBER)
_GROUP: Wanted = {1: (LIST, {3: (STRUCT, _COLUMN)}), 3: _NUMBER}
FOOTER: Wanted = {4: (LIST, _GROUP)}
_DATA: Wanted = {1: (I32, None)}
_PAGE: Wanted = {2: (I32, None), 3: (I32, None), 5: (STRUCT, _DATA), 8: (STRUCT, _DATA)}


class Chunk(NamedTuple):
    """A column in one row group: `name` of the outermost column, how many values, bytes of all pages, where they begin.

    `dictionary`: the first page is one.
    """

    name: str
    values: int
    unpacked: int
    packed: int
    start: int
    dictionary: bool


class Group(NamedTuple):
    rows: int
    chunks: list[Chunk]


class Page(NamedTuple):
    """Bytes of a page's header, of its content unpacked and packed, and how many values it has."""

    header: int
    unpacked: int
    packed: int
    values: int


def read_groups(path: Path) -> list[Group]:
    """The row groups of a file. Raises ValueError or another plain exception where it is damaged."""
    with path.open("rb") as stream:
        end = stream.seek(0, 2) - 8
        stream.seek(max(0, end))
        tail = stream.read(8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != MARK or length > end:
            raise ValueError("it does not end as a Parquet file does")
        if length > FOOTER_BYTES:
            raise DataError(f"{path} tells {length:,} bytes of its parts, expected at most {FOOTER_BYTES:,}")
        stream.seek(end - length)
        found = Thrift(stream.read(length)).struct(FOOTER)
    return [_group(group, end - length) for group in found[4]]


def _group(found: dict[int, Any], end: int) -> Group:
    rows, chunks = found[3], [_chunk(column[3], end) for column in found[1]]
    if rows < 0:
        raise ValueError(f"a row group cannot have {rows} rows")
    return Group(rows, chunks)


def _chunk(found: dict[int, Any], end: int) -> Chunk:
    data, dictionary = found[DATA_AT], found.get(DICTIONARY_AT, 0)
    start = dictionary if 0 < dictionary < data else data
    values, unpacked, packed = (found[field] for field in (VALUES, UNPACKED, PACKED))
    if min(values, unpacked, packed) < 0 or not 0 < start <= start + packed <= end:
        raise ValueError("a column lies outside its file")
    return Chunk(found[PATH][0].decode(), values, unpacked, packed, start, start != data)


def pages(stream: IO[bytes], chunk: Chunk) -> Iterator[Page]:
    """The pages of a column, as their own headers describe them, until it has all its values."""
    at, values = chunk.start, 0
    while values < chunk.values:
        page = page_at(stream, at)
        at, values = at + page.header + page.packed, values + page.values
        if at > chunk.start + chunk.packed or not (page.values or chunk.dictionary):
            raise ValueError("the pages of a column are not what it says")
        yield page
    if values != chunk.values:
        raise ValueError("the pages of a column have more values than it has")


def page_at(stream: IO[bytes], at: int) -> Page:
    stream.seek(at)
    thrift = Thrift(stream.read(PAGE_HEADER_BYTES))
    found = thrift.struct(_PAGE)
    unpacked, packed, values = found[2], found[3], found.get(5, found.get(8, {})).get(1, 0)
    if min(unpacked, packed, values) < 0:
        raise ValueError("a page cannot have less than nothing")
    return Page(thrift.at, unpacked, packed, values)
