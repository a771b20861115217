"""The endpoints for programs, documented on the page that Gradio makes of them."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from app.media.write import save_frames
from app.play.script import parse_script
from app.web import limits
from app.web.clip_actions import film
from app.web.game_starts import GameStarts
from app.web.guest import Guest
from app.web.guests import Guests
from app.web.turns import Turns
from app.web.uploads import picture_input, read_picture, told_in_words
from genie_core.config import Action
from genie_core.errors import GenieError, ScriptError

IDLE = f"The game ends after {limits.PROGRAM_IDLE_SECONDS:.0f} seconds without a call."


def add_api(guests: Guests, starts: GameStarts) -> None:
    """Call it inside a `gr.Blocks`: adds hidden components with the endpoints bound to them."""
    title, known = starts.worlds.title, starts.worlds.first.world.config.actions
    some, other = known[0], known[-1]
    turns = Turns()

    async def start(image: str | None, world: str, seed: float, request: gr.Request) -> tuple[str, np.ndarray]:
        picture = await asyncio.to_thread(read_picture, image)
        game = await asyncio.to_thread(lambda: starts.from_picture(picture, world, seed=seed))
        return await guests.seat_program(game, _client(request))

    async def step(token: str, action: str) -> np.ndarray:
        guest = _game(guests, token)
        actions = [find_action(action, guest.start.engine.world.config.actions)]
        frame: np.ndarray = (await guests.step(guest, actions))[-1]
        return frame

    async def steps(token: str, actions: str) -> str:
        guest = _game(guests, token)
        config = guest.start.engine.world.config
        script = _script(actions, config.actions, limits.frames_that_fit(config.frame_size))
        frames = np.stack(await guests.step(guest, script))
        path = Path(file.GRADIO_CACHE) / secrets.token_hex(16) / "steps.npz"
        path.parent.mkdir(parents=True)
        names = [each.name for each in config.actions]
        await asyncio.to_thread(save_frames, path, frames, np.array(script, np.int64), config.fps, names)
        return str(path)

    async def leave(token: str) -> str:
        guests.leave(_game(guests, token), "the program has left")
        return "the game is over, and its seat is free"

    async def rollout(image: str | None, actions: str, world: str, seed: float, request: gr.Request) -> str:
        def play() -> str:
            game = starts.from_picture(read_picture(image), world, seed=seed)
            return film(game, _script(actions, game.engine.world.config.actions), video)

        async with turns.of(_client(request)):
            return await asyncio.to_thread(play)

    with gr.Group(visible=False):
        image = picture_input(label="image")
        world, seed = gr.Textbox(title, label="world"), gr.Number(0, label="seed")
        token, action = gr.Textbox(label="token"), gr.Textbox(some.name, label="action")
        actions = gr.Textbox(f"{some.name}*20", label="actions")
        frame, gone = gr.Image(label="frame", format="png", interactive=False), gr.Textbox(label="word")
        file = gr.File(label="frames and actions", interactive=False)
        video = gr.Video(label="film", interactive=False)
        begin, go, batch, end, roll = (gr.Button() for _ in range(5))
    begin.click(
        told_in_words(start),
        [image, world, seed],
        [token, frame],
        api_name="start",
        api_description="Begins a game from a picture; it takes the place of one player. Returns a token for /step, "
        f"and the first frame, which is the picture as the world shows it. {IDLE}",
        concurrency_limit=guests.seats.count,
    )
    go.click(
        told_in_words(step),
        [token, action],
        frame,
        api_name="step",
        api_description="Plays one step of a game that /start began, and returns the new frame. Name the action, as in "
        f"{some.name}, or give its id, 0 to {len(known) - 1}. For many steps, /steps is faster.",
        concurrency_limit=guests.seats.count,
    )
    batch.click(
        told_in_words(steps),
        [token, actions],
        file,
        api_name="steps",
        api_description=f"Plays an action script such as {some.name}*20,{other.name}*4 on a game that /start began, as "
        f"fast as the engine can, at most {limits.ROLLOUT_STEPS} steps. Returns a .npz file: `frames` uint8 "
        "(steps, height, width, 3), one after each action, and `actions` int64 (steps,).",
        concurrency_limit=guests.seats.count,
    )
    end.click(
        told_in_words(leave),
        token,
        gone,
        api_name="leave",
        api_description="Ends a game that /start began, and frees its seat.",
        concurrency_limit=guests.seats.count,
    )
    roll.click(
        told_in_words(rollout),
        [image, actions, world, seed],
        video,
        api_name="rollout",
        api_description=f"Plays an action script such as {some.name}*20,{other.name}*4 from a picture and returns the "
        f"film as mp4, at most {limits.ROLLOUT_STEPS} steps. One rollout is played at a time; callers take turns.",
        concurrency_limit=limits.REQUESTS_WAITING,
    )


def find_action(told: Any, actions: tuple[Action, ...]) -> int:
    """The id of an action, given its name or id; ScriptError if the world has no such action."""
    steps = parse_script(str(told), actions)
    if len(steps) != 1:
        raise ScriptError(f"{told!r} is {len(steps)} steps, but /step takes one; use /steps for a script")
    return steps[0]


def _script(text: Any, actions: tuple[Action, ...], most: int = limits.ROLLOUT_STEPS) -> list[int]:
    script, most = parse_script(str(text), actions), min(most, limits.ROLLOUT_STEPS)
    if len(script) > most:
        raise ScriptError(f"the script runs for {len(script)} steps, at most {most} are played here")
    return script


def _game(guests: Guests, token: Any) -> Guest:
    guest = guests.find(token)
    if guest is None:
        raise GenieError("no game has this token, or it has ended; begin one with /start")
    return guest


def _client(request: gr.Request) -> str:
    client = request.client
    return "" if client is None else str(client.host)
