"""The third tab: the actions of a clip, played again from another picture."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np

from app.web import clip_actions
from app.web.game_starts import GameStarts
from app.web.guests import Guests
from app.web.tabs.shared import HEAVY, PRIVATE, chosen, come, gallery_of, selected
from app.web.uploads import path_only, picture_input, read_picture, told_in_words
from genie_core.errors import GenieError
from genie_core.pictures import load_picture

EMPTY = "The actions that the world finds in your clip appear here. Try an mp4 that you saved in the tab Play."


def imitate_tab(
    guests: Guests, starts: GameStarts, view: gr.HTML, settings: list[Any], show_view: Callable[[Any], Any]
) -> gr.Gallery:
    """Returns its gallery. `show_view` makes a button bring `view` into sight; the event after that plays in it."""
    gr.Markdown(
        "Upload a clip: the world finds the action of each step. Then choose a picture to play these actions from."
    )
    actions = gr.State([])
    with gr.Row():
        with gr.Column(scale=1, min_width=240):
            clip = path_only(gr.Video(label="a clip", sources=["upload"], height=220, elem_id="clip"))
            gallery = gallery_of(starts, "choose a picture to play from")
            picture = picture_input(
                label="or use your own", sources=["upload", "clipboard"], height=220, elem_id="imitate-picture"
            )
        with gr.Column(scale=3, min_width=240):
            course = gr.HTML(f'<p class="empty">{EMPTY}</p>', elem_id="course")
            film = gr.Video(
                label="the actions of the clip, played from your picture",
                interactive=False,
                height=400,
                elem_id="film",
                autoplay=True,
            )
            live = gr.Button("Play these actions live; any key takes over", elem_id="live", interactive=False)

    async def watch(path: Any, world: Any) -> Any:
        if path is None:
            return f'<p class="empty">{EMPTY}</p>', [], gr.Button(interactive=False)
        engine = await asyncio.to_thread(starts.engine, world)
        found = await asyncio.to_thread(clip_actions.find_actions, engine.world.whole, path)
        return clip_actions.timeline(engine.world.whole, found), found.actions, gr.Button(interactive=True)

    def replay(start: np.ndarray, found: list[int], world: Any, how: Any) -> str:
        if not found:
            raise GenieError("there are no actions yet; upload a clip first")
        return clip_actions.film(starts.from_picture(start, world, how), found, film)

    async def from_gallery(event: gr.SelectData, found: list[int], *settings: Any) -> Any:
        path = await asyncio.to_thread(chosen, starts, settings[0], event)
        return str(path), await asyncio.to_thread(lambda: replay(load_picture(path), found, *settings))

    async def from_picture(path: Any, found: list[int], *settings: Any) -> Any:
        return await asyncio.to_thread(lambda: replay(read_picture(path), found, *settings))

    async def play_live(path: Any, found: list[int], view: Any, *settings: Any) -> Any:
        if not found:
            raise GenieError("there are no actions yet; upload a clip first")
        picture = await asyncio.to_thread(read_picture, path)
        return await come(guests, view, await asyncio.to_thread(starts.from_actions, picture, found, *settings))

    clip.change(told_in_words(watch), [clip, settings[0]], [course, actions, live], **HEAVY)
    gallery.select(selected(from_gallery), [actions, *settings], [picture, film], **HEAVY)
    picture.input(told_in_words(from_picture), [picture, actions, *settings], film, **HEAVY)
    show_view(live).then(told_in_words(play_live), [picture, actions, view, *settings], view, **PRIVATE)
    return gallery
