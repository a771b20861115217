"""NumPy's files from anywhere: the header is held against what is expected before memory is taken."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np

from genie_core.data.folder import Folder
from genie_core.errors import DataError, GenieError
from genie_core.limits import ARRAY_HEADER_BYTES

MEND = "copy it again, or make the data set anew"


@contextmanager
def undamaged(file: object) -> Iterator[None]:
    """Say in words that `file` is damaged: NumPy, zipfile and Arrow raise a dozen kinds of error for foreign bytes."""
    try:
        yield
    except GenieError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{file} is no longer there; {MEND}, and go on with --resume if it was a training") from error
    except Exception as error:
        raise DataError(f"{file} is truncated or damaged; {MEND}") from error


def read_array(folder: Folder, name: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """The array of a small .npy, which must have `shape` and `dtype`; DataError for anything else."""
    if not folder.has(name):
        raise DataError(f"data set {folder} lacks its file {name}; {MEND}")
    with undamaged(folder / name):
        stream = io.BytesIO(folder.read(name, ARRAY_HEADER_BYTES + math.prod(shape) * np.dtype(dtype).itemsize))
        check_header(stream, folder / name, shape, np.dtype(dtype))
        return np.frombuffer(stream.read(), dtype).reshape(shape)


def check_header(stream: IO[bytes], file: object, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Read the header of an array and leave `stream` behind it; DataError unless it promises what is expected."""
    version = np.lib.format.read_magic(stream)
    size, read = (
        (2, np.lib.format.read_array_header_1_0) if version == (1, 0) else (4, np.lib.format.read_array_header_2_0)
    )
    length = stream.read(size)
    if (told := int.from_bytes(length, "little")) > ARRAY_HEADER_BYTES:  # NumPy would read so much before it looks
        raise DataError(f"{file} has a header of {told:,} bytes, at most {ARRAY_HEADER_BYTES:,} are read; {MEND}")
    found_shape, by_columns, found_dtype = read(io.BytesIO(length + stream.read(told)))
    if found_shape != shape or found_dtype != dtype or (by_columns and len(shape) > 1):
        order = " by columns" if by_columns else ""
        raise DataError(
            f"{file} holds {found_dtype} {found_shape}{order}, dataset.json promises {dtype} {shape}; "
            "the files are not of one data set"
        )
