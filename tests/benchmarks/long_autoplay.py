"""Plays random actions in the window: memory, dropped steps, evenness of the pace.

Plays at full speed for `--minutes`, then for a fifth of that at the world's own pace, for the pacing error. A step
counts as dropped if the engine made fewer steps than the session counted, or if a frame of the line is missing.

python tests/benchmarks/long_autoplay.py [--minutes 10]
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")

import numpy as np

from app.play import commands as c
from app.play.autoplay import RandomActions
from app.play.pace import Pacer
from app.play.session import PlaySession
from app.window.loop import WindowLoop
from app.window.run_shortcut import run_shortcut
from app.window.screen import open_window
from genie_core import World, WorldEngine
from genie_core.pictures import load_picture

ROOT = Path(__file__).resolve().parents[2]
REPORTS = 10


def rss_mb() -> float:
    """Resident memory now; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class WatchedLoop(WindowLoop):
    """Notes when each step ends, and quits after `seconds`."""

    seconds = 60.0

    def watch(self) -> np.ndarray:
        """Plays; returns when each step ended, in seconds."""
        self.done: list[float] = []
        self.began = self.reported = time.perf_counter()
        self.session.running = True
        self.pacer = Pacer(self.pacer.fps)
        self.run()
        return np.array(self.done)

    def tick(self) -> None:
        before = self.session.steps
        super().tick()
        now = time.perf_counter()
        if self.session.steps != before:
            self.done.append(now)
        if now - self.reported > self.seconds / REPORTS:
            self.reported = now
            gc.collect()
            print(f"  {now - self.began:4.0f} s: step {self.session.steps}, memory {rss_mb():.0f} MB", flush=True)
        if now - self.began > self.seconds:
            self.session.handle(c.Quit())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    args = parser.parse_args()
    os.environ["XDG_CONFIG_HOME"] = mkdtemp()  # not the player's own keys
    os.chdir(mkdtemp())
    world = World.from_pretrained(ROOT / "checkpoints" / "coinrun")
    engine = WorldEngine(world)
    made = 0
    step = engine.step

    def counted(actions: dict[int, int]) -> dict[int, np.ndarray]:
        nonlocal made
        made += 1
        return step(actions)

    engine.step = counted  # type: ignore[method-assign,assignment]
    session = PlaySession(engine, load_picture(ROOT / "assets" / "coinrun.png"))
    session.handle(c.Autoplay(RandomActions(0)))
    loop = WatchedLoop(session, "coinrun", None, Path("keys.json"), open_window("coinrun"), run_shortcut)
    for name, fps, minutes in (("full speed", 1000.0, args.minutes), ("own pace", world.config.fps, args.minutes / 5)):
        loop.pacer.fps, loop.seconds = fps, 60 * minutes
        gaps = np.diff(loop.watch())
        print(f"{name}: {1 / gaps.mean():.1f} steps/s, gap p50 {1e3 * np.median(gaps):.1f} ms", end=", ")
        print(f"p99 {1e3 * np.percentile(gaps, 99):.1f} ms")
        if name == "own pace":
            error = 1e3 * np.abs(gaps - 1 / fps)
            print(f"pacing error p50 {np.median(error):.1f} ms, p99 {np.percentile(error, 99):.1f} ms")
    indices = [session.timeline.line.moment(index).frames[-1].index for index in range(session.steps + 1)]
    dropped = session.steps - made + sum(index != place for place, index in enumerate(indices))
    print(f"{session.steps} steps, {dropped} dropped")


if __name__ == "__main__":
    main()
