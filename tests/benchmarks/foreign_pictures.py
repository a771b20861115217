"""Pictures that nobody trained on, played: how much of each is left after some steps, in one world or several.

    python tests/benchmarks/foreign_pictures.py PICTURE ... --worlds WORLD [WORLD ...] [--sheet FILE.png] [--seed N]

Each picture is played under random actions, held for one to six steps, the same for all worlds with as many actions.
`ssim` compares what is still in view: the frame, moved by the whole pixels that fit best, with the start picture, on
at least a third of it. `palette` is `metrics.palette_distance`, in grey levels. A row of the sheet is a picture, then
each world's frames after `STEPS`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from PIL import Image

from genie_core.engine import WorldEngine
from genie_core.evaluation import metrics
from genie_core.pictures import fit, load_picture
from genie_core.rollout import play_on, start
from genie_core.world import World

STEPS = (1, 10, 30)
LONGEST_HOLD = 6
OVERLAP = 1 / 3  # of the picture, at least
GAP = 4  # pixels between the parts of a sheet
ZOOM = 2


def main() -> None:
    options = _options()
    pictures = [load_picture(path) for path in options.pictures]
    rows = []
    print("| world | " + " | ".join(f"SSIM, palette after {step}" for step in STEPS) + " |")
    print("|---" * (1 + len(STEPS)) + "|")
    for name in options.worlds:
        world = World.from_pretrained(name)
        prompts = np.stack([fit(picture, world.config.frame_size) for picture in pictures])
        frames = play(world, prompts, options.seed)
        cells = []
        for step in STEPS:
            alike = np.array([still_in_view(*pair) for pair in zip(prompts, frames[:, step], strict=True)])
            far = metrics.palette_distance(frames[:, step], prompts)
            cells.append(f"{alike.mean():.3f} ± {_ci(alike):.3f}, {far.mean():.1f} ± {_ci(far):.1f}")
        print(f"| {world.name} | " + " | ".join(cells) + " |", flush=True)
        rows.append(np.concatenate([prompts[:, None], frames[:, list(STEPS)]], 1))
    if options.sheet:
        sheet(rows).save(options.sheet)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How much of a foreign picture is left after some steps of play.")
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--worlds", nargs="+", required=True)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def play(world: World, prompts: np.ndarray, seed: int) -> np.ndarray:
    """uint8 frames (n, steps+1, H, W, 3) from prompts (n, H, W, 3)."""
    rng, count = np.random.default_rng((seed, 7)), max(STEPS)
    codes = rng.integers(0, len(world.config.actions), (len(prompts), count))
    actions = np.stack([np.repeat(row, rng.integers(1, LONGEST_HOLD + 1, count))[:count] for row in codes])
    engine = WorldEngine(world, players=len(prompts), seed=seed, runtime="torch")
    first = start(engine, prompts[:, None], actions[:, :0])
    return np.concatenate([first[:, None], play_on(engine, actions)], 1)


def still_in_view(picture: np.ndarray, frame: np.ndarray) -> float:
    """SSIM of two pictures where they overlap, the one moved against the other as it fits best."""
    best, found = np.inf, (picture, frame)
    height, width = picture.shape[:2]
    for y, x in itertools.product(range(-height // 2, height // 2 + 1), range(-width // 2, width // 2 + 1)):
        one = picture[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]
        other = frame[max(0, -y) : height + min(0, -y), max(0, -x) : width + min(0, -x)]
        if one.shape[0] * one.shape[1] < OVERLAP * height * width:
            continue
        error = float(np.abs(one.astype(np.int16) - other).mean())
        if error < best:
            best, found = error, (one, other)
    return float(metrics.ssim(*found))


def _ci(values: np.ndarray) -> float:
    return metrics.mean_ci95(values).ci95 or 0.0


def sheet(worlds: list[np.ndarray]) -> Image.Image:
    """Rows of pictures, columns of worlds and steps, of frames (n, columns, H, W, 3) of each world."""
    parts = [np.pad(each, [(0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)], constant_values=255) for each in worlds]
    lines = np.concatenate([parts[0][:, :1], *(part[:, 1:] for part in parts)], 1)
    n, columns, height, width, _ = lines.shape
    image = Image.fromarray(lines.transpose(0, 2, 1, 3, 4).reshape(n * height, columns * width, 3))
    return image.resize((ZOOM * image.width, ZOOM * image.height), Image.Resampling.NEAREST)


if __name__ == "__main__":
    main()
