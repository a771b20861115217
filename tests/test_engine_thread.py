"""When players step: in batches, each at its own pace, none at the cost of the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

from webdemo import wait_for

from app.web.engine_thread import EngineThread, falling_in
from genie_core.errors import GenieError

FRAME = np.zeros((2, 2, 3), np.uint8)


class Engine:
    """Remembers its batches; a player of `slow` costs so many seconds a step. No two threads may step it."""

    def __init__(self, slow: dict[int, float] | None = None) -> None:
        self.slow = slow or {}
        self.batches: list[set[int]] = []
        self.alone = threading.Lock()
        self.lacking: dict[int, int] = {}  # passes by player
        self.made = threading.Event()

    def sampling_of(self, player: int) -> str:
        return "slow" if player in self.slow else "usual"

    def step(self, actions: dict[int, int]) -> dict[int, np.ndarray]:
        assert self.alone.acquire(blocking=False), "two threads step one engine"
        self.batches.append(set(actions))
        time.sleep(sum(self.slow.get(player, 0.001) for player in actions))
        self.alone.release()
        return dict.fromkeys(actions, FRAME)

    def lacks(self, player: int) -> int | None:
        return self.lacking.get(player)

    def make_ready(self, passes: int) -> None:
        assert self.made.wait(60)
        self.lacking = {player: each for player, each in self.lacking.items() if each != passes}


class Participant:
    def __init__(self, engine: Any, seat: int, fps: float = 100) -> None:
        self.engine, self.seat, self.period = engine, seat, 1 / fps
        self.due = 0.0
        self.stands = False
        self.looks_back = 0.0  # seconds before each step
        self.steps = 0
        self.failed = False

    def ready(self) -> bool:
        return not self.stands

    def decide(self) -> int:
        time.sleep(self.looks_back)
        return 1

    def take(self, frame: np.ndarray) -> None:
        self.steps += 1

    def fail(self) -> None:
        self.failed = True


@pytest.fixture
def thread() -> Iterator[EngineThread]:
    thread = EngineThread()
    thread.start()
    yield thread
    thread.stop()


def add(thread: EngineThread, *players: Participant) -> None:
    for player in players:
        thread.do(lambda player=player: thread.add(player)).result(10)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> float:
    """A moment on a clock that stands still: seconds that are counted, not waited for."""
    begun = 1000.0
    monkeypatch.setattr("app.web.engine_thread.time", SimpleNamespace(monotonic=lambda: begun))
    return begun


def test_players_of_one_pace_fall_into_one_batch(begun: float) -> None:
    thread, engine = EngineThread(), Engine()
    players = [Participant(engine, seat, fps=20) for seat in range(3)]
    for seat, player in enumerate(players):
        player.due = begun + 0.004 * seat
    while (now := min(player.due for player in players)) < begun + 5:
        thread._batch(falling_in(players, now), now, 3)
    assert len(engine.batches) >= 99 and all(batch == {0, 1, 2} for batch in engine.batches)


def test_a_faster_neighbour_carries_nobody_along(begun: float) -> None:
    thread, engine = EngineThread(), Engine()
    slow, fast = Participant(engine, 0, fps=3.75), Participant(engine, 1, fps=15)
    slow.due, fast.due = begun + 0.05, begun
    while (now := min(slow.due, fast.due)) < begun + 8:
        thread._batch(falling_in([slow, fast], now), now, 2)
    assert (slow.steps, fast.steps) == (30, 120)
    assert engine.batches.count({0, 1}) == 30, "it steps early, with the other"


def test_a_player_that_stands_still_is_left_out_and_comes_back(thread: EngineThread) -> None:
    engine = Engine()
    first, second = Participant(engine, 0), Participant(engine, 1)
    add(thread, first, second)
    second.stands = True
    thread.do(lambda: None).result(10)
    steps = second.steps
    wait_for(lambda: first.steps > 10, "ten steps of the other")
    assert second.steps <= steps + 1
    second.stands = False
    thread.wake()
    wait_for(lambda: second.steps > steps + 3, "steps again")


def test_different_worlds_and_settings_do_not_share_a_batch(thread: EngineThread) -> None:
    one, other = Engine(slow={1: 0.002}), Engine()
    players = [Participant(one, 0), Participant(one, 1), Participant(one, 2), Participant(other, 3)]
    add(thread, *players)
    wait_for(lambda: all(player.steps > 5 for player in players), "steps of all")
    assert all(batch <= {0, 2} or batch == {1} for batch in one.batches)
    assert all(batch == {3} for batch in other.batches)


def test_a_graph_is_made_while_the_others_play_on(thread: EngineThread) -> None:
    engine = Engine()
    engine.lacking = {0: 3, 1: 3}
    waiting, others = [Participant(engine, 0), Participant(engine, 1)], [Participant(engine, 2), Participant(engine, 3)]
    add(thread, *waiting, *others)
    wait_for(lambda: min(other.steps for other in others) > 20, "steps of the others while the graph is made")
    assert [each.steps for each in waiting] == [0, 0]
    engine.made.set()
    wait_for(lambda: min(each.steps for each in waiting) > 3, "steps of those that waited for the graph")


def test_a_graph_that_cannot_be_made_costs_one_player_the_game(
    thread: EngineThread, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Engine()
    engine.lacking, engine.make_ready = {0: 3}, lambda passes: 1 / 0  # type: ignore[assignment,method-assign]
    step = engine.step

    def fails(actions: dict[int, int]) -> dict[int, np.ndarray]:
        assert 0 not in actions, "no graph of 3 passes"
        return step(actions)

    engine.step = fails  # type: ignore[method-assign]
    lost, other = Participant(engine, 0), Participant(engine, 1)
    add(thread, lost, other)
    wait_for(lambda: lost.failed and other.steps > 20, "the end of one game, and steps of the other")
    assert "a step failed" in caplog.text


def test_a_dear_player_gets_no_more_time_than_the_others(thread: EngineThread) -> None:
    engine = Engine(slow={9: 0.05})
    dear, cheap = Participant(engine, 9, fps=1000), [Participant(engine, seat, fps=50) for seat in range(3)]
    add(thread, dear, *cheap)
    wait_for(lambda: dear.steps >= 8, "steps of the dear one")
    # Taking turns would give each one step for a step of the dear one; its share is a quarter of the time.
    assert min(player.steps for player in cheap) > 2 * dear.steps


def test_going_far_back_counts_as_time_of_the_engine(thread: EngineThread) -> None:
    engine = Engine()
    dear, cheap = Participant(engine, 9, fps=1000), Participant(engine, 0, fps=50)
    dear.looks_back = 0.05
    add(thread, dear, cheap)
    wait_for(lambda: dear.steps >= 8, "steps of the dear one")
    assert cheap.steps > 1.5 * dear.steps  # side by side they would have the same


def test_an_error_goes_to_its_caller_and_the_thread_goes_on(
    thread: EngineThread, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(error: Exception) -> None:
        raise error

    told: Future[None] = thread.do(lambda: fail(GenieError("in words")))
    assert isinstance(told.exception(10), GenieError) and not caplog.records
    assert isinstance(thread.do(lambda: fail(ValueError("a bug"))).exception(10), ValueError)
    assert "a bug" in caplog.text
    assert thread.do(lambda: 5).result(10) == 5


def test_a_removed_player_steps_no_more(thread: EngineThread) -> None:
    engine = Engine()
    stays, goes = Participant(engine, 0), Participant(engine, 1)
    add(thread, stays, goes)
    wait_for(lambda: goes.steps > 2, "steps")
    thread.do(lambda: thread.remove(goes)).result(10)
    steps, then = goes.steps, stays.steps
    wait_for(lambda: stays.steps > then + 5, "steps of who stays")
    assert goes.steps == steps
    assert thread.measured()["fps"] > 0


def test_a_step_that_fails_costs_its_players_alone(thread: EngineThread, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Engine):
        def step(self, actions: dict[int, int]) -> dict[int, np.ndarray]:
            raise FloatingPointError("NaN")

    unlucky, lucky = Participant(Broken(), 0), Participant(Engine(), 1)
    add(thread, unlucky, lucky)
    wait_for(lambda: unlucky.failed, "the apology")
    steps = lucky.steps
    wait_for(lambda: lucky.steps > steps + 3, "steps of the other")
    assert "a step failed" in caplog.text


def test_of_a_batch_that_fails_only_the_player_whose_step_it_is_loses_the_game(thread: EngineThread) -> None:
    class Poisoned(Engine):
        def step(self, actions: dict[int, int]) -> dict[int, np.ndarray]:
            if 1 in actions:
                raise FloatingPointError("NaN")
            return super().step(actions)

    engine = Poisoned()
    players = [Participant(engine, seat) for seat in range(3)]
    thread.do(lambda: [thread.add(player) for player in players]).result(10)
    wait_for(lambda: players[1].failed, "the apology")
    wait_for(lambda: min(players[0].steps, players[2].steps) > 3, "steps of the others")
    assert not players[0].failed and not players[2].failed
    assert sum(0 in batch for batch in engine.batches) <= players[0].steps + 1, "nobody steps twice"


def test_steps_pay_for_what_else_was_asked_for(thread: EngineThread) -> None:
    """Who asks for as much as a share allows has few steps; the other has its own."""
    engine = Engine(slow={0: 0.01, 1: 0.01})
    engine.sampling_of = lambda player: str(player)  # type: ignore[method-assign]  # no batch of both
    greedy, other = Participant(engine, 0, fps=1000), Participant(engine, 1, fps=1000)
    add(thread, greedy, other)

    def dear() -> None:
        time.sleep(0.01)
        thread.do_for(greedy, dear)

    thread.do_for(greedy, dear)
    wait_for(lambda: other.steps > 40, "steps of the other")
    assert greedy.steps < 0.7 * other.steps


def test_what_a_player_asks_for_waits_while_the_others_have_their_share(thread: EngineThread) -> None:
    engine = Engine()
    greedy, other = Participant(engine, 0), Participant(engine, 1)
    add(thread, greedy, other)
    asked = [thread.do_for(greedy, lambda: time.sleep(0.02)) for _ in range(40)]
    wait_for(lambda: other.steps > 10, "steps of the other")
    assert not asked[-1].done(), "before all that the greedy one asked for"
    asked[-2].cancel()
    thread.do(lambda: thread.remove(greedy)).result(10)
    assert isinstance(asked[-1].exception(10), GenieError), "and what is left goes with the player"
    assert isinstance(thread.do_for(greedy, lambda: None).exception(10), GenieError)
    steps = other.steps
    wait_for(lambda: other.steps > steps + 3, "steps of the other")
