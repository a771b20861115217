"""What the tabs share: how a page's game is found or begun, and the gallery of start pictures."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from app.web.game import GameStart
from app.web.game_starts import GameStarts
from app.web.guest import Guest
from app.web.guests import Guests
from app.web.player import Player
from app.web.uploads import told_in_words
from genie_core.errors import GenieError
from genie_core.pictures import load_picture

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
HEAVY: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "film", "concurrency_limit": 1}


async def come(guests: Guests, view: Any, start: GameStart) -> Any:
    """The view's value for a game: on the seat or the place in the queue that its page has, or as a new guest.

    `begun` is another each time, so that the page takes notice.
    """
    guest = known(guests, view)
    if guest is None:
        token = guests.invite(start)
    else:
        token, player = guest.token, guest.player
        if isinstance(player, Player):
            seed = guest.start.start.seed if guest.playing is None else player.session.seed
            await guests.begin(guest, _with_seed(start, seed))
        else:
            guest.start = start
    return {"token": token, "begun": secrets.token_hex(4)}


def known(guests: Guests, view: Any) -> Guest | None:
    return guests.find(view.get("token")) if isinstance(view, dict) else None


def playing(guests: Guests, view: Any) -> Player:
    guest = known(guests, view)
    if guest is None or guest.playing is None:
        raise GenieError("you are not playing; begin a game in the tab Play")
    return guest.playing


def pictures_of(starts: GameStarts, world: Any) -> Any:
    """What a gallery shows for a world; what it shows already for a name of no world at hand."""
    if world not in starts.worlds.names:
        return gr.skip()
    return [load_picture(path) for path in starts.prompts_of(starts.engine(world)).shipped]


def gallery_of(starts: GameStarts, label: str) -> gr.Gallery:
    """Pictures to choose from, at first those of the first world."""
    gr.Markdown(label, elem_classes="label")
    return picture_gallery(pictures_of(starts, starts.worlds.title), label)


def picture_gallery(pictures: Any, label: str, **more: Any) -> gr.Gallery:
    """Pictures, or pairs of a picture and its caption, of which one is chosen."""
    return gr.Gallery(
        pictures,
        format="png",
        label=label,
        show_label=False,
        columns=3,
        height="auto",
        allow_preview=False,
        object_fit="contain",
        elem_classes="pixels",
        buttons=[],
        **more,
    )


def chosen(starts: GameStarts, world: Any, event: gr.SelectData) -> Path:
    """The picture that was clicked in a gallery."""
    shipped = starts.prompts_of(starts.engine(world)).shipped
    return shipped[index_of(event, len(shipped))]


def index_of(event: gr.SelectData, count: int) -> int:
    """Which of `count` pictures of a gallery was clicked."""
    if type(event.index) is not int or not 0 <= event.index < count:
        raise GenieError("there is no such picture in the gallery; choose another")
    return event.index


def selected(function: Callable[..., Any]) -> Callable[..., Any]:
    """`told_in_words` for functions that take the event: Gradio finds the event by its annotation."""
    told = told_in_words(function)

    async def on_select(event: gr.SelectData, *args: Any) -> Any:
        return await told(event, *args)

    return on_select


def _with_seed(game: GameStart, seed: int) -> GameStart:
    """Another picture on the same seat keeps the seed that the player entered."""
    if game.start.saved is not None or game.start.autoplay is not None:
        return game
    return dataclasses.replace(game, start=dataclasses.replace(game.start, seed=seed))
