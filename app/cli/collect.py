"""`--collect`: records a data set from a game. Each game brings its own options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from app.cli.options import FOLDER, Mode, Options, number
from genie_core import games
from genie_core.errors import ConfigError

RECORDED = {name: games.find(name) for name in games.known_games() if games.find(name).records}


def run(args: argparse.Namespace) -> None:
    own = {name: getattr(args, name) for name in _own_options(RECORDED[args.collect])}
    RECORDED[args.collect].collect(args.out, args.frames, args.seed, args.policy, own, args.quiet)


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


FRAMES = {"type": number(int, 2), "metavar": "N", "default": 100_000, "help": "how many to record (default 100000)"}
MODE = Mode(
    run,
    "record a data set by playing a game",
    {"choices": list(RECORDED)},
    {
        "out": {**FOLDER, "required": True, "help": "the folder to write the data set or the training run to"},
        "frames": FRAMES,
        "policy": {"metavar": "NAME", "help": "how to move: random, or explore, which holds keys (default explore)"},
        **{name: option for game in RECORDED.values() for name, option in _own_options(game).items()},
    },
)
