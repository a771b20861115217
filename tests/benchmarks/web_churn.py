"""Opens and drops connections to the web demo at random, and measures what stays of them.

python tests/benchmarks/web_churn.py [--minutes 2] [--connections 200]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(folder))

from webdemo import Demo, in_this_process  # noqa: E402  # found by the path above

WORLD = ROOT / "checkpoints" / "coinrun"
SEATS = 4
WARM_SHARE = 0.25  # of the time, before memory is looked at for the first time
CODES = ("ArrowLeft", "ArrowRight", "ArrowUp", "Digit1", "Digit8")


def serve() -> None:
    """The server's process: answers each line of its input, `invite` or `report`, with a line of JSON."""
    from app.play.start import Start
    from app.web import limits
    from app.web.game import GameStart
    from genie_core.pictures import load_picture

    # All are let in, or most would be turned away at the door.
    limits.WAITING = limits.WAITING_A_CLIENT = limits.INVITED = 500
    limits.AWAY_SECONDS = limits.AWAY_WAITED_SECONDS = limits.PLACE_SECONDS = limits.PARKED_SECONDS = 0.5
    start = Start(load_picture(ROOT / "assets" / "coinrun.png"))
    with in_this_process(WORLD, SEATS) as demo:
        print(json.dumps(demo.url), flush=True)
        engine = demo.worlds.engine("coinrun")
        for line in sys.stdin:
            if line.strip() == "report":
                print(json.dumps(report(demo)), flush=True)
                continue
            try:
                token = demo.on_loop(lambda: demo.guests.invite(GameStart(engine, "coinrun", start)))
            except Exception as error:
                token = type(error).__name__
            print(json.dumps(token), flush=True)


def report(demo: Demo) -> dict[str, Any]:
    rss = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    tasks = demo.on_loop(lambda: len(asyncio.all_tasks()))
    files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    return {"rss_mb": round(rss), "tasks": tasks, "files": files} | demo.health()


class Server:
    """The other process, by questions and answers."""

    def __init__(self) -> None:
        command = [sys.executable, __file__, "--serve"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.url = json.loads(self.process.stdout.readline())

    def ask(self, question: str) -> Any:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


async def visit(server: Server, rng: random.Random, seen: Counter[str]) -> None:
    """Connects, perhaps waits, perhaps plays, and leaves in one of several ways."""
    from websockets.asyncio.client import connect

    await asyncio.sleep(2 * rng.random())
    token = server.ask("invite")
    if token == "SeatsFull":
        seen["not let in"] += 1
        await asyncio.sleep(2 + rng.random())
        return
    manner = rng.choice(["close", "abort", "nonsense", "stall"])
    end = time.monotonic() + rng.expovariate(0.5)
    try:
        async with connect(f"{server.url.replace('http', 'ws')}/play/{token}", max_size=None) as socket:
            while time.monotonic() < end:
                try:
                    message = await asyncio.wait_for(socket.recv(), max(0.01, end - time.monotonic()))
                except TimeoutError:
                    break
                if isinstance(message, bytes) and manner != "stall":
                    seen["frames"] += 1
                    shown = int.from_bytes(message[:4], "big")
                    await socket.send(json.dumps({"do": "shown", "frame": shown}))
                    key = {"do": "key", "code": rng.choice(CODES), "down": rng.random() < 0.5, "number": shown}
                    await socket.send(json.dumps(key))
            if manner == "abort":
                socket.transport.abort()
            if manner == "nonsense":
                await socket.send("nonsense")
        seen[manner] += 1
    except Exception as error:
        seen[type(error).__name__] += 1


async def churn(server: Server, connections: int, seconds: float) -> None:
    seen: Counter[str] = Counter()
    end = time.monotonic() + seconds

    async def one(number: int) -> None:
        rng = random.Random(number)
        while time.monotonic() < end:
            await visit(server, rng, seen)

    async def watch() -> None:
        await asyncio.sleep(WARM_SHARE * seconds)
        print("warm ", server.ask("report"), flush=True)
        await asyncio.sleep(0.5 * seconds)
        print("later", server.ask("report"), flush=True)

    print("first", server.ask("report"), flush=True)
    await asyncio.gather(watch(), *(one(number) for number in range(connections)))
    for _ in range(100):
        if server.ask("report")["guests"] == 0:
            break
        await asyncio.sleep(0.1)
    print("left ", server.ask("report"))
    print("ways ", dict(seen))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--serve", action="store_true", help="be the server's process")
    args = parser.parse_args()
    if args.serve:
        return serve()
    server = Server()
    try:
        asyncio.run(churn(server, args.connections, 60 * args.minutes))
    finally:
        server.process.terminate()


if __name__ == "__main__":
    main()
