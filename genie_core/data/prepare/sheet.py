"""A picture of what will be learnt: frames from all over a data set, each under the video and second it is from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from genie_core.data.dataset import VideoDataset
from genie_core.files import whole_file

SHEET = "contact-sheet.png"
COLUMNS, ROWS = 8, 6
LEAST_WIDTH = 120  # pixels of a frame on the sheet; smaller frames are enlarged
GAP, LABEL = 6, 16  # pixels
PAPER, INK = (22, 24, 29), (222, 226, 232)


def write_sheet(path: Path, dataset: VideoDataset) -> None:
    """Writes a PNG of up to 48 frames, evenly over the data set. Raises WriteError if the disk refuses."""
    shown = np.unique(np.linspace(0, len(dataset) - 1, min(COLUMNS * ROWS, len(dataset))).astype(int))
    height, width = dataset.info.frame_size
    times = max(1, round(LEAST_WIDTH / width))
    cell = times * width + GAP, times * height + LABEL + GAP
    rows = -(-len(shown) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * cell[0] + GAP, rows * cell[1] + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for place, at in enumerate(shown):
        left, top = GAP + place % COLUMNS * cell[0], GAP + place // COLUMNS * cell[1]
        label = _label(dataset, int(at))
        while draw.textlength(label, font) > cell[0] - GAP and len(label) > 1:
            label = label[1:]
        draw.text((left, top), label, INK, font)
        frame = Image.fromarray(dataset.clip(int(at), 1)[0])
        sheet.paste(frame.resize((times * width, times * height), Image.Resampling.NEAREST), (left, top + LABEL))
    with whole_file(path) as partial:
        sheet.save(partial, "PNG")


def _label(dataset: VideoDataset, at: int) -> str:
    episode = int(np.searchsorted(dataset.episodes[:, 0], at, side="right")) - 1
    told = dataset.provenance[episode]
    seconds = told["start_s"] + (at - int(dataset.episodes[episode, 0])) / dataset.info.fps
    return f"{Path(told['video']).name}  {seconds:.1f} s"
