"""`--worlds`: lists the worlds at hand, with what a player wants to know of each."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from app.cli.console import one_line
from app.cli.known_worlds import RUNS, WORLDS, worlds_at_hand
from app.cli.options import ON, Mode
from genie_core.errors import GenieError

HEAD = ("--world", "game", "picture", "on disk", "speed here", "actions")
PLAY = "play one: python launch.py --play IMAGE --world NAME"
TRAIN = "train one: python launch.py --train --data DIR --out RUN"
UNKNOWN = "–"  # which --benchmark measures


def run(args: argparse.Namespace) -> None:
    print("\n".join(describe_worlds(WORLDS, RUNS)))


def describe_worlds(shipped: Path, runs: Path) -> list[str]:
    """Lines to print: a table of the worlds, the damaged ones at its end, and what to do next."""
    found = list(worlds_at_hand(shipped, runs))
    if not found:
        return [f"there are no worlds in {shipped}, {runs} or the cache of the Hub; {TRAIN}"]
    rows, damaged = [], []
    for name, folder in found:
        try:
            rows.append(_row(name, folder))
        except GenieError as error:  # a list must not fail over one damaged world
            damaged.append(f"{name}: {error}")
    return [*_table([HEAD, *rows]), *map(one_line, damaged), "", PLAY]


def _row(name: str, folder: Path) -> tuple[str, ...]:
    from app.cli.speed_here import frames_per_second
    from genie_core.checkpoint import read_config

    config = read_config(folder)
    height, width = config.frame_size
    fps = frames_per_second(folder)
    return (
        name,
        config.game,
        f"{width}×{height}",
        f"{_size_mb(folder):.1f} MB",
        UNKNOWN if fps is None else f"{fps:.0f} frames/s",
        f"{len(config.actions)}: {' '.join(action.name for action in config.actions)}",
    )


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Columns as wide as their longest cell; the last is as long as it is."""
    shown = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return ["   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


MODE = Mode(run, "list the worlds on this computer: game, size, speed here, actions", ON, {})
