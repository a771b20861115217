"""The window, driven by events as a keyboard would send them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pygame
import pytest
from conftest import ACTIONS, FakeEngine

from app.play.keymap import build_keymap
from app.play.pace import Pacer, measured_fps
from app.play.session import PlaySession
from app.window import panel
from app.window import play as window
from app.window.drawing import DARK
from genie_core.config import Action

ROOT = Path(__file__).parents[1]
RIGHT, JUMP, STAY, LEFT, JUMP_RIGHT = range(5)
Events = dict[int, list[pygame.event.Event]]


def down(key: int) -> pygame.event.Event:
    return pygame.event.Event(pygame.KEYDOWN, key=key)


def up(key: int) -> pygame.event.Event:
    return pygame.event.Event(pygame.KEYUP, key=key)


def played(engine: FakeEngine, prompt: np.ndarray, events: Events) -> list[int]:
    """What the engine is asked for when `events[n]` come in during step n; Escape comes in the last of them."""
    last = max(events)

    def post(step: int) -> None:
        for event in events.get(step, []):
            pygame.event.post(event)
        if step == last:
            pygame.event.post(down(pygame.K_ESCAPE))
            pygame.event.post(down(pygame.K_q))  # where branches are not saved, Escape asks

    engine.on_step = post
    window.play(lambda tell: PlaySession(engine, prompt), "fake")
    return engine.taken


@pytest.fixture(autouse=True)
def every_frame_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also at a thousand steps a second, where there is time for few."""
    monkeypatch.setattr("app.window.loop.UNDRAWN_SECONDS", -1)


@pytest.fixture(params=["dummy", "offscreen"])
def any_driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", request.param)


@pytest.mark.usefixtures("any_driver")
def test_a_held_key_plays_until_it_is_let_go(engine: FakeEngine, prompt: np.ndarray) -> None:
    events = {2: [down(pygame.K_RIGHT)], 5: [up(pygame.K_RIGHT)], 7: []}
    assert played(engine, prompt, events) == [STAY, STAY, RIGHT, RIGHT, RIGHT, STAY, STAY]


def test_a_quick_tap_plays_once(engine: FakeEngine, prompt: np.ndarray) -> None:
    events = {1: [down(pygame.K_SPACE), up(pygame.K_SPACE)], 4: []}
    assert played(engine, prompt, events) == [STAY, JUMP, STAY, STAY]


def test_keys_combine_and_fall_back(engine: FakeEngine, prompt: np.ndarray) -> None:
    events = {1: [down(pygame.K_RIGHT)], 2: [down(pygame.K_UP)], 3: [up(pygame.K_RIGHT)], 4: [up(pygame.K_UP)], 5: []}
    assert played(engine, prompt, events) == [STAY, RIGHT, JUMP_RIGHT, JUMP, STAY]


def test_opposite_keys_follow_the_last(engine: FakeEngine, prompt: np.ndarray) -> None:
    events = {1: [down(pygame.K_LEFT)], 2: [down(pygame.K_RIGHT)], 3: [up(pygame.K_RIGHT)], 4: []}
    assert played(engine, prompt, events) == [STAY, LEFT, RIGHT, LEFT]


def test_number_keys_play_the_raw_codes(engine: FakeEngine, prompt: np.ndarray) -> None:
    events: Events = {0: []}
    for code in range(8):
        events[code + 1] = [down(pygame.K_1 + code), up(pygame.K_1 + code)]
    events[9] = [down(pygame.K_KP8), up(pygame.K_KP8)]
    events[10] = []
    assert played(engine, prompt, events) == [STAY, *range(8), 7]


def test_looking_away_lets_every_key_go(engine: FakeEngine, prompt: np.ndarray) -> None:
    away = pygame.event.Event(pygame.WINDOWFOCUSLOST)
    events = {1: [down(pygame.K_LEFT), down(pygame.K_UP)], 3: [away], 5: []}
    assert played(engine, prompt, events)[3:] == [STAY, STAY]


def test_r_restarts(engine: FakeEngine, prompt: np.ndarray) -> None:
    played(engine, prompt, {3: [down(pygame.K_r), up(pygame.K_r)], 5: []})
    assert (len(engine.taken), engine.steps) == (5, 2)


def test_closing_the_window_ends_the_play(engine: FakeEngine, prompt: np.ndarray) -> None:
    engine.on_step = lambda step: pygame.event.post(pygame.event.Event(pygame.QUIT))
    window.play(lambda tell: PlaySession(engine, prompt), "fake")
    assert engine.taken == [STAY]
    assert not pygame.display.get_init()


@pytest.mark.parametrize("problem", [KeyboardInterrupt, RuntimeError])
def test_the_window_closes_whatever_happens(
    engine: FakeEngine, prompt: np.ndarray, problem: type[BaseException]
) -> None:
    def fail(step: int) -> None:
        raise problem

    engine.on_step = fail
    with pytest.raises(problem):
        window.play(lambda tell: PlaySession(engine, prompt), "fake")
    assert not pygame.display.get_init()


def test_the_window_says_that_it_loads(engine: FakeEngine, prompt: np.ndarray) -> None:
    seen = []

    def start(tell: Callable[[str, float], None]) -> PlaySession:
        seen.append((pygame.display.get_caption()[0], len(np.unique(screen()))))
        engine.on_step = lambda step: pygame.event.post(down(pygame.K_ESCAPE))
        return PlaySession(engine, prompt)

    window.play(start, "meadow")
    assert "meadow" in seen[0][0]
    assert seen[0][1] > 2, "there is text on the screen"


def screen() -> np.ndarray:
    """What is on the screen, uint8 (H, W, 3)."""
    return pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)


def shown(engine: FakeEngine, prompt: np.ndarray, size: tuple[int, int] | None, action: int) -> np.ndarray:
    """The screen after a step of `action` in a window of `size`, or of the size it opens in."""
    pictures = []

    def look(step: int) -> None:
        if step == 1:
            if size:
                pygame.display.set_mode(size, pygame.RESIZABLE)
            pygame.event.post(down(pygame.K_1 + action))
        if step == 3:  # the frame of step 2 is on the screen by now
            pictures.append(screen())
            pygame.event.post(down(pygame.K_ESCAPE))

    engine.on_step = look
    window.play(lambda tell: PlaySession(engine, prompt), "fake")
    return pictures[0]


def box(found: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, width, height of the smallest box around the true pixels."""
    y, x = np.nonzero(found)
    return int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1


@pytest.mark.parametrize(
    ("size", "where"),
    [
        ((300 + 640, 640), (0, 0, 640, 640)),
        ((300 + 700, 660), (30, 10, 640, 640)),  # no whole number of times fits better
        ((300 + 200, 900), (4, 354, 192, 192)),
        ((200, 130), (36, 1, 128, 128)),  # no room for the panel
        ((1000, 100), (468, 18, 64, 64)),
    ],
)
def test_the_frame_is_enlarged_whole_times_in_the_middle(
    engine: FakeEngine, prompt: np.ndarray, size: tuple[int, int], where: tuple[int, int, int, int]
) -> None:
    picture = shown(engine, prompt, size, LEFT)
    found = (picture == (30 * LEFT, 2, 200)).all(-1)
    assert box(found) == where
    assert found.sum() == where[2] * where[3]


def make_engine(frame_size: tuple[int, int], actions: tuple[Action, ...] = ACTIONS) -> FakeEngine:
    """A fake engine whose frames have another shape, or that has another number of actions."""
    engine = FakeEngine()
    tokenizer = SimpleNamespace(reference=False)
    engine.world.config = SimpleNamespace(
        fps=1000, frame_size=frame_size, actions=actions, guessing_above=None, tokenizer=tokenizer
    )
    return engine


@pytest.mark.parametrize(
    ("frame_size", "where"), [((40, 64), (0, 120, 640, 400)), ((64, 40), (120, 0, 400, 640))], ids=["wide", "tall"]
)
def test_frames_keep_their_shape(
    prompt: np.ndarray, frame_size: tuple[int, int], where: tuple[int, int, int, int]
) -> None:
    found = (shown(make_engine(frame_size), prompt, (940, 640), LEFT) == (30 * LEFT, 2, 200)).all(-1)
    assert box(found) == where
    assert found.sum() == where[2] * where[3]


@pytest.mark.parametrize("count", [2, 12, 30])
def test_the_legend_has_room_for_any_number_of_actions(prompt: np.ndarray, count: int) -> None:
    actions = tuple(Action(code, f"action_{code}", ("z", "x")[code : code + 1]) for code in range(count))
    marked = (shown(make_engine((40, 64), actions), prompt, (940, 640), 1) == DARK.accent).all(-1)
    _, top, _, height = box(marked)
    assert top == panel.LEGEND_TOP + height and panel.LEAST_ROW <= height <= panel.ROW
    assert panel.number_keys(build_keymap(actions)) == {code: str(code + 1) for code in range(min(count, 9))}


def test_pixels_are_crisp(engine: FakeEngine, prompt: np.ndarray) -> None:
    pictures = []

    def look(step: int) -> None:
        pictures.append(screen())  # during the first step the prompt is shown
        pygame.event.post(down(pygame.K_ESCAPE))

    engine.on_step = look
    window.play(lambda tell: PlaySession(engine, prompt), "fake")
    frame = pictures[0][:, : -panel.WIDTH]
    times = min(frame.shape[:2]) // 64
    enlarged = prompt.repeat(times, 0).repeat(times, 1)
    top, left = ((frame.shape[axis] - 64 * times) // 2 for axis in (0, 1))
    assert times > 1
    assert np.array_equal(frame[top : top + 64 * times, left : left + 64 * times], enlarged)


@pytest.mark.parametrize(("action", "row"), [(0, 0), (4, 4), (7, 2)], ids=["right", "jump_right", "stay_2, in stay's"])
def test_the_legend_marks_what_is_played(engine: FakeEngine, prompt: np.ndarray, action: int, row: int) -> None:
    marked = (shown(engine, prompt, (940, 640), action) == DARK.accent).all(-1)
    _, top, _, height = box(marked)
    assert (top, height) == (panel.LEGEND_TOP + panel.ROW * row, panel.ROW)


OTHERS = tuple(Action(code, f"stay_{code}") for code in range(2, 8))


@pytest.mark.parametrize("name", ["left", "jump_left", "jump_right_2"])
def test_keys_leave_the_name_of_their_action_readable(prompt: np.ndarray, name: str) -> None:
    """As many combinations are shown as fit beside the name, the first ones first."""
    rows = {}
    combinations = ("up+left", "w+a", "space+left", "tab+return")
    for count in range(len(combinations) + 1):
        engine = FakeEngine(actions=(Action(0, "stay"), Action(1, name, combinations[:count]), *OTHERS))
        top = panel.LEGEND_TOP + panel.ROW
        rows[count] = shown(engine, prompt, (940, 640), 0)[top : top + panel.ROW, -panel.WIDTH :]
    _, _, width, _ = box((rows[0] != DARK.panel).any(-1))
    named = slice(0, panel.MARGIN + width)
    for count, row in rows.items():
        assert np.array_equal(row[:, named], rows[0][:, named]), count
    assert not np.array_equal(rows[0], rows[1])


class FakeClock:
    """Time that passes only in sleep, or when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.woken: list[float] = []

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds + 0.002  # a sleep is always a little late
        self.woken.append(self.now)


def woken(work: Callable[[int], float], ticks: int) -> list[float]:
    """When each tick at 10 fps starts, in seconds from the start, if tick i takes `work(i)` seconds."""
    clock = FakeClock()
    pacer = Pacer(10, lambda: clock.now, clock.sleep)
    starts = []
    for tick in range(ticks):
        pacer.wait()
        starts.append(clock.now - 100)
        clock.now += work(tick)
    return starts


def test_the_pace_does_not_drift() -> None:
    starts = woken(lambda tick: 0.03 if tick % 2 else 0.07, 1000)
    assert starts == pytest.approx([0.1 * (tick + 1) + 0.002 for tick in range(1000)])


def test_a_slow_world_runs_as_fast_as_it_can() -> None:
    assert np.diff(woken(lambda tick: 0.25, 20)) == pytest.approx(0.25, abs=0.003)


def test_one_slow_step_is_not_made_up_for() -> None:
    gaps = np.diff(woken(lambda tick: 0.55 if tick == 3 else 0.01, 10))
    assert gaps == pytest.approx([0.1, 0.1, 0.1, 0.55, 0.1, 0.1, 0.1, 0.1, 0.1], abs=0.003)


def test_measured_fps() -> None:
    assert measured_fps(deque()) == measured_fps(deque([5.0])) == 0
    assert measured_fps(deque([5.0, 5.0])) == 0, "a coarse clock"
    assert measured_fps(deque([5.0, 5.1, 5.2, 5.3])) == pytest.approx(10)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a screen")
@pytest.mark.parametrize("display", [{}, {"DISPLAY": ":987"}], ids=["none", "dead"])
def test_without_a_screen_the_ways_on_are_named(display: dict[str, str]) -> None:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | display
    code = "from app.window.play import play; play(lambda tell: None, 'fake')"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("genie_core.errors.DisplayError: no window can be opened here")
    assert "--web" in last
    assert "--actions SCRIPT --save FILE" in last
    assert "pygame" not in ended.stdout
