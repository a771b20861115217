"""A player that a program steps, in one batch with everybody else. Lives on the engine's thread."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future

import numpy as np

from app.play import commands as c
from app.play.start import begin
from app.web.engine_thread import GAME_OVER, refuse
from app.web.game import GameStart
from genie_core.engine import WorldEngine
from genie_core.errors import GenieError


class ProgramPlayer:
    def __init__(self, start: GameStart, seat: int) -> None:
        self.seat = seat
        self.due = 0.0
        self.session = begin(start.engine, start.start, seat)
        self._asked: deque[tuple[int, Future[np.ndarray]]] = deque()
        self.failed = False  # the engine could not go on

    @property
    def engine(self) -> WorldEngine:
        return self.session.engine

    @property
    def period(self) -> float:
        return 0.0  # as fast as the engine's share allows

    @property
    def busy(self) -> bool:
        """Whether steps that were asked for are still to come."""
        return bool(self._asked)

    def leave(self) -> None:
        for _, future in self._asked:
            refuse(future, GAME_OVER)
        self._asked.clear()

    def fail(self) -> None:
        self.failed = True
        self.leave()

    def ask(self, actions: list[int]) -> list[Future[np.ndarray]]:
        """Steps as soon as each is due; the frames, uint8 (H, W, 3). Raises GenieError once the game is over."""
        if self.failed:
            raise GenieError(GAME_OVER)
        futures: list[Future[np.ndarray]] = [Future() for _ in actions]
        self._asked += zip(actions, futures, strict=True)
        return futures

    def ready(self) -> bool:
        return bool(self._asked)

    def decide(self) -> int | None:
        self.session.handle(c.Hold(self._asked[0][0]))
        return self.session.next_action()

    def take(self, frame: np.ndarray) -> None:
        self.session.advance(frame)
        _, future = self._asked.popleft()
        if future.set_running_or_notify_cancel():  # the caller may have gone
            future.set_result(frame)
