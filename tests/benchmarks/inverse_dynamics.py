"""What pixels tell of the keys: the ceiling of `mapping_accuracy_200` for anything that sees one step and its past.

    python tests/benchmarks/inverse_dynamics.py --data DATA … --judge DATA --minutes 14
    python tests/benchmarks/inverse_dynamics.py --data DATA … --judge DATA --minutes 4 --past 0 --middle 16

A small convolutional net is *taught* the buttons of --data, recordings with true actions, from a few past frames, the
step's first and its second, whole or their middle alone, and asked for those of --judge, which are of other levels.
Nothing of it goes into a world. Minutes are those of the processor, on one thread.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from genie_core.data import VideoDataset
from genie_core.games import find

BATCH, JUDGED, TOLD_EVERY = 64, 4000, 120  # clips, clips, seconds
RATE, FALLS_FROM = 1e-3, 0.4  # the learning rate, and the share of the minutes after which it falls to nothing


class View(NamedTuple):
    """What the net sees: so many frames, of which the last two are the step, and so many pixels of their middle."""

    frames: int
    size: int


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.smaller = nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1), nn.GroupNorm(8, outputs), nn.GELU())
        self.further = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1), nn.GroupNorm(8, outputs), nn.GELU())

    def forward(self, x: Tensor) -> Tensor:
        x = self.smaller(x)
        return x + self.further(x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--judge", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=14)
    parser.add_argument("--past", type=int, default=3, help="frames before the step's first")
    parser.add_argument("--middle", type=int, help="look at so many pixels of the middle alone, a multiple of 16")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    learnt, judged = VideoDataset(*args.data), VideoDataset(args.judge)
    blocks = [Block(inputs, outputs) for inputs, outputs in ((32, 64), (64, 96), (96, 128))]
    view = View(args.past + 2, args.middle or min(learnt.info.frame_size))
    first, last = nn.Conv2d(3 * view.frames, 32, 4, 2, 1), nn.Linear(256, 6)
    grid = view.size // 16
    head = [nn.Flatten(), nn.Linear(128 * grid**2, 256), nn.GELU(), nn.Dropout(0.1), last]
    net = nn.Sequential(first, nn.GELU(), *blocks, *head)
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.02)
    rng, starts, step = np.random.default_rng(0), learnt.clip_starts(view.frames), 0
    seconds, told = 60 * args.minutes, TOLD_EVERY
    began = time.process_time()
    while (passed := time.process_time() - began) < seconds:
        if passed > told:
            print(f"{passed / 60:.1f} min, {step} steps: {judge(net, judged, view)}", flush=True)
            told += TOLD_EVERY
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, step / 100, (1 - passed / seconds) / (1 - FALLS_FROM))
        frames, keys = batch(learnt, rng.choice(starts, BATCH), view)
        loss = F.cross_entropy(net(frames), keys)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
    print(f"{args.minutes:.1f} min, {step} steps: {judge(net, judged, view)}")


def batch(dataset: VideoDataset, starts: np.ndarray, view: View) -> tuple[Tensor, Tensor]:
    """Pixels of clips, (b, frames * 3, size, size) in -0.5..0.5, and the button of the last step of each, (b,)."""
    clips = np.stack([dataset.clip(int(start), view.frames) for start in starts])
    top, left = ((side - view.size) // 2 for side in clips.shape[2:4])
    frames = torch.from_numpy(clips[:, :, top : top + view.size, left : left + view.size])
    keys = find(dataset.info.source["game"]).buttons(
        np.array([dataset.true_actions(int(start), view.frames)[view.frames - 2] for start in starts])
    )
    return rearrange(frames.float() / 255 - 0.5, "b t h w c -> b (t c) h w"), torch.from_numpy(keys).long()


@torch.inference_mode()
def judge(net: nn.Module, dataset: VideoDataset, view: View) -> str:
    """Share of buttons told, and of the commonest, in words."""
    net.eval()
    chosen = np.random.default_rng(1).choice(dataset.clip_starts(view.frames), JUDGED, replace=False)
    right, seen = [], []
    for starts in np.split(chosen, JUDGED // 100):
        frames, keys = batch(dataset, starts, view)
        right.append((net(frames).argmax(1) == keys).float())
        seen.append(keys)
    net.train()
    return f"{torch.cat(right).mean():.3f} told, {torch.cat(seen).bincount().max() / JUDGED:.3f} the commonest"


if __name__ == "__main__":
    main()
