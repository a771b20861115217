"""Average the dynamics' weights of worlds, each of which began from the one before, and name the actions anew.

    python -m genie_core.tools.average_worlds --worlds WORLD WORLD … --shares .25 .75 … --data DATA … --out WORLD

All else is the first world's. Weights may be averaged where training went on from them: the likelihood hardly rises on
the line between (Wortsman et al. 2022, arXiv:2109.01903). DATA is what the worlds were trained on; names come from
pictures of it that training has not seen.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from genie_core.data import VideoDataset
from genie_core.training.assemble import name_actions, pick_frames
from genie_core.training.settings import TrainingSettings
from genie_core.world import World


def average(worlds: Sequence[World], shares: Sequence[float], dataset: VideoDataset) -> World:
    """The first of `worlds` with the mean of all dynamics, weighed by `shares`, and its actions named by `dataset`."""
    world = worlds[0]
    states = [each.dynamics.state_dict() for each in worlds]
    pairs = list(zip(shares, states, strict=True))
    world.dynamics.load_state_dict({name: sum(share * state[name] for share, state in pairs) for name in states[0]})
    done = [each.config.training["stages"]["dynamics"] for each in worlds]
    parts = [
        {"share": share, "steps": each["steps"], "minutes": each["minutes"]}
        for share, each in zip(shares, done, strict=True)
    ]
    world.config = dataclasses.replace(world.config, training=world.config.training | {"averaged": parts})
    settings = world.config.training.get("settings", {})
    name_actions(world, pick_frames(dataset, settings.get("held_out_every", TrainingSettings.held_out_every)))
    return world


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
    world = average(worlds, args.shares, VideoDataset(*args.data))
    for action in world.config.actions:
        print(action)
    world.save_pretrained(args.out)


if __name__ == "__main__":
    main()
