"""What unmasking gives: quality against passes and temperature, as a table and a plot.

    python tests/benchmarks/unmasking.py --data runs/data/easy-choose --json FILE [--plot FILE.png]

The plot needs matplotlib. Quality: rollouts of 10 frames from one with inferred actions; drift: gradient energy after
60 random actions against the prompts'. What passes cost is in the sweep of `--benchmark`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from genie_core import World
from genie_core.config import SamplingConfig
from genie_core.data.dataset import VideoDataset
from genie_core.data.scenes import draw_clips
from genie_core.evaluation.fidelity import HORIZON, measure_fidelity
from genie_core.evaluation.metrics import mean_ci95, sharpness
from genie_core.games import Game
from genie_core.rollout import rollout

CLIPS, DRIFT_STEPS, DRIFT_PROMPTS = 24, 60, 8
SETTINGS = [
    *(SamplingConfig(steps) for steps in (1, 2, 3, 4, 8, 16, 25)),
    *(SamplingConfig(2, temperature) for temperature in (0.5, 1.0)),
]


def measure(world: World, data: Path, sampling: SamplingConfig) -> dict[str, Any]:
    world.config = dataclasses.replace(world.config, sampling=sampling)
    dataset = VideoDataset(data)
    clips = draw_clips(dataset, CLIPS, HORIZON + 1, HORIZON + 1)
    samples, _ = measure_fidelity(world, clips, Game(), quiet=True)
    psnr, delta, sharp = (
        mean_ci95(samples.values[name]) for name in ("rollout.psnr", "delta_psnr.value", "rollout.sharpness")
    )
    starts = dataset.clip_starts(1)[:: len(dataset) // DRIFT_PROMPTS][:DRIFT_PROMPTS]
    prompts = np.stack([dataset.clip(int(start), 1)[0] for start in starts])
    actions = np.random.default_rng(0).integers(0, len(world.config.actions), (len(prompts), DRIFT_STEPS))
    last = rollout(world, prompts, actions)[:, -1]
    return {
        **dataclasses.asdict(sampling),
        "psnr": psnr.mean,
        "psnr_ci95": psnr.ci95,
        "delta_psnr": delta.mean,
        "sharpness_10": sharp.mean,
        "sharpness_60": float((sharpness(last) / sharpness(prompts)).mean()),
    }


def plot(rows: list[dict[str, Any]], file: Path) -> None:
    import matplotlib.pyplot as plt  # type: ignore[import-not-found]

    figure, panels = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
    titles = {
        "psnr": "rollout of 10, PSNR dB",
        "delta_psnr": "ΔPSNR at 4, dB",
        "sharpness_60": "gradient energy after 60 steps, share of the prompts'",
    }
    for panel, (key, title) in zip(panels, titles.items(), strict=True):
        line = [row for row in rows if not row["temperature"]]
        panel.plot([row["unmask_steps"] for row in line], [row[key] for row in line], "o-")
        panel.set_xscale("log", base=2)
        panel.set_xlabel("unmasking passes")
        panel.set_title(title, fontsize=9)
    figure.savefig(file, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="checkpoints/coinrun")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    world, rows = World.from_pretrained(args.world), []
    for sampling in SETTINGS:
        rows.append(measure(world, args.data, sampling))
        print(" | ".join(f"{v:.2f}" if isinstance(v, float) else str(v) for v in rows[-1].values()), flush=True)
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    if args.plot:
        plot(rows, args.plot)


if __name__ == "__main__":
    main()
