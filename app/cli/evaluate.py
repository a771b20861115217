"""`--evaluate`: measures worlds on held-out clips."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.benchmark import JSON, check_targets
from app.cli.known_worlds import load_world, require_world
from app.cli.options import DATA, FOLDER, ON, ROOT, Mode
from genie_core.errors import DataError

if TYPE_CHECKING:
    from genie_core.world import World

CLIPS = ROOT / "tests/data"


def check(args: argparse.Namespace) -> str | None:
    return "--quick and --full exclude each other" if args.quick and args.full else None


def run(args: argparse.Namespace) -> None:
    check_targets(args.json, args.report)
    names = args.compare or [args.world]
    asked = [argparse.Namespace(**vars(args) | {"world": name}) for name in names]
    for each in asked:
        require_world(each)
    from genie_core.data.dataset import VideoDataset

    data = VideoDataset(*args.data, part="test") if args.data else None
    from genie_core.evaluation.compare import compare, rows, write_comparison
    from genie_core.evaluation.measure import EFFORTS, evaluate, require_alike, write_json
    from genie_core.evaluation.report import check_extras, check_folder, figures_table, write_report

    effort = EFFORTS["quick" if args.quick else "full" if args.full else "default"]
    check_extras(effort, args.report)
    worlds = [load_world(each) for each in asked]
    dataset = VideoDataset(_clips_that_ship(worlds[0])) if data is None else data
    for world in worlds:
        require_alike(world, dataset)
    if args.report and not args.compare:
        check_folder(args.report, worlds[0])
    found = [evaluate(world, dataset, effort, args.seed, args.quiet) for world in worlds]
    report = compare(*found) if args.compare else found[0].report
    if args.json is None:
        print(_comparison_table(report, rows(report)) if args.compare else figures_table(report))
    else:
        write_json(args.json, report)
    if args.report and args.compare:
        write_comparison(args.report, report)
    elif args.report:
        write_report(args.report, worlds[0], found[0])
    if not args.quiet:
        print(_done(args, [world.name for world in worlds], dataset.info.name, found[0].report))


def _done(args: argparse.Namespace, worlds: list[str], data: str, report: dict[str, Any]) -> str:
    written = [str(path) for path in (args.json, args.report) if path]
    where = f"wrote {' and '.join(written)}" if written else "--json FILE keeps all figures, --report DIR makes a page"
    return f"measured {' and '.join(worlds)} on {report.get('clips')} clips of {data}; {where}"


def _clips_that_ship(world: World) -> Path:
    """The folder of a data set of the world's game."""
    for told in sorted(CLIPS.glob("*/dataset.json")):
        source = json.loads(told.read_text(encoding="utf-8")).get("source", {})
        if source.get("game") == world.config.game:
            return told.parent
    raise DataError(f"no clips of the game of {world.name}, {world.config.game}, ship; name a data set with --data DIR")


def _comparison_table(report: dict[str, Any], rows: list[list[str]]) -> str:
    head = ["figure", *report["worlds"], "difference", "n", "better"]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


MODE = Mode(
    run,
    "measure a world on held-out clips of a data set",
    ON,
    {
        "data": {**DATA, "nargs": "+", "help": "one or more data sets (default: shipped clips of the world's game)"},
        "json": JSON,
        "quick": {**ON, "help": "measure on few clips, for a first look: about a minute"},
        "full": {**ON, "help": "measure on many clips, with the FVD, for figures to publish: an hour or more"},
        "report": {
            **FOLDER,
            "help": "write a page of tables, plots and pictures to DIR, also as README.md, or to the world's folder",
        },
        "compare": {"nargs": 2, "metavar": "WORLD", "help": "measure these two worlds on the same clips"},
    },
    check,
    lambda args: "no figures were written",
)
