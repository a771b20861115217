"""`--prepare`: a data set from video files."""

from __future__ import annotations

import argparse

from app.cli.options import FOLDER, Mode, frame_size


def run(args: argparse.Namespace) -> None:
    from genie_core.data.prepare.run import prepare

    summary = prepare(args.prepare, args.out, args.frame_size, args.fps, args.quiet)
    if not args.quiet:
        print(summary)
        print(f"look at {args.out}/contact-sheet.png; then: python launch.py --train --data {args.out} --out RUN")


MODE = Mode(
    run,
    "make a data set of videos: files, folders, patterns such as 'films/*.mp4', folders of numbered pictures",
    {"nargs": "+", "metavar": "VIDEOS"},
    {
        "out": {**FOLDER, "required": True, "help": "the folder to write the data set or the training run to"},
        "frame_size": {
            "type": frame_size,
            "metavar": "HxW",
            "help": "size of the frames, cut from the middle (default: the videos' shape, the shorter side 64)",
        },
    },
)
