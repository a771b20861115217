"""The first tab: choose, upload, draw or load a start, and play."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import gradio as gr
import numpy as np

from app.play.session_file import SUFFIX
from app.web.game import GameStart
from app.web.game_starts import GameStarts
from app.web.guests import Guests
from app.web.player import Player
from app.web.tabs.shared import PRIVATE, chosen, come, gallery_of, index_of, known, picture_gallery, selected
from app.web.tabs.view import game_view
from app.web.uploads import path_only, picture_input, read_drawing, read_picture, told_in_words
from genie_core.pictures import FITS, fit, load_picture

CANVAS_SIDE = 512  # pixels, at most, of the longer side
# Before a game is left for another world: the one chosen, though the field goes back to the world of a game that was
# still beginning then.
CHOOSE = "world => window.genie.chosen = world"
ASK = "(view, _, how) => [view, window.genie.agreesTo(window.genie.chosen) ? window.genie.chosen : null, how]"


def play_tab(guests: Guests, starts: GameStarts) -> tuple[gr.HTML, list[Any], gr.Gallery]:
    """The first tab; returns its view, the components for world and fit, and its gallery."""
    drawn_over = starts.prompts_of(starts.worlds.first).shipped
    frame_size = starts.worlds.first.world.config.frame_size
    enlarged = max(1, CANVAS_SIDE // max(frame_size))
    canvas = (enlarged * frame_size[0], enlarged * frame_size[1])  # the drawing has the shape of a frame
    blank = np.full((*canvas, 3), 255, np.uint8)
    with gr.Row(elem_id="play-row"):
        with gr.Column(scale=3, min_width=240, elem_id="play-main"):
            view = game_view(starts)
        with gr.Column(scale=2, min_width=240, elem_id="play-side"):
            with gr.Column(elem_id="play-gallery"):
                gallery = gallery_of(starts, "**Start from one of these**, or bring your own below.")
            with gr.Tabs():
                with gr.Tab("Your picture"):
                    picture = picture_input(
                        label="upload, webcam or paste",
                        sources=["upload", "webcam", "clipboard"],
                        height=220,
                        elem_id="picture",
                    )
                    play = gr.Button("Play this picture", variant="primary", elem_id="start", interactive=False)
                with gr.Tab("Draw one"):
                    base = gr.Dropdown(["blank", *(path.stem for path in drawn_over)], value="blank", label="draw over")
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
                    gr.Markdown("Goes on with a game that was saved before, at the very frame.")
                    saved = path_only(gr.File(label="session file", file_types=[SUFFIX], elem_id="saved"))
            pictures = starts.first_pictures()
            gr.Markdown("**Or play in another world.**", elem_classes="label", visible=len(pictures) > 1)
            offered_worlds = picture_gallery(pictures, "worlds", visible=len(pictures) > 1, elem_id="worlds")
            with gr.Row():
                world = gr.Dropdown(
                    starts.worlds.names,
                    value=starts.worlds.title,
                    allow_custom_value=True,
                    label="World",
                    info="one of these, or OWNER/NAME on the Hugging Face Hub",
                    elem_id="world",
                )
                how = gr.Dropdown(
                    list(FITS), value=FITS[0], label="Fit", info="how the next picture becomes a frame", elem_id="fit"
                )
    settings = [world, how]

    async def from_gallery(event: gr.SelectData, view: Any, *settings: Any) -> tuple[str, Any]:
        path = await asyncio.to_thread(chosen, starts, settings[0], event)
        start = await asyncio.to_thread(starts.from_shipped, path.name, *settings)
        return str(path), await come(guests, view, start)

    def starting_from(read: Callable[[Any], np.ndarray], cleared: bool = False) -> Callable[..., Any]:
        """With `cleared` an empty field is one that was cleared, and nothing to tell of."""

        async def from_file(path: Any, view: Any, *settings: Any) -> Any:
            if cleared and path is None:
                return gr.skip()
            picture = await asyncio.to_thread(read, path)
            return await come(guests, view, await asyncio.to_thread(starts.from_picture, picture, *settings))

        return told_in_words(from_file)

    async def from_session(path: Any, view: Any, world: Any) -> Any:
        start = await asyncio.to_thread(starts.from_session, path, world)
        return await come(guests, view, start), start.world

    def world_played(view: Any, world: Any) -> Any:
        """The field names the world of the game, also after a name of no world, and after a reload."""
        guest = known(guests, view)
        start = guest.start if guest is not None else None
        if guest is not None and guest.playing is not None:
            start = guest.playing.game
        played = starts.worlds.title if start is None else start.world
        return gr.skip() if played == world else played

    async def pick_world(event: gr.SelectData) -> str:
        names = [name for _, name in pictures]
        return names[index_of(event, len(names))]

    async def open_world(world: Any) -> None:
        """Refuses the name of no world before anybody is asked to leave a game for it."""
        await asyncio.to_thread(starts.engine, world)

    async def switch(view: Any, world: Any, how: Any) -> Any:
        """The game's own picture, in the world that was chosen; None is a player who would rather stay."""
        guest = known(guests, view)
        player = guest.playing if guest is not None else None
        if player is None:
            return gr.skip(), world or starts.worlds.title
        if world is None or world == player.game.world:
            return gr.skip(), player.game.world
        start = await asyncio.to_thread(_in_world, starts, player, world, how)
        return await come(guests, view, start), world

    def offered(path: Any) -> gr.Button:
        """A picture in the field was played as soon as it came; it can only begin again."""
        return gr.Button(
            "Play this picture" if path is None else "Start this picture again", interactive=path is not None
        )

    def draw_over(name: str) -> np.ndarray:
        paths = {path.stem: path for path in drawn_over}
        return fit(load_picture(paths[name]), canvas) if name in paths else blank

    gallery.select(selected(from_gallery), [view, *settings], [picture, view], **PRIVATE)
    picture.input(starting_from(read_picture, cleared=True), [picture, view, *settings], view, **PRIVATE)
    picture.change(offered, picture, play, **PRIVATE)
    play.click(starting_from(read_picture), [picture, view, *settings], view, **PRIVATE)
    play_drawing.click(starting_from(read_drawing), [drawing, view, *settings], view, **PRIVATE)
    saved.upload(told_in_words(from_session), [saved, view, world], [view, world], **PRIVATE)
    picked = offered_worlds.select(selected(pick_world), None, world, **PRIVATE)
    for named in (world.input, picked.success):
        known_world = named(told_in_words(open_world), world, None, js=CHOOSE, **PRIVATE)
        known_world.success(told_in_words(switch), [view, *settings], [view, world], js=ASK, **PRIVATE)
        known_world.failure(world_played, [view, world], world, **PRIVATE)
    view.change(world_played, [view, world], world, **PRIVATE)
    base.input(draw_over, base, drawing, **PRIVATE)
    return view, settings, gallery


def _in_world(starts: GameStarts, player: Player, world: Any, how: Any) -> GameStart:
    """The start of the player's game in another world: from the player's own picture, or else the world's first."""
    if player.game.picture:
        return starts.from_shipped("", world, how)
    return starts.from_picture(player.session.prompt, world, how)
