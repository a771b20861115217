"""`--train`: a world from a data set."""

from __future__ import annotations

import argparse

from app.cli.options import FILE, FOLDER, ON, Mode, number

STAGES = ["all", "tokenizer", "latent_action", "dynamics"]


def run(args: argparse.Namespace) -> None:
    from genie_core.training.run import train

    train(
        data=args.data,
        out=args.out,
        config=args.config,
        stage=args.stage,
        minutes=args.minutes,
        labels=args.labels,
        resume=args.resume,
        seed=args.seed,
        device=args.device,
        quiet=args.quiet,
    )


MODE = Mode(
    run,
    "train a world on a data set, in three stages",
    ON,
    {
        "data": {**FOLDER, "nargs": "+", "required": True, "help": "one or more data sets, used as one"},
        "out": {**FOLDER, "required": True, "help": "the folder of the run"},
        "config": {**FILE, "help": "TOML file of network and training settings (default: the one made for the game)"},
        "stage": {"choices": STAGES, "default": "all", "help": "what to train (default all)"},
        "minutes": {"type": number(float, 0.01), "metavar": "M", "help": "how long to train each stage"},
        "labels": {
            "type": number(float, 0, 1),
            "metavar": "SHARE",
            "help": "share of steps whose key is told to the latent actions, 0 to 1 (default 0)",
        },
        "resume": {**ON, "help": "continue the run in --out"},
    },
)
