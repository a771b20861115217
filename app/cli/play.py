"""`--play`: from a picture or a saved session, in a window, or without one into a file."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.infer_actions import VIDEO, find_actions
from app.cli.known_worlds import RUNS, WORLDS, complete, load_playable, worlds_at_hand
from app.cli.options import FILE, ON, ROOT, Mode
from genie_core.errors import GenieError, PictureError

if TYPE_CHECKING:
    import numpy as np

    from app.play.autoplay import Source
    from app.play.beside import Beside
    from app.play.session import PlaySession
    from app.play.start_pictures import Prompts
    from app.window.worlds import Choice
    from genie_core.games import Game
    from genie_core.graph_world import GraphWorld
    from genie_core.world import World

SAVE = {**FILE, "help": "write to FILE: .mp4, .gif, .png (contact sheet) or .npz (frames and actions)"}
FITS = ("crop", "pad", "stretch", "palette")  # as in genie_core.pictures, which --help does not wait for
Tell = Callable[[str, float], None]  # of what is being loaded, and the share that is done
FIRST_WORLD_ONLY = {"play": None, "saved": None, "actions": None, "autoplay": None, "infer_actions": None}
VIDEOS = (".mp4", ".webm", ".mkv", ".mov", ".avi")


def check(args: argparse.Namespace) -> str | None:
    if args.beside_real and (args.play or args.saved):
        return "--beside-real starts from the real game's own first frame: leave IMAGE and --continue out"
    if args.play is None and args.saved is None and not args.beside_real:
        return "--play needs IMAGE, the picture to start from, such as assets/coinrun.png, or --continue FILE"
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
    from genie_core.pictures import load_picture

    if args.play and args.play.suffix.lower() in VIDEOS:
        raise PictureError(f"{args.play} is a video, and --play takes a picture; --infer-actions plays a video's moves")
    if args.save is not None:
        check_target(args.save)
    picture = load_picture(args.play) if args.play else None
    prompts = Prompts(ROOT / "assets", args.play)
    begin = partial(_begin, args, picture, prompts)
    if args.save is None:
        from app.window.play import play

        name, pictures = Path(args.world).resolve().name, 2 if args.beside_real else 1
        play(begin, name, prompts, args.quiet, pictures, partial(_choices, args, name))
    else:
        _record(args, begin(lambda text, done: None))


def _begin(args: argparse.Namespace, picture: np.ndarray | None, prompts: Prompts, tell: Tell) -> PlaySession:
    """The session that the command line describes; tells `prompts` its world."""
    tell("loading the runtime", 0.1)
    from app.play.made import find_made
    from app.play.session_file import load_session
    from app.play.start import Start, begin
    from genie_core.engine import WorldEngine

    tell("reading the world", 0.5)
    world = load_playable(args)
    prompts.world = world
    beside = None
    if args.beside_real:
        tell("starting the real game", 0.7)
        beside = _real_game(args, world)
        picture = beside.start
    tell("looking at the picture", 0.8)
    saved = None if args.saved is None else load_session(find_made(args.saved), world)
    if saved is not None and args.fps is None:
        world.config = dataclasses.replace(world.config, fps=saved.fps)
    palette = prompts.palette if args.fit == "palette" else None
    how = args.fit, palette, saved, "replay" in args, _source(args, world)
    start = Start(picture, *how, args.seed, args.unmask_steps, args.temperature, waits=args.save is None)
    session = begin(WorldEngine(world, args.seed, runtime=args.runtime), start)
    session.beside = beside
    session.catch_up()
    return session


def _choices(args: argparse.Namespace, name: str, played: World | GraphWorld) -> list[Choice]:
    """The worlds at hand, and before them, as `name`, the one of the command line if it lies elsewhere."""
    found, first = list(worlds_at_hand(WORLDS, RUNS)), Path(complete(args.world, WORLDS))
    if first.is_dir() and first.resolve() not in [folder.resolve() for _, folder in found]:
        found.insert(0, (name, first))
    choices = []
    for known, folder in found:
        with suppress(GenieError):  # a damaged world cannot be played; --worlds says what is wrong with it
            choices.append(_choice(args, known, folder, played))
    return choices


def _choice(args: argparse.Namespace, name: str, folder: Path, played: World | GraphWorld) -> Choice:
    """The world in `folder` without loading it. It is played by the options of the command line, but from its own first
    picture and by hand."""
    from app.play.start_pictures import Prompts
    from app.window.worlds import Choice
    from genie_core.graph_world import WorldOnDisk
    from genie_core.hub.address import find_address
    from genie_core.pictures import fit, load_picture

    world = WorldOnDisk.read(folder)
    prompts = Prompts(ROOT / "assets", world=world)
    picture = load_picture(prompts.shipped[0])
    shown = fit(picture, world.config.frame_size, args.fit, prompts.palette if args.fit == "palette" else None)
    options = {option: value for option, value in vars(args).items() if option != "replay"} | FIRST_WORLD_ONLY
    options["world"] = str(folder) if find_address(name) is None else name  # a folder of the cache has no name
    now = played.folder is not None and played.folder.resolve() == folder.resolve()
    return Choice(name, shown, now, prompts, partial(_begin, argparse.Namespace(**options), picture, prompts))


def _real_game(args: argparse.Namespace, world: World | GraphWorld) -> Beside:
    """The game of `world` itself, its buttons told from a few labelled steps; says so unless --quiet."""
    import numpy as np

    from app.play.beside import Beside
    from genie_core.actions.labelling import LABELLED, button_map
    from genie_core.games import find

    game = find(world.config.game)
    real = game.open_real(args.seed, world.config.training.get("source", {}))
    buttons = button_map(world, real.labelled(LABELLED), real.rest)
    if not args.quiet:
        pairs = zip(world.config.actions, game.buttons(np.array(buttons)), strict=True)
        told = ", ".join(f"{action.name} → {_button_name(game, int(button))}" for action, button in pairs)
        print(f"{real.name}; buttons told from {LABELLED} labelled steps: {told}")
    return Beside(real, buttons, world.config.frame_size)


def _button_name(game: Game, button: int) -> str:
    return game.button_names[button] if button < len(game.button_names) else str(button)


def _source(args: argparse.Namespace, world: World | GraphWorld) -> Source | None:
    """What plays instead of the player, None if nothing does."""
    from app.play.autoplay import ListedActions
    from app.play.script import parse_script, source_of

    if args.infer_actions:
        return ListedActions(tuple(find_actions(world, args.infer_actions, args.quiet)))
    if args.actions is not None:
        return ListedActions(tuple(parse_script(args.actions, world.config.actions)))
    return None if args.autoplay is None else source_of(args.autoplay, world.config.actions, args.seed)


def _record(args: argparse.Namespace, session: PlaySession) -> None:
    from app.play.commands import UNFAMILIAR
    from app.play.record import record, record_replay

    for event in session.events():
        if event.kind == UNFAMILIAR and not args.quiet:
            print(f"warning: {event.text}", file=sys.stderr)
    if session.autoplay is None:
        line = record_replay(args.save, session, args.quiet)
    else:
        line = record(args.save, session, session.autoplay.source.actions, args.quiet)  # type: ignore[union-attr]
    if not args.quiet:
        print(line)


MODE = Mode(
    run,
    "play from a picture, in a window; with --actions and --save, play into a file instead",
    {"metavar": "IMAGE", "type": Path, "nargs": "?"},
    {
        "actions": {"metavar": "SCRIPT", "help": "names or ids of actions, times steps: right*20,left*4,7*10"},
        "save": SAVE,
        "continue": {**FILE, "dest": "saved", "help": "continue a session that was saved with F5"},
        "autoplay": {"metavar": "WHAT", "help": "play by itself until you press a key: random, or a SCRIPT as above"},
        "infer_actions": VIDEO | {"help": "play the actions found in VIDEO"},
        "beside_real": {
            **ON,
            "help": "start from the real game's first frame, and play it beside the world (--seed N)",
        },
        "fit": {"choices": FITS, "default": "crop", "help": "how to fit the picture into a frame (default crop)"},
    },
    check,
    lambda args: "nothing was saved" if args.save else "what was not saved with F5 is gone",
)
