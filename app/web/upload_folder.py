"""The folder of what visitors upload: of this process alone, of a bounded size, and gone with the process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from app.web import limits
from genie_core.errors import GenieError

HALF = "tmp*"  # what Gradio writes while a file comes in, and leaves there if it breaks off
LOOK_SECONDS = 10.0


class UploadFolder:
    """`path`, and how many bytes it was found to hold."""

    def __init__(self, path: Path) -> None:
        self.path, self._bytes = path, 0

    def has_room(self) -> bool:
        return self._bytes < limits.UPLOADS_BYTES

    async def watch(self) -> None:
        """Tidies again and again, until it is cancelled."""
        while True:
            await asyncio.to_thread(self.tidy)
            await asyncio.sleep(LOOK_SECONDS)

    def tidy(self) -> None:
        """Deletes uploads that broke off, and counts the rest."""
        before, total = time.time() - limits.HALF_SECONDS, 0
        for folder, _, names in os.walk(self.path):
            for name in names:
                file = Path(folder, name)
                with contextlib.suppress(OSError):  # it may go at any moment
                    told = file.stat()
                    if file.parent == self.path and file.match(HALF) and told.st_mtime < before:
                        file.unlink()
                    else:
                        total += told.st_size
        self._bytes = total


@contextmanager
def upload_folder() -> Iterator[UploadFolder]:
    """A new folder, which Gradio is told to use: other programs also keep files in its usual one.

    Raises GenieError if it cannot be made.
    """
    parent = Path(os.environ.get("GRADIO_TEMP_DIR") or gettempdir())
    try:
        parent.mkdir(parents=True, exist_ok=True)
        made = TemporaryDirectory(prefix="genie-", dir=parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise GenieError(
            f"uploads cannot be kept in {parent} ({error.strerror}); name another folder in GRADIO_TEMP_DIR"
        ) from error
    with made as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        yield UploadFolder(Path(folder))
