"""Commands to a session, and its events: plain values that a window, a browser or a test can make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.play.autoplay import Source
from app.play.saved import SavedSession

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)


class Command:
    """What a session can be told to do."""


@dataclass(frozen=True)
class Hold(Command):
    """Hold the action of this id until the next Hold; None releases it."""

    action: int | None


@dataclass(frozen=True)
class Pause(Command):
    """Stand still, or play on: along the line if there is more of it, until the player acts. None toggles."""

    on: bool | None = None


@dataclass(frozen=True)
class Step(Command):
    """Go on by one frame and stand still: along the line if there is more of it and nothing is held, else play one."""


@dataclass(frozen=True)
class Speed(Command):
    """Play this many times as fast as the world's own frame rate, from 0.25 to 4."""

    times: float


@dataclass(frozen=True)
class Rewind(Command):
    """While held each tick goes back along the line."""

    held: bool


@dataclass(frozen=True)
class Forward(Command):
    """While held each tick goes on along the line that was played, without playing anew."""

    held: bool


@dataclass(frozen=True)
class Restart(Command):
    """Go back to the prompt. What was played stays a line of its own."""


@dataclass(frozen=True)
class NewSeed(Command):
    """Go back to the prompt with another random seed; None takes the next one."""

    seed: int | None = None


@dataclass(frozen=True, eq=False)
class StartFrom(Command):
    """Start from another picture, uint8 (H, W, 3) of any size."""

    picture: np.ndarray


@dataclass(frozen=True, eq=False)
class Open(Command):
    """Open a saved session, with all its branches and kept moments, at the frame at which it was saved; `replay` shows
    that branch from its prompt instead. What is there already is not added again."""

    saved: SavedSession
    replay: bool = False


@dataclass(frozen=True)
class Keep(Command):
    """Keep this moment, for Recall."""


@dataclass(frozen=True)
class Recall(Command):
    """Go to a kept moment, by its index in `kept`."""

    kept: int


@dataclass(frozen=True)
class GoTo(Command):
    """Go to frame `index` of line number `line`; None is its last frame."""

    line: int
    index: int | None = None


@dataclass(frozen=True)
class Autoplay(Command):
    """Let `source` play; None stops it. Any key takes over for good, or with `mix` for as long as it is held."""

    source: Source | None
    mix: bool = False


@dataclass(frozen=True)
class Tune(Command):
    """Change the sampling from here on; None leaves a setting as it is."""

    unmask_steps: int | None = None
    temperature: float | None = None


@dataclass(frozen=True)
class Quit(Command):
    """Play no further."""


@dataclass(frozen=True)
class Event:
    """Something to tell the player: `text` is a sentence, `kind` one of the names below, for a program."""

    kind: str
    text: str


BRANCHED, KEPT, LINE_ENDED, WENT = "branched", "kept", "line ended", "went"
TAKEN_OVER, AUTOPLAY_ENDED, AUTOPLAY = "taken over", "autoplay ended", "autoplay"
CANNOT_KEEP_UP, UNFAMILIAR = "cannot keep up", "unfamiliar"
SAVED, REFUSED, TOLD = "saved", "refused", "told"
