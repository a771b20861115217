"""`--web`: the demo in a browser."""

from __future__ import annotations

import argparse
import os

from app.cli.known_worlds import load_world
from app.cli.options import COMMON, ON, ROOT, Mode, number

PORT = 7860


def run(args: argparse.Namespace) -> None:
    from app.web.server import serve

    world = load_world(args)
    serve(world, ROOT, host=args.host, port=args.port, seats=args.max_players, quiet=args.quiet)


def space_arguments() -> list[str]:
    """The command line of a Space of the Hub, which runs launch.py without any; elsewhere empty."""
    if "SPACE_ID" not in os.environ:
        return []
    port = os.environ.get("GRADIO_SERVER_PORT", str(PORT))
    world = os.environ.get("GENIE_WORLD") or str(COMMON["world"]["default"])
    return ["--web", "--host", "0.0.0.0", "--port", port, "--world", world]


MODE = Mode(
    run,
    "open the web demo, for a browser here or, with --host, for anyone",
    ON,
    {
        "host": {
            "metavar": "ADDRESS",
            "default": "127.0.0.1",
            "help": "where the web demo listens (default 127.0.0.1: this machine alone)",
        },
        "port": {
            "type": number(int, 0, 65535),
            "metavar": "N",
            "default": PORT,
            "help": f"the web demo's port (default {PORT}; 0 is any)",
        },
        "max_players": {
            "type": number(int, 1, 64),
            "metavar": "N",
            "default": 4,
            "help": "how many play at once; more players wait (default 4)",
        },
    },
)
