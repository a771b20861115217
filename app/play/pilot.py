"""From held keys to ticks of a session, at a measured pace: the one way, for the window and the web alike."""

from __future__ import annotations

import time
from collections import deque

import numpy as np

from app.play import commands as c
from app.play.keymap import HeldKeys, Keymap, resolve
from app.play.pace import measured_fps
from app.play.session import PlaySession

PACE_OVER_STEPS = 30  # steps over which the pace is measured


class Pilot:
    """Holds the keys of one player. `tick` steps a session that has its engine alone; a server calls `decide`, steps
    many players as one batch, and calls `take`."""

    def __init__(self, session: PlaySession, keymap: Keymap) -> None:
        self.session, self.keymap = session, keymap  # the keymap may be replaced at any time
        self.held = HeldKeys()
        self._steps = deque[float](maxlen=PACE_OVER_STEPS + 1)  # when each was done, in seconds

    @property
    def fps(self) -> float:
        """Steps a second over the last steps; 0 after standing still."""
        return measured_fps(self._steps)

    def release_all(self) -> None:
        """Releases every key, rewind and forward included."""
        self.held.clear()
        self.session.handle(c.Rewind(False))
        self.session.handle(c.Forward(False))

    def stand_still(self) -> None:
        """Forgets the measured pace: a pause is no slow step."""
        self._steps.clear()

    def decide(self) -> int | None:
        """The action to step the engine with, or None if the session moved, or rested, by itself."""
        self._hold()
        action = self.session.next_action()
        if action is None:
            self.stand_still()
        return action

    def take(self, frame: np.ndarray) -> None:
        """Takes the frame, uint8 (H, W, 3), that the engine made of the action of `decide`."""
        self.session.advance(frame)
        self._count()

    def tick(self) -> bool:
        """One tick of a session alone on its engine; whether there is a new frame. A replay has a pace too."""
        shown = self.session.frame
        self._hold()
        if self.session.tick() is shown:
            self.stand_still()
            return False
        self._count()
        return True

    def _hold(self) -> None:
        self.session.handle(c.Hold(resolve(self.held.look(), self.keymap)))

    def _count(self) -> None:
        self._steps.append(time.monotonic())
        if len(self._steps) == self._steps.maxlen:
            self.session.pace(self.fps)
