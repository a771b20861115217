"""The engine's own thread: whoever is due steps in one batch, and what else needs the engine happens in between."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import groupby
from typing import Any, Protocol, TypeVar

import numpy as np

from genie_core.engine import WorldEngine
from genie_core.errors import GenieError

Result = TypeVar("Result")
EARLY = 0.25  # of its period: who is due so soon steps with those that are due now, and so falls into their step
MEASURED_SECONDS, MEASURED_STEPS = 5.0, 300

log = logging.getLogger(__name__)


class Rider(Protocol):
    """One who steps again and again. All of it is called on the ticker's thread."""

    seat: int  # its number as a player of its engine
    due: float  # when it steps next, by time.monotonic()

    @property
    def engine(self) -> WorldEngine: ...

    @property
    def period(self) -> float:
        """Seconds from step to step, if the engine keeps up."""

    def ready(self) -> bool:
        """False while it stands still or its client has yet to show what was sent."""

    def decide(self) -> int | None:
        """The action to step with, or None if it has moved by itself, with no need of the engine."""

    def take(self, frame: np.ndarray) -> None:
        """The frame, uint8 (H, W, 3), that its action led to."""


class Ticker(threading.Thread):
    """Steps riders at their pace. Nobody gets more than an even share of the engine's time while others want theirs."""

    def __init__(self) -> None:
        super().__init__(name="engine", daemon=True)
        self._riders: list[Rider] = []
        self._tasks: deque[Callable[[], None]] = deque()
        self._news = threading.Event()
        self._stopping = False
        self._steps: deque[tuple[float, float, int]] = deque(maxlen=MEASURED_STEPS)  # when, seconds, riders

    def do(self, function: Callable[[], Result]) -> Future[Result]:
        """Runs `function` on the engine's thread, between two batches; what it does must be short."""
        future: Future[Result] = Future()
        self._tasks.append(lambda: _settle(future, function))
        self._news.set()
        return future

    def wake(self) -> None:
        """Looks anew who is ready, from any thread."""
        self._news.set()

    def stop(self) -> None:
        self._stopping = True
        self._news.set()
        self.join()

    def add(self, rider: Rider) -> None:
        """From the ticker's own thread, in a task."""
        rider.due = time.monotonic()
        self._riders.append(rider)

    def remove(self, rider: object) -> None:
        """From the ticker's own thread, in a task. Does nothing for one who is not there."""
        self._riders = [other for other in self._riders if other is not rider]

    def measured(self) -> dict[str, float]:
        """Frames a second of all riders together of late, and the 95th percentile of a batch's time in ms."""
        now = time.monotonic()
        recent = [step for step in list(self._steps) if now - step[0] < MEASURED_SECONDS]
        seconds = [took for _, took, _ in recent]
        fps = sum(riders for _, _, riders in recent) / MEASURED_SECONDS
        return {"fps": round(fps, 1), "p95_ms": round(1000 * float(np.percentile(seconds or [0.0], 95)), 1)}

    def run(self) -> None:
        while not self._stopping:
            self._news.clear()
            while self._tasks:
                self._tasks.popleft()()
            ready = [rider for rider in self._riders if rider.ready()]
            now = time.monotonic()
            first = min((rider.due for rider in ready), default=None)
            if first is None or first > now:
                self._news.wait(None if first is None else first - now)
                continue
            self._batch([rider for rider in ready if rider.due <= now + EARLY * rider.period], now, len(ready))

    def _batch(self, riders: list[Rider], now: float, ready: int) -> None:
        chosen = [(rider, action) for rider in riders if (action := rider.decide()) is not None]
        costs = {id(rider): 0.0 for rider in riders}
        for group in _together(chosen):
            started = time.monotonic()
            frames = group[0][0].engine.step({rider.seat: action for rider, action in group})
            took = time.monotonic() - started
            for rider, _ in group:
                costs[id(rider)] = took / len(group)
                rider.take(frames[rider.seat])
            self._steps.append((started, took, len(group)))
        start = min(now, min(rider.due for rider in riders))
        for rider in riders:
            # Late by less than a period is caught up with; more is let go, as is what goes beyond an even share.
            start_from = start if now - start < rider.period else now
            rider.due = start_from + max(rider.period, costs[id(rider)] * ready)


def _together(chosen: list[tuple[Rider, int]]) -> Iterator[list[tuple[Rider, int]]]:
    """Those who can be stepped as one batch: in the same world, revealed in the same way."""

    def key(pair: tuple[Rider, int]) -> tuple[int, str]:
        rider = pair[0]
        return id(rider.engine), repr(rider.engine.sampling_of(rider.seat))

    for _, group in groupby(sorted(chosen, key=key), key):
        yield list(group)


def _settle(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except Exception as error:  # whoever asked is told; the thread goes on for the others
        if not isinstance(error, GenieError):
            log.exception("a bug met on the engine's thread")
        future.set_exception(error)
