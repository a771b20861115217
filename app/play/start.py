"""How a playthrough begins: from a picture, or from a saved session, played by the player or by itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from app.media.read import infer_actions, read_video
from app.play import commands as c
from app.play.autoplay import ListedActions, RandomActions
from app.play.script import format_script, parse_script
from app.play.session import PlaySession
from app.play.session_file import load_session
from genie_core.errors import PictureError
from genie_core.pictures import fit

if TYPE_CHECKING:
    from genie_core.world import World

RANDOM = "random"


@dataclasses.dataclass(frozen=True, eq=False)
class Opening:
    """What the command line asks for. `picture` is uint8 (H, W, 3), needed without `saved`; `how` is one of `FITS`.

    `fps`, `unmask_steps` and `temperature` are those given, None where the world or the saved session decides.
    `autoplay` is a script, or `random`.
    """

    picture: np.ndarray | None
    saved: Path | None = None
    replay: bool = False
    how: str = "crop"
    palette: np.ndarray | None = None
    autoplay: str | None = None
    fps: float | None = None
    unmask_steps: int | None = None
    temperature: float | None = None


def begin(world: World, opening: Opening, seed: int) -> PlaySession:
    """The session that `opening` describes. Raises SessionError, PictureError and ScriptError for what cannot be."""
    from genie_core.engine import WorldEngine

    if opening.saved is not None:
        saved = load_session(opening.saved, world)
        world.config = dataclasses.replace(world.config, fps=opening.fps or saved.fps)
        session = PlaySession(WorldEngine(world, saved.seed), saved.prompt)
        session.handle(c.Open(saved, opening.replay))
        session.handle(c.Tune(opening.unmask_steps, opening.temperature))
    else:
        assert opening.picture is not None
        picture = fit(opening.picture, world.config.frame_size, opening.how, opening.palette)
        session = PlaySession(WorldEngine(world, seed), picture)
    if opening.autoplay is not None:
        session.handle(c.Autoplay(_source(opening.autoplay, session, seed)))
    return session


def script_of(world: World, video: Path, quiet: bool = True) -> str:
    """The actions of a video file, found at the pace of the world, as a script that --actions takes.

    Raises PictureError if there are no two frames in it.
    """
    frames = read_video(video, world.config.frame_size, world.config.fps)
    if len(frames) < 2:
        raise PictureError(f"{video} holds one frame at {world.config.fps:g} a second, and an action is between two")
    return format_script(infer_actions(world, frames, quiet), world.config.actions)


def _source(text: str, session: PlaySession, seed: int) -> RandomActions | ListedActions:
    if text == RANDOM:
        return RandomActions(seed)
    return ListedActions(tuple(parse_script(text, session.config.actions)))
