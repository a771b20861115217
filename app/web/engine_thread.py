"""The engine's own thread. All players that are due step as one batch; short tasks run between two batches.

What a player asks for beside its steps, such as a new seed or a look far back, is charged to that player.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from typing import Any, Protocol, TypeVar

import numpy as np

from genie_core.engine import WorldEngine
from genie_core.errors import GenieError

Result = TypeVar("Result")
EARLY = 0.25  # of a period: a player due this soon steps now, with the others, and so falls into their batch
MEASURED_SECONDS, MEASURED_STEPS = 5.0, 300
ATTENTION_SECONDS = 0.003  # for the tasks of one player in a row

GAME_OVER = "the game is over"

log = logging.getLogger(__name__)


class Participant(Protocol):
    """A player in the engine thread's round. The engine thread makes all calls."""

    seat: int  # its number as a player of its engine
    due: float  # time of its next step, by time.monotonic()

    @property
    def engine(self) -> WorldEngine: ...

    @property
    def period(self) -> float:
        """Seconds from step to step, if the engine keeps up."""

    def ready(self) -> bool:
        """False while the player asks for no step, or its page has yet to draw the frames sent."""

    def decide(self) -> int | None:
        """The action to step with; None if the player moved without the engine."""

    def take(self, frame: np.ndarray) -> None:
        """Takes the frame, uint8 (H, W, 3), that the action led to."""

    def fail(self) -> None:
        """The engine could not make the frame; the participant is out of the round."""


class Tasks:
    """What one player has asked for, in order. `free_at` is the time from which it may have more; its next step pays
    for `took` seconds of it too."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self.free_at = self.took = 0.0


class EngineThread(threading.Thread):
    """Steps participants at their pace. While others wait, nobody gets more than an even share of the engine's time."""

    def __init__(self) -> None:
        super().__init__(name="engine", daemon=True)
        self._participants: list[Participant] = []
        self._tasks: deque[Callable[[], None]] = deque()
        self._asked: dict[int, Tasks] = {}  # by the id of the participant
        self._news = threading.Event()
        self._stopping = False
        self._steps: deque[tuple[float, float, int]] = deque(maxlen=MEASURED_STEPS)  # time, seconds, players
        self._maker = ThreadPoolExecutor(1, "graphs")
        self._made: dict[tuple[WorldEngine, int], Future[None]] = {}  # by engine and number of passes

    def do(self, function: Callable[[], Result]) -> Future[Result]:
        """Runs `function` on this thread, between two batches. The function must be short."""
        future: Future[Result] = Future()
        self._tasks.append(lambda: _settle(future, function))
        self._news.set()
        return future

    def do_for(self, participant: Participant, function: Callable[[], Result]) -> Future[Result]:
        """Runs `function` on this thread at the cost of a participant: its tasks wait while others need the engine."""
        future: Future[Result] = Future()

        def ask() -> None:
            if participant not in self._participants:
                return refuse(future, GAME_OVER)
            self._asked.setdefault(id(participant), Tasks()).waiting.append((future, function))

        self._tasks.append(ask)
        self._news.set()
        return future

    def waiting_for(self, participant: Participant) -> int:
        """How many tasks of a participant wait."""
        asked = self._asked.get(id(participant))
        return 0 if asked is None else len(asked.waiting)

    def wake(self) -> None:
        """Asks all participants again whether they are ready. From any thread."""
        self._news.set()

    def stop(self) -> None:
        self._stopping = True
        self._news.set()
        self.join()
        self._maker.shutdown(wait=False, cancel_futures=True)

    def add(self, participant: Participant) -> None:
        """Call it in a task."""
        participant.due = time.monotonic()
        self._participants.append(participant)

    def remove(self, participant: object) -> None:
        """Call it in a task. Does nothing if the participant is not in the round."""
        self._participants = [other for other in self._participants if other is not participant]
        for future, _ in self._asked.pop(id(participant), Tasks()).waiting:
            refuse(future, GAME_OVER)

    def measured(self) -> dict[str, float]:
        """Frames a second of all players together, and the 95th percentile of a batch's time in ms, of late."""
        now = time.monotonic()
        recent = [step for step in list(self._steps) if now - step[0] < MEASURED_SECONDS]
        seconds = [took for _, took, _ in recent]
        fps = sum(players for _, _, players in recent) / MEASURED_SECONDS
        return {"fps": round(fps, 1), "p95_ms": round(1000 * float(np.percentile(seconds or [0.0], 95)), 1)}

    def run(self) -> None:
        while not self._stopping:
            self._news.clear()
            while self._tasks:
                self._tasks.popleft()()
            next_task = self._attend()
            ready = [each for each in self._participants if each.ready() and self._is_made(each)]
            now = time.monotonic()
            first = min((each.due for each in ready), default=None)
            if first is None or first > now:
                times = [time for time in (first, next_task) if time is not None]
                self._news.wait(max(0.0, min(times) - now) if times else None)
                continue
            self._batch(falling_in(ready, now), now, len(ready))

    def _is_made(self, participant: Participant) -> bool:
        """Whether what its next step needs is there. If not, another thread makes it, and the others go on meanwhile.

        If it cannot be made, the step itself will fail, and says why.
        """
        passes = participant.engine.lacks(participant.seat)
        if passes is None:
            return True
        key = participant.engine, passes
        if key not in self._made:
            self._made[key] = self._maker.submit(participant.engine.make_ready, passes)
            self._made[key].add_done_callback(lambda done: self._tasks.append(lambda: self._forget(key, done)))
            self._made[key].add_done_callback(lambda done: self._news.set())
        return self._made[key].done()

    def _forget(self, key: tuple[WorldEngine, int], done: Future[None]) -> None:
        """Forget what was made. What could not be made stays, so that the next who asks for it hears that at once."""
        if not done.cancelled() and done.exception() is None:
            del self._made[key]

    def _attend(self) -> float | None:
        """Does what players have asked for, each for a moment. The time of the next task that has to wait, if any."""
        later = []
        for asked in list(self._asked.values()):
            started = time.monotonic()
            while asked.waiting and asked.free_at <= started and time.monotonic() - started < ATTENTION_SECONDS:
                _settle(*asked.waiting.popleft())
            took = time.monotonic() - started
            asked.took += took
            asked.free_at = max(asked.free_at, started + took * max(1, len(self._participants)))
            later += [asked.free_at] if asked.waiting else []
        return min(later, default=None)

    def _batch(self, due: list[Participant], now: float, ready: int) -> None:
        chosen, costs = [], {}
        for each in due:
            started = time.monotonic()
            try:
                action = each.decide()  # going far back is dear, and is paid for like a step
            except Exception:
                log.exception("a player could not decide")
                self._fail([each])
                action = None
            asked = self._asked.setdefault(id(each), Tasks())
            costs[id(each)] = time.monotonic() - started + asked.took
            asked.took = 0.0
            if action is not None:
                chosen.append((each, action))
        groups = deque(_together(chosen))
        while groups:
            group = groups.popleft()
            started = time.monotonic()
            try:
                frames = group[0][0].engine.step({each.seat: action for each, action in group})
            except Exception:  # a bug costs one player the game; the thread goes on for the others
                if len(group) > 1:
                    groups += [[each] for each in group]  # whose step is it?
                    continue
                log.exception("a step failed")
                self._fail([group[0][0]])
                continue
            took = time.monotonic() - started
            for each, _ in group:
                costs[id(each)] += took / len(group)
                each.take(frames[each.seat])
            self._steps.append((started, took, len(group)))
        for each in due:
            # A delay below one period is caught up with. A longer delay is forgiven, and an overdrawn share paid back.
            # Who stepped early is due when it would have been, or a faster neighbour would carry it along.
            start = each.due if now - each.due < each.period else now
            each.due = start + max(each.period, costs[id(each)] * ready)

    def _fail(self, broken: list[Participant]) -> None:
        for each in broken:
            self.remove(each)
            each.fail()


def falling_in(ready: list[Participant], now: float) -> list[Participant]:
    """Those whose next step is due, or will be soon."""
    return [each for each in ready if each.due <= now + EARLY * each.period]


def refuse(future: Future[Any], why: str) -> None:
    """Lets whoever waits for `future` know, if anybody still does."""
    if future.set_running_or_notify_cancel():
        future.set_exception(GenieError(why))


def _together(chosen: list[tuple[Participant, int]]) -> Iterator[list[tuple[Participant, int]]]:
    """Groups that step as one batch: the same world and the same sampling."""

    def key(pair: tuple[Participant, int]) -> tuple[int, str]:
        return id(pair[0].engine), repr(pair[0].engine.sampling_of(pair[0].seat))

    for _, group in groupby(sorted(chosen, key=key), key):
        yield list(group)


def _settle(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except Exception as error:  # the caller is told; the thread goes on for the others
        if not isinstance(error, GenieError):
            log.exception("a bug met on the engine's thread")
        future.set_exception(error)
