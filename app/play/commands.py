"""What a session can be told, and what it tells: plain values that a window, a browser or a test can make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from app.play.autoplay import Source
    from app.play.saved_session import SavedSession

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Hold:
    """Hold down the action of this id until told otherwise; None lets everything go."""

    action: int | None


@dataclass(frozen=True)
class Pause:
    """Stand still, or play on. None does the one that is not so now."""

    on: bool | None = None


@dataclass(frozen=True)
class Step:
    """Go on by one frame and stand still: along the line if there is more of it and nothing is held, else by acting."""


@dataclass(frozen=True)
class Speed:
    """Play this many times as fast as the world's own pace, from 0.25 to 4."""

    times: float


@dataclass(frozen=True)
class Rewind:
    """Backspace went down, or up: while it is down each tick goes back."""

    held: bool


@dataclass(frozen=True)
class Forward:
    """While true each tick goes on along the line that was played, without playing anew."""

    held: bool


@dataclass(frozen=True)
class Restart:
    """Back to the prompt. What was played stays a line of its own."""


@dataclass(frozen=True)
class NewSeed:
    """Back to the prompt with other random numbers; None takes the next seed."""

    seed: int | None = None


@dataclass(frozen=True, eq=False)
class StartFrom:
    """Start from another picture, uint8 (H, W, 3) of any size."""

    picture: np.ndarray


@dataclass(frozen=True, eq=False)
class Open:
    """Take in a session that was saved, at the frame it was saved at; `replay` shows it from its prompt instead."""

    saved: SavedSession
    replay: bool = False


@dataclass(frozen=True)
class Keep:
    """Keep this moment, to be jumped to by its number in `kept`."""


@dataclass(frozen=True)
class Recall:
    """Jump to a kept moment, by its place in `kept`."""

    kept: int


@dataclass(frozen=True)
class Jump:
    """Jump to frame `index` of line number `line`; None is its last frame."""

    line: int
    index: int | None = None


@dataclass(frozen=True)
class Autoplay:
    """Let `source` play; None stops it. Any key takes over for good, or with `mix` for as long as it is held."""

    source: Source | None
    mix: bool = False


@dataclass(frozen=True)
class Tune:
    """Change how frames are revealed from here on; None leaves as is."""

    unmask_steps: int | None = None
    temperature: float | None = None


@dataclass(frozen=True)
class Quit:
    """Play no further."""


Command = (
    Hold
    | Pause
    | Step
    | Speed
    | Rewind
    | Forward
    | Restart
    | NewSeed
    | StartFrom
    | Open
    | Keep
    | Recall
    | Jump
    | Autoplay
    | Tune
    | Quit
)


@dataclass(frozen=True)
class Event:
    """Something to tell the player: `text` in a sentence, `kind` one of the names below for a program."""

    kind: str
    text: str


BRANCHED, KEPT, LINE_ENDED = "branched", "kept", "line ended"
TAKEN_OVER, AUTOPLAY_ENDED = "taken over", "autoplay ended"
CANNOT_KEEP_UP, UNFAMILIAR = "cannot keep up", "unfamiliar"
SAVED, REFUSED, TOLD = "saved", "refused", "told"
