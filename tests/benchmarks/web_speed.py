"""Measures the web demo in a browser: frames a second, and the time from a key to the first frame it changes.

python tests/benchmarks/web_speed.py [--presses 30] [--seconds 10]
"""

from __future__ import annotations

import argparse
import random
import shutil
import socket
import statistics
import sys
import threading
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
for folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(folder))

from webdemo import Demo, as_command, free_port  # noqa: E402  # found by the path above

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-background-networking"]
WATCH = """() => {
    window.game = document.querySelector('[data-frames]'); window.times = []; window.drawn = {}; window.pressed = null;
    window.addEventListener('keydown', e => { if (!e.repeat) window.pressed = performance.now() }, true);
    new MutationObserver(() => {
        const now = performance.now(), d = game.dataset;
        times.push(now);
        drawn[d.step] = [now, game.querySelector('canvas').toDataURL()];
    }).observe(game, {attributeFilter: ['data-frame']});
}"""
DELAY_S, STALL_S, STALLED = 0.03, 0.25, 0.01  # of the proxy: each way, of a stalled chunk, and how many are


def play(browser: Any, url: str) -> Any:
    page = browser.new_context(viewport={"width": 1000, "height": 800}).new_page()
    page.goto(url)
    page.wait_for_selector("#view .stage")
    page.locator(".pixels button >> visible=true").first.click()
    page.wait_for_function("+document.querySelector('[data-frames]')?.dataset.frames > 10")
    page.evaluate(WATCH)
    return page


def pace(pages: list[Any], seconds: float) -> list[dict[str, float]]:
    """Frames a second of each page, and the 95th percentile of the time between two frames in ms."""
    for page in pages:
        page.evaluate("times.length = 0")
    time.sleep(seconds)
    found = []
    for page in pages:
        times = page.evaluate("times")
        gaps = sorted(b - a for a, b in pairwise(times))
        fps = 1000 * (len(times) - 1) / (times[-1] - times[0])
        p95 = gaps[int(0.95 * len(gaps))]
        found.append({"fps": fps, "median_ms": statistics.median(gaps), "p95_ms": p95})
    return found


def key_ms(page: Any, presses: int) -> list[float]:
    """From a key to the first frame that differs from that of the same step and seed with no key, drawn."""
    page.click(".stage")
    page.keyboard.press("r")
    page.wait_for_function("game.dataset.step < 3")
    page.evaluate("drawn = {}")
    page.wait_for_function("game.dataset.step > 45")
    still = {int(step): picture for step, (_, picture) in page.evaluate("drawn").items()}
    rng, found = random.Random(0), []
    for _ in range(presses):
        page.keyboard.press("r")
        page.wait_for_function("game.dataset.step < 3")
        page.evaluate("() => { drawn = {}; pressed = null }")
        page.wait_for_function(f"game.dataset.step > {rng.randrange(4, 12)}")
        time.sleep(rng.random() * 0.1)
        page.keyboard.down("ArrowRight")
        page.wait_for_function("pressed && Object.values(drawn).filter(f => f[0] > pressed).length > 12")
        page.keyboard.up("ArrowRight")
        pressed, drawn = page.evaluate("[pressed, drawn]")
        later = sorted((at, int(step), picture) for step, (at, picture) in drawn.items() if at > pressed)
        found.append(
            next(
                (at - pressed for at, step, picture in later if step in still and still[step] != picture), float("inf")
            )
        )
    return sorted(found)


def report(name: str, found: list[dict[str, float]], keys: list[float]) -> None:
    each = "; ".join(f"{f['fps']:.2f} frames/s (gap {f['median_ms']:.1f}, p95 {f['p95_ms']:.1f} ms)" for f in found)
    told = ""
    if keys:
        p95 = keys[int(0.95 * len(keys))]
        told = f"; key {statistics.median(keys):.0f} ms, p95 {p95:.0f}, most {keys[-1]:.0f}, n {len(keys)}"
    print(f"{name}: {each}{told}", flush=True)


@contextmanager
def slow_way(port: int) -> Any:
    """A port of this machine behind which `port` is farther away."""
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                near = listening.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", port))
            for source, to in ((near, far), (far, near)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                chunks: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
                threading.Thread(target=receive, args=(source, chunks), daemon=True).start()
                threading.Thread(target=deliver, args=(chunks, to), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listening.getsockname()[1]
    listening.close()


def receive(source: socket.socket, chunks: SimpleQueue[tuple[float, bytes]]) -> None:
    data = b"."
    while data:
        try:
            data = source.recv(65536)
        except OSError:
            data = b""
        stall = STALL_S if random.random() < STALLED else 0.0
        chunks.put((time.monotonic() + DELAY_S + stall, data))


def deliver(chunks: SimpleQueue[tuple[float, bytes]], to: socket.socket) -> None:
    while True:
        due, data = chunks.get()
        time.sleep(max(0.0, due - time.monotonic()))  # what comes after a stalled chunk waits behind it, as in TCP
        try:
            if not data:
                return to.shutdown(socket.SHUT_WR)
            to.sendall(data)
        except OSError:
            return


@contextmanager
def demo(*words: str) -> Any:
    with TemporaryDirectory() as folder:
        port = free_port()
        with as_command(["--web", "--port", str(port), "--quiet", *words], Path(folder), port) as running:
            yield running, port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presses", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--only", choices=["near", "far", "fast"], help="one part of it")
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        parts = {"near": near, "far": far, "fast": fast}
        for name in [args.only] if args.only else parts:
            parts[name](browser, args.seconds, args.presses)
        browser.close()


def near(browser: Any, seconds: float, presses: int) -> None:
    with demo() as (running, _):
        page = play(browser, running.url)
        report("one player, the world's own 15", pace([page], seconds), key_ms(page, presses))
        page.context.close()
        pages = [play(browser, running.url) for _ in range(4)]
        report("four players", pace(pages, seconds), [])
        print(f"four players, the server: {running.health()}", flush=True)


def far(browser: Any, seconds: float, presses: int) -> None:
    with demo() as (_, port), slow_way(port) as proxy:
        page = play(browser, Demo(f"http://127.0.0.1:{proxy}").url)
        report("30 ms each way, 1 % stalled 250 ms", pace([page], 2 * seconds), key_ms(page, presses))


def fast(browser: Any, seconds: float, presses: int) -> None:
    with demo("--fps", "30") as (running, _):
        page = play(browser, running.url)
        report("one player, --fps 30", pace([page], seconds), key_ms(page, presses))


if __name__ == "__main__":
    main()
