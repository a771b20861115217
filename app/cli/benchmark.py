"""`--benchmark`: how fast a world plays."""

from __future__ import annotations

import argparse
from typing import Any

from app.cli.known_worlds import load_world
from app.cli.options import FILE, ON, Mode

JSON = {**FILE, "help": "write the figures to FILE as JSON (default: print a table)"}


def run(args: argparse.Namespace) -> None:
    from genie_core.evaluation.measure import check_targets, write_json
    from genie_core.evaluation.speed import benchmark

    check_targets(args.json, None)
    report = benchmark(load_world(args), args.quiet, args.runtime)
    if args.json is not None:
        write_json(args.json, report)
    else:
        print("\n".join(f"{name:25} {told}" for name, told in _told(report)))


def _told(report: dict[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Each single figure of a report with its name."""
    lines: list[tuple[str, str]] = []
    for name, value in report.items():
        if isinstance(value, dict):
            lines += _told(value, f"{before}{name}.")
        elif not isinstance(value, list):
            lines.append((before + name, f"{value:.4g}" if isinstance(value, float) else f"{value}"))
    return lines


MODE = Mode(run, "measure how fast a world plays, and where the time goes", ON, {"json": JSON})
