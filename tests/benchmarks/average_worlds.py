"""Averages the weights of the dynamics of worlds, each of which began from the one before, and names the actions anew.

    python tests/benchmarks/average_worlds.py --worlds WORLD WORLD … --shares .25 .75 … --data DATA … --out WORLD

All else is the first world's. Weights may be averaged where training went on from them: the likelihood hardly rises on
the line between (Wortsman et al. 2022, arXiv:2109.01903). DATA is what the worlds were trained on; names are told from
pictures of it that training has not seen.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded
sys.path.insert(0, str(Path(__file__).parents[2]))

from genie_core import World
from genie_core.actions.naming import measure_actions, name_actions
from genie_core.data import VideoDataset
from genie_core.rollout import rollout
from genie_core.training.clips import split_starts
from genie_core.training.run import pick_frames


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", required=True)
    parser.add_argument("--shares", nargs="+", type=float, required=True)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if len(args.shares) != len(args.worlds) or abs(sum(args.shares) - 1) > 1e-6:
        parser.error(f"--shares: {args.shares}; expected one for each of {len(args.worlds)} worlds, 1 in all")
    worlds = [World.from_pretrained(each) for each in args.worlds]
    world = worlds[0]
    states = [each.dynamics.state_dict() for each in worlds]
    pairs = list(zip(args.shares, states, strict=True))
    world.dynamics.load_state_dict({name: sum(share * state[name] for share, state in pairs) for name in states[0]})
    dataset = VideoDataset(*args.data)
    prompts = pick_frames(dataset, split_starts(dataset, 1)[1])
    motions = measure_actions(partial(rollout, world), prompts, len(world.config.actions))
    done = [each.config.training["stages"]["dynamics"] for each in worlds]
    parts = [
        {"share": share, "steps": each["steps"], "minutes": each["minutes"]}
        for share, each in zip(args.shares, done, strict=True)
    ]
    world.config = dataclasses.replace(
        world.config, actions=name_actions(motions.typical), training=world.config.training | {"averaged": parts}
    )
    for action in world.config.actions:
        print(action)
    world.save_pretrained(args.out)


if __name__ == "__main__":
    main()
