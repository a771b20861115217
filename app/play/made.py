"""Where files that a player makes go: one folder per user, outside of any repository."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def made_folder() -> Path:
    """The folder `genie` among the user's documents."""
    return Path(platformdirs.user_documents_dir()) / "genie"


def find_made(path: Path) -> Path:
    """`path`, or the file of that name in `made_folder` if there is none here: a session goes by its name alone."""
    made = made_folder() / path
    return made if not path.exists() and made.is_file() else path


def short(path: Path) -> str:
    """`path` as people write it: with ~ for their own folder."""
    home = Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)
