"""Whether the codes of a world do different things: how far each moves the player, and each two compared.

    python tests/benchmarks/action_effects.py --data runs/data/easy-test [--world WORLD]

Each code is held for eight steps from the same prompts. Two codes are told apart by the motion of one minus that of
the other from the same prompt: the mean of that over its standard deviation, along the better of x and y.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from genie_core import World
from genie_core.actions.naming import held_steps, measure_actions
from genie_core.data.dataset import VideoDataset
from genie_core.games import find
from genie_core.rollout import rollout

PROMPTS = 96


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="checkpoints/coinrun")
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    world, dataset = World.from_pretrained(args.world), VideoDataset(args.data)
    starts = dataset.clip_starts(1)
    starts = starts[np.linspace(0, len(starts) - 1, PROMPTS).astype(int)]
    prompts = np.stack([dataset.clip(int(start), 1)[0] for start in starts])
    game = find(world.config.game)
    hold = held_steps(world.config.fps)
    motions = measure_actions(game, partial(rollout, world), prompts, len(world.config.actions), hold)
    if motions is None:
        parser.error(f"--world: the game of {args.world}, {game.name}, tells no motion")
    mean, spread = motions.per_prompt.mean(0), motions.per_prompt.std(0)
    print("code name        mean x   mean y   spread x   spread y, px a step")
    for action, (x, y), (spread_x, spread_y) in zip(world.config.actions, mean, spread, strict=True):
        print(f"{action.id:4} {action.name:10} {x:+7.2f}  {y:+7.2f}  {spread_x:9.2f}  {spread_y:9.2f}")
    print("mean difference over its standard deviation:")
    difference = motions.per_prompt[:, :, None] - motions.per_prompt[:, None]  # (prompts, codes, codes, 2)
    apart = np.abs(difference.mean(0)) / np.maximum(difference.std(0), 1e-9)
    for code, row in enumerate(apart.max(-1)):
        print(f"{code:4}  " + "  ".join("   – " if other == code else f"{v:5.2f}" for other, v in enumerate(row)))


if __name__ == "__main__":
    main()
