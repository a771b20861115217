"""`--play`: from a picture or a saved session, in a window, or without one into a file."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.infer_actions import VIDEO, find_actions, is_video
from app.cli.known_worlds import load_world
from app.cli.options import FILE, ROOT, Mode

if TYPE_CHECKING:
    import numpy as np

    from app.play.session import PlaySession
    from app.play.start import Start
    from app.play.start_pictures import Prompts
    from genie_core.world import World

ASSETS = ROOT / "assets"
SAVE = {**FILE, "help": "write to FILE: .mp4, .gif, .png (contact sheet) or .npz (frames and actions)"}
FITS = ("crop", "pad", "stretch", "palette")  # as in genie_core.pictures, which --help does not wait for


def check(args: argparse.Namespace) -> str | None:
    if args.play is None and args.saved is None:
        return "--play needs IMAGE, the picture to start from, or --continue FILE"
    if [args.actions, args.autoplay, args.infer_actions].count(None) < 2:
        return "--actions, --autoplay and --infer-actions exclude each other: each says what is played"
    if args.autoplay is not None and args.save is not None:
        return "--autoplay plays in a window; --save goes with --actions SCRIPT or --infer-actions VIDEO"
    if (args.actions is None) != (args.save is None) and not (args.save and args.infer_actions):
        return "--actions SCRIPT and --save FILE go together: one says what to play, the other where to"
    return None


def run(args: argparse.Namespace) -> None:
    from app.media.write import check_target
    from app.play.start_pictures import Prompts

    if args.save is not None:
        check_target(args.save)
    picture = read_picture(args.play) if args.play else None
    prompts = Prompts(ASSETS, args.play)
    if args.save is None:
        show(args, prompts, lambda world: _start(args, world, picture, prompts))
        return
    from app.play.record import record

    world = load_world(args)
    actions = _actions(args, world)
    session = open_session(args, world, _start(args, world, picture, prompts))
    record(args.save, session, actions, args.quiet)


def show(args: argparse.Namespace, prompts: Prompts, make: Callable[[World], Start]) -> None:
    """Plays in a window what `make` gives for the world, which is loaded while the window says so."""
    from app.play.loading import Progress
    from app.window.play import play

    progress = Progress()

    def begin() -> PlaySession:
        progress.tell("loading torch", 0.1)
        import torch  # noqa: F401

        progress.tell("reading the world", 0.5)
        world = load_world(args)
        progress.tell("looking at the picture", 0.8)
        return open_session(args, world, make(world))

    play(begin, Path(args.world).resolve().name, prompts, progress, quiet=args.quiet)


def open_session(args: argparse.Namespace, world: World, start: Start) -> PlaySession:
    """The session that `start` describes, with the frame rate and the sampling of the command line, if given."""
    from app.play.commands import UNFAMILIAR
    from app.play.start import begin
    from genie_core.engine import WorldEngine

    if start.saved is not None and args.fps is None:
        world.config = dataclasses.replace(world.config, fps=start.saved.fps)
    start = dataclasses.replace(start, seed=args.seed, unmask_steps=args.unmask_steps, temperature=args.temperature)
    session = begin(WorldEngine(world, args.seed), start)
    if args.save is not None and not args.quiet:
        for event in session.events():
            if event.kind == UNFAMILIAR:
                print(f"warning: {event.text}", file=sys.stderr)
    return session


def read_picture(path: Path) -> np.ndarray:
    """A picture file, uint8 (H, W, 3); PictureError names the option for a video."""
    from genie_core.errors import PictureError
    from genie_core.pictures import load_picture

    if is_video(path):
        raise PictureError(f"{path} is a video, and --play starts from a picture; --infer-actions plays its moves")
    return load_picture(path)


def _start(args: argparse.Namespace, world: World, picture: np.ndarray | None, prompts: Prompts) -> Start:
    from app.play.autoplay import ListedActions
    from app.play.script import source_of
    from app.play.session_file import load_session
    from app.play.start import Start

    prompts.game = world.config.game
    source = None if args.autoplay is None else source_of(args.autoplay, world.config.actions, args.seed)
    if args.infer_actions and args.save is None:
        source = ListedActions(tuple(find_actions(world, args.infer_actions, args.quiet)))
    saved = None if args.saved is None else load_session(args.saved, world)
    return Start(picture, args.fit, prompts.palette if args.fit == "palette" else None, saved, autoplay=source)


def _actions(args: argparse.Namespace, world: World) -> list[int]:
    """What is to be played into a file."""
    from app.play.script import parse_script

    if args.infer_actions:
        return find_actions(world, args.infer_actions, args.quiet)
    return parse_script(args.actions, world.config.actions)


MODE = Mode(
    run,
    "play from a picture: in a window, or without one with --actions and --save",
    {"metavar": "IMAGE", "type": Path, "nargs": "?"},
    {
        "actions": {"metavar": "SCRIPT", "help": "what to play, by names or ids of actions: right*20,left*4,7*10"},
        "save": SAVE,
        "continue": {**FILE, "dest": "saved", "help": "continue a session that was saved with F5"},
        "autoplay": {"metavar": "WHAT", "help": "what plays until you press a key: random, or a script"},
        "infer_actions": VIDEO | {"help": "play the actions found in VIDEO"},
        "fit": {"choices": FITS, "default": "crop", "help": "how to fit the picture (default crop)"},
    },
    check,
)
