"""The FVD of a world alone, without the rest of `--evaluate --full`.

    python tests/benchmarks/distances.py --world WORLD --data DATA [--clips 128] [--into FILE.json] [--rollouts 64]

It compares real clips with the same clips, played from their first frames by inferred actions, and real clips with
others. `--into` writes `fvd` into an evaluation of the same world, data and sampling settings that was made without it;
if it lies in the world's folder, the model card tells the FVD too. `--rollouts` adds long random playthroughs.
Needs `pip install --no-deps -r genie_core/evaluation/requirements-full.txt`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
from tqdm import tqdm

from genie_core.checkpoint import read_config
from genie_core.data import VideoDataset
from genie_core.data.scenes import Clips, draw_clips, spread
from genie_core.evaluation.distances import Filmstrips, measure_distances
from genie_core.evaluation.drift import measure_drift
from genie_core.evaluation.fidelity import FILM, HORIZON
from genie_core.evaluation.measure import Effort, write_json
from genie_core.evaluation.metrics import share_ci95
from genie_core.figures import FIGURES
from genie_core.files import write_whole
from genie_core.games import find
from genie_core.hub.card import EFFECTS, card
from genie_core.rollout import TOGETHER, rollout
from genie_core.world import World

SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="checkpoints/coinrun")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=128)
    parser.add_argument("--into", type=Path, metavar="FILE.json")
    parser.add_argument("--rollouts", type=int, default=0)
    args = parser.parse_args()
    world, dataset = World.from_pretrained(args.world), VideoDataset(args.data)
    report = read_evaluation(args.into, world, dataset, parser) if args.into else {}
    clips = draw_clips(dataset, 2 * args.clips, HORIZON + 1, FILM)  # half of them to compare real clips with
    found = measure_distances(films(world, clips), clips, args.clips, SEED, False)
    for name, distance in found.items():
        print(f"{args.world}, {dataset.info.name}: {name} {json.dumps(distance)}", flush=True)
    if args.into:
        write_json(args.into, report | found)
        tell_card(args.into.parent, report, found["fvd"]["value"])
    if args.rollouts:
        random_playthroughs(world, clips.frames[spread(len(clips), args.rollouts), 0], dataset.info.name)


def read_evaluation(file: Path, world: World, dataset: VideoDataset, parser: argparse.ArgumentParser) -> dict:
    """The evaluation in `file`; an error of the command line unless it is of `world`, on `dataset`, as it plays now."""
    report = json.loads(file.read_text(encoding="utf-8"))
    here = {"world": world.name, "data": dataset.info.name, "source": dataset.info.source}
    here |= dataclasses.asdict(world.config.sampling)
    there = {name: report["settings"].get(name, report.get(name)) for name in here}
    if here != there:
        parser.error(f"--into: {file} was measured with {there}; this call has {here}")
    return report


def tell_card(folder: Path, report: dict, fvd: float) -> None:
    """Adds the FVD to the metrics and the model card of the world in `folder`, if that tells the same evaluation."""
    file, name = folder / "config.json", report["source"].get("policy", report["data"])
    values = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    measured = values.get("training", {}).get("metrics", {}).get(name)
    if measured is not None:
        measured["fvd"] = round(fvd, FIGURES["fvd"].digits)
        write_whole(file, json.dumps(values, indent=2) + "\n")
        effects = EFFECTS if (folder / EFFECTS).is_file() else None
        write_whole(folder / "README.md", card(read_config(folder), effects=effects))


def films(world: World, clips: Clips) -> Filmstrips:
    """The first FILM frames of `clips`, real and played."""
    played = []
    for first in tqdm(range(0, len(clips), TOGETHER), desc="playing", unit=" batches"):
        frames = clips.frames[first : first + TOGETHER]
        actions = world.infer_actions(torch.from_numpy(frames)).cpu().numpy()
        played.append(rollout(world, frames[:, 0], actions, SEED + first))
    return Filmstrips(clips.frames, np.concatenate(played), clips.frames[:0])


def random_playthroughs(world: World, prompts: np.ndarray, data: str) -> None:
    """Prints the shares of long random playthroughs from `prompts` in which the player is there and answers."""
    game = find(world.config.game)
    samples, _ = measure_drift(world, prompts, game, Effort().steps, SEED, True, policies=("random",))
    for name, values in sorted(samples.values.items()):
        share = share_ci95(values)
        print(f"{world.name}, {data}: {name} {share.mean:.3f} ± {share.ci95:.3f} of {share.n}")


if __name__ == "__main__":
    main()
