"""`--replay`: shows a saved session again, in a window or into a file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.cli.known_worlds import load_world
from app.cli.options import FILE, Mode
from app.cli.play import ASSETS, SAVE, open_session, show

if TYPE_CHECKING:
    from app.play.start import Start
    from genie_core.world import World


def run(args: argparse.Namespace) -> None:
    from app.media.write import check_target
    from app.play.record import record_replay
    from app.play.start_pictures import Prompts

    if args.save is None:
        show(args, Prompts(ASSETS), lambda world: _start(args, world))
        return
    check_target(args.save)
    world = load_world(args)
    record_replay(args.save, open_session(args, world, _start(args, world)), args.quiet)


def _start(args: argparse.Namespace, world: World) -> Start:
    from app.play.session_file import load_session
    from app.play.start import Start

    return Start(None, saved=load_session(args.replay, world), replay=True)


MODE = Mode(run, "show a saved session again, bit for bit, in a window or with --save in a file", FILE, {"save": SAVE})
