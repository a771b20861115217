"""The second tab: what the world makes of a picture, and the effect of each action."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr
import numpy as np

from app.web import explain
from app.web.game_starts import GameStarts
from app.web.guests import Guests
from app.web.tabs.shared import HEAVY, chosen, gallery_of, playing, selected
from app.web.uploads import picture_input, read_picture, told_in_words
from genie_core.pictures import load_picture

EMPTY = "What the world makes of your picture, its tokens and what each action does appear here."


def learnt_tab(guests: Guests, starts: GameStarts, view: gr.HTML, settings: list[Any]) -> gr.Gallery:
    """Returns its gallery."""
    count = len(starts.worlds.first.world.config.actions)
    gr.Markdown(f"Choose a picture to see what the world makes of it, and what each of the {count} actions does there.")
    with gr.Row():
        with gr.Column(scale=1, min_width=240):
            gallery = gallery_of(starts, "choose a picture")
            picture = picture_input(
                label="or use your own", sources=["upload", "clipboard"], height=220, elem_id="look-picture"
            )
            current = gr.Button("Use the current frame of my game", elem_id="look-current")
        with gr.Column(scale=3, min_width=240):
            actions = gr.HTML(f'<p class="empty">{EMPTY}</p>', elem_id="each-action")
            seen, tokens = gr.HTML(elem_id="seen"), gr.HTML(elem_id="tokens")

    def look(picture: np.ndarray, world: Any, how: Any) -> tuple[str, str, str]:
        engine = starts.engine(world)
        prompt = starts.fitted(engine, picture, how)
        whole = engine.world.whole
        grid = explain.token_grid(explain.tokens_of(whole, prompt), prompt, whole.config.tokenizer)
        return explain.before_and_after(engine, prompt), grid, explain.each_action(whole, prompt)

    async def at_gallery(event: gr.SelectData, *settings: Any) -> Any:
        path = await asyncio.to_thread(chosen, starts, settings[0], event)
        return await asyncio.to_thread(look, load_picture(path), *settings)

    async def at_picture(path: Any, *settings: Any) -> Any:
        return await asyncio.to_thread(lambda: look(read_picture(path), *settings))

    async def at_current(view: Any, world: Any, how: Any) -> Any:
        player = playing(guests, view)
        session = player.session
        frame, last = await guests.on_engine(lambda: (session.frame, session.timeline.moment.frames[-1]))
        seen, grid, actions = await asyncio.to_thread(look, frame, player.game.world, how)
        if last.index or not session.config.tokenizer.reference:
            grid = explain.token_grid(last.tokens, frame, session.config.tokenizer)
        return seen, grid, actions

    shown, heavy = [seen, tokens, actions], HEAVY | {"show_progress_on": actions}
    gallery.select(selected(at_gallery), settings, shown, **heavy)
    picture.input(told_in_words(at_picture), [picture, *settings], shown, **heavy)
    current.click(told_in_words(at_current), [view, *settings], shown, **heavy)
    return gallery
