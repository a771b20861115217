"""A .npy file that grows row by row and goes on after an interruption."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np


class GrowingArray:
    """`file` becomes an array of `shape` and `dtype`. It is no array before all its rows are there."""

    def __init__(self, file: Path, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._file, self._dtype = file, dtype
        header = io.BytesIO()
        told = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(header, told)
        self._header, self._rows, self._row = header.getvalue(), shape[0], math.prod(shape[1:]) * dtype.itemsize
        self._stream: IO[bytes] | None = None

    def whole_rows(self) -> int:
        """Rows that an interrupted writer has written."""
        return max(0, _size(self._file) - len(self._header)) // self._row

    def is_whole(self, file: Path) -> bool:
        """Whether `file` is as long as the array with all its rows, and begins as it does."""
        if _size(file) != len(self._header) + self._rows * self._row:
            return False
        with file.open("rb") as stream:
            return stream.read(len(self._header)) == self._header

    @contextmanager
    def after(self, rows: int) -> Iterator[None]:
        """Open the file to append behind its first `rows` rows; the others go."""
        with self._file.open("r+b" if rows else "wb") as self._stream:
            self._stream.write(self._header)
            self._stream.truncate(len(self._header) + rows * self._row)
            self._stream.seek(0, io.SEEK_END)
            yield

    def append(self, rows: np.ndarray) -> None:
        assert self._stream is not None
        self._stream.write(np.ascontiguousarray(rows, self._dtype).tobytes())


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
