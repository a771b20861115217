"""Pictures of the shipped world are told from all others, on its real weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw

from app.play.start_pictures import Prompts
from genie_core.engine import WorldEngine
from genie_core.errors import PictureError
from genie_core.familiarity import Familiarity
from genie_core.pictures import fit, load_picture
from genie_core.world import World

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def engine() -> WorldEngine:
    return WorldEngine(World.from_pretrained(ROOT / "checkpoints" / "coinrun"))


def test_frames_of_levels_it_never_saw_are_familiar(engine: WorldEngine) -> None:
    with np.load(ROOT / "tests" / "data" / "coinrun-easy-test" / "frames-00000.npz") as data:
        frames = data["frames"][::18]
    found = [engine.familiarity(frame) for frame in frames]
    assert not any(each.unfamiliar for each in found)
    assert np.mean([each.score for each in found]) > 0.95
    assert found[0].seen.shape == (64, 64, 3)


def test_every_start_image_is_familiar(engine: WorldEngine) -> None:
    pictures = [load_picture(path) for path in Prompts(ROOT / "assets").files]
    assert len(pictures) >= 6
    assert not any(engine.familiarity(picture).unfamiliar for picture in pictures)


def drawing() -> np.ndarray:
    picture = Image.new("RGB", (200, 200), "white")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((40, 40, 160, 160), outline="red", width=6)
    pen.line((0, 180, 199, 150), fill="black", width=4)
    return np.array(picture)


@pytest.mark.parametrize("name", ["astronaut", "noise", "drawing", "black", "upside down in other colours"])
def test_anything_else_is_not(engine: WorldEngine, name: str) -> None:
    coinrun = load_picture(ROOT / "assets" / "coinrun.png")
    pictures = {
        "astronaut": skimage.data.astronaut(),
        "noise": np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8),
        "drawing": drawing(),
        "black": np.zeros((64, 64, 3), np.uint8),
        "upside down in other colours": coinrun[::-1, :, ::-1].copy(),
    }
    found = engine.familiarity(pictures[name])
    assert found.unfamiliar and 0 <= found.score < 0.5, found.psnr


def test_colours_that_it_knows_bring_photographs_nearer(engine: WorldEngine) -> None:
    """On average: one whose colours are far from those of the game may stay as far."""
    palette = Prompts(ROOT / "assets").palette
    photographs = (skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea())
    plain, matched = (
        np.mean([engine.familiarity(fit(each, (64, 64), how, palette)).psnr for each in photographs])
        for how in ("crop", "palette")
    )
    assert matched > plain + 0.2


def test_what_is_no_picture_is_refused(engine: WorldEngine) -> None:
    with pytest.raises(PictureError):
        engine.familiarity(np.zeros((64, 64), np.uint8))


def test_the_score_ends_at_its_limits() -> None:
    assert Familiarity(0.49, 0, np.zeros(1)).unfamiliar and not Familiarity(0.5, 0, np.zeros(1)).unfamiliar
