"""The second tab: what the world sees, what its actions do."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr
import numpy as np

from app.play.start_pictures import Prompts
from app.web import explain as learnt
from app.web.game_starts import Openings, whole
from app.web.guests import House
from app.web.tabs.shared import HEAVY, gallery_of, playing, selected
from app.web.uploads import picture_input, read_picture, told_in_words
from genie_core.pictures import load_picture


def learnt_tab(house: House, openings: Openings, prompts: Prompts, view: gr.HTML, settings: list[Any]) -> None:
    gr.Markdown("The same picture under each of the eight actions, which the world found without being told any.")
    with gr.Row():
        with gr.Column(scale=1, min_width=240):
            gallery = gallery_of(prompts, "look at one of these")
            picture = picture_input(
                label="or at your own", sources=["upload", "clipboard"], height=200, elem_id="look-picture"
            )
            current = gr.Button("The frame I am playing", elem_id="look-current")
        with gr.Column(scale=3, min_width=240):
            seen, tokens, actions = gr.HTML(elem_id="seen"), gr.HTML(elem_id="tokens"), gr.HTML(elem_id="each-action")

    def look(picture: np.ndarray, world: Any, seed: Any, how: Any) -> tuple[str, str, str]:
        engine = openings.engine(world)
        prompt = openings.fitted(engine, picture, how)
        grid = learnt.tokens_of(engine.world, prompt)
        return (
            learnt.before_and_after(engine.world, prompt),
            learnt.token_grid(grid),
            learnt.each_action(engine.world, prompt, whole(seed)),
        )

    async def at_gallery(event: gr.SelectData, *settings: Any) -> Any:
        return await asyncio.to_thread(look, load_picture(prompts.shipped[event.index]), *settings)

    async def at_picture(path: Any, *settings: Any) -> Any:
        return await asyncio.to_thread(lambda: look(read_picture(path), *settings))

    async def at_current(view: Any, world: Any, seed: Any, how: Any) -> Any:
        player = playing(house, view)
        session = player.session
        frame, grid = await house.engine(lambda: (session.frame, session.timeline.moment.frames[-1].tokens.numpy()))
        seen, _, actions = await asyncio.to_thread(look, frame, player.opening.world, seed, how)
        return seen, learnt.token_grid(grid), actions

    shown = [seen, tokens, actions]
    gallery.select(selected(at_gallery), settings, shown, **HEAVY)
    picture.input(told_in_words(at_picture), [picture, *settings], shown, **HEAVY)
    current.click(told_in_words(at_current), [view, *settings], shown, **HEAVY)
