"""What a world's training cost: frames seen, floating-point operations and core-hours, stage by stage.

    python tests/benchmarks/training_compute.py [--world WORLD] [--config FILE]

The steps and minutes are those that the world's config.json tells, with those of the worlds it was begun from; the
batches are those of the settings in FILE. Operations are counted of one whole training step, forward and back, by
PyTorch's counter: products and convolutions, a multiplication and an addition each. It does not see what the optimizer
does, nor the writing of tokens. Core-hours count two cores a minute, though some minutes had less.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from torch.utils.flop_counter import FlopCounterMode

from genie_core import World
from genie_core.training.dynamics_stage import DynamicsStage
from genie_core.training.latent_action_stage import LatentActionStage
from genie_core.training.settings import STAGES, StageSettings, load_settings
from genie_core.training.stage import Stage
from genie_core.training.tokenizer_stage import TokenizerStage

CORES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="checkpoints/coinrun")
    parser.add_argument("--config", type=Path)
    args = parser.parse_args()
    world, settings = World.from_pretrained(args.world), load_settings(args.config).train
    told = world.config.training["stages"]
    print("stage          steps  frames seen   GFLOP a step   PFLOP  core-hours")
    totals = [0.0, 0.0, 0.0]
    for name in STAGES:
        steps, minutes = (_over_all(told[name], key) for key in ("steps", "minutes"))
        pace = settings[name]
        flop = _flop_of_a_step(world, name, pace)
        cost = (steps * pace.batch_size * pace.clip_frames, steps * flop / 1e15, CORES * minutes / 60)
        totals = [total + part for total, part in zip(totals, cost, strict=True)]
        print(f"{name:13} {steps:6.0f} {cost[0]:12,.0f} {flop / 1e9:14.1f} {cost[1]:7.2f} {cost[2]:11.1f}")
    print(f"{'all':13}        {totals[0]:12,.0f}                {totals[1]:7.2f} {totals[2]:11.1f}")


def _over_all(stage: dict[str, Any] | None, key: str) -> float:
    """The sum of a stage's `key` and of that of the stages it was begun from."""
    return stage[key] + _over_all(stage.get("before"), key) if stage else 0.0


def _flop_of_a_step(world: World, name: str, pace: StageSettings) -> int:
    """Of the training step of a stage, on a batch of noise."""
    stage = _stage(world, name, pace).train().requires_grad_()
    size, config = world.config.frame_size, world.config.dynamics
    clips = (pace.batch_size, pace.clip_frames)
    batch = {
        "frames": torch.randint(256, (*clips, size, size, 3), dtype=torch.uint8),
        "tokens": torch.randint(config.mask_id, (*clips, config.grid, config.grid)),
        "actions": torch.randint(config.num_actions, (clips[0], clips[1] - 1)),
    }
    with FlopCounterMode(display=False) as counter:
        stage.losses(batch)["loss"].backward()
    return counter.get_total_flops()


def _stage(world: World, name: str, pace: StageSettings) -> Stage:
    if name == "dynamics":
        return DynamicsStage(world.dynamics, pace, world.tokenizer)
    return {"tokenizer": TokenizerStage, "latent_action": LatentActionStage}[name](world.networks()[name], pace)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
