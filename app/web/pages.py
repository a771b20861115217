"""What Gradio serves: three tabs for people, and the endpoints for programs."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.play.start_pictures import Prompts
from app.web.api import add_api
from app.web.game_starts import Openings
from app.web.guests import House
from app.web.loaded_worlds import Library
from app.web.tabs.imitate import imitate_tab
from app.web.tabs.learnt import learnt_tab
from app.web.tabs.play import play_tab

CLEARED = (3600, 7200)  # seconds: how often uploads and results are cleared away, and from what age on
PLAY = "play"
INTRO = "Choose a picture and play on: every next frame is made by the world from the key you hold. No game is running."


def build_pages(house: House, library: Library, pictures: Path) -> gr.Blocks:
    """The Gradio app. `pictures` is the folder of those to start from."""
    prompts = Prompts(pictures)
    openings = Openings(library, prompts)
    with gr.Blocks(title="genie", analytics_enabled=False, delete_cache=CLEARED) as pages:
        gr.Markdown(INTRO)
        with gr.Tabs() as tabs:
            with gr.Tab("Play", id=PLAY):
                view, settings = play_tab(house, openings, prompts)
            with gr.Tab("See what it learnt"):
                learnt_tab(house, openings, prompts, view, settings)
            with gr.Tab("Imitate a video"):
                goes_live = imitate_tab(house, openings, prompts, view, settings)
        goes_live.success(lambda: gr.Tabs(selected=PLAY), None, tabs, api_visibility="private")
        add_api(house, openings)
    return pages.queue(max_size=64)
