"""The first tab: choose, upload, draw or load what to start from, and play."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr
import numpy as np

from app.play.session_file import SUFFIX
from app.play.start_pictures import Prompts
from app.web.game_starts import Openings
from app.web.guests import House
from app.web.tabs.shared import PRIVATE, come, gallery_of, selected
from app.web.uploads import picture_input, read_drawing, read_picture, told_in_words
from app.web.view import game_view
from genie_core.pictures import FITS, load_picture

BLANK = np.full((512, 512, 3), 255, np.uint8)


def play_tab(house: House, openings: Openings, prompts: Prompts) -> tuple[gr.HTML, list[Any]]:
    """The first tab; its view, and the components that say world, seed and fit."""
    with gr.Row():
        with gr.Column(scale=3, min_width=240):
            view = game_view(elem_id="view")
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
                    drawing = gr.ImageEditor(
                        BLANK,
                        type="numpy",
                        label="drawing",
                        canvas_size=(512, 512),
                        fixed_canvas=True,
                        height=420,
                        elem_id="drawing",
                    )
                    play_drawing = gr.Button("Play the drawing", variant="primary", elem_id="start-drawing")
                with gr.Tab("A saved session"):
                    saved = gr.File(label="session file", file_types=[SUFFIX], elem_id="saved")
            with gr.Row():
                world = gr.Dropdown(
                    openings.library.names,
                    value=openings.library.title,
                    allow_custom_value=True,
                    label="world, or OWNER/NAME on the Hub",
                    elem_id="world",
                )
                seed = gr.Number(0, label="seed", precision=0, minimum=0)
                how = gr.Dropdown(list(FITS), value=FITS[0], label="fit")
    settings = [world, seed, how]

    async def from_gallery(event: gr.SelectData, view: Any, *settings: Any) -> tuple[str, Any]:
        path = str(prompts.shipped[event.index])
        opening = await asyncio.to_thread(openings.from_picture, load_picture(path), *settings)
        return path, await come(house, view, opening)

    async def from_picture(path: Any, view: Any, *settings: Any) -> Any:
        picture = await asyncio.to_thread(read_picture, path)
        return await come(house, view, await asyncio.to_thread(openings.from_picture, picture, *settings))

    async def from_drawing(drawn: Any, view: Any, *settings: Any) -> Any:
        opening = await asyncio.to_thread(openings.from_picture, read_drawing(drawn), *settings)
        return await come(house, view, opening)

    async def from_session(path: Any, view: Any, world: Any) -> Any:
        return await come(house, view, await asyncio.to_thread(openings.from_session, path, world))

    def draw_over(name: str) -> np.ndarray:
        paths = {path.stem: path for path in prompts.shipped}
        return load_picture(paths[name]).repeat(8, 0).repeat(8, 1) if name in paths else BLANK

    gallery.select(selected(from_gallery), [view, *settings], [picture, view], **PRIVATE)
    gr.on([picture.input, play.click], told_in_words(from_picture), [picture, view, *settings], view, **PRIVATE)
    play_drawing.click(told_in_words(from_drawing), [drawing, view, *settings], view, **PRIVATE)
    saved.upload(told_in_words(from_session), [saved, view, world], view, **PRIVATE)
    base.input(draw_over, base, drawing, **PRIVATE)
    return view, settings
