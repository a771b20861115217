"""Pictures to start a world from, and a sheet of what it makes of each.

    python -m genie_core.games.coinrun.start_pictures --data runs/data/easy-test --out assets/starts [--prefix hard-]

Writes twelve frames of a data set of levels that training has not seen, as unlike in colour as the set has. sheet.png
has a row for each of them and for each of ELSEWHERE, which lie in the folder already: our drawings, and two photographs
in the public domain that scikit-image ships. A row is the picture, the picture as the world sees it, and frames of a
playthrough. The familiarity of each is printed. The prefix keeps the frames and sheet of two worlds apart.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from genie_core.data.dataset import VideoDataset
from genie_core.engine import WorldEngine
from genie_core.games.coinrun.scenes import standing_scenes
from genie_core.pictures import fit, load_picture
from genie_core.world import World

FROM_LEVELS, CANDIDATES = 12, 400
ELSEWHERE = ("sketch", "crayon", "pixel-hills", "pixel-cave", "photo-coffee", "photo-astronaut")
SCRIPT = (("right", 16), ("jump", 8), ("right", 16), ("stay", 10), ("left", 10))
SHOWN = (1, 8, 16, 24, 32, 40, 50, 60)  # steps
GAP = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="checkpoints/coinrun")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--prefix", default="")
    args = parser.parse_args()
    pictures = {}
    for number, frame in enumerate(pick_unlike(VideoDataset(args.data)), start=1):
        pictures[f"{args.prefix}level-{number:02}"] = frame
        Image.fromarray(frame).save(args.out / f"{args.prefix}level-{number:02}.png")
    pictures |= {name: load_picture(args.out / f"{name}.png") for name in ELSEWHERE}
    world = World.from_pretrained(args.world)
    rows = []
    for name, picture in pictures.items():
        score, psnr, _ = WorldEngine(world).familiarity(picture)
        print(f"{name:14} familiarity {score:.2f} ({psnr:.1f} dB)", flush=True)
        rows.append(play(world, picture))
    sheet = np.pad(np.stack(rows), ((0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    page = sheet.swapaxes(1, 2).reshape(-1, sheet.shape[1] * sheet.shape[3], 3)
    Image.fromarray(page).save(args.out / f"{args.prefix}sheet.png")


def pick_unlike(dataset: VideoDataset) -> np.ndarray:
    """FROM_LEVELS frames in which the player stands, uint8 (n, H, W, 3), each as far as can be from those before it."""
    frames = standing_scenes(dataset, CANDIDATES)
    cells = frames.reshape(len(frames), 4, frames.shape[1] // 4, 4, frames.shape[2] // 4, 3).astype(np.float64)
    colours = np.concatenate([cells.mean((2, 4)), cells.std((2, 4))], -1).reshape(len(frames), -1)
    chosen = [0]
    far = np.full(len(frames), np.inf)
    while len(chosen) < FROM_LEVELS:
        far = np.minimum(far, np.linalg.norm(colours - colours[chosen[-1]], axis=1))
        chosen.append(int(far.argmax()))
    return frames[chosen]


def play(world: World, picture: np.ndarray) -> np.ndarray:
    """The picture, what the world sees of it, and SHOWN frames of SCRIPT: uint8 (2 + shown, H, W, 3)."""
    engine = WorldEngine(world)
    frames = [fit(picture, world.config.frame_size), engine.reset(picture)]
    ids = {action.name: action.id for action in world.config.actions}
    played = [engine.step(ids[name]) for name, steps in SCRIPT for _ in range(steps)]
    return np.stack(frames + [played[step - 1] for step in SHOWN])


if __name__ == "__main__":
    main()
