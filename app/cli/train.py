"""`--train`: a world from a data set."""

from __future__ import annotations

import argparse

from app.cli.options import DATA, FILE, FOLDER, ON, Mode, number

STAGES = ["all", "tokenizer", "latent_action", "dynamics"]


def run(args: argparse.Namespace) -> None:
    from genie_core.data.dataset import VideoDataset

    if not any("://" in place for place in args.data):
        VideoDataset(*args.data)  # a wrong folder is told before what training imports, which takes seconds
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
        devices=args.devices,
        nodes=args.nodes,
        strategy=args.strategy,
        precision=args.precision,
        dry_run=args.dry_run,
    )


MODE = Mode(
    run,
    "train a world on a data set, in three stages",
    ON,
    {
        "data": {
            **DATA,
            "nargs": "+",
            "required": True,
            "help": "one or more data sets, used as one: folders, or hf://datasets/OWNER/NAME or s3://BUCKET/PREFIX",
        },
        "out": {**FOLDER, "required": True, "help": "the folder of the run"},
        "config": {
            **FILE,
            "metavar": "FILE|PRESET",
            "help": "TOML file of network and training settings, or auto, tiny, laptop, paper, platformers or a game's "
            "name (default: the game's own, else auto)",
        },
        "stage": {"choices": STAGES, "default": "all", "help": "what to train (default all)"},
        "minutes": {"type": number(float, 0.01), "metavar": "M", "help": "how long to train each stage"},
        "labels": {
            "type": number(float, 0, 1),
            "metavar": "SHARE",
            "help": "share of steps whose key is told to the latent actions, 0 to 1 (default 0)",
        },
        "resume": {**ON, "help": "continue the run in --out"},
        "dry_run": {**ON, "help": "only tell what it will take: weights, operations, memory and time"},
        "devices": {
            "type": number(int, 1),
            "metavar": "N",
            "help": "GPUs, or processes on a CPU, on each machine (default 1, or what torchrun or SLURM gives)",
        },
        "nodes": {
            "type": number(int, 1),
            "metavar": "N",
            "help": "machines (default 1, or what torchrun or SLURM gives)",
        },
        "strategy": {
            "choices": ["auto", "ddp", "fsdp"],
            "default": "auto",
            "help": "how devices share the work: ddp copies the weights, fsdp shards them (default auto: ddp)",
        },
        "precision": {
            "choices": ["auto", "32", "bf16"],
            "default": "auto",
            "help": "of the products (default auto: bf16 on a GPU, else 32)",
        },
    },
    kept=lambda args: f"{args.out} keeps what was learnt: the same command with --resume goes on",
)
