"""What Gradio serves: three tabs for people, and the endpoints for programs."""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from app.web.api import add_api
from app.web.calls import share_queue
from app.web.game_starts import GameStarts
from app.web.guests import Guests
from app.web.limits import REQUESTS_WAITING
from app.web.tabs.imitate import imitate_tab
from app.web.tabs.learnt import learnt_tab
from app.web.tabs.play import play_tab
from app.web.tabs.shared import PRIVATE, pictures_of
from app.web.uploads import only_uploads

CLEARED = (3600, 7200)  # seconds: how often old uploads and results are deleted, and from what age on
PLAY = "play"
TITLE = "Genie: play any picture"
INTRO = (
    "<h1>Genie: play any picture</h1><p>Neural networks draw each new frame from the key you hold; no game is running. "
    'They learnt it from videos, after <a href="https://arxiv.org/abs/2402.15391" target="_blank" rel="noopener">'
    "Genie</a> (Bruce et al., 2024).</p>"
)


def build_pages(guests: Guests, starts: GameStarts) -> gr.Blocks:
    """The Gradio app."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=CLEARED) as pages:
        gr.HTML(INTRO, elem_id="intro")
        with gr.Tabs() as tabs:
            with gr.Tab("Play", id=PLAY):
                view, settings, *galleries = play_tab(guests, starts)
            with gr.Tab("What each action does"):
                galleries.append(learnt_tab(guests, starts, view, settings))
            with gr.Tab("Imitate a video"):
                galleries.append(imitate_tab(guests, starts, view, settings, partial(_to_play, tabs)))
        settings[0].change(
            lambda world: [pictures_of(starts, world)] * len(galleries), settings[0], galleries, **PRIVATE
        )
        add_api(guests, starts)
    only_uploads(pages)
    return share_queue(pages.queue(max_size=REQUESTS_WAITING))


def _to_play(tabs: gr.Tabs, button: gr.Button) -> Any:
    """The event that `button` shows the tab Play."""
    return button.click(lambda: gr.Tabs(selected=PLAY), None, tabs, **PRIVATE)
