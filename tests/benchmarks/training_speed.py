"""Frames a second of training, by how many processes share a batch, and how long a step waits for its batch.

    python tests/benchmarks/training_speed.py --data DATA [DATA ...] [--config FILE|PRESET] [--stage STAGE]
        [--processes 1 2] [--minutes 1]

Each process computes on one core. Runs with more and fewer processes take turns, twice, for a machine's speed changes.
The medians over the steps of each run, read from its metrics.csv; the first twenty steps are left out. A run too short
for forty steps says how many minutes to give. `input alone` is what as many processes read of the same batches in five
seconds, learning nothing; the tokens of the dynamics must be written to be read, so it has none.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from genie_core.data import VideoDataset
from genie_core.training import presets
from genie_core.training.batches import Batches
from genie_core.training.clips import FrameClips, split_starts
from genie_core.training.settings import load_settings, parse_settings

ROOT = Path(__file__).resolve().parents[2]
TURNS = 2
READING_S = 5.0
STEPS = 45  # a few more than are needed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--config", default="auto")
    parser.add_argument("--stage", default="tokenizer")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--minutes", type=float, default=1)
    args = parser.parse_args()
    for _ in range(TURNS):
        for processes in args.processes:
            rate, waiting = measure(args, processes)
            told = f"{processes} processes: {rate:,.0f} frames/s, {waiting:.1%} of a step spent waiting"
            if args.stage != "dynamics":
                told += f"; input alone {input_alone(args, processes):,.0f} frames/s"
            print(told, flush=True)


def measure(args: argparse.Namespace, processes: int) -> tuple[float, float]:
    """Frames a second of all processes together, and the share of a step that waits for its batch."""
    with tempfile.TemporaryDirectory() as folder:
        run = [*("--train", "--data", *args.data, "--out", f"{folder}/run", "--config", args.config)]
        run += [*("--stage", args.stage, "--minutes", str(args.minutes), "--devices", str(processes))]
        command = [sys.executable, str(ROOT / "launch.py"), *run, "--device", "cpu", "--quiet"]
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        with Path(folder, "run", args.stage, "metrics", "from-000000", "metrics.csv").open() as stream:
            first, *rows = (row for row in csv.DictReader(stream) if row["frames_per_second"])
        if not (rows := rows[1:]):
            raise SystemExit(too_short(Path(folder, "run"), args, float(first["frames_per_second"])))
    return tuple(statistics.median(float(row[name]) for row in rows) for name in ("frames_per_second", "waiting"))  # type: ignore[return-value]


def input_alone(args: argparse.Namespace, processes: int) -> float:
    """Frames a second that all processes together read, each its rows of the batches."""
    with ProcessPoolExecutor(processes) as pool:
        return sum(pool.map(read, [args] * processes, range(processes), [processes] * processes))


def read(args: argparse.Namespace, rank: int, ranks: int) -> float:
    """Frames a second that one process reads for READING_S, after a first batch."""
    dataset = VideoDataset(*args.data)
    settings = parse_settings(*presets.find(Path(args.config), dataset), dataset.info.frame_size)
    own = settings.stage(args.stage)
    starts, _ = split_starts(dataset, own.clip_frames, settings.held_out_every)
    clips = FrameClips(dataset, starts, own.clip_frames, own.batch_size)
    batches = iter(Batches(clips, seed=0, rank=rank, ranks=ranks))
    next(batches)
    began, frames = time.perf_counter(), 0
    while time.perf_counter() - began < READING_S:
        frames += next(batches)["frames"].shape[:2].numel()
    return frames / (time.perf_counter() - began)


def too_short(run: Path, args: argparse.Namespace, frames_per_second: float) -> str:
    """What to say of a `run` that has not taken enough steps to be timed; the first had `frames_per_second`."""
    own = load_settings(run / "settings.toml", VideoDataset(*args.data).info.frame_size).stage(args.stage)
    minutes = math.ceil(STEPS * own.batch_size * own.clip_frames / frames_per_second / 60)
    return f"--minutes {args.minutes:g} is too short for {STEPS} steps of {args.stage}; give --minutes {minutes}"


if __name__ == "__main__":
    main()
