"""`--prepare`: a data set from video files."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.cli.options import FOLDER, FORMAT, Mode, frame_size
from genie_core.errors import ConfigError


def run(args: argparse.Namespace) -> None:
    if args.format == "lerobot":
        from genie_core.data.lerobot import written_as_lerobot

        asked = [*args.prepare, args.frame_size, args.fps, args.camera]
        with written_as_lerobot(args.out, str(asked), resumable=True, quiet=args.quiet) as out:
            summary = _prepare(args, out) if out else f"{args.out}: what an earlier call had prepared"
        then = f"next: python launch.py --prepare {args.out} --out DATA"
    else:
        summary = _prepare(args, args.out)
        sheet = args.out / "contact-sheet.png"
        then = f"look at {sheet}; then: " if sheet.exists() else "next: "
        then += f"python launch.py --train --data {args.out} --out RUN"
    if not args.quiet:
        print(summary)
        print(then)


def _prepare(args: argparse.Namespace, out: Path) -> str:
    from genie_core.data.lerobot import is_lerobot, prepare_lerobot
    from genie_core.data.prepare.run import prepare

    recorded = [place for place in args.prepare if is_lerobot(place)]
    if not recorded:
        return prepare(args.prepare, out, args.frame_size, args.fps, args.quiet, args.ray)
    if len(args.prepare) > 1:
        raise ConfigError(
            f"{recorded[0]} is a LeRobotDataset, which is prepared alone; give the others a call of their own"
        )
    return prepare_lerobot(recorded[0], out, args.frame_size, args.fps, args.camera, args.quiet)


MODE = Mode(
    run,
    "make a data set of videos: files, folders, patterns such as 'films/*.mp4', folders of numbered pictures",
    {"nargs": "+", "metavar": "VIDEOS"},
    {
        "out": {**FOLDER, "required": True, "help": "the folder to write the data set to"},
        "frame_size": {
            "type": frame_size,
            "metavar": "HxW",
            "help": "size of the frames, cut from the middle (default: the videos' shape, the shorter side 64)",
        },
        "camera": {"metavar": "KEY", "help": "which video of a LeRobotDataset (default its first)"},
        "ray": {"metavar": "ADDRESS", "help": "a Ray cluster to share the work, such as auto or HOST:6379"},
        "format": FORMAT,
    },
    kept=lambda args: f"what is done of {args.out} is kept: the same command goes on",
)
