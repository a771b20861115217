"""`--collect`: records a data set from a game known here, or from any Gymnasium environment."""

from __future__ import annotations

import argparse
import difflib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.cli.options import FOLDER, FORMAT, Mode, Options, flag, frame_size, number
from genie_core import games
from genie_core.errors import ConfigError

PYTHON_WORDS = {"True": True, "False": False, "None": None}  # as an environment's documentation has them
RECORDED = {name: games.find(name) for name in games.known_games() if games.find(name).records}


def run(args: argparse.Namespace) -> None:
    recorded = f"recorded {args.frames:,} frames of {args.collect}"
    if args.format == "lerobot":
        from genie_core.data.lerobot import written_as_lerobot

        own = {name: value for name, value in sorted(vars(args).items()) if name not in ("quiet", "out")}
        told = {name: value for name, value in own.items() if not callable(value)}
        with written_as_lerobot(args.out, repr(told), quiet=args.quiet) as out:
            if out:
                _record(args, out)
            else:
                recorded = "what an earlier call had recorded is"
    else:
        _record(args, args.out)
    if not args.quiet:
        print(f"{recorded} in {args.out}")
        then = "--prepare {0} --out DATA" if args.format == "lerobot" else "--train --data {0} --out RUN"
        print("next: python launch.py", then.format(args.out))


def _record(args: argparse.Namespace, out: Path) -> None:
    game = RECORDED.get(args.collect)
    if game is None:
        _record_environment(args, out)
        return
    own = {name: vars(args).get(name, option["default"]) for name, option in _own_options(game).items()}
    game.collect(out, args.frames, args.seed, args.policy, own, args.quiet)


def _record_environment(args: argparse.Namespace, out: Path) -> None:
    from genie_core.data.environments.record import record_environment

    near = difflib.get_close_matches(args.collect, RECORDED, n=1)
    if near and not re.search(r"[:/]|-v\d+$", args.collect):
        raise ConfigError(f"there is no game {args.collect}; did you mean {near[0]}?")
    record_environment(
        out,
        args.collect,
        args.frames,
        seed=args.seed,
        policy=args.policy or "explore",
        frame_size=args.frame_size,
        fps=args.fps,
        options=dict(args.env_options or ()),
        progress=not args.quiet,
    )


def _kept(args: argparse.Namespace) -> str:
    """What stays of an interrupted recording."""
    if args.format == "lerobot":
        from genie_core.data.lerobot import filled_for

        if filled_for(args.out).exists():
            return "what was recorded is kept: the same command writes it"
    return f"nothing was kept, and {args.out} was not made"


def check(args: argparse.Namespace) -> str | None:
    """An environment has settings of its own, and so has a game that is known here."""
    game = RECORDED.get(args.collect)
    own = _own_options(game) if game else {}
    foreign = [name for name in _GAME_OPTIONS if name in args and name not in own]
    if game:
        foreign += [name for name in ("frame_size", "fps", "env_options") if getattr(args, name) is not None]
    return f"{flag(foreign[0])} does not go with --collect {args.collect}" if foreign else None


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not (name.isidentifier() and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    try:
        return name, PYTHON_WORDS[value] if value in PYTHON_WORDS else json.loads(value)
    except ValueError:
        return name, value


def _own_options(game: games.Game) -> Options:
    told = {name.strip("-").replace("-", "_"): arguments for name, arguments in game.collect_options.items()}
    return {name: _in_words(arguments) for name, arguments in told.items()}


def _in_words(arguments: dict[str, Any]) -> dict[str, Any]:
    """The same option, with the ConfigError of its type as argparse's message."""
    kind: Callable[[str], Any] = arguments.get("type", str)

    def convert(text: str) -> Any:
        try:
            return kind(text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return arguments | {"type": convert}


_GAME_OPTIONS: Options = {name: option for game in RECORDED.values() for name, option in _own_options(game).items()}
MODE = Mode(
    run,
    f"record a data set by playing {', '.join(RECORDED)} or a Gymnasium environment, such as CarRacing-v3",
    {"metavar": "ENV"},
    {
        "out": {**FOLDER, "required": True, "help": "the folder to write the data set to"},
        "frames": {
            "type": number(int, 2),
            "metavar": "N",
            "default": 100_000,
            "help": "how many to record (default 100000)",
        },
        "policy": {
            "metavar": "NAME",
            "help": "how to move: random; explore, which holds keys (default); or your own module:function",
        },
        "frame_size": {
            "type": frame_size,
            "metavar": "HxW",
            "help": "size to scale the whole picture to (default: keeps its shape, the shorter side 64)",
        },
        "env_options": {
            "type": _setting,
            "nargs": "+",
            "metavar": "NAME=VALUE",
            "help": "keyword arguments of the environment",
        },
        "format": FORMAT,
        # A game's option has no value where it is not given, so that one that does not belong shows.
        **{name: option | {"default": argparse.SUPPRESS} for name, option in _GAME_OPTIONS.items()},
    },
    check,
    _kept,
)
