"""What the tabs have in common: how a page's game is found or begun, and the pictures to choose from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from app.play.start_pictures import Prompts
from app.web.guests import Guest, House
from app.web.player import Opening, Player
from app.web.uploads import told_in_words
from genie_core.errors import GenieError
from genie_core.pictures import load_picture

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
HEAVY: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "film", "concurrency_limit": 1}


async def come(house: House, view: Any, opening: Opening) -> Any:
    """The view's value for a game with this opening: on the seat or place that its page has, or as a new guest."""
    guest = known(house, view)
    if guest is None:
        return {"token": house.invite(opening)}
    if isinstance(guest.player, Player):
        await house.begin(guest, opening)
    else:
        guest.opening = opening
    return view


def known(house: House, view: Any) -> Guest | None:
    return house.find(view.get("token")) if isinstance(view, dict) else None


def playing(house: House, view: Any) -> Player:
    guest = known(house, view)
    if guest is None or not isinstance(guest.player, Player):
        raise GenieError("you are not playing; begin a game in the tab Play")
    return guest.player


def gallery_of(prompts: Prompts, label: str) -> gr.Gallery:
    gr.Markdown(label)
    return gr.Gallery(
        [load_picture(path) for path in prompts.shipped],
        format="png",
        label=label,
        show_label=False,
        columns=3,
        height="auto",
        allow_preview=False,
        object_fit="contain",
        elem_classes="pixels",
        buttons=[],
    )


def selected(function: Callable[..., Any]) -> Callable[..., Any]:
    """`told_in_words` for those that take the event: Gradio finds it by its annotation, which must stay in sight."""
    told = told_in_words(function)

    async def on_select(event: gr.SelectData, *args: Any) -> Any:
        return await told(event, *args)

    return on_select
