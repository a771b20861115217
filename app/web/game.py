"""A game that a guest begins or comes back to, before it has a seat."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from app.play.saved import SavedLine, SavedSession
from app.play.session import PlaySession
from app.play.start import Start
from app.web import limits
from genie_core.engine import WorldEngine


@dataclass(frozen=True, eq=False)
class GameStart:
    """A game to begin: the engine and the name of its world, the start, and a sentence for the player.

    `picture` is the name of the start picture among those that ship, "" for any other. `tuned` says that a game that
    goes on here was played by other settings than those it has now.
    """

    engine: WorldEngine
    world: str
    start: Start
    word: str = ""
    picture: str = ""
    tuned: bool = False

    @property
    def bytes(self) -> int:
        """What the tokens of a game that was played take, and the pictures kept of it."""
        lines = () if self.start.saved is None else self.start.saved.lines
        return sum(line.tokens.nbytes + sum(map(len, line.anchors.values())) for line in lines)


def parked(game: GameStart, session: PlaySession) -> GameStart:
    """`game`, which is that of the line shown, as it was left: that line, and the frame. Other lines are let go."""
    line = session.timeline.line
    frames = [line.moment(step).frames[-1] for step in range(line.tip + 1)]
    tokens = np.stack([frame.tokens for frame in frames])
    actions = np.array([line.action(step) or 0 for step in range(line.tip + 1)], np.uint8)
    anchors = {step: frame.anchor for step, frame in enumerate(frames) if frame.anchor is not None}
    shown = SavedLine(None, 0, tokens, actions, line.prompt, line.seed, anchors)
    saved = SavedSession((shown,), 0, session.steps, session.config.fps, session.sampling)
    word = f"Your game goes on at step {session.steps}. Hold a key."
    return dataclasses.replace(game, start=Start(None, saved=saved), word=word)


def affordable(saved: SavedSession) -> SavedSession:
    """The branch shown alone: pictures of many others would cost the other players their pace. And a session may ask
    for more passes a frame than a player gets here."""
    passes = min(saved.sampling.unmask_steps, limits.PASSES)
    return dataclasses.replace(saved.alone(), sampling=dataclasses.replace(saved.sampling, unmask_steps=passes))
