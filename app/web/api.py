"""The endpoints for programs: /start, /step and /rollout, documented on the page that Gradio makes of them."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr
import numpy as np

from app.play.script import parse_script
from app.web import limits
from app.web.clip_actions import film
from app.web.game_starts import GameStarts
from app.web.guests import Guests
from app.web.uploads import picture_input, read_picture, told_in_words
from genie_core.config import Action
from genie_core.errors import GenieError, ScriptError


def add_api(guests: Guests, starts: GameStarts) -> None:
    """Call it inside a `gr.Blocks`: adds hidden components with the endpoints bound to them."""
    title, known = starts.worlds.title, starts.worlds.first.world.config.actions
    some, other = known[0], known[-1]

    async def start(image: str | None, world: str, seed: float) -> tuple[str, np.ndarray]:
        picture = await asyncio.to_thread(read_picture, image)
        game = await asyncio.to_thread(starts.from_picture, picture, world, seed, "crop")
        return await guests.seat_program(game)

    async def step(token: str, action: str) -> np.ndarray:
        guest = guests.find(token)
        if guest is None:
            raise GenieError("no game has this token, or it has ended; begin one with /start")
        return await guests.step(guest, find_action(action, guest.start.engine.world.config.actions))

    async def rollout(image: str | None, actions: str, world: str, seed: float) -> str:
        def play() -> str:
            game = starts.from_picture(read_picture(image), world, seed, "crop")
            script = parse_script(actions, game.engine.world.config.actions)
            if len(script) > limits.ROLLOUT_STEPS:
                most = limits.ROLLOUT_STEPS
                raise ScriptError(f"the script runs for {len(script)} steps, at most {most} are played here")
            return film(game, script, video)

        return await asyncio.to_thread(play)

    with gr.Group(visible=False):
        image = picture_input(label="image")
        world, seed = gr.Textbox(title, label="world"), gr.Number(0, label="seed")
        token, action = gr.Textbox(label="token"), gr.Textbox(some.name, label="action")
        actions = gr.Textbox(f"{some.name}*20", label="actions")
        frame = gr.Image(label="frame", format="png", interactive=False)
        video = gr.Video(label="film", interactive=False)
        begin, go, roll = gr.Button(), gr.Button(), gr.Button()
    begin.click(
        told_in_words(start),
        [image, world, seed],
        [token, frame],
        api_name="start",
        api_description="Begins a game from a picture; it takes the place of one player. Returns a token for /step, "
        "and the first frame, which is the world's copy of the picture. The game ends after a minute without a step.",
    )
    go.click(
        told_in_words(step),
        [token, action],
        frame,
        api_name="step",
        api_description="Plays one step of a game that /start began, and returns the new frame. Name the action, as in "
        f"{some.name}, or give its id, 0 to {len(known) - 1}.",
        concurrency_limit=guests.seats.count,
    )
    roll.click(
        told_in_words(rollout),
        [image, actions, world, seed],
        video,
        api_name="rollout",
        api_description=f"Plays an action script such as {some.name}*20,{other.name}*4 from a picture and returns the "
        "film as mp4.",
        concurrency_id="film",
        concurrency_limit=1,
    )


def find_action(told: Any, actions: tuple[Action, ...]) -> int:
    """The id of an action, given its name or id; ScriptError if the world has no such action."""
    steps = parse_script(str(told), actions)
    if len(steps) != 1:
        raise ScriptError(f"{told!r} is {len(steps)} steps, but /step takes one; use /rollout for a script")
    return steps[0]
