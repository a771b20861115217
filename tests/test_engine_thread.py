"""Who steps when: together, at their own pace, and nobody at the cost of the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

from webdemo import wait_for

from app.web.engine_thread import Ticker
from genie_core.errors import GenieError

FRAME = np.zeros((2, 2, 3), np.uint8)


class Engine:
    """Remembers its batches; a player of `slow` costs so many seconds a step. No two threads may step it."""

    def __init__(self, slow: dict[int, float] | None = None) -> None:
        self.slow = slow or {}
        self.batches: list[set[int]] = []
        self.alone = threading.Lock()

    def sampling_of(self, player: int) -> str:
        return "slow" if player in self.slow else "usual"

    def step(self, actions: dict[int, int]) -> dict[int, np.ndarray]:
        assert self.alone.acquire(blocking=False), "two threads step one engine"
        self.batches.append(set(actions))
        time.sleep(sum(self.slow.get(player, 0.001) for player in actions))
        self.alone.release()
        return dict.fromkeys(actions, FRAME)


class Rider:
    def __init__(self, engine: Any, seat: int, fps: float = 100) -> None:
        self.engine, self.seat, self.period = engine, seat, 1 / fps
        self.due = 0.0
        self.stands = False
        self.steps = 0

    def ready(self) -> bool:
        return not self.stands

    def decide(self) -> int:
        return 1

    def take(self, frame: np.ndarray) -> None:
        self.steps += 1


@pytest.fixture
def ticker() -> Iterator[Ticker]:
    ticker = Ticker()
    ticker.start()
    yield ticker
    ticker.stop()


def add(ticker: Ticker, *riders: Rider) -> None:
    for rider in riders:
        ticker.do(lambda rider=rider: ticker.add(rider)).result(10)


def test_riders_of_one_pace_fall_into_one_batch(ticker: Ticker) -> None:
    engine = Engine()
    riders = [Rider(engine, seat, fps=20) for seat in range(3)]
    for rider in riders:
        add(ticker, rider)
        time.sleep(0.004)
    wait_for(lambda: engine.batches[-3:] == [{0, 1, 2}] * 3, "one batch for all")


def test_who_stands_still_is_left_out_and_comes_back(ticker: Ticker) -> None:
    engine = Engine()
    first, second = Rider(engine, 0), Rider(engine, 1)
    add(ticker, first, second)
    second.stands = True
    ticker.do(lambda: None).result(10)
    steps = second.steps
    wait_for(lambda: first.steps > 10, "ten steps of the other")
    assert second.steps <= steps + 1
    second.stands = False
    ticker.wake()
    wait_for(lambda: second.steps > steps + 3, "steps again")


def test_different_worlds_and_settings_do_not_share_a_batch(ticker: Ticker) -> None:
    one, other = Engine(slow={1: 0.002}), Engine()
    riders = [Rider(one, 0), Rider(one, 1), Rider(one, 2), Rider(other, 3)]
    add(ticker, *riders)
    wait_for(lambda: all(rider.steps > 5 for rider in riders), "steps of all")
    assert all(batch <= {0, 2} or batch == {1} for batch in one.batches)
    assert all(batch == {3} for batch in other.batches)


def test_who_costs_much_gets_no_more_time_than_the_others(ticker: Ticker) -> None:
    engine = Engine(slow={9: 0.05})
    dear, cheap = Rider(engine, 9, fps=1000), [Rider(engine, seat, fps=50) for seat in range(3)]
    add(ticker, dear, *cheap)
    wait_for(lambda: dear.steps >= 8, "steps of the dear one")
    # Taking turns would give each one step for a step of the dear one; its share is a quarter of the time.
    assert min(rider.steps for rider in cheap) > 2 * dear.steps


def test_errors_are_the_askers_and_the_thread_goes_on(ticker: Ticker, caplog: pytest.LogCaptureFixture) -> None:
    def fail(error: Exception) -> None:
        raise error

    told: Future[None] = ticker.do(lambda: fail(GenieError("in words")))
    assert isinstance(told.exception(10), GenieError) and not caplog.records
    assert isinstance(ticker.do(lambda: fail(ValueError("a bug"))).exception(10), ValueError)
    assert "a bug" in caplog.text
    assert ticker.do(lambda: 5).result(10) == 5


def test_who_is_removed_steps_no_more(ticker: Ticker) -> None:
    engine = Engine()
    stays, goes = Rider(engine, 0), Rider(engine, 1)
    add(ticker, stays, goes)
    wait_for(lambda: goes.steps > 2, "steps")
    ticker.do(lambda: ticker.remove(goes)).result(10)
    steps, then = goes.steps, stays.steps
    wait_for(lambda: stays.steps > then + 5, "steps of who stays")
    assert goes.steps == steps
    assert ticker.measured()["fps"] > 0
