"""`--collect`: records a data set from a game. Each game brings its own options."""

from __future__ import annotations

import argparse
from typing import Any

from app.cli.options import FOLDER, Mode, Options, number
from genie_core import games

RECORDED = {name: games.find(name) for name in games.known_games() if games.find(name).records}
OWN: Options = {
    option.strip("-").replace("-", "_"): arguments
    for game in RECORDED.values()
    for option, arguments in game.collect_options.items()
}


def run(args: argparse.Namespace) -> None:
    game = RECORDED[args.collect]
    names = [option.strip("-").replace("-", "_") for option in game.collect_options]
    own: dict[str, Any] = {name: getattr(args, name) for name in names}
    game.collect(args.out, args.frames, args.seed, args.policy, own, args.quiet)


MODE = Mode(
    run,
    "record a data set by playing a game",
    {"choices": list(RECORDED)},
    {
        "out": {**FOLDER, "required": True, "help": "the folder to write the data set or the training run to"},
        "frames": {
            "type": number(int, 2),
            "metavar": "N",
            "default": 100_000,
            "help": "how many frames to record (default 100000)",
        },
        "policy": {"metavar": "NAME", "help": "the player's policy: explore or random (default explore)"},
        **OWN,
    },
)
