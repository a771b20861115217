"""Plays the shipped world for long: time of a step and of going back, and memory, early, late and on a busy machine.

python tests/benchmarks/long_play.py [--steps 5000]
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from genie_core import World, WorldEngine
from genie_core.pictures import load_picture

ROOT = Path(__file__).resolve().parents[2]
SPAN = 100  # steps in a figure


def rss_mb() -> float:
    """Resident memory now; Linux only."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def ms(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def busy() -> None:
    while True:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=5000)
    args = parser.parse_args()
    world = World.from_pretrained(ROOT / "checkpoints" / "coinrun")
    engine = WorldEngine(world)
    engine.reset(load_picture(ROOT / "assets" / "coinrun.png"))
    rng = np.random.default_rng(0)
    moments, took = [engine.snapshot()], []
    for step in range(args.steps):
        action = int(rng.integers(len(world.config.actions)))
        took.append(ms(lambda action=action: engine.step(action)))
        moments.append(engine.snapshot())
        if step + 1 in (50 + SPAN, args.steps // 2, args.steps):
            gc.collect()
            span = np.percentile(took[-SPAN:], (50, 95))
            print(f"steps to {step + 1:5}: median {span[0]:.1f} ms, p95 {span[1]:.1f} ms, memory {rss_mb():.0f} MB")
    back = [ms(lambda moment=moment: engine.restore(moment)) for moment in moments[-2:-102:-1]]
    print(f"100 single steps back: median {np.median(back):.1f} ms, longest {max(back):.1f} ms")
    jumps = [ms(lambda at=at: engine.restore(moments[at])) for at in rng.integers(len(moments), size=20)]
    print(f"20 jumps anywhere: median {np.median(jumps):.0f} ms, longest {max(jumps):.0f} ms, memory {rss_mb():.0f} MB")
    start = len(moments) // 3
    far = [ms(lambda moment=moment: engine.restore(moment)) for moment in moments[start : start - 100 : -1]]
    print(f"100 single steps back, long ago: median {np.median(far):.1f} ms, longest {max(far):.0f} ms")
    neighbour = multiprocessing.get_context("fork").Process(target=busy, daemon=True)
    neighbour.start()
    took = [ms(lambda: engine.step(1)) for _ in range(2 * SPAN)]
    neighbour.terminate()
    print(f"beside a busy process: median {np.median(took):.1f} ms, p95 {np.percentile(took, 95):.1f} ms")


if __name__ == "__main__":
    main()
