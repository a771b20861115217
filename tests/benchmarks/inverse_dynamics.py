"""What pixels tell of the keys: the ceiling of `mapping_accuracy_200` for anything that sees one step and its past.

    python tests/benchmarks/inverse_dynamics.py --data DATA … --judge DATA --minutes 22

A small convolutional net is *taught* the buttons of --data, recordings with true actions, from PAST frames, the
step's first and its second, and asked for those of --judge, which are of other levels. Nothing of it goes into a world.
Minutes are those of the processor, on one thread.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is loaded
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from genie_core.data import VideoDataset
from genie_core.evaluation.actions import buttons

PAST = 3
FRAMES = PAST + 2
BATCH, JUDGED, TOLD_EVERY = 64, 4000, 120  # clips, clips, seconds
RATE, FALLS_FROM = 1e-3, 0.4  # the learning rate, and the share of the minutes after which it falls to nothing


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
    parser.add_argument("--minutes", type=float, default=22)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    learnt, judged = VideoDataset(*args.data), VideoDataset(args.judge)
    blocks = [Block(inputs, outputs) for inputs, outputs in ((32, 64), (64, 96), (96, 128))]
    first, last = nn.Conv2d(3 * FRAMES, 32, 4, 2, 1), nn.Linear(256, 6)
    grid = learnt.info.frame_size // 16
    head = [nn.Flatten(), nn.Linear(128 * grid**2, 256), nn.GELU(), nn.Dropout(0.1), last]
    net = nn.Sequential(first, nn.GELU(), *blocks, *head)
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.02)
    rng, starts, step = np.random.default_rng(0), learnt.clip_starts(FRAMES), 0
    seconds, told = 60 * args.minutes, TOLD_EVERY
    began = time.process_time()
    while (passed := time.process_time() - began) < seconds:
        if passed > told:
            print(f"{passed / 60:.1f} min, {step} steps: {judge(net, judged)}", flush=True)
            told += TOLD_EVERY
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, step / 100, (1 - passed / seconds) / (1 - FALLS_FROM))
        frames, keys = batch(learnt, rng.choice(starts, BATCH))
        loss = F.cross_entropy(net(frames), keys)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
    print(f"{args.minutes:.1f} min, {step} steps: {judge(net, judged)}")


def batch(dataset: VideoDataset, starts: np.ndarray) -> tuple[Tensor, Tensor]:
    """Pixels of clips, (b, FRAMES * 3, H, W) in -0.5..0.5, and the button of the last step of each, (b,)."""
    frames = torch.from_numpy(np.stack([dataset.clip(int(start), FRAMES) for start in starts]))
    keys = buttons(np.array([dataset.true_actions(int(start), FRAMES)[PAST] for start in starts]))
    return rearrange(frames.float() / 255 - 0.5, "b t h w c -> b (t c) h w"), torch.from_numpy(keys).long()


@torch.inference_mode()
def judge(net: nn.Module, dataset: VideoDataset) -> str:
    """Share of buttons told, and of the commonest, in words."""
    net.eval()
    chosen = np.random.default_rng(1).choice(dataset.clip_starts(FRAMES), JUDGED, replace=False)
    right, seen = [], []
    for starts in np.split(chosen, JUDGED // 100):
        frames, keys = batch(dataset, starts)
        right.append((net(frames).argmax(1) == keys).float())
        seen.append(keys)
    net.train()
    return f"{torch.cat(right).mean():.3f} told, {torch.cat(seen).bincount().max() / JUDGED:.3f} the commonest"


if __name__ == "__main__":
    main()
