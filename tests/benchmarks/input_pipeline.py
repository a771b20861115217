"""Whether training waits for its data: what frames take on disk, how fast they are read, and the share of a step.

    taskset -c 1 python tests/benchmarks/input_pipeline.py --data DIR [--config FILE] [--frames N] [--steps N]

The first N frames of DIR are written as Parquet shards, as data sets are stored, and as NumPy arrays, as they were.
Each is read in order and in random clips. Then each stage trains for some steps with its real network and optimizer,
and a loader process beside it, on the cores that the program is given. `waiting` is the share of the time in which the
training process has no batch. Input alone and a step are told in CPU time, which a busy machine changes least. `input`
is what a batch costs, as a share of a step.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch

from genie_core import games
from genie_core.data import DatasetWriter, VideoDataset
from genie_core.data.description import Shard
from genie_core.models.dynamics import DynamicsModel
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.training.batches import Batches, Sample, load
from genie_core.training.clips import FrameClips
from genie_core.training.dynamics_stage import DynamicsStage
from genie_core.training.latent_action_stage import LatentActionStage
from genie_core.training.settings import TrainingSettings, load_settings
from genie_core.training.stage import Stage
from genie_core.training.tokenizer_stage import TokenizerStage
from genie_core.training.tokens import TokenClips

CLIPS = 1000  # read at random
BATCHES = 100  # made alone
WARM_UP = 5  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path, help="default: the settings of the data's game")
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--steps", type=int, default=40)
    args = parser.parse_args()
    dataset = VideoDataset(args.data)
    settings = load_settings(
        args.config or games.find(dataset.info.source.get("game")).settings, dataset.info.frame_size
    )
    with TemporaryDirectory() as folder:
        parquet = storage(dataset, args.frames, Path(folder))
        stages(parquet, settings, args.steps, Path(folder))


def storage(dataset: VideoDataset, most: int, folder: Path) -> VideoDataset:
    """Print what both kinds of shards take; the data set in Parquet."""
    episodes = dataset.episodes[np.cumsum(dataset.episodes[:, 1]) <= most]
    frames = [dataset.clip(int(first), int(length)) for first, length, _ in episodes]
    print("shards    bytes/frame  written/s  in order/s  in clips of 4  of 16  (frames/s of CPU time)")
    for kind, write in (("npy", write_arrays), ("parquet", write_parquet)):
        began = time.process_time()
        write(folder / kind, frames, dataset)
        written = time.process_time() - began
        found = VideoDataset(folder / kind)
        size = sum(path.stat().st_size for path in (folder / kind).iterdir()) / len(found)
        speeds = [in_order(found), *(at_random(found, length) for length in (4, 16))]
        row = [f"{size:11,.0f}", f"{len(found) / written:9,.0f}", *(f"{speed:11,.0f}" for speed in speeds)]
        print(f"{kind:9}", *row, flush=True)
    return found


def write_parquet(out: Path, frames: list[np.ndarray], dataset: VideoDataset) -> None:
    with DatasetWriter(out, source={}, frame_size=dataset.info.frame_size) as writer:
        for episode in frames:
            writer.add_episode(episode)


def write_arrays(out: Path, frames: list[np.ndarray], dataset: VideoDataset) -> None:
    """Format 2, as this program wrote it once."""
    with DatasetWriter(out, source={}, frame_size=dataset.info.frame_size) as writer:
        writer.add_episode(frames[0][:1])
    told = VideoDataset(out).info
    lengths = np.array([len(episode) for episode in frames])
    every = np.concatenate(frames)
    shards = []
    for number, first in enumerate(range(0, len(every), 10_000)):
        part = every[first : first + 10_000]
        np.save(out / f"frames-{number:05d}.npy", part)
        shards.append(Shard(f"frames-{number:05d}.npy", len(part)))
    rows = np.stack([np.cumsum(lengths) - lengths, lengths, np.full_like(lengths, -1)], 1)
    np.save(out / "episodes.npy", rows)
    (out / "frames-00000.parquet").unlink()
    values = {"frames": len(every), "episodes": len(lengths), "shards": tuple(shards), "format_version": 2}
    (out / "dataset.json").write_text(type(told)(**{**vars(told), **values}).text())


def in_order(dataset: VideoDataset) -> float:
    began = time.process_time()
    for first, length, _ in dataset.episodes:
        for start in range(int(first), int(first + length) - 15, 16):
            dataset.clip(start, 16)
    return len(dataset) / (time.process_time() - began)


def at_random(dataset: VideoDataset, length: int) -> float:
    starts = np.random.default_rng(0).choice(dataset.clip_starts(length), CLIPS)
    fresh = VideoDataset(*dataset.paths)  # that has nothing in memory
    began = time.process_time()
    for start in starts:
        fresh.clip(int(start), length)
    return CLIPS * length / (time.process_time() - began)


def stages(dataset: VideoDataset, settings: TrainingSettings, steps: int, folder: Path) -> None:
    networks = settings.networks
    tokenizer = VideoTokenizer(networks.tokenizer)

    def clips(name: str) -> Sample:
        own = settings.stage(name)
        return FrameClips(dataset, dataset.clip_starts(own.clip_frames), own.clip_frames, own.batch_size)

    made: dict[str, Callable[[], tuple[Stage, Sample]]] = {
        "tokenizer": lambda: (TokenizerStage(tokenizer, settings.tokenizer), clips("tokenizer")),
        "latent_action": lambda: (
            LatentActionStage(games.latent_action_model(networks.latent_action), settings.latent_action),
            clips("latent_action"),
        ),
        "dynamics": lambda: (
            DynamicsStage(DynamicsModel(networks.dynamics), settings.dynamics, tokenizer),
            tokens(settings, folder),
        ),
    }
    print("\nstage          input alone frames/s  step ms   input  waiting")
    for name, make in made.items():
        stage, sample = make()
        batch, step, waiting = trained(stage, sample, steps)
        frames = sample.batch_size * settings.stage(name).clip_frames
        print(f"{name:14} {frames / batch:20,.0f} {1000 * step:8,.0f} {batch / step:7.2%} {waiting:8.2%}", flush=True)


def tokens(settings: TrainingSettings, folder: Path) -> TokenClips:
    """Random ones: what they are does not change what they cost."""
    rng, own, config = np.random.default_rng(0), settings.dynamics, settings.networks.dynamics
    grid = settings.networks.tokenizer.grid
    written = rng.integers(0, config.mask_id, (own.token_clips, own.clip_frames, *grid), np.int32)
    np.save(folder / "tokens.npy", written)
    actions = rng.integers(0, config.num_actions, (own.token_clips, own.clip_frames - 1), np.int8)
    np.save(folder / "actions.npy", actions)
    return TokenClips(folder, own.batch_size)


def trained(stage: Stage, sample: Sample, steps: int) -> tuple[float, float, float]:
    """Seconds of CPU time that a batch takes and that a step takes, and the share of time spent waiting."""
    batches, began = Batches(sample, 0), time.process_time()
    for number in range(BATCHES):
        batches.at(number)
    batch = (time.process_time() - began) / BATCHES
    optimizer, loaded = stage.configure_optimizers(), load(batches)
    stage.train()
    waited = 0.0
    for number in range(WARM_UP + steps):
        if number == WARM_UP:
            began, entered, waited = time.process_time(), time.perf_counter(), 0.0
        before = time.perf_counter()
        rows = next(loaded)
        waited += time.perf_counter() - before
        stage.losses(rows)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
    return batch, (time.process_time() - began) / steps, waited / (time.perf_counter() - entered)


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
