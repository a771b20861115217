"""Pictures, drawings, sessions, clips and links become games to begin. Slow, so never on the event loop."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from app.play.autoplay import ListedActions
from app.play.session_file import OtherWorld, load_session
from app.play.start import Start
from app.play.start_pictures import Prompts
from app.web import limits
from app.web.game import GameStart, affordable
from app.web.loaded_worlds import LoadedWorlds
from app.web.share import BROKEN, read_link, unpack_picture
from genie_core.engine import WorldEngine
from genie_core.errors import GenieError, SessionError
from genie_core.pictures import FITS, fit, load_picture


class GameStarts:
    def __init__(self, worlds: LoadedWorlds, prompts: Prompts) -> None:
        self.worlds, self.prompts = worlds, prompts

    def engine(self, world: Any) -> WorldEngine:
        """Raises GenieError, HubError and CheckpointError as `LoadedWorlds.engine` does."""
        if not isinstance(world, str):
            raise GenieError(f"a world has a name, such as {self.worlds.title!r}")
        return self.worlds.engine(world.strip())

    def prompts_of(self, engine: WorldEngine) -> Prompts:
        """The pictures to start from that suit the engine's world."""
        return Prompts(self.prompts.folder, world=engine.world)

    def first_pictures(self) -> list[tuple[np.ndarray, str]]:
        """The first picture of each world at hand, uint8 (H, W, 3), and its name; not of one that is damaged."""
        found = []
        for name in self.worlds.names:
            with contextlib.suppress(GenieError):
                path = Prompts(self.prompts.folder, world=self.worlds.told(name)).shipped[0]
                found.append((load_picture(path), name))
        return found

    def fitted(self, engine: WorldEngine, picture: np.ndarray, how: Any) -> np.ndarray:
        """The picture as a prompt of the engine's world, uint8 (H, W, 3)."""
        how = how if how in FITS else FITS[0]
        palette = self.prompts_of(engine).palette if how == "palette" else None
        return fit(picture, engine.world.config.frame_size, how, palette)

    def from_picture(self, picture: np.ndarray, world: Any, how: Any = FITS[0], seed: Any = 0) -> GameStart:
        """The game waits for a key. Raises PictureError if the picture is no prompt, and as `engine` does."""
        engine = self.engine(world)
        start = Start(self.fitted(engine, picture, how), seed=whole(seed), waits=True)
        return GameStart(engine, world.strip(), start)

    def from_shipped(self, name: Any, world: Any, how: Any = FITS[0]) -> GameStart:
        """From a picture that ships, by its file's name, of this world or another; "" is the world's first."""
        own = self.prompts_of(self.engine(world)).shipped
        known = {path.name: path for path in (*self.prompts.shipped, *own)}
        path = own[0] if name == "" and own else known.get(name) if isinstance(name, str) else None
        if path is None:
            raise GenieError("there is no such start picture here; choose another")
        game = self.from_picture(load_picture(path), world, how)
        return dataclasses.replace(game, picture=path.name if how == FITS[0] else "")

    def from_session(self, path: Any, world: Any) -> GameStart:
        """A session of another world that is at hand begins in that one.

        Raises SessionError if the session cannot go on here.
        """
        if not isinstance(path, str):
            raise SessionError("there is no session yet; choose a file that was downloaded here")
        engine, name = self.engine(world), Path(path).name
        try:
            saved = load_session(path, engine.world, name)
        except OtherWorld as other:
            if other.world not in self.worlds.names or other.world == world:
                hint = f"enter {other.world!r} as the world, then choose the file again"
                raise SessionError(f"this session was played in another world; {hint}") from other
            game = self.from_session(path, other.world)
            return dataclasses.replace(game, word=f"This session was played in {other.world}, and goes on there.")
        if len(saved.actions) >= limits.STEPS:
            raise SessionError(f"{name} has {len(saved.actions):,} steps, at most {limits.STEPS:,} are played here")
        others = " with the branch that was shown; the file keeps the others" if len(saved.lines) > 1 else ""
        return GameStart(engine, world, Start(None, saved=affordable(saved)), f"Your session goes on here{others}.")

    def from_actions(self, picture: np.ndarray, actions: list[int], world: Any, how: Any) -> GameStart:
        """Plays `actions` from a picture until a key is pressed. Raises as `from_picture` does."""
        return _played(self.from_picture(picture, world, how), actions, "The video plays. Any key takes over.")

    def from_link(self, fragment: Any) -> GameStart:
        """Replays what a link tells, until a key is pressed. Raises SessionError, and as `from_picture` does."""
        link = read_link(fragment)
        if link.picture:
            game = self.from_shipped(link.picture, link.world)
        else:
            size = self.engine(link.world).world.config.frame_size
            game = self.from_picture(unpack_picture(link.data, size), link.world)
        if max(link.actions, default=0) >= len(game.engine.world.config.actions):
            raise SessionError(BROKEN)
        sampling = {"unmask_steps": link.unmask_steps, "temperature": link.temperature}
        start = dataclasses.replace(game.start, seed=link.seed, **sampling)  # type: ignore[arg-type]
        word = "A shared moment plays. Any key takes over."
        return _played(dataclasses.replace(game, start=start), link.actions, word)


def whole(seed: Any) -> int:
    """The seed in a number field, which may be empty or hold anything."""
    if seed is None:
        raise GenieError(f"the seed is empty; expected a whole number from 0 to {2**31 - 1}")
    if isinstance(seed, bool) or not isinstance(seed, int | float) or not 0 <= seed < 2**31 or seed != int(seed):
        raise GenieError(f"seed {seed!r} is not a whole number from 0 to {2**31 - 1}")
    return int(seed)


def _played(game: GameStart, actions: list[int], word: str) -> GameStart:
    start = dataclasses.replace(game.start, autoplay=ListedActions(actions) if actions else None)
    return dataclasses.replace(game, start=start, word=word)
