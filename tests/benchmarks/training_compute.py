"""What a world's training cost: frames seen, floating-point operations and core-hours, stage by stage.

    python tests/benchmarks/training_compute.py [--world WORLD] [--config FILE …]

The steps and minutes are those that the world's config.json tells, with those of the worlds it was begun from; the
batches are those of the settings in FILE, and of further FILEs for the worlds it was begun from, the latest first.
Networks are counted as they are now, though some were smaller then. Operations are counted of one whole training step,
forward and back, by PyTorch's counter: products and convolutions, a multiplication and an addition each. It does not
see what the optimizer does, nor the writing of tokens. Core-hours count two cores a minute, though some minutes had
less.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from genie_core import World, games
from genie_core.training.cost import count_flop
from genie_core.training.dynamics_stage import DynamicsStage
from genie_core.training.latent_action_stage import LatentActionStage
from genie_core.training.settings import STAGES, StageSettings, load_settings
from genie_core.training.stage import Stage
from genie_core.training.tokenizer_stage import TokenizerStage

CORES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="checkpoints/coinrun")
    parser.add_argument("--config", type=Path, nargs="+", help="default: the settings of the world's game")
    args = parser.parse_args()
    world = World.from_pretrained(args.world)
    files = args.config or [games.find(world.config.game).settings]
    settings = [load_settings(file, world.config.frame_size) for file in files]
    told = world.config.training["stages"]
    print("stage          steps  frames seen   PFLOP  core-hours")
    totals = [0.0, 0.0, 0.0]
    for name in STAGES:
        parts = list(_parts(told[name]))
        paces = [settings[min(index, len(settings) - 1)].stage(name) for index in range(len(parts))]
        flop = {pace: _flop_of_a_step(world, name, pace) for pace in set(paces)}
        frames = sum(
            part["steps"] * pace.batch_size * pace.clip_frames for part, pace in zip(parts, paces, strict=True)
        )
        done = sum(part["steps"] * flop[pace] for part, pace in zip(parts, paces, strict=True)) / 1e15
        hours = CORES * sum(part["minutes"] for part in parts) / 60
        totals = [total + part for total, part in zip(totals, (frames, done, hours), strict=True)]
        print(f"{name:13} {sum(part['steps'] for part in parts):6.0f} {frames:12,.0f} {done:7.2f} {hours:11.1f}")
    print(f"{'all':13}        {totals[0]:12,.0f} {totals[1]:7.2f} {totals[2]:11.1f}")


def _parts(stage: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """A stage, and the stages it was begun from, the latest first."""
    while stage:
        yield stage
        stage = stage.get("before")


def _flop_of_a_step(world: World, name: str, pace: StageSettings) -> int:
    """Of the training step of a stage, on a batch of noise."""
    world.networks()[name].requires_grad_()
    stage = _stage(world, name, pace).train()
    config = world.config.dynamics
    clips = (pace.batch_size, pace.clip_frames)
    batch = {
        "frames": torch.randint(256, (*clips, *world.config.frame_size, 3), dtype=torch.uint8),
        "tokens": torch.randint(config.mask_id, (*clips, *config.grid)),
        "actions": torch.randint(config.num_actions, (clips[0], clips[1] - 1)),
    }
    with count_flop() as counter:
        stage.losses(batch)["loss"].backward()
    return counter.get_total_flops()


def _stage(world: World, name: str, pace: StageSettings) -> Stage:
    if name == "dynamics":
        return DynamicsStage(world.dynamics, pace, world.tokenizer)
    return {"tokenizer": TokenizerStage, "latent_action": LatentActionStage}[name](world.networks()[name], pace)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
