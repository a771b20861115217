"""Opens a folder in the desktop's own file manager."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from app.media.write import RecordingError
from app.play.made import short


def open_folder(folder: Path) -> None:
    """Raises RecordingError if there is no file manager to show it."""
    try:
        if sys.platform == "win32":
            os.startfile(folder)
        else:
            opens = "open" if sys.platform == "darwin" else "xdg-open"
            subprocess.Popen([opens, str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError as error:
        raise RecordingError(f"no file manager opens here; your files are in {short(folder)}") from error
