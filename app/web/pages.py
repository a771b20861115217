"""What Gradio serves: three tabs for people, and the endpoints for programs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from app.prompts import Prompts
from app.session_file import SUFFIX
from app.web import imitate, learnt
from app.web.api import add_api, result_file
from app.web.house import Guest, House
from app.web.inputs import picture_input, read_drawing, read_picture, told_in_words
from app.web.library import Library
from app.web.openings import Openings, whole
from app.web.player import Opening, Player
from app.web.view import game_view
from genie_core.errors import GenieError
from genie_core.pictures import FITS, load_picture

CSS = """
.gradio-container { max-width: 1240px !important; margin: 0 auto; }
@media (max-width: 480px) { .gradio-container { padding: 4px !important; } }
.pixels img { image-rendering: pixelated; }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
"""
CLEARED = (3600, 7200)  # seconds: how often uploads and results are cleared away, and from what age on
BLANK = np.full((512, 512, 3), 255, np.uint8)
INTRO = "Choose a picture and play on: every next frame is made by the world from the key you hold. No game is running."
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
HEAVY: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "film", "concurrency_limit": 1}


def build_pages(house: House, library: Library, pictures: Path) -> gr.Blocks:
    """The Gradio app. `pictures` is the folder of those to start from."""
    prompts = Prompts(pictures)
    openings = Openings(library, prompts)
    with gr.Blocks(title="genie", analytics_enabled=False, delete_cache=CLEARED) as pages:
        gr.Markdown(INTRO)
        with gr.Tabs():
            with gr.Tab("Play", id="play"):
                view, settings = _play(house, openings, prompts)
            with gr.Tab("See what it learnt", id="learnt"):
                _learnt(house, openings, prompts, view, settings)
            with gr.Tab("Imitate a video", id="imitate"):
                _imitate(house, openings, prompts, view, settings)
        add_api(house, openings)
    return pages.queue(max_size=64)


def _play(house: House, openings: Openings, prompts: Prompts) -> tuple[gr.HTML, list[Any]]:
    """The first tab; its view, and the components that say world, seed and fit."""
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            view = game_view(elem_id="view")
        with gr.Column(scale=2, min_width=300):
            gallery = _gallery(prompts, "start from one of these")
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

    gallery.select(_selected(from_gallery), [view, *settings], [picture, view], **PRIVATE)
    gr.on([picture.input, play.click], told_in_words(from_picture), [picture, view, *settings], view, **PRIVATE)
    play_drawing.click(told_in_words(from_drawing), [drawing, view, *settings], view, **PRIVATE)
    saved.upload(told_in_words(from_session), [saved, view, world], view, **PRIVATE)
    base.input(draw_over, base, drawing, **PRIVATE)
    return view, settings


def _learnt(house: House, openings: Openings, prompts: Prompts, view: gr.HTML, settings: list[Any]) -> None:
    gr.Markdown("The same picture under each of the eight actions, which the world found without being told any.")
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            gallery = _gallery(prompts, "look at one of these")
            picture = picture_input(
                label="or at your own", sources=["upload", "clipboard"], height=200, elem_id="look-picture"
            )
            current = gr.Button("The frame I am playing", elem_id="look-current")
        with gr.Column(scale=3, min_width=320):
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
    gallery.select(_selected(at_gallery), settings, shown, **HEAVY)
    picture.input(told_in_words(at_picture), [picture, *settings], shown, **HEAVY)
    current.click(told_in_words(at_current), [view, *settings], shown, **HEAVY)


def _imitate(house: House, openings: Openings, prompts: Prompts, view: gr.HTML, settings: list[Any]) -> None:
    gr.Markdown("The world watches a clip, says which of its actions explain each step, and does the same elsewhere.")
    actions = gr.State([])
    with gr.Row():
        with gr.Column(scale=1, min_width=280):
            clip = gr.Video(label="a clip", sources=["upload"], height=220, elem_id="clip")
            gallery = _gallery(prompts, "play the same from")
            picture = picture_input(
                label="or from your own", sources=["upload", "clipboard"], height=180, elem_id="imitate-picture"
            )
        with gr.Column(scale=3, min_width=320):
            course = gr.HTML(elem_id="course")
            film = gr.Video(
                label="the same actions from the other picture", interactive=False, elem_id="film", autoplay=True
            )
            live = gr.Button("Play it live, to take over", elem_id="live")

    async def watch(path: Any, world: Any) -> Any:
        if path is None:
            return "", []
        engine = await asyncio.to_thread(openings.engine, world)
        frames, found = await asyncio.to_thread(imitate.find_actions, engine.world, path)
        return imitate.timeline(engine.world, frames, found), found

    def replay(start: np.ndarray, found: list[int], world: Any, seed: Any, how: Any) -> str:
        if not found:
            raise GenieError("there are no actions yet; upload a clip first")
        engine = openings.engine(world)
        path = result_file(film, ".mp4")
        imitate.film(engine.world, openings.fitted(engine, start, how), found, whole(seed), path)
        return str(path)

    async def from_gallery(event: gr.SelectData, found: list[int], *settings: Any) -> Any:
        path = prompts.shipped[event.index]
        return str(path), await asyncio.to_thread(lambda: replay(load_picture(path), found, *settings))

    async def from_picture(path: Any, found: list[int], *settings: Any) -> Any:
        return await asyncio.to_thread(lambda: replay(read_picture(path), found, *settings))

    async def play_live(path: Any, found: list[int], view: Any, *settings: Any) -> Any:
        if not found:
            raise GenieError("there are no actions yet; upload a clip first")
        picture = await asyncio.to_thread(read_picture, path)
        return await come(house, view, await asyncio.to_thread(openings.from_actions, picture, found, *settings))

    clip.change(told_in_words(watch), [clip, settings[0]], [course, actions], **HEAVY)
    gallery.select(_selected(from_gallery), [actions, *settings], [picture, film], **HEAVY)
    picture.input(told_in_words(from_picture), [picture, actions, *settings], film, **HEAVY)
    live.click(told_in_words(play_live), [picture, actions, view, *settings], view, **PRIVATE)


async def come(house: House, view: Any, opening: Opening) -> Any:
    """The view's value for a game with this opening: on the seat, or the place, that its page has, or as a new guest."""
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


def _gallery(prompts: Prompts, label: str) -> gr.Gallery:
    pictures = [load_picture(path) for path in prompts.shipped]
    return gr.Gallery(
        pictures,
        format="png",
        label=label,
        columns=3,
        height="auto",
        allow_preview=False,
        object_fit="contain",
        elem_classes="pixels",
        buttons=[],
    )


def _selected(function: Callable[..., Any]) -> Callable[..., Any]:
    """`told_in_words` for those that take the event: Gradio finds it by its annotation, which must stay in sight."""
    told = told_in_words(function)

    async def selected(event: gr.SelectData, *args: Any) -> Any:
        return await told(event, *args)

    return selected
