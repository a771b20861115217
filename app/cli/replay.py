"""`--replay`: shows a saved session again, in a window or into a file."""

from __future__ import annotations

import argparse

from app.cli import play
from app.cli.options import FILE, Mode

NOTHING_ELSE = {
    "play": None,
    "actions": None,
    "autoplay": None,
    "infer_actions": None,
    "beside_real": False,
    "fit": "crop",
}


def run(args: argparse.Namespace) -> None:
    play.run(argparse.Namespace(**vars(args), **NOTHING_ELSE, saved=args.replay))


HELP = "play a saved session again exactly as it was, in a window or, with --save, into a file"
MODE = Mode(run, HELP, FILE, {"save": play.SAVE}, kept=lambda args: "nothing was saved")
