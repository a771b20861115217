"""The real game beside a playthrough: it follows, back and into branches too, and is told where the two part."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ACTIONS, FakeEngine

from app.play import commands as c
from app.play.beside import GAP, Beside
from app.play.session import PlaySession
from genie_core.actions.labelling import button_map
from genie_core.games import Game, find
from genie_core.games.base import Labelled

ROOT = Path(__file__).parents[1]
RIGHT, JUMP, STAY, LEFT = range(4)
needs_recorder = pytest.mark.skipif(
    importlib.util.find_spec("procgen") is None,
    reason="no Procgen: pip install -r requirements.txt -r genie_core/games/coinrun/requirements-record.txt",
)


class CountingGame:
    """A game whose frames show its button and its step, as FakeEngine's do; it ends after `last` steps."""

    name, rest = "counting", STAY

    def __init__(self, last: int = 100, parts_at: int = 100) -> None:
        self.last, self.parts_at, self.steps, self.begun = last, parts_at, 0, 0

    def begin(self) -> np.ndarray:
        self.steps, self.begun = 0, self.begun + 1
        return np.zeros((64, 64, 3), np.uint8)

    def step(self, action: int) -> np.ndarray | None:
        self.steps += 1
        if self.steps > self.last:
            return None
        shade = 0 if self.steps >= self.parts_at else 200
        return np.broadcast_to(np.array([30 * action, self.steps, shade], np.uint8), (64, 64, 3)).copy()

    def labelled(self, steps: int) -> list[Labelled]:
        return []


def start(game: CountingGame) -> tuple[PlaySession, Beside]:
    beside = Beside(game, list(range(len(ACTIONS))), (64, 64))
    return PlaySession(FakeEngine(), beside.start), beside


def play(session: PlaySession, beside: Beside, *actions: int) -> None:
    for action in actions:
        session.handle(c.Hold(action))
        session.tick()
        beside.follow(session.timeline)


def test_it_follows_back_and_into_branches() -> None:
    game = CountingGame()
    session, beside = start(game)
    play(session, beside, RIGHT, JUMP, STAY, LEFT)
    assert np.array_equal(beside.frame, session.frame) and beside.parted is None
    session.handle(c.GoTo(0, 2))
    beside.follow(session.timeline)
    assert np.array_equal(beside.frame, session.frame) and game.begun == 1, "frames at hand are not played again"
    play(session, beside, RIGHT)
    assert session.timeline.taken == [RIGHT, JUMP, RIGHT]
    assert np.array_equal(beside.frame, session.frame) and game.begun == 2
    session.handle(c.GoTo(0))
    beside.follow(session.timeline)
    assert np.array_equal(beside.frame, session.frame), "the old branch again"


def test_it_tells_where_the_two_part_and_where_the_real_game_ends() -> None:
    session, beside = start(CountingGame(last=4, parts_at=3))
    play(session, beside, RIGHT, RIGHT)
    assert beside.told() == "alike"
    play(session, beside, RIGHT, RIGHT)
    assert beside.told() == "apart since step 3"
    last = beside.frame
    play(session, beside, RIGHT, RIGHT)
    assert beside.told() == "the real game ended at step 4" and np.array_equal(beside.frame, last)
    session.handle(c.GoTo(0, 1))
    beside.follow(session.timeline)
    assert beside.told() == "alike"


class Inferring:
    """A world that reads its codes off the frames' first pixel."""

    config = FakeEngine().world.config

    def actions_between(self, frames: np.ndarray) -> list[int]:
        return frames[1:, 0, 0, 0].tolist()


def test_a_code_stands_for_the_button_during_whose_steps_it_is_inferred() -> None:
    """Also where another button, pressed far more often, is inferred as that code in more steps."""
    codes = [0] * 60 + [1] * 30 + [1] * 20 + [2] * 2
    buttons = np.array([9] * 90 + [7] * 22)
    frames = np.broadcast_to(np.array([0, *codes], np.uint8)[:, None, None, None], (len(codes) + 1, 2, 2, 3))
    assert button_map(Inferring(), [Labelled(frames, buttons)], rest=4)[:4] == [9, 7, 7, 4]  # type: ignore[arg-type]


def test_other_games_cannot_be_played_beside() -> None:
    with pytest.raises(Exception, match="leave --beside-real out"):
        Game().open_real(0, {})


@needs_recorder
@pytest.mark.slow
def test_the_same_buttons_give_the_same_frames() -> None:
    game = find("coinrun").open_real(3, {"sets": [{"mode": "hard"}]})
    assert "hard" in game.name
    rounds = [[game.begin(), *(game.step(7) for _ in range(12))] for _ in range(2)]
    assert all(np.array_equal(one, other) for one, other in zip(*rounds, strict=True))
    assert not np.array_equal(rounds[0][0], rounds[0][-1])
    assert sum(len(part.actions) for part in game.labelled(200)) in range(190, 201)


@needs_recorder
@pytest.mark.slow
def test_the_command_saves_both_beside_each_other(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "launch.py", "--play", "--beside-real", "--actions", "right*6", "--save", "b.npz"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "right → right" in ended.stdout and "beside level 100,000" in ended.stdout
    frames = np.load(tmp_path / "b.npz")["frames"]
    assert frames.shape == (7, 64, 128 + GAP, 3)
    world, real = frames[..., :64, :].astype(int), frames[..., -64:, :].astype(int)
    assert np.abs(world[0] - real[0]).mean() < 5, "the same start"
    assert np.abs(np.diff(real, axis=0)).mean() > 1, "it moves"


def test_a_picture_cannot_be_brought_along() -> None:
    command = [sys.executable, ROOT / "launch.py", "--play", "assets/coinrun.png", "--beside-real"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and "leave IMAGE and --continue out" in ended.stderr


def test_the_window_shows_the_two_and_says_where_they_part(tmp_path: Path) -> None:
    pygame = pytest.importorskip("pygame")
    from app.window import panel
    from app.window.loop import WindowLoop
    from app.window.run_shortcut import run_shortcut
    from app.window.screen import open_window

    session, beside = start(CountingGame(parts_at=3))
    session.beside = beside
    scale = open_window("tiny", 2)
    window = WindowLoop(session, "tiny", None, tmp_path / "keys.json", scale, run_shortcut, tmp_path)
    try:
        screen = pygame.display.set_mode((1300, 640))
        middle, half = screen.get_height() // 2, (screen.get_width() - int(panel.WIDTH * scale)) // 2
        for step, alike in enumerate((True, True, False), 1):
            window.handle(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_RIGHT, mod=0))
            window.tick()
            window.draw()
            shown = [screen.get_at((left + half // 2, middle))[:3] for left in (0, half)]
            assert shown == [tuple(session.frame[0, 0]), tuple(beside.frame[0, 0])] and shown[1][1] == step
            assert (shown[0] == shown[1]) == alike
        assert beside.told() == "apart since step 3"
    finally:
        pygame.quit()
