"""Measures how long a real key takes to the screen: from xdotool's key press to the first frame shown that differs
from the frame of the same seed with no key pressed. Needs Xvfb and xdotool.

python tests/benchmarks/key_latency.py [--presses 40]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import mkdtemp

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pygame
from virtual_desktop import desk

from app.play import commands as c
from app.play.session import PlaySession
from app.window.play import play
from genie_core import World, WorldEngine
from genie_core.pictures import load_picture

ROOT = Path(__file__).resolve().parents[2]
IDLE_STEPS = 40


class Hands(threading.Thread):
    """Presses Right at random moments after a restart, and notes when."""

    def __init__(self, session: PlaySession, presses: int) -> None:
        super().__init__(daemon=True)
        self.session, self.presses = session, presses
        self.pressed: float | None = None
        self.took_ms: list[float] = []
        self.seen = threading.Event()

    def run(self) -> None:
        rng = np.random.default_rng(0)
        for _ in range(self.presses):
            xdotool("key", "r")
            time.sleep(0.6 + float(rng.uniform(0, 0.3)))
            self.seen.clear()
            self.pressed = time.perf_counter()
            xdotool("keydown", "Right")
            self.seen.wait(3)
            self.pressed = None
            xdotool("keyup", "Right")
        self.session.handle(c.Quit())


def xdotool(*words: str) -> None:
    subprocess.run(["xdotool", *words], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presses", type=int, default=40)
    args = parser.parse_args()
    os.environ["XDG_CONFIG_HOME"] = mkdtemp()  # not the player's own keys
    world, prompt = World.from_pretrained(ROOT / "checkpoints" / "coinrun"), load_picture(ROOT / "assets/coinrun.png")
    engine = WorldEngine(world)
    session = PlaySession(engine, prompt)
    idle = [frame.tobytes() for frame in PlaySession(WorldEngine(world), prompt).play([session.idle] * IDLE_STEPS)]
    hands = Hands(session, args.presses)
    flip = pygame.display.flip

    def flip_and_look() -> None:
        flip()
        now, pressed = time.perf_counter(), hands.pressed
        if pressed is not None and session.steps <= IDLE_STEPS and session.frame.tobytes() != idle[session.steps]:
            hands.took_ms.append(1000 * (now - pressed))
            hands.pressed = None
            hands.seen.set()

    pygame.display.flip = flip_and_look

    def start(tell: object) -> PlaySession:
        hands.start()
        return session

    with desk() as display:
        os.environ.pop("SDL_VIDEODRIVER", None)
        os.environ["DISPLAY"] = display
        play(start, "coinrun")
    took, frame_ms = np.array(hands.took_ms), 1000 / world.config.fps
    print(
        f"{len(took)} of {args.presses} presses: median {np.median(took):.0f} ms, p95 {np.percentile(took, 95):.0f}; "
        f"the goal is a median of at most {frame_ms + 40:.0f} ms: a world frame of {frame_ms:.0f} ms and 40 ms"
    )


if __name__ == "__main__":
    main()
