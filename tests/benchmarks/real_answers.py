"""How often the real game is "there and answering" after random keys: what a world's own share is to be read against.

`python tests/benchmarks/real_answers.py --data DATA [--lives N]`, DATA being recorded with Procgen: from levels of the
same mode and policy, `--lives` players (default 64) play 200 and 500 steps under the keys that a world is given by
`--evaluate`; then, as there, each tries left and right from the same moment. A player who dies or wins goes on in
another level, as the game has it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from genie_core.data.coinrun import ACTIONS, POLICIES, open_coinrun
from genie_core.evaluation.drift import ANSWERS, LONGEST_HOLD, LOOK_BACK, LOOKS
from genie_core.evaluation.motion import player_motion
from genie_core.evaluation.naming import HOLD
from genie_core.evaluation.player import player_found

KEYS = [ACTIONS[name] for name in ("left", "right", "up", "left_up", "right_up", "stay")]
BEGINNING = 60  # steps at most that a life's own policy plays before random keys do, as prompts come from all over


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lives", type=int, default=64)
    args = parser.parse_args()
    source = json.loads((args.data / "dataset.json").read_text())["source"]
    looks = [live(source, seed) for seed in range(args.lives)]
    for step in LOOKS:
        there = np.array([look[step] for look in looks])
        print(f"{args.data.name}: the real player is there after {step} steps in {there[:, 0].mean():.2f} of", end=" ")
        print(f"{len(looks)}, answers in {there[:, 1].mean():.2f}, both in {there.all(1).mean():.2f}")


def live(source: dict[str, Any], seed: int) -> dict[int, tuple[bool, bool]]:
    """Whether the player is there and answers, at each of LOOKS."""
    rng = random.Random(seed)
    env = open_coinrun(tuple(source["levels"]), source["mode"], seed)
    for action in islice(POLICIES[source["policy"]].actions(rng), rng.randint(0, BEGINNING)):
        step(env, action)
    held = (action for _ in iter(int, 1) for action in [rng.choice(KEYS)] * rng.randint(1, LONGEST_HOLD))
    frames, told = [], {}
    for number in range(1, max(LOOKS) + 1):
        frames.append(step(env, next(held)))
        if number in LOOKS:
            there = player_found(np.stack(frames[-LOOK_BACK:])[None]).mean() > 0.5
            told[number] = (bool(there), further(env, ACTIONS["right"]) - further(env, ACTIONS["left"]) >= ANSWERS)
    return told


def further(env: Any, action: int) -> float:
    """How far right, in pixels a step, the player gets who holds `action` from now on; the game stays where it is."""
    moment = env.callmethod("get_state")
    frames = [env.observe()[1]["rgb"][0].copy(), *(step(env, action) for _ in range(HOLD))]
    env.callmethod("set_state", moment)
    return float(player_motion(np.stack(frames)[None])[..., 0].mean())


def step(env: Any, action: int) -> np.ndarray:
    """The frame, uint8 (64, 64, 3), after `action`."""
    env.act(np.array([action], np.int32))
    return env.observe()[1]["rgb"][0].copy()


if __name__ == "__main__":
    main()
