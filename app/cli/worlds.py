"""`--worlds`: lists the worlds at hand."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from app.cli.known_worlds import RUNS, WORLDS, worlds_at_hand
from app.cli.options import ON, Mode

FIGURES = {"rollout_psnr": "10 frames from one {:.1f} dB", "delta_psnr_4": "ΔPSNR {:.1f} dB"}


def run(args: argparse.Namespace) -> None:
    print("\n".join(describe_worlds(WORLDS, RUNS)))


def describe_worlds(shipped: Path, runs: Path) -> list[str]:
    """One line for each world: its name, its size on disk, its main figures and its actions."""
    found = worlds_at_hand(shipped, runs)
    lines = [f"{name:20} {_size_mb(folder):7.1f} MB   {_summary(folder)}" for name, folder in found]
    way_on = "train one: python launch.py --train --data DIR --out RUN"
    return lines or [f"no worlds in {shipped}, {runs} or the cache of the Hub; {way_on}"]


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
    """Of the first test set that was measured; a stranger's config may hold anything."""
    metrics = training.get("metrics") if isinstance(training, dict) else None
    first = next(iter(metrics.values()), None) if isinstance(metrics, dict) else None
    known = [(text, first.get(key)) for key, text in FIGURES.items()] if isinstance(first, dict) else []
    return [text.format(value) for text, value in known if isinstance(value, int | float)]


MODE = Mode(run, "list the worlds on this computer", ON, {})
