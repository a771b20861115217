"""Fits the detector of CoinRun's player that ships, and measures it on other levels.

python tests/benchmarks/fit_player.py --train DIR... --test DIR... [--steps 1500] [--out FILE]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from genie_core.data.dataset import VideoDataset
from genie_core.games.coinrun import detector as player

FRAMES = 60_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", nargs="+", required=True)
    parser.add_argument("--test", nargs="+", required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--out", type=Path, default=player.WEIGHTS)
    args = parser.parse_args()
    frames = np.concatenate([some_frames(Path(folder), FRAMES // len(args.train)) for folder in args.train])
    detector = player.fit(frames, args.steps)
    save_file(detector.state_dict(), args.out)
    player.WEIGHTS = args.out
    for folder in args.test:
        test = some_frames(Path(folder), 4000)
        rng = np.random.default_rng(0)
        gone = {
            "left": player.paint_out(test, -1),
            "right": player.paint_out(test, 1),
            "any way": player.without_player(test, rng),
        }
        shares = {name: f"{player.player_found(painted).mean():.4f}" for name, painted in gone.items()}
        print(f"{folder}: found {player.player_found(test).mean():.4f}, painted out {shares}")


def some_frames(folder: Path, count: int) -> np.ndarray:
    """uint8 (count, 64, 64, 3), spread evenly over a data set."""
    dataset = VideoDataset(folder)
    return np.stack([dataset.clip(int(i), 1)[0] for i in np.linspace(0, len(dataset) - 1, count)])


if __name__ == "__main__":
    main()
