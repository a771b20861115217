"""What the window does with files, commands and what lies over the world: a real engine, events by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pygame
import pytest
from PIL import Image
from test_window import down, up
from tiny import make_world

from app.media.read import infer_actions
from app.media.write import save_frames
from app.play import commands as c
from app.play.autoplay import ListedActions, RandomActions
from app.play.pace import measured_fps
from app.play.session import PlaySession
from app.play.session_file import parse_session, save_session, session_bytes
from app.play.start_pictures import Prompts
from app.window import panel
from app.window.drawing import Pen
from app.window.help import Help
from app.window.loop import Game
from app.window.preview import Preview
from app.window.screen import open_window
from app.window.shortcuts import Settings, load_settings
from genie_core.engine import WorldEngine
from genie_core.pictures import fit


@pytest.fixture
def game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Game]:
    folder = tmp_path / "played"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for seed in range(3):
        Image.fromarray(picture(seed)).save(tmp_path / f"coinrun-{seed}.png")
    scale = open_window("tiny")
    session = PlaySession(WorldEngine(make_world()), picture())
    yield Game(session, "tiny", Prompts(tmp_path), tmp_path / "keys.json", scale)
    pygame.quit()


def picture(seed: int = 0, shape: tuple[int, ...] = (16, 16, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def press(game: Game, *keys: int, mod: int = 0, ticks: int = 1) -> None:
    for key in keys:
        game.handle(pygame.event.Event(pygame.KEYDOWN, key=key, mod=mod))
        game.handle(pygame.event.Event(pygame.KEYUP, key=key, mod=mod))
    for _ in range(ticks):
        game.tick()
        game.draw()


def told(game: Game) -> str:
    game.tick()
    return " / ".join(text for _, text, _ in game.messages._shown)


def drop(game: Game, path: Path) -> None:
    game.handle(pygame.event.Event(pygame.DROPFILE, file=str(path)))
    game.draw()


def test_a_dropped_picture_is_started_from(game: Game, tmp_path: Path) -> None:
    wide = picture(5, (20, 40, 3))
    Image.fromarray(wide).save(tmp_path / "wide.png")
    press(game, ticks=3)
    drop(game, tmp_path / "wide.png")
    assert np.array_equal(game.session.prompt, fit(wide, 16)) and game.session.steps == 0
    assert "far from what the world knows" in told(game)
    (tmp_path / "text.png").write_text("no picture")
    steps = game.session.steps
    drop(game, tmp_path / "text.png")
    assert game.session.steps == steps and "text.png" in told(game)


def test_what_the_world_sees_and_another_fit(game: Game, tmp_path: Path) -> None:
    wide = picture(5, (20, 40, 3))
    Image.fromarray(wide).save(tmp_path / "wide.png")
    drop(game, tmp_path / "wide.png")
    press(game, pygame.K_i, ticks=3)
    assert isinstance(game.overlay, Preview) and game.session.steps == 0, "the world waits"
    press(game, pygame.K_RIGHT, pygame.K_RIGHT, pygame.K_RETURN, ticks=0)
    assert np.array_equal(game.session.prompt, fit(wide, 16, "stretch"))
    assert game.overlay is None and load_settings(tmp_path / "keys.json").fit == "stretch"
    press(game, pygame.K_i, pygame.K_RIGHT, pygame.K_ESCAPE, ticks=0)
    assert game.settings.fit == "stretch" and game.session.running


def test_the_picture_of_the_start_is_fitted_from_its_file(game: Game, tmp_path: Path) -> None:
    wide = picture(5, (20, 40, 3))
    Image.fromarray(wide).save(tmp_path / "wide.png")
    game.prompts = Prompts(tmp_path, tmp_path / "wide.png")
    press(game, pygame.K_i, pygame.K_RIGHT, pygame.K_RETURN, ticks=0)
    assert np.array_equal(game.session.prompt, fit(wide, 16, "pad"))


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
def test_a_frame_of_a_video_is_picked_and_its_actions_played(game: Game, tmp_path: Path, suffix: str) -> None:
    frames = picture(7, (12, 16, 16, 3))
    save_frames(tmp_path / f"v.{suffix}", frames, np.zeros(11, int), game.session.config.fps, ["stay"])
    drop(game, tmp_path / f"v.{suffix}")
    assert isinstance(game.overlay, Preview) and game.overlay.count == 12
    seen = game.overlay.frames()
    press(game, *[pygame.K_DOWN] * 4, pygame.K_a, ticks=0)
    assert np.array_equal(game.session.prompt, seen[4])
    assert game.files._finding is not None
    actions = infer_actions(game.session.engine.world, seen[4:])
    assert game.files._finding.result() == actions
    press(game, ticks=len(actions) + 1)
    assert game.session.actions[1:] == actions


def test_a_dropped_session_is_gone_on_with(game: Game, tmp_path: Path) -> None:
    press(game, ticks=5)
    save_session(game.session, tmp_path / "s.genie")
    tokens = game.session.timeline.moment.frames[-1].tokens
    press(game, pygame.K_n, ticks=2)
    drop(game, tmp_path / "s.genie")
    assert game.session.steps == 5
    assert np.array_equal(game.session.timeline.moment.frames[-1].tokens, tokens)
    (tmp_path / "s.genie").write_bytes(b"junk")
    drop(game, tmp_path / "s.genie")
    assert game.session.steps == 5 and "not a saved session" in told(game)


def pace_told(game: Game) -> str:
    return panel._facts(game.session, panel.Reached(measured_fps(game._ticks)))["fps"]


def test_a_replay_has_a_pace_and_standing_still_has_none(game: Game, tmp_path: Path) -> None:
    press(game, ticks=8)
    game.session.handle(c.Open(parse_session(session_bytes(game.session), make_world()), replay=True))
    again = Game(game.session, "tiny", None, tmp_path / "keys.json", 1.0)
    press(again, ticks=4)
    assert again.session.status == "replay" and float(pace_told(again)) > 0
    press(again, ticks=8)
    assert again.session.status == "resting" and pace_told(again) == "-"
    press(again, pygame.K_1, ticks=3)
    assert float(pace_told(again)) > 0
    press(again, pygame.K_TAB)
    assert pace_told(again) == "-", "or the pause would count as a slow step when play goes on"


def test_pictures_one_after_the_other(game: Game) -> None:
    prompts = [game.session.prompt]
    for key in (pygame.K_PAGEDOWN, pygame.K_PAGEDOWN, pygame.K_PAGEDOWN, pygame.K_PAGEUP):
        press(game, key)
        prompts.append(game.session.prompt)
    expected = [picture(seed) for seed in (0, 1, 2, 0, 2)]
    assert all(np.array_equal(one, other) for one, other in zip(prompts, expected, strict=True))


def test_a_click_on_a_thumbnail_jumps_there(game: Game) -> None:
    press(game, ticks=6)
    game.handle(down(pygame.K_BACKSPACE))
    game.tick()
    game.tick()
    game.handle(up(pygame.K_BACKSPACE))
    press(game, pygame.K_4)
    press(game, pygame.K_k)
    assert [thumbnail.line.number for thumbnail in game.thumbnails] == [0, 1, 1]
    game.handle(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=game.thumbnails[0].area.center))
    assert game.session.timeline.line.number == 0 and game.session.steps == 6
    press(game, pygame.K_l)
    assert game.session.timeline.line.number == 1
    press(game, pygame.K_b)
    assert game.session.timeline.line.number == 0


def test_speeds_and_autoplay(game: Game) -> None:
    fps = game.session.config.fps
    press(game, pygame.K_EQUALS, pygame.K_EQUALS, pygame.K_EQUALS)
    assert game.session.speed == 4 and game._pacer.fps == 4 * fps
    press(game, *[pygame.K_MINUS] * 5)
    assert game.session.speed == 0.25
    press(game, pygame.K_t)
    assert game.session.autoplay is not None and isinstance(game.session.autoplay.source, RandomActions)
    press(game, pygame.K_t)
    assert game.session.autoplay.mix
    press(game, pygame.K_t)
    assert game.session.autoplay is None
    game.files.imitated = [1, 2]
    press(game, *[pygame.K_t] * 3)
    assert isinstance(game.session.autoplay.source, ListedActions)
    press(game, pygame.K_3)
    assert game.session.autoplay is None and game.session.action == 2


def test_the_help_waits_and_gives_keys(game: Game, tmp_path: Path) -> None:
    press(game, pygame.K_F1, ticks=3)
    assert isinstance(game.overlay, Help) and game.session.steps == 0
    press(game, pygame.K_DOWN, pygame.K_RETURN, ticks=0)
    game.overlay.handle(down(pygame.K_z))
    game.overlay.handle(down(pygame.K_x))
    game.overlay.handle(up(pygame.K_x))
    assert load_settings(tmp_path / "keys.json").actions == {"action_1": ["z+x"]}
    press(game, pygame.K_RETURN, pygame.K_5 - 1, ticks=0)
    assert "by number" in game.overlay.said and game.settings.actions == {"action_1": ["z+x"]}
    press(game, pygame.K_DELETE, ticks=0)
    assert load_settings(tmp_path / "keys.json") == Settings()
    game.overlay.chosen = next(place for place, row in enumerate(game.overlay.rows) if row.name == "record")
    press(game, pygame.K_RETURN, pygame.K_g, ticks=0)
    assert "gif already" in game.overlay.said
    press(game, pygame.K_RETURN, pygame.K_c, ticks=0)
    assert game.settings.commands == {"record": "c"}
    press(game, pygame.K_ESCAPE)
    assert game.overlay is None and game.session.running
    press(game, pygame.K_c, ticks=3)
    assert game.files.recording


@pytest.mark.parametrize("size", [(940, 640), (660, 360), (400, 300)])
def test_no_word_of_the_help_is_cut_off(game: Game, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    write, cut = Pen.text, []

    def text(pen: Pen, words: str, at: tuple[int, int], *more: Any, **named: Any) -> int:
        right = write(pen, words, at, *more, **named)
        if right > pen.surface.get_clip().right:
            cut.append(words)
        return right

    pygame.display.set_mode(size, pygame.RESIZABLE)
    monkeypatch.setattr(Pen, "text", text)
    press(game, pygame.K_h)
    assert isinstance(game.overlay, Help) and not cut


def test_what_there_is_no_time_for_is_drawing_not_stepping(game: Game, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.window.loop.UNDRAWN_SECONDS", 3600)
    drawn = []
    monkeypatch.setattr(game, "draw", lambda: drawn.append(game.session.steps))
    game._pacer.fps = 1e9  # always late
    for _ in range(30):
        game._draw_if_there_is_time()
        game._pacer.wait()
        game.tick()
    assert game.session.steps == 30 and len(drawn) <= 1
    game._pacer.fps = 1e-9
    game._draw_if_there_is_time()
    assert drawn[-1] == 30


def test_files_of_one_second_do_not_overwrite_each_other(game: Game) -> None:
    press(game, *[pygame.K_p, pygame.K_g, pygame.K_F5] * 3, ticks=2)
    press(game, pygame.K_v, ticks=3)
    game.files.close()
    count = {suffix: len(list(Path.cwd().glob(f"*.{suffix}"))) for suffix in ("png", "gif", "genie", "mp4")}
    assert count == {"png": 3, "gif": 3, "genie": 3, "mp4": 1}
    assert not list(Path.cwd().glob(".*"))


def test_settings_that_cannot_be_read_are_told_and_play_goes_on(game: Game, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{")
    again = Game(game.session, "tiny", None, tmp_path / "keys.json", 1.0)
    assert "the usual keys are used" in told(again)
    press(again, pygame.K_PAGEDOWN)


@pytest.mark.parametrize("size", [(940, 640), (300, 200), (64, 64), (2000, 300)])
def test_everything_can_be_drawn_at_any_size(game: Game, size: tuple[int, int]) -> None:
    pygame.display.set_mode(size, pygame.RESIZABLE)
    game.show_latency = True
    for key in (pygame.K_F6, pygame.K_F7, pygame.K_k, pygame.K_h, pygame.K_ESCAPE, pygame.K_i, pygame.K_ESCAPE):
        press(game, key, ticks=2)
    game.scale = 2.0
    game.draw()
    assert game.session.running
