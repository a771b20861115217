"""The one way a playthrough begins, in every front end: from a picture or a saved session, played by hand or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.play import commands as c
from app.play.autoplay import Source
from app.play.saved import SavedSession
from app.play.session import PlaySession
from genie_core.engine import WorldEngine
from genie_core.pictures import fit


@dataclass(frozen=True, eq=False)
class Start:
    """How a playthrough begins. `picture` is uint8 (H, W, 3) of any size; a `saved` session brings its own prompt.

    `how` is one of `pictures.FITS`, `palette` the colours for the fit of that name, uint8 (n, 3). With `replay` the
    saved session is shown from its prompt. `seed` is that of a picture's playthrough. `unmask_steps` and
    `temperature` are None to keep those of the engine or the saved session. With `waits` a start picture rests until
    the player acts.
    """

    picture: np.ndarray | None
    how: str = "crop"
    palette: np.ndarray | None = None
    saved: SavedSession | None = None
    replay: bool = False
    autoplay: Source | None = None
    seed: int = 0
    unmask_steps: int | None = None
    temperature: float | None = None
    waits: bool = False


def begin(engine: WorldEngine, start: Start, player: int = 0) -> PlaySession:
    """The session of `player` that `start` describes. Raises PictureError for a prompt that the world cannot use, and
    ConfigError for a saved session, an autoplay or settings that it cannot play."""
    if start.saved is not None:
        session = PlaySession(engine, start.saved.prompt, player, start.saved.seed, start.waits)
        session.handle(c.Open(start.saved, start.replay))
    else:
        assert start.picture is not None, "a start has a picture or a saved session"
        prompt = fit(start.picture, engine.world.config.frame_size, start.how, start.palette)
        session = PlaySession(engine, prompt, player, start.seed, start.waits)
    if start.unmask_steps is not None or start.temperature is not None:
        session.handle(c.Tune(start.unmask_steps, start.temperature))
    if start.autoplay is not None:
        session.handle(c.Autoplay(start.autoplay))
    return session
