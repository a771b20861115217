"""Pictures to start a world from, and a sheet of what it makes of each.

    python -m genie_core.games.coinrun.start_pictures --data runs/data/easy-test --out assets/starts [--prefix hard-]

Twelve frames of a data set of levels that training has not seen, as unlike in colour as the set has, and six pictures
from elsewhere: a sketch, a child's drawing, two pictures in pixel art, and two photographs in the public domain that
scikit-image ships. sheet.png has a row for each: the picture, the picture as the world sees it, and frames of a
playthrough. The familiarity of each is printed. The prefix keeps the frames and sheet of two worlds apart.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw

from genie_core.data.dataset import VideoDataset
from genie_core.engine import WorldEngine
from genie_core.games.coinrun.scenes import standing_scenes
from genie_core.pictures import fit
from genie_core.world import World

FROM_LEVELS, CANDIDATES = 12, 400
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
    args.out.mkdir(parents=True, exist_ok=True)
    levels = pick_unlike(VideoDataset(args.data))
    pictures = {f"{args.prefix}level-{i + 1:02}": frame for i, frame in enumerate(levels)}
    pictures |= {name: np.asarray(draw()) for name, draw in ELSEWHERE.items()}
    world = World.from_pretrained(args.world)
    rows = []
    for name, picture in pictures.items():
        Image.fromarray(picture).save(args.out / f"{name}.png")
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


def sketch() -> Image.Image:
    """A level in pencil on paper."""
    rng = np.random.default_rng(0)
    page = Image.new("RGB", (512, 512), "#f4f1e8")
    pen = ImageDraw.Draw(page)

    def line(*points: tuple[float, float]) -> None:
        for _ in range(2):  # a hand goes over its lines, and is not steady
            pen.line([(x + rng.normal(0, 2), y + rng.normal(0, 2)) for x, y in points], fill="#44444c", width=3)

    line((0, 380), (200, 380), (200, 470), (300, 470), (300, 340), (512, 340))
    for x in range(15, 200, 30):
        line((x, 385), (x - 14, 420))
    for x in range(320, 512, 30):
        line((x, 345), (x - 14, 380))
    line((120, 250), (210, 250), (210, 275), (120, 275), (120, 250))
    line((235, 330), (235, 290), (222, 262), (235, 250), (248, 262), (235, 290), (255, 308))
    line((235, 330), (222, 372))
    line((235, 330), (250, 372))
    pen.ellipse((222, 222, 250, 250), outline="#44444c", width=3)
    pen.ellipse((430, 270, 470, 310), outline="#44444c", width=3)
    line((380, 120), (400, 95), (430, 90), (455, 105), (470, 130), (380, 130), (380, 120))
    return page


def crayon() -> Image.Image:
    """A child's drawing: sky, grass, a house, a figure."""
    page = Image.new("RGB", (256, 256), "#ffffff")
    pen = ImageDraw.Draw(page)
    for y in range(0, 90, 7):
        pen.line([(0, y), (256, y + (y % 3) * 2)], fill="#7fb8ec", width=5)
    for x in range(0, 256, 5):
        pen.line([(x, 256), (x + 3, 186 + x * 7 % 11)], fill="#57b04a", width=4)
    pen.ellipse((198, 14, 236, 52), fill="#f8d33c")
    pen.rectangle((40, 128, 100, 192), outline="#b23a2e", width=6)
    pen.polygon([(30, 130), (70, 88), (110, 130)], outline="#7b4a22", width=6)
    pen.ellipse((146, 126, 168, 148), outline="#2b2b2b", width=5)
    pen.line([(157, 148), (157, 180)], fill="#2b2b2b", width=5)
    pen.line([(140, 160), (174, 160)], fill="#2b2b2b", width=5)
    pen.line([(146, 198), (157, 180), (168, 198)], fill="#2b2b2b", width=5)
    return page


def pixel_hills() -> Image.Image:
    """A platform game in pixel art, by day."""
    page = Image.new("RGB", (64, 64), "#9bd4f5")
    pen = ImageDraw.Draw(page)
    pen.ellipse((-14, 30, 30, 70), fill="#7cc47c")
    pen.ellipse((26, 36, 76, 80), fill="#69b36c")
    for left, top, right in ((0, 48, 36), (44, 40, 63)):
        pen.rectangle((left, top, right, 63), fill="#8a5a33")
        pen.rectangle((left, top, right, top + 3), fill="#4d9b3d")
        for x in range(left, right, 8):
            pen.point([(x + 2, top + 8), (x + 5, top + 13)], fill="#6d4526")
    for x in (14, 22):
        pen.rectangle((x, 26, x + 7, 33), fill="#d9a441", outline="#8a6420")
    pen.rectangle((29, 36, 34, 41), fill="#f0c8a0")
    pen.rectangle((29, 34, 34, 36), fill="#c8352f")
    pen.rectangle((29, 42, 34, 47), fill="#2f55c8")
    pen.ellipse((50, 32, 55, 38), fill="#ffd94a", outline="#b28a1a")
    pen.rectangle((4, 6, 18, 9), fill="#ffffff")
    pen.rectangle((7, 4, 14, 11), fill="#ffffff")
    return page


def pixel_cave() -> Image.Image:
    """A platform game in pixel art, under ground."""
    page = Image.new("RGB", (64, 64), "#1b1626")
    pen = ImageDraw.Draw(page)
    for x, y in ((10, 20), (24, 11), (40, 25), (52, 14), (33, 34)):
        pen.point((x, y), fill="#6f5aa8")
    pen.polygon([(0, 0), (63, 0), (63, 6), (52, 12), (46, 6), (34, 9), (22, 5), (12, 14), (6, 6), (0, 9)], "#3a3145")
    for left, top, right in ((0, 46, 20), (21, 54, 42), (43, 42, 63)):
        pen.rectangle((left, top, right, 63), fill="#55495f")
        pen.rectangle((left, top, right, top + 1), fill="#8b7b98")
    pen.rectangle((21, 57, 42, 63), fill="#d9572b")
    pen.rectangle((9, 36, 14, 45), fill="#57c9b8")
    pen.rectangle((10, 38, 13, 40), fill="#123c38")
    pen.rectangle((54, 34, 58, 41), fill="#e3c24f")
    return page


ELSEWHERE = {
    "sketch": sketch,
    "crayon": crayon,
    "pixel-hills": pixel_hills,
    "pixel-cave": pixel_cave,
    "photo-coffee": lambda: Image.fromarray(skimage.data.coffee()).resize((300, 200)),
    "photo-astronaut": lambda: Image.fromarray(skimage.data.astronaut()).resize((256, 256)),
}


if __name__ == "__main__":
    main()
