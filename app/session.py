"""One playthrough, whoever shows it: commands in, frames out. Knows no window, no browser and no file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # the engine brings torch, which a window does not wait for before it opens
    from genie_core.config import Action, WorldConfig
    from genie_core.engine import WorldEngine

IDLE_NAME = "stay"


@dataclass(frozen=True)
class Hold:
    """Hold down the action of this id until told otherwise; None lets everything go."""

    action: int | None


@dataclass(frozen=True)
class Restart:
    """Back to the prompt."""


@dataclass(frozen=True)
class Quit:
    """Play no further."""


Command = Hold | Restart | Quit


class PlaySession:
    """An engine with the prompt it started from and what the player holds.

    `frame` is the picture to show, uint8 (S, S, 3); `steps` counts since the prompt; `action` is the latent
    action that led to `frame`, None at the prompt; `running` is false after Quit.
    """

    def __init__(self, engine: WorldEngine, prompt: np.ndarray) -> None:
        """`prompt` is uint8 (H, W, 3) of any size; raises PictureError if the engine cannot use it."""
        self.engine = engine
        self.prompt = prompt
        self.running = True
        self.action: int | None = None
        self._held: int | None = None
        self._restart()

    @property
    def config(self) -> WorldConfig:
        return self.engine.world.config

    @property
    def idle(self) -> int:
        """The action played while nothing is held: the one named "stay", or the first if none is."""
        return next((action.id for action in self.config.actions if action.name == IDLE_NAME), 0)

    @property
    def last_action(self) -> Action | None:
        """What is known about `action`, or None at the prompt."""
        return None if self.action is None else self.config.actions[self.action]

    def handle(self, command: Command) -> None:
        """Takes a command in; what is held shows from the next tick on."""
        match command:
            case Hold(action):
                self._held = action
            case Restart():
                self._restart()
            case Quit():
                self.running = False

    def tick(self) -> np.ndarray:
        """Steps the world once with what is held; returns the new frame, uint8 (S, S, 3)."""
        self.action = self.idle if self._held is None else self._held
        self.frame = self.engine.step(self.action)
        self.steps += 1
        return self.frame

    def play(self, actions: Iterable[int]) -> Iterator[np.ndarray]:
        """Yields the frame at hand, then the one after each action: one frame more than there are actions."""
        yield self.frame
        for action in actions:
            self.handle(Hold(action))
            yield self.tick()

    def _restart(self) -> None:
        self.frame = self.engine.reset(self.prompt)
        self.action = None
        self.steps = 0
