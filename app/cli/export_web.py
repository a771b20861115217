"""`--export-web`: a static site that plays worlds in the browser, without a server that computes."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.known_worlds import WORLDS, load_world
from app.cli.options import FOLDER, ROOT, WORLD, Mode

if TYPE_CHECKING:
    from genie_core.world import World

AND_WORLD: dict[str, Any] = {
    "action": "append",
    "metavar": "WORLD",
    "help": "another world for the page to choose from; may stand several times",
}
RUNTIME: dict[str, Any] = {
    "metavar": "PACKAGE",
    "type": Path,
    "help": "ONNX Runtime Web as npm packs or installs it (default: downloaded once, at a pinned version and hash)",
}


def run(args: argparse.Namespace) -> None:
    from app.site.export import describe

    write_site(args, args.export_web)
    if not args.quiet:
        print("\n".join(describe(args.export_web)))


def write_site(args: argparse.Namespace, folder: Path) -> None:
    """The site of the worlds that the command line asks for, in `folder`."""
    from app.site.export import check_folder, export_site
    from app.site.ort import runtime_files

    check_folder(folder)  # before the download and the worlds, which take time
    runtime = runtime_files(args.ort, args.quiet)
    names = worlds_asked(args)
    export_site(_load(args, names), len(names), folder, ROOT / "assets", runtime, args.quiet)


def worlds_asked(args: argparse.Namespace) -> list[str]:
    """The worlds named, or all that ship, the default first, if none is."""
    shipped = [str(path.parent) for path in sorted(WORLDS.glob("*/config.json"))]
    first = [args.world] if args.world is not WORLD else sorted(shipped, key=lambda name: name != WORLD)
    return [*first, *(args.and_world or [])]


def _load(args: argparse.Namespace, names: list[str]) -> Iterator[World]:
    """One after the other, for each is large."""
    for name in names:
        asked = copy.copy(args)
        asked.world, asked.device = name, "cpu"
        yield load_world(asked)


MODE = Mode(
    run,
    "write a static site to DIR that plays the worlds in the browser; without --world, those that ship. Other files in "
    "DIR stay",
    FOLDER,
    {"and_world": AND_WORLD, "ort": RUNTIME},
    kept=lambda args: f"{args.export_web} is as it was",
)
