"""The first tab: choose, upload, draw or load a start, and play."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from app.play.session_file import SUFFIX
from app.play.start_pictures import Prompts
from app.web.game_starts import GameStarts
from app.web.guests import Guests
from app.web.tabs.shared import PRIVATE, chosen, come, gallery_of, selected
from app.web.uploads import path_only, picture_input, read_drawing, read_picture, told_in_words
from genie_core.pictures import FITS, fit, load_picture

STATIC = Path(__file__).parents[1] / "static"
SHARED = Path(__file__).parents[2] / "site/static/js/ui"  # modules that the static page has too
MODULES = ("canvas.js", "keys.js", "pad.js", "word.js")
SCRIPTS = ("transport.js", "stage.js", "panel.js")
CANVAS_SIDE = 512  # pixels, at most, of the longer side


def play_tab(guests: Guests, starts: GameStarts, prompts: Prompts) -> tuple[gr.HTML, list[Any]]:
    """The first tab; returns its view, and the components for world, seed and fit."""
    frame_size = starts.worlds.first.world.config.frame_size
    enlarged = max(1, CANVAS_SIDE // max(frame_size))
    canvas = (enlarged * frame_size[0], enlarged * frame_size[1])  # the drawing has the shape of a frame
    blank = np.full((*canvas, 3), 255, np.uint8)
    with gr.Row():
        with gr.Column(scale=3, min_width=240):
            view = _game_view()
        with gr.Column(scale=2, min_width=240):
            gallery = gallery_of(prompts, "start from one of these")
            with gr.Tabs():
                with gr.Tab("Your picture"):
                    picture = picture_input(
                        label="upload, webcam or paste",
                        sources=["upload", "webcam", "clipboard"],
                        height=220,
                        elem_id="picture",
                    )
                    play = gr.Button("Play", variant="primary", elem_id="start")
                with gr.Tab("Draw one"):
                    base = gr.Dropdown(
                        ["blank", *(path.stem for path in prompts.shipped)], value="blank", label="draw over"
                    )
                    drawing = path_only(
                        gr.ImageEditor(
                            blank,
                            type="numpy",
                            label="drawing",
                            canvas_size=(canvas[1], canvas[0]),
                            fixed_canvas=True,
                            height=420,
                            elem_id="drawing",
                        ),
                        "composite",
                    )
                    play_drawing = gr.Button("Play the drawing", variant="primary", elem_id="start-drawing")
                with gr.Tab("A saved session"):
                    saved = path_only(gr.File(label="session file", file_types=[SUFFIX], elem_id="saved"))
            with gr.Row():
                world = gr.Dropdown(
                    starts.worlds.names,
                    value=starts.worlds.title,
                    allow_custom_value=True,
                    label="world, or OWNER/NAME on the Hub",
                    elem_id="world",
                )
                seed = gr.Number(0, label="seed")
                how = gr.Dropdown(list(FITS), value=FITS[0], label="fit")
    settings = [world, seed, how]

    async def from_gallery(event: gr.SelectData, view: Any, *settings: Any) -> tuple[str, Any]:
        path = chosen(prompts, event)
        start = await asyncio.to_thread(starts.from_picture, load_picture(path), *settings)
        return str(path), await come(guests, view, start)

    def starting_from(read: Callable[[Any], np.ndarray]) -> Callable[..., Any]:
        async def from_file(path: Any, view: Any, *settings: Any) -> Any:
            picture = await asyncio.to_thread(read, path)
            return await come(guests, view, await asyncio.to_thread(starts.from_picture, picture, *settings))

        return told_in_words(from_file)

    async def from_session(path: Any, view: Any, world: Any) -> Any:
        return await come(guests, view, await asyncio.to_thread(starts.from_session, path, world))

    def draw_over(name: str) -> np.ndarray:
        paths = {path.stem: path for path in prompts.shipped}
        return fit(load_picture(paths[name]), canvas) if name in paths else blank

    gallery.select(selected(from_gallery), [view, *settings], [picture, view], **PRIVATE)
    gr.on([picture.input, play.click], starting_from(read_picture), [picture, view, *settings], view, **PRIVATE)
    play_drawing.click(starting_from(read_drawing), [drawing, view, *settings], view, **PRIVATE)
    saved.upload(told_in_words(from_session), [saved, view, world], view, **PRIVATE)
    base.input(draw_over, base, drawing, **PRIVATE)
    return view, settings


def _game_view() -> gr.HTML:
    """A canvas, held keys and buttons. It is drawn once, and fetches its game by a token over the transport.

    Its value is `{"token": ...}` of a guest, or None. Like `path_only`, no subclass of a component.
    """
    return gr.HTML(
        elem_id="view",
        html_template=_read(STATIC / "view.html"),
        css_template=_read(STATIC / "view.css"),
        js_on_load=_script(),
        apply_default_css=False,
    )


def _script() -> str:
    """One script, since Gradio runs no modules. A module that imports another would not go into it."""
    modules = [re.sub(r"^export (?=class|const|function)", "", _read(SHARED / name), flags=re.M) for name in MODULES]
    return "\n".join([*modules, *(_read(STATIC / name) for name in SCRIPTS)])


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
