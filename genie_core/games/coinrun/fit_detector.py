"""Fits the detector of CoinRun's player that ships; tests/test_detector.py measures it on other levels.

python -m genie_core.games.coinrun.fit_detector --train DIR... [--out FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from genie_core.data.dataset import VideoDataset
from genie_core.games.coinrun.detector import COLUMNS, ROWS, WEIGHTS, PlayerDetector, middle, to_crops

FRAMES, STEPS, BATCH = 60_000, 1500, 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    frames = np.concatenate([some_frames(folder, FRAMES // len(args.train)) for folder in args.train])
    save_file(fit(frames).state_dict(), args.out)


def some_frames(folder: Path, count: int) -> np.ndarray:
    """uint8 (count, 64, 64, 3), spread evenly over a data set."""
    dataset = VideoDataset(folder)
    return np.stack([dataset.clip(int(i), 1)[0] for i in np.linspace(0, len(dataset) - 1, count)])


def fit(frames: np.ndarray) -> PlayerDetector:
    """A detector learnt from real uint8 frames (n, 64, 64, 3), all of which show the player."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    detector = PlayerDetector()
    optimizer = torch.optim.AdamW(detector.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STEPS)
    for _ in range(STEPS):
        real, without = (frames[rng.integers(0, len(frames), BATCH)] for _ in range(2))
        crops = torch.cat([_disturbed(to_crops(middle(real))), to_crops(middle(without_player(without, rng)))])
        target = torch.cat([torch.ones(len(real)), torch.zeros(len(without))])
        loss = F.binary_cross_entropy_with_logits(detector(crops), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return detector.eval()


def without_player(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Frames (n, 64, 64, 3) with no player in the middle, each in one of four ways, chosen by `rng`."""
    ways = (
        lambda frame: paint_out(frame, across=rng.choice((-1, 1))),
        lambda frame: _from_elsewhere(frame, rng),
        lambda frame: np.roll(frame, (rng.choice((-1, 1)) * rng.integers(9, 24), rng.integers(-20, 20)), (0, 1)),
        _smeared,
    )
    return np.stack([ways[rng.integers(len(ways))](frame) for frame in frames])


def _from_elsewhere(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The player covered by a rectangle of the same size from any place of the frame without it."""
    height, width = ROWS.stop - ROWS.start, COLUMNS.stop - COLUMNS.start
    left = rng.choice([*range(COLUMNS.start - width), *range(COLUMNS.stop, 64 - width)])
    top = rng.integers(0, 64 - height)
    painted = frame.copy()
    painted[ROWS, COLUMNS] = frame[top : top + height, left : left + width]
    return painted


def _smeared(frame: np.ndarray) -> np.ndarray:
    """The player blurred beyond recognition, as a world does that is losing it."""
    region = torch.from_numpy(frame[ROWS, COLUMNS]).float().permute(2, 0, 1)[None]
    for _ in range(6):
        region = F.avg_pool2d(F.pad(region, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    painted = frame.copy()
    painted[ROWS, COLUMNS] = region[0].permute(1, 2, 0).round().to(torch.uint8).numpy()
    return painted


def _disturbed(crops: Tensor) -> Tensor:
    """Real crops as a faithful world may show them: a little blurred, noisy, brighter or darker."""
    blurred = F.avg_pool2d(F.pad(crops, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    share = 0.4 * torch.rand(len(crops), 1, 1, 1) * (torch.rand(len(crops), 1, 1, 1) < 0.5)
    light = 0.1 * torch.randn(len(crops), 1, 1, 1)
    return crops.lerp(blurred, share) + 0.03 * torch.randn_like(crops) + light


def paint_out(frames: np.ndarray, across: int = -1) -> np.ndarray:
    """Frames (..., 64, 64, 3) with the player covered by the scenery left (-1) or right (1) of it, row by row."""
    width = COLUMNS.stop - COLUMNS.start
    painted = frames.copy()
    beside = slice(COLUMNS.start + across * width, COLUMNS.stop + across * width)
    painted[..., ROWS, COLUMNS, :] = frames[..., ROWS, beside, :]
    return painted


if __name__ == "__main__":
    main()
