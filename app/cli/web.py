"""`--web`: the demo in a browser."""

from __future__ import annotations

import argparse
import os

from app.cli.known_worlds import load_world
from app.cli.options import ON, ROOT, WORLD, Mode, number

HOST, PORT, SEATS = "127.0.0.1", 7860, 4
MORE = f"how many people can play at once; others wait in a queue (default {SEATS})"


def run(args: argparse.Namespace) -> None:
    from genie_core.hub.probe import require_proxy

    require_proxy()
    if not args.quiet:
        print(f"loading {args.world} …", flush=True)  # what follows can take a minute on a busy machine
    world = load_world(args)
    from app.web.server import serve

    serve(world, ROOT, host=args.host, port=args.port, seats=args.max_players, quiet=args.quiet)


def space_arguments() -> list[str]:
    """The command line of a Space of the Hub, which runs launch.py without any; elsewhere empty."""
    if "SPACE_ID" not in os.environ:
        return []
    port = os.environ.get("GRADIO_SERVER_PORT") or str(PORT)
    world = os.environ.get("GENIE_WORLD") or WORLD
    return ["--web", "--host", "0.0.0.0", "--port", port, "--world", world]


MODE = Mode(
    run,
    "start the web demo, for this computer or, with --host, for others too",
    ON,
    {
        "host": {"metavar": "ADDRESS", "default": HOST, "help": f"where to listen (default {HOST}: only this machine)"},
        "port": {
            "type": number(int, 0, 65535),
            "metavar": "N",
            "default": PORT,
            "help": f"port to listen on (default {PORT}; 0 picks a free one)",
        },
        "max_players": {"type": number(int, 1, 64), "metavar": "N", "default": SEATS, "help": MORE},
    },
    kept=lambda args: "the demo is closed, and its unsaved games are gone",
)
