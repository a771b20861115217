"""Pictures, drawings, saved sessions and clips become games to begin. Slow, so it never runs on the event loop."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from app.play.autoplay import ListedActions
from app.play.commands import SavedSession
from app.play.session_file import load_session
from app.play.start import Start
from app.play.start_pictures import Prompts
from app.web import limits
from app.web.loaded_worlds import LoadedWorlds
from app.web.player import GameStart
from genie_core.engine import WorldEngine
from genie_core.errors import GenieError, SessionError
from genie_core.pictures import FITS, fit


class GameStarts:
    def __init__(self, worlds: LoadedWorlds, prompts: Prompts) -> None:
        self.worlds, self.prompts = worlds, prompts

    def engine(self, world: Any) -> WorldEngine:
        """Raises GenieError, HubError and CheckpointError as `LoadedWorlds.engine` does."""
        if not isinstance(world, str):
            raise GenieError(f"a world has a name, such as {self.worlds.title!r}")
        return self.worlds.engine(world.strip())

    def fitted(self, engine: WorldEngine, picture: np.ndarray, how: Any) -> np.ndarray:
        """The picture as a prompt of the engine's world, uint8 (H, W, 3)."""
        how = how if how in FITS else FITS[0]
        return fit(picture, engine.world.config.frame_size, how, self.prompts.palette)

    def from_picture(self, picture: np.ndarray, world: Any, seed: Any, how: Any) -> GameStart:
        """Raises PictureError if the picture is no prompt, and as `engine` does."""
        engine = self.engine(world)
        return GameStart(engine, world, Start(self.fitted(engine, picture, how), seed=whole(seed)))

    def from_session(self, path: Any, world: Any) -> GameStart:
        """Raises SessionError if the session cannot go on in that world."""
        if not isinstance(path, str):
            raise SessionError("there is no session yet; choose a file that was downloaded here, or saved with F5")
        engine, name = self.engine(world), Path(path).name
        saved = load_session(path, engine.world, name)
        if len(saved.actions) >= limits.STEPS:
            raise SessionError(f"{name} has {len(saved.actions):,} steps, at most {limits.STEPS:,} are played here")
        return GameStart(engine, world, Start(None, saved=_affordable(saved)), "Your session goes on here.")

    def from_actions(self, picture: np.ndarray, actions: list[int], world: Any, seed: Any, how: Any) -> GameStart:
        """Plays `actions` from a picture until a key is pressed. Raises as `from_picture` does."""
        game = self.from_picture(picture, world, seed, how)
        start = dataclasses.replace(game.start, autoplay=ListedActions(actions))
        return dataclasses.replace(game, start=start, word="The video plays. Any key takes over.")


def whole(seed: Any) -> int:
    """The seed in a number field, which may be empty or hold anything."""
    if seed is None:
        raise GenieError(f"the seed is empty; expected a whole number from 0 to {2**31 - 1}")
    if isinstance(seed, bool) or not isinstance(seed, int | float) or not 0 <= seed < 2**31 or seed != int(seed):
        raise GenieError(f"seed {seed!r} is not a whole number from 0 to {2**31 - 1}")
    return int(seed)


def _affordable(saved: SavedSession) -> SavedSession:
    """A session may ask for more passes a frame than a player gets here."""
    passes = min(saved.sampling.unmask_steps, limits.PASSES)
    return dataclasses.replace(saved, sampling=dataclasses.replace(saved.sampling, unmask_steps=passes))
