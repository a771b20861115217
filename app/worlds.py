"""The worlds at hand: what `--worlds` prints."""

from __future__ import annotations

import json
from pathlib import Path


def describe_worlds(folder: Path) -> list[str]:
    """One line for each world folder below `folder`: its name, its size on disk and its actions."""
    configs = sorted(folder.glob("*/config.json"))
    if not configs:
        return [f"no worlds in {folder}; train one: python launch.py --train --data DIR --out RUN"]
    return [f"{path.parent.name:20} {_size_mb(path.parent):7.1f} MB   {_action_names(path)}" for path in configs]


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _action_names(path: Path) -> str:
    """Read from the file alone: a list must not need torch, nor fail over one damaged world."""
    try:
        return " ".join(action["name"] for action in json.loads(path.read_text(encoding="utf-8"))["actions"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"config.json cannot be read: {type(error).__name__} {error}"
