"""The endpoints for programs: /start, /step and /rollout, documented on the page that Gradio makes of them."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from app.play.script import parse_script
from app.web.clip_actions import film
from app.web.game_starts import Openings, whole
from app.web.guests import House
from app.web.uploads import picture_input, read_picture, told_in_words
from genie_core.config import Action
from genie_core.errors import GenieError, ScriptError

MOST_STEPS = 900  # of a rollout, a minute at 15 steps a second
START, STEP, ROLLOUT = (
    "Begins a game from a picture, on a seat of its own: a token for /step, and the first frame as the world sees it. "
    "A game that is not stepped for a minute ends.",
    "Steps a game of /start once with an action, by its name or its id 0 to 7; the new frame.",
    "Plays an action script such as right*20,jump*4,7*10 from a picture; the film as mp4.",
)


def add_api(house: House, openings: Openings) -> None:
    """Inside a `gr.Blocks`: components that nobody sees, with the endpoints bound to them."""
    title = openings.library.title

    async def start(image: str | None, world: str, seed: float) -> tuple[str, np.ndarray]:
        picture = await asyncio.to_thread(read_picture, image)
        opening = await asyncio.to_thread(openings.from_picture, picture, world, seed, "crop")
        token = await house.sit_down(opening)
        guest = house.find(token)
        assert guest is not None and guest.player is not None
        return token, guest.player.session.frame

    async def step(token: str, action: str) -> np.ndarray:
        guest = house.find(token)
        if guest is None:
            raise GenieError("there is no game of this token (any more); begin one with /start")
        return await house.step(guest, find_action(action, guest.opening.engine.world.config.actions))

    async def rollout(image: str | None, actions: str, world: str, seed: float) -> str:
        def play() -> str:
            engine = openings.engine(world)
            script = parse_script(actions, engine.world.config.actions)
            if len(script) > MOST_STEPS:
                raise ScriptError(f"the script runs for {len(script)} steps, at most {MOST_STEPS} are played here")
            prompt = openings.fitted(engine, read_picture(image), "crop")
            path = result_file(video, ".mp4")
            film(engine.world, prompt, script, whole(seed), path)
            return str(path)

        return await asyncio.to_thread(play)

    with gr.Group(visible=False):
        image = picture_input(label="image")
        world, seed = gr.Textbox(title, label="world"), gr.Number(0, label="seed", precision=0)
        token, action = gr.Textbox(label="token"), gr.Textbox("stay", label="action")
        actions = gr.Textbox("right*20", label="actions")
        frame, video = (
            gr.Image(label="frame", format="png", interactive=False),
            gr.Video(label="film", interactive=False),
        )
        begin, go, roll = gr.Button(), gr.Button(), gr.Button()
    begin.click(told_in_words(start), [image, world, seed], [token, frame], api_name="start", api_description=START)
    go.click(
        told_in_words(step),
        [token, action],
        frame,
        api_name="step",
        api_description=STEP,
        concurrency_limit=house.hall.seats,
    )
    roll.click(
        told_in_words(rollout),
        [image, actions, world, seed],
        video,
        api_name="rollout",
        api_description=ROLLOUT,
        concurrency_id="film",
        concurrency_limit=1,
    )


def find_action(told: Any, actions: tuple[Action, ...]) -> int:
    """The id of an action told by name or id; ScriptError if the world has none such."""
    steps = parse_script(str(told), actions)
    if len(steps) != 1:
        raise ScriptError(f"{told!r} is {len(steps)} steps, /step takes one; use /rollout for a script")
    return steps[0]


def result_file(component: gr.components.Component, suffix: str) -> Path:
    """A new path where Gradio serves results from, and clears them away when they are old."""
    folder = Path(component.GRADIO_CACHE) / secrets.token_hex(16)
    folder.mkdir(parents=True)
    return folder / f"play{suffix}"
