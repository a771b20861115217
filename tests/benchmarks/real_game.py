"""What the real game does in the tests that `--evaluate` puts to a world: what a world's shares are to be read against.

`python tests/benchmarks/real_game.py --data DATA [--lives N]`, DATA being recorded with Procgen: `--lives` players (64)
in levels of the same mode, led there by the same policy. Who stands still jumps for 5 steps and waits for 20; from
where the policy goes one way along x, left, right and neither are each held for 8; and after 200 and 500 steps under
such keys as a world is given, left and right again. A player who dies or wins goes on in another level, as the game
has it.
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

from genie_core.actions.naming import MOST_HELD
from genie_core.evaluation.drift import ANSWERS, LONGEST_HOLD
from genie_core.games import LOOKS
from genie_core.games.coinrun.camera import player_motion
from genie_core.games.coinrun.detector import player_found
from genie_core.games.coinrun.physics import FALL_STEPS, JUMP_STEPS, LANDED, RISEN
from genie_core.games.coinrun.record import ACTIONS, FRAME_SIZE, POLICIES, open_coinrun
from genie_core.games.coinrun.scenes import STOOD_STEPS, WAY_STEPS, on_its_way, stands
from genie_core.games.coinrun.survival import LOOK_BACK

KEYS = [ACTIONS[name] for name in ("left", "right", "up", "left_up", "right_up", "stay")]
BEGINNING = 60  # steps at most that a life's own policy plays before random keys do, as prompts come from all over


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lives", type=int, default=64)
    args = parser.parse_args()
    source = json.loads((args.data / "dataset.json").read_text())["source"]
    rises, lands = np.array([jump(source, seed) for seed in range(args.lives)]).T
    print(f"{args.data.name}: a jump from the ground rises in {rises.mean():.2f} of {args.lives}", end=" ")
    print(f"and ends where it began in {lands.mean():.2f}")
    ways = np.array([opposite(source, seed) for seed in range(args.lives)])
    print(f"{args.data.name}: left and right part in {ways.mean():.2f} of {args.lives}")
    looks = [live(source, seed) for seed in range(args.lives)]
    for step in LOOKS:
        there = np.array([look[step] for look in looks])
        print(f"{args.data.name}: the real player is there after {step} steps in {there[:, 0].mean():.2f} of", end=" ")
        print(f"{len(looks)}, answers in {there[:, 1].mean():.2f}, both in {there.all(1).mean():.2f}")


def jump(source: dict[str, Any], seed: int) -> tuple[bool, bool]:
    """Whether a player who has been standing rises, and whether it comes down to where it stood."""
    actions = POLICIES[source["policy"]].actions(random.Random(seed))
    env = open_coinrun(tuple(source["levels"]), source["mode"], seed)
    frames = [step(env, next(actions)) for _ in range(STOOD_STEPS + 1)]
    while not stands(player_motion(np.stack(frames[-STOOD_STEPS - 1 :])[None]), FRAME_SIZE).all():
        frames.append(step(env, next(actions)))
    script = np.repeat([ACTIONS["up"], ACTIONS["stay"]], [JUMP_STEPS, FALL_STEPS])
    flight = np.stack([frames[-1], *(step(env, int(action)) for action in script)])
    height = -player_motion(flight[None])[0, :, 1].cumsum() / FRAME_SIZE
    return bool(height.max() >= RISEN), bool(height.max() >= RISEN and abs(height[-1]) <= LANDED)


def live(source: dict[str, Any], seed: int) -> dict[int, tuple[bool, bool]]:
    """Whether the player is there and answers, at each of LOOKS."""
    rng = random.Random(seed)
    env = begun(source, rng, seed)
    held = (action for _ in iter(int, 1) for action in [rng.choice(KEYS)] * rng.randint(1, LONGEST_HOLD))
    frames, told = [], {}
    for number in range(1, max(LOOKS) + 1):
        frames.append(step(env, next(held)))
        if number in LOOKS:
            there = player_found(np.stack(frames[-LOOK_BACK:])[None]).mean() > 0.5
            apart = further(env, ACTIONS["right"]) - further(env, ACTIONS["left"])
            told[number] = (bool(there), apart >= ANSWERS * FRAME_SIZE)
    return told


def opposite(source: dict[str, Any], seed: int) -> bool:
    """Whether left gets further left and right further right than neither does, a player who is on its way along x.

    A world starts from a picture, with nobody running; here the player has its speed.
    """
    rng = random.Random(seed)
    env = open_coinrun(tuple(source["levels"]), source["mode"], seed)
    frames, moments = [], []
    for action in POLICIES[source["policy"]].actions(rng):
        moments.append(env.callmethod("get_state"))
        frames.append(step(env, action))
        latest = np.stack(frames[-2 * WAY_STEPS - 1 :])[None]
        if latest.shape[1] > 2 * WAY_STEPS and on_its_way(latest)[0]:
            break
    env.callmethod("set_state", moments[-WAY_STEPS])
    left, neither, right = (further(env, ACTIONS[name]) for name in ("left", "stay", "right"))
    return left < neither < right


def begun(source: dict[str, Any], rng: random.Random, seed: int) -> Any:
    """A game in which the policy has played for a while."""
    env = open_coinrun(tuple(source["levels"]), source["mode"], seed)
    for action in islice(POLICIES[source["policy"]].actions(rng), rng.randint(0, BEGINNING)):
        step(env, action)
    return env


def further(env: Any, action: int) -> float:
    """How far right, in pixels a step, the player gets who holds `action` from now on; the game stays where it is."""
    moment = env.callmethod("get_state")
    frames = [env.observe()[1]["rgb"][0].copy(), *(step(env, action) for _ in range(MOST_HELD))]
    env.callmethod("set_state", moment)
    return float(player_motion(np.stack(frames)[None])[..., 0].mean())


def step(env: Any, action: int) -> np.ndarray:
    """The frame, uint8 (64, 64, 3), after `action`."""
    env.act(np.array([action], np.int32))
    return env.observe()[1]["rgb"][0].copy()


if __name__ == "__main__":
    main()
