"""Playthroughs as files: .mp4 and .gif to watch, .png to see at a glance, .npz to compute with.

A file is written beside its destination under another name and moved there when it is whole.
"""

from __future__ import annotations

import io
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from app.play.commands import UNFAMILIAR
from app.play.script import parse_script
from app.play.session import PlaySession
from genie_core.errors import GenieError

MP4_ENLARGED, GIF_ENLARGED, SHEET_ENLARGED = 6, 4, 2
MP4_QUALITY = 16  # x264's constant rate factor; at this one pixel art shows no artefacts
PALETTE_FRAMES = 64
SHEET_FRAMES, SHEET_COLUMNS = 80, 10
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


def check_target(path: str | Path) -> None:
    """Raises RecordingError if a recording could not be written to `path`; to be asked before the playing."""
    path = Path(path)
    if path.suffix.lower() not in WRITERS:
        raise RecordingError(f"{path} ends in {path.suffix or 'no suffix'!r}, expected one of {', '.join(WRITERS)}")
    if path.is_dir():
        raise RecordingError(f"{path} is a folder; name a file inside it")
    if not path.parent.is_dir():
        raise RecordingError(f"there is no folder {path.parent} to save {path.name} in; make it first")
    if not os.access(path.parent, os.W_OK):
        raise RecordingError(f"the folder {path.parent} may not be written to by this user; save elsewhere")


def record(path: str | Path, script: str, start: Callable[[], PlaySession], quiet: bool = False) -> str:
    """Plays `script` in the session that `start` builds and saves it to `path`, without a window; says so in a line.

    Raises RecordingError before anything is built, ScriptError before the first step. Unless `quiet`, warns of a
    picture that the world will not make much of, and shows a bar after 2 s.
    """
    check_target(path)
    session = start()
    actions = parse_script(script, session.config.actions)
    for event in session.events():
        if event.kind == UNFAMILIAR and not quiet:
            print(f"warning: {event.text}", file=sys.stderr)
    steps = tqdm(actions, desc="playing", unit=" steps", delay=2, disable=quiet)
    return _save(path, session, session.play(steps), actions)


def record_replay(path: str | Path, start: Callable[[], PlaySession], quiet: bool = False) -> str:
    """Saves to `path` all that was played on the line of the session that `start` builds, decoded from its tokens.

    Returns a line that says so. Raises RecordingError before anything is built; shows a bar after 2 s.
    """
    check_target(path)
    session = start()
    actions = list(session.timeline.path())
    steps = tqdm(range(len(actions) + 1), desc="decoding", unit=" frames", delay=2, disable=quiet)
    return _save(path, session, (session.seek(step) for step in steps), actions)


def _save(path: str | Path, session: PlaySession, shown: Iterable[np.ndarray], actions: Sequence[int]) -> str:
    frames = np.empty((len(actions) + 1, *session.frame.shape), np.uint8)
    for step, frame in enumerate(shown):
        frames[step] = frame
    names = [action.name for action in session.config.actions]
    save_frames(path, frames, np.array(actions, np.int64), session.config.fps, names)
    return f"saved {path}, {len(frames)} frames played"


def save_frames(path: str | Path, frames: np.ndarray, actions: np.ndarray, fps: float, names: Sequence[str]) -> None:
    """Writes a playthrough to `path` as what its suffix says, whole or not at all.

    `frames` uint8 (t, H, W, 3) in [0, 255]; `actions` int64 (t-1,), ids that index `names`.
    Raises RecordingError if `check_target` does or the disk refuses.
    """
    check_target(path)
    path = Path(path)
    written = io.BytesIO()  # in memory first: a full disk then speaks for itself, not through each library's errors
    WRITERS[path.suffix.lower()](written, Playthrough(frames, actions, fps, names))
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(written.getbuffer())
        partial.replace(path)
    except OSError as error:
        raise RecordingError(f"{path} cannot be written ({error}); save elsewhere or make room") from error
    finally:
        partial.unlink(missing_ok=True)


def _write_mp4(file: BinaryIO, played: Playthrough) -> None:
    import av  # brings ffmpeg, which no other suffix needs

    height, width = (MP4_ENLARGED * side for side in played.frames.shape[1:3])
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(played.fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": str(MP4_QUALITY)}
        for frame in played.frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_enlarge(frame, MP4_ENLARGED), format="rgb24")))
        container.mux(stream.encode())


def _write_gif(file: BinaryIO, played: Playthrough) -> None:
    palette = _shared_palette(played.frames)
    height, width = played.frames.shape[1:3]
    size = (GIF_ENLARGED * width, GIF_ENLARGED * height)
    first, *rest = (
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE).resize(size)  # nearest, by default
        for frame in played.frames
    )
    durations = gif_durations_ms(len(played.frames), played.fps)
    first.save(file, "GIF", save_all=True, append_images=rest, loop=0, duration=durations)


def gif_durations_ms(frames: int, fps: float) -> list[int]:
    """How long each frame is shown: GIF counts in 10 ms, so these alternate to keep the pace on the whole."""
    ends = [10 * round(i * 100 / fps) for i in range(frames + 1)]
    return [end - start for start, end in pairwise(ends)]


def _shared_palette(frames: np.ndarray) -> Image.Image:
    """256 colours for a whole recording, from frames spread over it, so that nothing flickers."""
    sample = Image.fromarray(frames[_spread(len(frames), PALETTE_FRAMES)].reshape(-1, frames.shape[2], 3))
    # Median cut would give the few pixels of a coin to the many of the sky; this method keeps rare colours.
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
        sheet.paste(Image.fromarray(_enlarge(played.frames[step], SHEET_ENLARGED)), (left, top + SHEET_LABEL))
    sheet.save(file, "PNG")


def _write_npz(file: BinaryIO, played: Playthrough) -> None:
    np.savez_compressed(file, frames=played.frames, actions=np.asarray(played.actions, np.int64))


WRITERS: dict[str, Callable[[BinaryIO, Playthrough], None]] = {
    ".mp4": _write_mp4,
    ".gif": _write_gif,
    ".png": _write_png,
    ".npz": _write_npz,
}


def _enlarge(frame: np.ndarray, times: int) -> np.ndarray:
    return frame.repeat(times, axis=0).repeat(times, axis=1)


def _spread(count: int, most: int) -> list[int]:
    """At most `most` indices spread evenly over range(count), the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most))})
