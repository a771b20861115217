"""What each action does, as one small picture: a row for each action, with its name, and columns of steps held."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from genie_core.files import write_whole
from genie_core.hub.card import EFFECTS
from genie_core.rollout import rollout
from genie_core.world import World

STEPS = 8
COLUMNS = (0, 1, 2, 4, 6, 8)  # steps after which a frame is shown; the first is the prompt
CANDIDATES = 6  # prompts of which the one that tells most is shown
GAP, NAME, PAPER = 2, 80, 255  # pixels between frames and for names; grey level
COLOURS = 64  # as few as a small file takes, enough to look at


def write_effects(folder: Path, world: World, prompts: np.ndarray) -> None:
    """Write the filmstrip of `world` into its `folder`, which is made, for the model card written next."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / EFFECTS, as_png(effects_filmstrip(world, prompts)))


def effects_filmstrip(world: World, prompts: np.ndarray, seed: int = 0) -> np.ndarray:
    """Each action held for STEPS steps from one of uint8 `prompts` (n, H, W, 3), as a picture uint8 (height, width, 3).

    The prompt is the one, of a few from all over, after which the actions' pictures differ most: of a player who
    cannot move, no action shows anything.
    """
    few = prompts[np.unique(np.linspace(0, len(prompts) - 1, CANDIDATES).astype(int))]
    count = world.config.num_actions
    held = [rollout(world, few, np.full((len(few), STEPS), code), seed) for code in range(count)]
    played = np.stack(held, axis=1)  # (prompts, actions, steps + 1, H, W, 3)
    apart = played[:, :, -1].astype(np.float32).std(1).mean((1, 2, 3))
    return sheet([action.name for action in world.config.actions], played[int(apart.argmax())][:, list(COLUMNS)])


def sheet(names: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """Frames uint8 (rows, columns, H, W, 3) below one another, the name of each row before it."""
    count, columns, height, width, _ = rows.shape
    font = ImageFont.load_default(11)
    size = NAME + columns * (width + GAP), count * (max(height, 16) + GAP) - GAP
    picture = Image.new("RGB", size, (PAPER,) * 3)
    pen = ImageDraw.Draw(picture)
    for row, (name, frames) in enumerate(zip(names, rows, strict=True)):
        top = row * (max(height, 16) + GAP)
        pen.text((2, top + max(height, 16) // 2), name[:14], (0, 0, 0), font, anchor="lm")
        for column, frame in enumerate(frames):
            picture.paste(Image.fromarray(frame), (NAME + column * (width + GAP), top))
    return np.asarray(picture)


def as_png(picture: np.ndarray) -> bytes:
    """A small PNG of uint8 (height, width, 3)."""
    few = Image.fromarray(picture).quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    file = io.BytesIO()
    few.save(file, "PNG", optimize=True)
    return file.getvalue()
