"""What is about to be published, as lines to read."""

from __future__ import annotations

from pathlib import Path


def file_list(folder: Path) -> list[str]:
    """Each file of `folder`, with its size."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [f"{path.stat().st_size:>12,} bytes  {path.relative_to(folder).as_posix()}" for path in files]
