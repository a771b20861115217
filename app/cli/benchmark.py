"""`--benchmark`: how fast a world plays."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from app.cli.known_worlds import load_world
from app.cli.options import FILE, ON, Mode
from genie_core.errors import DataError

JSON = {**FILE, "help": "write the figures to FILE as JSON (default: print a table)"}


def run(args: argparse.Namespace) -> None:
    check_targets(args.json, None)
    world = load_world(args)
    from genie_core.evaluation.measure import write_json
    from genie_core.evaluation.speed import benchmark

    report = benchmark(world, args.quiet, args.runtime)
    if args.json is not None:
        write_json(args.json, report)
        if not args.quiet:
            print(f"{world.name} plays {report['fps']:.1f} frames/s here; wrote {args.json}")
    else:
        print("\n".join(f"{name:25} {told}" for name, told in _told(report)))


def check_targets(path: Path | None, folder: Path | None) -> None:
    """Raises DataError if a JSON file could not be written to `path`, or files into `folder`; to be asked first."""
    if path and not path.parent.is_dir():
        raise DataError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    if path and path.is_dir():
        raise DataError(f"cannot write {path}: it is a folder; give --json the name of a file")
    file = folder and next((each for each in (folder, *folder.parents) if each.is_file()), None)
    if file:
        raise DataError(f"cannot write into {folder}: {file} is a file; give --report another folder")


def _told(report: dict[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Each single figure of a report with its name."""
    lines: list[tuple[str, str]] = []
    for name, value in report.items():
        if isinstance(value, dict):
            lines += _told(value, f"{before}{name}.")
        elif not isinstance(value, list):
            lines.append((before + name, f"{value:.4g}" if isinstance(value, float) else f"{value}"))
    return lines


MODE = Mode(
    run,
    "measure how fast a world plays, and where the time goes",
    ON,
    {"json": JSON},
    kept=lambda args: "no figures were written",
)
