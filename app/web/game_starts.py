"""How games begin: pictures, drawings, saved sessions and videos turned into openings. Slow, so never on the loop."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from app.play.autoplay import ListedActions
from app.play.session_file import MOST_BYTES, SavedSession, parse_session
from app.play.start_pictures import Prompts
from app.web.loaded_worlds import Library
from app.web.player import MOST_STEPS, Opening
from app.web.protocol import MOST_PASSES
from genie_core.engine import WorldEngine
from genie_core.errors import GenieError, SessionError
from genie_core.pictures import FITS, fit


class Openings:
    def __init__(self, library: Library, prompts: Prompts) -> None:
        self.library, self.prompts = library, prompts

    def engine(self, world: Any) -> WorldEngine:
        """Raises GenieError, HubError and CheckpointError as the library does."""
        if not isinstance(world, str):
            raise GenieError(f"a world is named by a text, as in {self.library.title!r}")
        return self.library.engine(world.strip())

    def fitted(self, engine: WorldEngine, picture: np.ndarray, how: Any) -> np.ndarray:
        """The picture as a prompt of the engine's world, uint8 (S, S, 3)."""
        how = how if how in FITS else FITS[0]
        return fit(picture, engine.world.config.frame_size, how, self.prompts.palette)

    def from_picture(self, picture: np.ndarray, world: Any, seed: Any, how: Any) -> Opening:
        """Raises PictureError for what is no prompt, and as `engine` does."""
        engine = self.engine(world)
        prompt = self.fitted(engine, picture, how)
        return Opening(engine, world, prompt, whole(seed))

    def from_session(self, path: Any, world: Any) -> Opening:
        """Raises SessionError for what cannot be gone on with in that world."""
        if not isinstance(path, str):
            raise SessionError("there is no session yet; choose a file that was downloaded here, or saved with F5")
        engine = self.engine(world)
        if Path(path).stat().st_size > MOST_BYTES:
            raise SessionError(f"{Path(path).name} is larger than a session can be")
        saved = parse_session(Path(path).read_bytes(), engine.world, Path(path).name)
        if len(saved.actions) >= MOST_STEPS:
            raise SessionError(
                f"{Path(path).name} has {len(saved.actions):,} steps, at most {MOST_STEPS:,} are played here"
            )
        return Opening(
            engine, world, saved.prompt, saved.seed, saved=_affordable(saved), word="Your session goes on here."
        )

    def from_actions(self, picture: np.ndarray, actions: list[int], world: Any, seed: Any, how: Any) -> Opening:
        """Somebody else's actions played from a picture, until a key is pressed. Raises as `from_picture` does."""
        opening = self.from_picture(picture, world, seed, how)
        return dataclasses.replace(opening, source=ListedActions(actions), word="The video plays. Any key takes over.")


def whole(seed: Any) -> int:
    """A seed from a number field, which may be empty or anything."""
    if isinstance(seed, bool) or not isinstance(seed, int | float) or not 0 <= seed < 2**31 or seed != int(seed):
        raise GenieError(f"seed {seed!r} is not a whole number from 0 to {2**31 - 1}")
    return int(seed)


def _affordable(saved: SavedSession) -> SavedSession:
    """A file may ask for more passes a frame than anybody here is given."""
    passes = min(saved.sampling.unmask_steps, MOST_PASSES)
    return dataclasses.replace(saved, sampling=dataclasses.replace(saved.sampling, unmask_steps=passes))
