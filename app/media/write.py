"""Playthroughs as files: .mp4 and .gif to watch, .png to see at a glance, .npz to compute with."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from app.media.mp4 import enlarge, open_mp4
from genie_core.errors import GenieError
from genie_core.files import write_whole

MP4_ENLARGED, GIF_ENLARGED, SHEET_ENLARGED = 6, 4, 2
PALETTE_SAMPLE = 64  # frames that the colours of a GIF are taken from
GIF_FPS = 50  # at most: browsers show a frame of 10 ms for 100
SHEET_FRAMES, SHEET_COLUMNS = 80, 10
BAR_AFTER = 2  # seconds
SHEET_GAP, SHEET_LABEL = 6, 18
SHEET_PAPER, SHEET_INK = (22, 24, 29), (222, 226, 232)


class RecordingError(GenieError):
    """A recording cannot be written where or as what was asked."""


@dataclass(frozen=True)
class Playthrough:
    """`frames` uint8 (t, H, W, 3), the first being the prompt as the world sees it, and `actions` int64 (t-1,)
    between them, with the names of the world's actions by id."""

    frames: np.ndarray
    actions: np.ndarray
    fps: float
    names: Sequence[str]
    bar: bool = False

    def each(self) -> Iterable[np.ndarray]:
        """The frames, counted by a bar if there is one."""
        return tqdm(self.frames, desc="writing", unit=" frames", delay=BAR_AFTER, disable=not self.bar)


def check_target(path: str | Path) -> None:
    """Raises RecordingError if a recording cannot be written to `path`; to be called before playing."""
    path, kinds = Path(path), ", ".join(WRITERS)
    if path.is_dir():
        raise RecordingError(f"{path} is a folder; name a file inside it that ends in one of {kinds}")
    if path.suffix.lower() not in WRITERS:
        raise RecordingError(f"{path} does not say what kind of file to write; end its name in one of {kinds}")
    if not path.parent.is_dir():
        raise RecordingError(f"there is no folder {path.parent} to save {path.name} in; make it first")
    if not os.access(path.parent, os.W_OK):
        raise RecordingError(f"you may not write into the folder {path.parent}; save elsewhere")


def save_frames(
    path: str | Path, frames: np.ndarray, actions: np.ndarray, fps: float, names: Sequence[str], bar: bool = False
) -> None:
    """Writes a playthrough to `path`, in the format that its suffix names, whole or not at all; with a `bar` if asked.

    `frames` uint8 (t, H, W, 3) in [0, 255]; `actions` int64 (t-1,), ids that index `names`.
    Raises RecordingError if `check_target` does or the disk refuses.
    """
    check_target(path)
    # In memory first: a full disk then speaks for itself, not through each library's errors.
    write_whole(path, encode(Path(path).suffix.lower(), frames, actions, fps, names, bar), RecordingError)


def encode(
    suffix: str, frames: np.ndarray, actions: np.ndarray, fps: float, names: Sequence[str], bar: bool = False
) -> bytes:
    """The content of the file that `save_frames` writes, for a suffix of `WRITERS`."""
    written = io.BytesIO()
    WRITERS[suffix](written, Playthrough(frames, actions, fps, names, bar))
    return written.getvalue()


def _write_mp4(file: BinaryIO, played: Playthrough) -> None:
    with open_mp4(file, played.frames.shape[1:], played.fps, MP4_ENLARGED) as add:
        for frame in played.each():
            add(frame)


def _write_gif(file: BinaryIO, played: Playthrough) -> None:
    palette = _shared_palette(played.frames)
    height, width = played.frames.shape[1:3]
    size = (GIF_ENLARGED * width, GIF_ENLARGED * height)
    count, fps = len(played.frames), min(played.fps, GIF_FPS)
    shown = set(_spread(count, max(1, round(count * fps / played.fps))))
    first, *rest = (
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE).resize(size)  # nearest, by default
        for index, frame in enumerate(played.each())
        if index in shown
    )
    durations = gif_durations_ms(len(shown), fps)
    first.save(file, "GIF", save_all=True, append_images=rest, loop=0, duration=durations)


def gif_durations_ms(frames: int, fps: float) -> list[int]:
    """How long each frame is shown. GIF counts in 10 ms, so durations alternate to keep the mean frame rate."""
    ends = [10 * round(i * 100 / fps) for i in range(frames + 1)]
    return [end - start for start, end in pairwise(ends)]


def _shared_palette(frames: np.ndarray) -> Image.Image:
    """256 colours for a whole recording, from frames spread over it, so that nothing flickers."""
    sample = Image.fromarray(frames[_spread(len(frames), PALETTE_SAMPLE)].reshape(-1, frames.shape[2], 3))
    # Median cut would spend all colours on large areas; this method keeps the rare colours of small things.
    return sample.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3)


def _write_png(file: BinaryIO, played: Playthrough) -> None:
    """A contact sheet: the frames in reading order, each under the step and the action that led to it."""
    shown = _spread(len(played.frames), SHEET_FRAMES)
    height, width = (SHEET_ENLARGED * side for side in played.frames.shape[1:3])
    columns = min(SHEET_COLUMNS, len(shown))
    cell_width, cell_height = width + SHEET_GAP, height + SHEET_LABEL + SHEET_GAP
    rows = math.ceil(len(shown) / columns)
    sheet = Image.new("RGB", (columns * cell_width + SHEET_GAP, rows * cell_height + SHEET_GAP), SHEET_PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for cell, step in enumerate(shown):
        left = SHEET_GAP + cell % columns * cell_width
        top = SHEET_GAP + cell // columns * cell_height
        label = f"{step}  {played.names[played.actions[step - 1]]}" if step else "prompt"
        draw.text((left, top), label, SHEET_INK, font)
        sheet.paste(Image.fromarray(enlarge(played.frames[step], SHEET_ENLARGED)), (left, top + SHEET_LABEL))
    sheet.save(file, "PNG")


def _write_npz(file: BinaryIO, played: Playthrough) -> None:
    np.savez_compressed(file, frames=played.frames, actions=np.asarray(played.actions, np.int64))


WRITERS: dict[str, Callable[[BinaryIO, Playthrough], None]] = {
    ".mp4": _write_mp4,
    ".gif": _write_gif,
    ".png": _write_png,
    ".npz": _write_npz,
}


def _spread(count: int, most: int) -> list[int]:
    """At most `most` indices spread evenly over range(count), the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})
