"""From held keys to ticks: what a window and a server share."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from conftest import ACTIONS, FakeEngine

from app.play import commands as c
from app.play import pilot as pilot_module
from app.play.keymap import build_keymap
from app.play.pilot import PACE_OVER_STEPS, Pilot
from app.play.session import PlaySession


@pytest.fixture
def pilot(engine: FakeEngine, prompt: np.ndarray) -> Pilot:
    return Pilot(PlaySession(engine, prompt), build_keymap(ACTIONS))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Goes on by its first entry, in seconds, whenever a step is noted."""
    seconds = [0.1, 0.0]

    def monotonic() -> float:
        seconds[1] += seconds[0]
        return seconds[1]

    monkeypatch.setattr(pilot_module.time, "monotonic", monotonic)
    return seconds


def test_held_keys_are_played_until_released(pilot: Pilot, engine: FakeEngine) -> None:
    pilot.held.press("left")
    assert pilot.tick() and pilot.tick()
    pilot.held.press("right")
    pilot.tick()
    pilot.held.release("right")
    pilot.tick()
    pilot.held.release("left")
    pilot.tick()
    assert engine.taken == [3, 3, 0, 3, 2]


def test_a_tap_between_two_ticks_is_played_once(pilot: Pilot, engine: FakeEngine) -> None:
    pilot.held.press("left")
    pilot.held.release("left")
    pilot.tick()
    pilot.tick()
    assert engine.taken == [3, 2]


def test_releasing_all_ends_travel_too(pilot: Pilot, engine: FakeEngine) -> None:
    for _ in range(4):
        pilot.tick()
    pilot.held.press("left")
    pilot.session.handle(c.Rewind(True))
    assert pilot.tick() and pilot.session.steps == 3
    pilot.release_all()
    assert not pilot.tick() and (pilot.session.mode, pilot.session.steps) == ("resting", 3)
    assert engine.taken == [2] * 4


def test_releasing_all_keys_stops_a_travel_forward(pilot: Pilot) -> None:
    for _ in range(4):
        pilot.tick()
    pilot.session.handle(c.GoTo(0, 1))
    pilot.session.handle(c.Forward(True))
    assert pilot.tick() and pilot.session.steps == 2
    pilot.release_all()
    assert not pilot.tick() and (pilot.session.mode, pilot.session.steps) == ("resting", 2)


def test_a_server_steps_between_the_two_halves(pilot: Pilot, engine: FakeEngine) -> None:
    pilot.held.press("left")
    action = pilot.decide()
    assert action == 3
    pilot.take(engine.step({0: action})[0])
    assert (pilot.session.steps, pilot.session.action) == (1, 3)
    pilot.session.handle(c.Pause(True))
    assert pilot.decide() is None


def told(pilot: Pilot) -> list[str]:
    return [event.kind for event in pilot.session.events()]


def test_a_pace_that_falls_behind_is_told_once(pilot: Pilot, engine: FakeEngine, clock: list[float]) -> None:
    engine.world.config = dataclasses.replace(engine.world.config, fps=15)
    for _ in range(PACE_OVER_STEPS):
        pilot.tick()
    assert told(pilot) == [], "nothing is known before there are enough steps"
    for _ in range(3 * PACE_OVER_STEPS):
        pilot.tick()
    assert told(pilot) == [c.CANNOT_KEEP_UP] and pilot.fps == pytest.approx(10)
    clock[0] = 1 / 15
    for _ in range(2 * PACE_OVER_STEPS):
        pilot.tick()
    assert told(pilot) == [] and pilot.fps == pytest.approx(15)


def test_a_pause_is_no_slow_step(pilot: Pilot, clock: list[float]) -> None:
    for _ in range(5):
        pilot.tick()
    assert pilot.fps == pytest.approx(10)
    pilot.session.handle(c.Pause(True))
    assert not pilot.tick() and pilot.fps == 0
