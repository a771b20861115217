"""What Gradio serves: three tabs for people, and the endpoints for programs."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from app.play.start_pictures import Prompts
from app.web.api import add_api
from app.web.game_starts import GameStarts
from app.web.guests import Guests
from app.web.limits import REQUESTS_WAITING
from app.web.loaded_worlds import LoadedWorlds
from app.web.tabs.imitate import imitate_tab
from app.web.tabs.learnt import learnt_tab
from app.web.tabs.play import play_tab
from app.web.uploads import only_uploads

CLEARED = (3600, 7200)  # seconds: how often old uploads and results are deleted, and from what age on
PLAY = "play"
INTRO = (
    "Choose a picture and play from it. Neural networks draw each new frame from the key you hold; no game is running."
)


def build_pages(guests: Guests, worlds: LoadedWorlds, pictures: Path) -> gr.Blocks:
    """The Gradio app. `pictures` is the folder of start pictures."""
    prompts = Prompts(pictures)
    starts = GameStarts(worlds, prompts)
    with gr.Blocks(title="genie", analytics_enabled=False, delete_cache=CLEARED) as pages:
        gr.Markdown(INTRO)
        with gr.Tabs() as tabs:
            with gr.Tab("Play", id=PLAY):
                view, settings = play_tab(guests, starts, prompts)
            with gr.Tab("See what each action does"):
                learnt_tab(guests, starts, prompts, view, settings)
            with gr.Tab("Imitate a video"):
                goes_live = imitate_tab(guests, starts, prompts, view, settings)
        goes_live.success(lambda: gr.Tabs(selected=PLAY), None, tabs, api_visibility="private")
        add_api(guests, starts)
    only_uploads(pages)
    return pages.queue(max_size=REQUESTS_WAITING)
