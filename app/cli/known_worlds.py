"""The worlds at hand: what `--worlds` prints, and which of them a mistyped `--world` may have meant."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from genie_core.hub.download import cached_worlds

FIGURES = {"rollout_psnr": "10 frames from one {:.1f} dB", "delta_psnr_4": "ΔPSNR {:.1f} dB"}


def worlds_at_hand(shipped: Path, runs: Path) -> Iterator[tuple[str, Path]]:
    """What to write after --world, and the folder, of each world that ships, was trained here or is in the cache."""
    yield from ((path.parent.name, path.parent) for path in sorted(shipped.glob("*/config.json")))
    yield from ((path.parent.as_posix(), path.parent) for path in sorted(runs.glob("*/world/config.json")))
    yield from cached_worlds()


def describe_worlds(shipped: Path, runs: Path) -> list[str]:
    """One line for each world: its name, its size on disk, what was measured and its actions."""
    found = worlds_at_hand(shipped, runs)
    lines = [f"{name:20} {_size_mb(folder):7.1f} MB   {_summary(folder)}" for name, folder in found]
    way_on = "train one: python launch.py --train --data DIR --out RUN"
    return lines or [f"no worlds in {shipped}, {runs} or the cache of the Hub; {way_on}"]


def complete(name: str, shipped: Path) -> str:
    """The folder of the shipped world of that name, unless there is a folder `name`; else `name` as it is."""
    world = shipped / name
    return str(world) if not Path(name).exists() and (world / "config.json").is_file() else name


def suggest(name: str, shipped: Path, runs: Path) -> str:
    """`; did you mean …?` where worlds at hand have a name near to one that could not be loaded, else nothing."""
    known = [other for other, _ in worlds_at_hand(shipped, runs) if other != name]
    near = difflib.get_close_matches(name, known, n=3)
    return f"; did you mean {' or '.join(f'--world {other}' for other in near)}?" if near else ""


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _summary(folder: Path) -> str:
    """Read from the file alone: a list must not need torch, nor fail over one damaged world."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        actions = " ".join(action["name"] for action in config["actions"])
    except (OSError, ValueError, KeyError, TypeError):
        return "config.json cannot be read: expected JSON with the actions of a world; get the world again"
    return "   ".join([*_figures(config.get("training")), actions])


def _figures(training: Any) -> list[str]:
    """Of the first test set that was measured; what a world says of its training may be anything."""
    metrics = training.get("metrics") if isinstance(training, dict) else None
    first = next(iter(metrics.values()), None) if isinstance(metrics, dict) else None
    known = [(text, first.get(key)) for key, text in FIGURES.items()] if isinstance(first, dict) else []
    return [text.format(value) for text, value in known if isinstance(value, int | float)]
