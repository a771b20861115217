"""What is printed: on any code page, and without control characters, which strangers' files may hold."""

from __future__ import annotations

import errno
import sys

REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
REFUSALS |= {errno.ENAMETOOLONG}


def print_anything() -> None:
    """Makes the console show what its code page lacks as ?, rather than end the program."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test's or a notebook's stream is of another kind
            stream.reconfigure(errors="replace")


def plain(text: str) -> str:
    """`text` whose control characters, which could rewrite what a terminal shows, are replaced; lines stay."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def one_line(text: str) -> str:
    return plain(text.replace("\n", " "))


def refusal(error: OSError) -> str | None:
    """What a disk refused, in words and with a way on; None for an error of another kind."""
    if error.errno not in REFUSALS:
        return None
    where = error.filename or "a file"
    return f"{where} cannot be written or read: {error.strerror}; make room, name another place, or set TMPDIR to one"
