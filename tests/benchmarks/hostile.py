"""Measures what hostile neighbours cost honest players of the web demo: pace, and the server's memory and handles.

python tests/benchmarks/hostile.py [--minutes 60] [--connections 10000] [--cycles 5] [--speed 1] [--out runs/hostile]

Four honest players press keys and draw each frame. Phases come in turns: alone, with a fifth player who is honest too,
then hostile, in which the fifth floods new seeds and others come as fast as the connections are to be reached. Each has
an address of its own on this machine's loopback, as the server's limits are by address. Beside the pace stand the pace
in the time that the engine's thread did not wait for a core, and the server's CPU time for a frame of all players, as
other programs on the machine change these less. Where the machine cannot hold the world's pace for five players, a
`--speed` below 1 asks whether a pace that it can hold is kept. Writes OUT.json and OUT.png.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(folder))

HONEST, SEATS = 4, 5
SAMPLE_SECONDS = 10.0
ALONE_SHARE = 1 / 6  # of each cycle
VISIT_SECONDS = 20.0  # a hostile visit takes no longer
CODES = ("ArrowLeft", "ArrowRight", "ArrowUp", "Digit1", "Digit8")
PROBES = ("/gradio_api/file=/etc/passwd", "/gradio_api/dev/reload", "/static/..%2f..%2fetc/passwd", "/.env", "/config")
NONSENSE = ("nonsense", '{"do": "seed", "seed": 1e400}', "[" * 3000, b"\0\1", "x" * 100_000, '{"do": "__class__"}')


# ---- the server's process


def serve(port: int) -> None:
    """`launch.py --web` as it is, and a thread that answers each line of the input with a report."""
    import launch
    from app.web.guests import Guests

    start = Guests.start

    async def noted(self: Guests) -> None:
        await start(self)
        asking = (self, asyncio.get_running_loop())
        threading.Thread(target=answer, args=asking, daemon=True).start()

    Guests.start = noted  # type: ignore[method-assign]
    sys.argv = ["launch.py", "--web", "--quiet", "--port", str(port), "--max-players", str(SEATS)]
    launch.main()


def answer(guests: Any, loop: asyncio.AbstractEventLoop) -> None:
    async def tasks() -> int:
        return len(asyncio.all_tasks())

    print(flush=True)
    for _ in sys.stdin:
        rss = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        waited = Path(f"/proc/self/task/{guests.engine_thread.native_id}/schedstat").read_text().split()[1]
        report = {
            "rss_mb": round(rss),
            "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
            "tasks": asyncio.run_coroutine_threadsafe(tasks(), loop).result(60),
            "cpu": time.process_time(),
            "waited": int(waited) / 1e9,
        }
        print(json.dumps(report | guests.health()), flush=True)


# ---- its visitors


class Demo:
    """The server, as visitors with addresses of their own see it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.seen: Counter[str] = Counter()
        self.connections = 0

    async def ask(self, host: str, head: str, body: bytes = b"", chunks: int = 1) -> tuple[int, bytes]:
        """The status and the body of an answer over a connection of its own; `body` is sent so many times."""
        reader, writer = await self.open(host)
        try:
            length = f"Content-Length: {len(body) * chunks}\r\n"
            writer.write(f"{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}\r\n".encode())
            with contextlib.suppress(OSError):  # the server may hang up and have said why
                for _ in range(chunks if body else 0):
                    writer.write(body)
                    await writer.drain()
            told, _, content = (await reader.read()).partition(b"\r\n\r\n")
            return int(told.split()[1]) if told else 0, content
        finally:
            writer.close()

    async def open(self, host: str, buffer: int = 2**16) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self.connections += 1
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(host, 0), limit=buffer)

    async def invited(self, host: str) -> str:
        status, content = await self.ask(host, "POST /play", b'{"picture": ""}')
        if status != 200:
            raise ConnectionError(f"begin {status}")
        return str(json.loads(content)["token"])

    def socket(self, host: str, token: str) -> Any:
        from websockets.asyncio.client import connect

        self.connections += 1
        url = f"ws://127.0.0.1:{self.port}/play/{token}"
        return connect(url, max_size=None, local_addr=(host, 0), compression=None, open_timeout=60)


class Player:
    """Plays honestly at `speed` times the world's, and comes again if the game ends.

    With `seeds` it also asks for so many new ones a second.
    """

    def __init__(self, demo: Demo, host: str, speed: float, seeds: int = 0) -> None:
        self.demo, self.host, self.speed, self.seeds = demo, host, speed, seeds
        self.frames = self.lost = 0

    async def play(self) -> None:
        while True:
            with contextlib.suppress(Exception):
                await self._visit()
            self.lost += 1
            await asyncio.sleep(1)

    async def _visit(self) -> None:
        token = await self.demo.invited(self.host)
        try:
            async with self.demo.socket(self.host, token) as way:
                pressing = asyncio.create_task(self._press(way))
                try:
                    shown = 0
                    async for message in way:
                        if isinstance(message, bytes):
                            if not shown:
                                await way.send(json.dumps({"do": "speed", "times": self.speed}))
                            shown += 1
                            self.frames += 1
                            await way.send(json.dumps({"do": "shown", "frame": int.from_bytes(message[:4], "big")}))
                finally:
                    pressing.cancel()
        finally:
            await asyncio.shield(self.demo.ask(self.host, f"POST /play/{token}/leave"))

    async def _press(self, way: Any) -> None:
        for number in itertools.count():
            key = {"do": "key", "code": random.choice(CODES), "down": random.random() < 0.6, "number": number}
            await way.send(json.dumps(key))
            for seed in range(self.seeds):
                await way.send(json.dumps({"do": "seed", "seed": seed}))
                await asyncio.sleep(1 / self.seeds)
            await asyncio.sleep(0 if self.seeds else 0.5)


async def uploads(demo: Demo, host: str) -> str:
    head = "POST /gradio_api/upload"
    chunk = b"x" * 2**20
    form = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    typed = f"{head} HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x"
    if random.random() < 0.5:
        return f"upload {(await demo.ask(host, head, chunk, 60))[0]}"
    _, writer = await demo.open(host)
    writer.write(f"{typed}\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    with contextlib.suppress(OSError):
        for part in (form, *[chunk] * random.choice((2, 18, 200))):
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await writer.drain()
    writer.transport.abort()
    return "upload broken off"


async def half_open(demo: Demo, host: str) -> str:
    reader, writer = await demo.open(host)
    writer.write(random.choice((b"", b"GET / HT", b"POST /play HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")))
    try:
        await asyncio.wait_for(reader.read(), VISIT_SECONDS)
        return "half-open, closed by the server"
    finally:
        writer.close()


async def malformed(demo: Demo, host: str) -> str:
    async with demo.socket(host, await demo.invited(host)) as way:
        await way.send(random.choice(NONSENSE))
        async for _ in way:
            pass
    return "malformed, cut off"


async def queue_grab(demo: Demo, host: str) -> str:
    async with demo.socket(host, await demo.invited(host)) as way:
        async with asyncio.timeout(VISIT_SECONDS):
            async for message in way:
                if isinstance(message, str) and "bye" in message:
                    return "queue, turned away"
    return "queue, waited"


async def probes(demo: Demo, host: str) -> str:
    status, content = await demo.ask(host, f"GET {random.choice(PROBES)}")
    assert b"root:" not in content and b"Traceback" not in content
    return f"probe {status}"


async def slow_reader(demo: Demo, host: str) -> str:
    _, writer = await demo.open(host, 1024)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    writer.write(b"GET /attract.webp HTTP/1.1\r\nHost: a\r\n\r\n" * 8)
    await asyncio.sleep(VISIT_SECONDS * random.random())
    writer.transport.abort()
    return "slow reader"


async def comes_and_goes(demo: Demo, host: str) -> str:
    token = await demo.invited(host)
    async with demo.socket(host, token) as way:
        await way.recv()
        if random.random() < 0.5:
            way.transport.abort()
    return "came and went"


VISITS: tuple[Callable[[Demo, str], Awaitable[str]], ...] = (
    *(uploads, half_open, malformed, queue_grab, probes, slow_reader, comes_and_goes),
)


async def neighbours(demo: Demo, upto: int, seconds: float) -> None:
    """Visits of each kind in turn, evenly until `upto` connections have been made."""
    running: set[asyncio.Task[None]] = set()

    async def visit(kind: Callable[[Demo, str], Awaitable[str]], host: str) -> None:
        try:
            demo.seen[await asyncio.wait_for(kind(demo, host), 3 * VISIT_SECONDS)] += 1
        except Exception as error:
            demo.seen[f"{kind.__name__}: {str(error)[:40] or type(error).__name__}"] += 1

    begun, first = time.monotonic(), demo.connections
    for number in itertools.count():
        while (demo.connections - first) / max(1, upto - first) > (time.monotonic() - begun) / seconds:
            await asyncio.sleep(0.02)
        task = asyncio.create_task(visit(VISITS[number % len(VISITS)], f"127.0.2.{1 + number % len(VISITS)}"))
        running.add(task)
        task.add_done_callback(running.discard)
        await asyncio.sleep(0.005)


# ---- the run


class Run:
    """Samples of the whole, each with its phase."""

    def __init__(self, process: subprocess.Popen[str], port: int, speed: float) -> None:
        self.process, self.demo, self.speed = process, Demo(port), speed
        self.players = [Player(self.demo, f"127.0.1.{1 + each}", speed) for each in range(HONEST)]
        self.samples: list[dict[str, Any]] = []
        self.begun = time.monotonic()

    def ask(self) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("report\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    async def phase(self, name: str, seconds: float, *others: Awaitable[None]) -> None:
        """Runs others beside the honest players, and samples."""
        tasks = [asyncio.ensure_future(other) for other in others]
        end = time.monotonic() + seconds
        before = await asyncio.to_thread(self.ask)
        frames, then = [player.frames for player in self.players], time.monotonic()
        while time.monotonic() < end:
            await asyncio.sleep(SAMPLE_SECONDS)
            report, now = await asyncio.to_thread(self.ask), time.monotonic()
            made = [player.frames - old for player, old in zip(self.players, frames, strict=True)]
            waited = report["waited"] - before["waited"]
            took = {"seconds": now - then, "unhindered": now - then - waited, "at": now - self.begun}
            lost = sum(player.lost for player in self.players)
            told = {"phase": name, "made": made, "lost": lost, "connections": self.demo.connections}
            self.samples.append(report | took | told)
            before, then, frames = report, now, [player.frames for player in self.players]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def run(self, minutes: float, connections: int, cycles: int) -> None:
        playing = [asyncio.create_task(player.play()) for player in self.players]
        await asyncio.sleep(SAMPLE_SECONDS)
        cycle = 60 * minutes / cycles
        for number in range(cycles):
            fifth = "127.0.1.9"
            await self.phase("alone", cycle * ALONE_SHARE, Player(self.demo, fifth, self.speed).play())
            hostile = cycle * (1 - ALONE_SHARE)
            upto = round(connections * (number + 1) / cycles)
            flood = Player(self.demo, "127.0.2.9", self.speed, seeds=50).play()
            await self.phase("hostile", hostile, flood, neighbours(self.demo, upto, hostile))
            print(f"cycle {number + 1}: {self.summary()}", flush=True)
        for task in playing:
            task.cancel()
        await asyncio.gather(*playing, return_exceptions=True)

    def summary(self) -> dict[str, Any]:
        """Frames a second of each honest player in each kind of phase, raw and unhindered."""
        found: dict[str, Any] = {"connections": self.demo.connections}
        for name in ("alone", "hostile"):
            samples = [each for each in self.samples if each["phase"] == name]
            for over in ("seconds", "unhindered"):
                time_all = sum(each[over] for each in samples)
                rates = [sum(each["made"][i] for each in samples) / time_all for i in range(HONEST)] if samples else []
                found[f"{name}_per_{over}"] = [round(rate, 2) for rate in rates]
            pairs = [(a, b) for a, b in pairwise(self.samples) if a["phase"] == b["phase"] == name]
            frames = sum(sum(b["made"]) for _, b in pairs) / HONEST
            found[f"{name}_cpu_a_frame"] = round(sum(b["cpu"] - a["cpu"] for a, b in pairs) / max(1, frames), 4)
        return found


def plot(samples: list[dict[str, Any]], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    minutes = [each["at"] / 60 for each in samples]
    lines = {
        "frames/s, each player": [[m / e["seconds"] for m in e["made"]] for e in samples],
        "resident memory, MB": [e["rss_mb"] for e in samples],
        "handles (blue), tasks": [[e["files"], e["tasks"]] for e in samples],
    }
    for axes, (name, values) in zip(figure.subplots(3, 1, sharex=True), lines.items(), strict=True):
        axes.plot(minutes, values, linewidth=0.8)
        axes.set_ylabel(name, fontsize=8)
        axes.set_ylim(bottom=0)
        for minute, each in zip(minutes, samples, strict=True):
            if each["phase"] == "alone":
                axes.axvspan(minute - each["seconds"] / 60, minute, color="0.9", linewidth=0)
    axes.set_xlabel("minutes; grey: alone, white: hostile neighbours")
    figure.savefig(file, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--cycles", type=int, default=5)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--out", type=Path, default=Path("runs/hostile"))
    parser.add_argument("--serve", type=int, metavar="PORT", help="be the server's process")
    args = parser.parse_args()
    if args.serve:
        return serve(args.serve)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    command = [sys.executable, __file__, "--serve", str(port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    run = Run(process, port, args.speed)
    try:
        assert process.stdout
        process.stdout.readline()  # it is about to listen
        time.sleep(2)
        asyncio.run(run.run(args.minutes, args.connections, args.cycles))
    finally:
        process.terminate()
        args.out.parent.mkdir(parents=True, exist_ok=True)
        told = {"summary": run.summary(), "visits": dict(run.demo.seen), "samples": run.samples}
        args.out.with_suffix(".json").write_text(json.dumps(told, indent=1))
        plot(run.samples, args.out.with_suffix(".png"))
    print(json.dumps(dict(run.demo.seen), indent=1))
    print(run.summary())


if __name__ == "__main__":
    main()
