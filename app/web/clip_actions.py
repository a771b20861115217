"""The latent actions of a clip: found, shown on a timeline as HTML, and played again from another picture."""

from __future__ import annotations

import secrets
from html import escape
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import numpy as np

from app.play.keymap import doubles
from app.play.record import record
from app.play.start import begin
from app.web import limits
from app.web.game import GameStart
from app.web.told import data_url
from genie_core.engine import WorldEngine
from genie_core.errors import PictureError
from genie_core.video import read_video
from genie_core.world import World

THUMBNAILS = 10
SHORT_NAME = 5  # letters, which a narrow stretch of the timeline has room for
HUE_STEP = 45  # degrees between the colours of two actions


class Clip(NamedTuple):
    """Frames uint8 (t, H, W, 3) at a world's pace, the t-1 actions between them, and what was noticed in sentences."""

    frames: np.ndarray
    actions: list[int]
    warnings: tuple[str, ...]


def find_actions(world: World, path: str) -> Clip:
    """The actions that `world` finds in a clip.

    Raises PictureError if the file is no clip, or shows one frame.
    """
    try:
        film = read_video(path, world.config.frame_size, world.config.fps, most_frames=limits.CLIP_FRAMES)
    except PictureError as error:
        raise PictureError(str(error).replace(path, Path(path).name)) from error
    if len(film.frames) < 2:
        raise PictureError(f"{Path(path).name} shows one frame only; expected a clip in which something moves")
    return Clip(film.frames, world.actions_between(film.frames), film.warnings)


def timeline(world: World, found: Clip) -> str:
    """The clip, below it the actions that the world finds in it, as long as they last, and how often each is found."""
    frames, actions, warnings = found
    twins = doubles(world.config.actions)
    actions = [twins.get(action, action) for action in actions]
    notes = "".join(f'<p class="note">{escape(warning)}</p>' for warning in warnings)
    names = [escape(action.name.replace("_", " ")) for action in world.config.actions]
    shown = np.linspace(0, len(frames) - 1, min(THUMBNAILS, len(frames))).astype(int)
    clip = "".join(f'<img src="{data_url(frames[i])}" alt="frame {i}">' for i in shown)
    course = ""
    for action, run in groupby(actions):
        steps = len(list(run))
        label, long = f"{names[action]}, {steps} steps", ' class="long"' if len(names[action]) > SHORT_NAME else ""
        course += f'<span style="flex:{steps} 0 0;background:{_colour(action)}" title="{label}">'
        course += f"<b{long}>{names[action]}</b></span>"
    counts = [(actions.count(action), name, action) for action, name in enumerate(names) if action in actions]
    legend = "".join(
        f'<span><i style="background:{_colour(action)}"></i>{name} {count}</span>'
        for count, name, action in sorted(counts, reverse=True)
    )
    return (
        f'<div class="clip">{clip}</div><div class="course" role="img" aria-label="actions over time" '
        f'data-steps="{len(actions)}">{course}</div><div class="legend">{legend}</div>{notes}'
    )


def film(game: GameStart, actions: list[int], shown_in: gr.Video) -> str:
    """Plays `actions` from the start of `game`, on an engine of their own; returns the path of an mp4 file.

    The file is where Gradio serves the results of `shown_in` from, and deletes old ones.
    """
    path = Path(shown_in.GRADIO_CACHE) / secrets.token_hex(16) / "play.mp4"
    path.parent.mkdir(parents=True)
    record(path, begin(WorldEngine(game.engine.world), game.start), actions, quiet=True)
    return str(path)


def _colour(action: int) -> str:
    return f"hsl({action * HUE_STEP % 360} 75% 70%)"
