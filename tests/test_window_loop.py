"""What the window does with files, commands and what lies over the world: a real engine, events by hand."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pygame
import pytest
import torch
from PIL import Image
from played import actions_of, save_session, session_bytes
from test_window import ROOT, down, make_engine, up
from tiny import make_world

from app.media.write import save_frames
from app.play import commands as c
from app.play import session_file
from app.play.autoplay import ListedActions, RandomActions
from app.play.made import short
from app.play.session import PlaySession
from app.play.session_file import load_session, parse_session
from app.play.start_pictures import Prompts
from app.window import opener, panel
from app.window.ask import Ask
from app.window.drawing import Canvas
from app.window.help import Help
from app.window.hud import notice
from app.window.loop import WindowLoop
from app.window.preview import Preview
from app.window.run_shortcut import run_shortcut
from app.window.screen import open_window
from app.window.settings import Settings, load_settings
from app.window.shortcuts import SHORTCUTS
from app.window.strip import shown_run
from genie_core.engine import WorldEngine
from genie_core.errors import ConfigError
from genie_core.pictures import fit


@pytest.fixture
def window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WindowLoop]:
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        Image.fromarray(picture(seed)).save(tmp_path / f"coinrun-{seed}.png")
    scale = open_window("tiny")
    session = PlaySession(WorldEngine(make_world()), picture())
    yield make_window(session, tmp_path, Prompts(tmp_path), scale)
    pygame.quit()


def make_window(session: PlaySession, folder: Path, prompts: Prompts | None = None, scale: float = 1.0) -> WindowLoop:
    return WindowLoop(session, "tiny", prompts, folder / "keys.json", scale, run_shortcut, folder / "genie")


def picture(seed: int = 0, shape: tuple[int, ...] = (16, 16, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def press(window: WindowLoop, *keys: int, mod: int = 0, ticks: int = 1) -> None:
    for key in keys:
        window.handle(pygame.event.Event(pygame.KEYDOWN, key=key, mod=mod))
        window.handle(pygame.event.Event(pygame.KEYUP, key=key, mod=mod))
    for _ in range(ticks):
        window.tick()
        window.draw()


def told(window: WindowLoop) -> str:
    window.tick()
    return " / ".join(text for _, text, _, _ in window.messages.shown)


def drop(window: WindowLoop, path: Path) -> None:
    window.handle(pygame.event.Event(pygame.DROPFILE, file=str(path)))
    read(window)
    window.draw()


def read(window: WindowLoop) -> None:
    """Waits for what is being read, and takes it."""
    while window.opener.reading:
        window.opener.tell()
        time.sleep(0.002)


def test_a_dropped_picture_is_started_from(window: WindowLoop, tmp_path: Path) -> None:
    wide = picture(5, (20, 40, 3))
    Image.fromarray(wide).save(tmp_path / "wide.png")
    press(window, ticks=3)
    drop(window, tmp_path / "wide.png")
    assert np.array_equal(window.session.prompt, fit(wide, (16, 16))) and window.session.steps == 0
    assert "far from what the world knows" in told(window)
    (tmp_path / "text.png").write_text("no picture")
    steps = window.session.steps
    drop(window, tmp_path / "text.png")
    assert window.session.steps == steps and "text.png" in told(window)


def test_what_the_world_sees_and_another_fit(window: WindowLoop, tmp_path: Path) -> None:
    wide = picture(5, (20, 40, 3))
    Image.fromarray(wide).save(tmp_path / "wide.png")
    drop(window, tmp_path / "wide.png")
    press(window, pygame.K_i, ticks=3)
    assert isinstance(window.overlay, Preview) and window.session.steps == 0, "the world waits"
    press(window, pygame.K_RIGHT, pygame.K_RIGHT, pygame.K_RETURN, ticks=0)
    assert np.array_equal(window.session.prompt, fit(wide, (16, 16), "stretch"))
    assert window.overlay is None and load_settings(tmp_path / "keys.json").fit == "stretch"
    press(window, pygame.K_i, pygame.K_RIGHT, pygame.K_ESCAPE, ticks=0)
    assert window.settings.fit == "stretch" and window.session.running


def test_the_picture_of_the_start_is_fitted_from_its_file(window: WindowLoop, tmp_path: Path) -> None:
    wide = picture(5, (20, 40, 3))
    Image.fromarray(wide).save(tmp_path / "wide.png")
    window.opener.prompts = Prompts(tmp_path, tmp_path / "wide.png")
    press(window, pygame.K_i, pygame.K_RIGHT, pygame.K_RETURN, ticks=0)
    assert np.array_equal(window.session.prompt, fit(wide, (16, 16), "pad"))


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
def test_a_frame_of_a_video_is_picked_and_its_actions_played(window: WindowLoop, tmp_path: Path, suffix: str) -> None:
    frames = picture(7, (12, 16, 16, 3))
    save_frames(tmp_path / f"v.{suffix}", frames, np.zeros(11, int), window.session.config.fps, ["stay"])
    drop(window, tmp_path / f"v.{suffix}")
    assert isinstance(window.overlay, Preview) and window.overlay.count == 12
    seen = window.overlay.frames()
    press(window, *[pygame.K_DOWN] * 4, pygame.K_a, ticks=0)
    assert np.array_equal(window.session.prompt, seen[4])
    assert "finding the actions of 8 frames" in window.opener.reading
    actions = window.session.engine.world.infer_actions(torch.from_numpy(seen[None, 4:]))[0].tolist()
    read(window)
    assert window.opener.imitated == actions
    press(window, ticks=len(actions) + 1)
    assert actions_of(window.session)[: len(actions)] == actions


def test_a_dropped_session_is_gone_on_with(window: WindowLoop, tmp_path: Path) -> None:
    press(window, ticks=5)
    save_session(window.session, tmp_path / "s.genie")
    tokens = window.session.timeline.moment.frames[-1].tokens
    press(window, pygame.K_n, ticks=2)
    drop(window, tmp_path / "s.genie")
    assert window.session.steps == 5
    assert window.session.engine.snapshot() is window.session.timeline.moment, "the next key is answered at once"
    assert np.array_equal(window.session.timeline.moment.frames[-1].tokens, tokens)
    (tmp_path / "s.genie").write_bytes(b"junk")
    drop(window, tmp_path / "s.genie")
    assert window.session.steps == 5 and "not a saved session" in told(window)


def test_a_session_that_cannot_be_played_on_is_refused_and_the_game_goes_on(
    window: WindowLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a light install, which makes no graph of other numbers of passes."""
    press(window, ticks=5)
    window.session.handle(c.Tune(unmask_steps=2))
    save_session(window.session, tmp_path / "s.genie")
    window.session.handle(c.Tune(unmask_steps=1))
    press(window, pygame.K_n, ticks=2)

    def refuse(passes: int) -> None:
        if passes == 2:
            raise ConfigError("the graph of this world takes 1 passes")

    monkeypatch.setattr(window.session.engine, "make_ready", refuse)
    line, steps = window.session.timeline.line, window.session.steps
    drop(window, tmp_path / "s.genie")
    assert "takes 1 passes" in told(window) and window.session.timeline.line is line
    press(window, pygame.K_4)
    assert window.session.running and window.session.steps == steps + 2


def test_a_step_that_fails_pauses_the_game_which_can_still_be_saved(
    window: WindowLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    press(window, pygame.K_4, ticks=3)
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise ConfigError("numbers that are not finite")

        patch.setattr(window.session.engine, "step", fail)
        press(window, pygame.K_4, ticks=2)
        assert "not finite" in told(window) and window.session.mode == "paused" and window.session.steps == 3
        press(window, pygame.K_F5)
    path = window.saver.last_session()
    assert path is not None and len(load_session(path, window.session.engine.world).lines) == 1
    press(window, pygame.K_p, pygame.K_4)
    assert window.session.steps == 4


def test_escape_lets_go_of_the_actions_that_are_being_found(
    window: WindowLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, found = Event(), Event()

    def slow(frames: np.ndarray) -> list[int]:
        begun.set()
        found.wait(30)
        return [1] * (len(frames) - 1)

    monkeypatch.setattr(window.session.engine.world, "actions_between", slow)
    fps = window.session.config.fps
    save_frames(tmp_path / "v.gif", picture(7, (12, 16, 16, 3)), np.zeros(11, int), fps, ["stay"])
    drop(window, tmp_path / "v.gif")
    press(window, pygame.K_a, ticks=0)
    assert "finding the actions" in window.opener.reading and begun.wait(30)
    press(window, pygame.K_ESCAPE)
    assert window.opener.reading == "" and window.session.running
    found.set()
    window.opener.close()
    window.opener._reader.shutdown(wait=True)
    press(window, ticks=3)
    assert window.session.autoplay is None and window.opener.imitated == []


def test_every_kept_moment_is_gone_back_to_by_its_key(window: WindowLoop) -> None:
    press(window, pygame.K_k)
    press(window, pygame.K_PAGEDOWN)
    press(window, pygame.K_k, pygame.K_4, ticks=6)
    press(window, pygame.K_k)
    press(window, pygame.K_r, pygame.K_k, pygame.K_2)
    visited = set()
    for _ in window.session.kept:
        press(window, pygame.K_l, ticks=0)
        visited.add((window.session.timeline.line, window.session.steps))
    assert visited == set(window.session.kept) and len(visited) == 4


def test_a_key_let_go_while_it_is_a_shortcut_is_let_go(window: WindowLoop) -> None:
    name = window.session.config.actions[2].name
    window.set(actions={name: ["r"]})
    window.handle(down(pygame.K_r))
    window.tick()
    assert window.pilot.held.look() == ["r"]
    window.handle(pygame.event.Event(pygame.KEYUP, key=pygame.K_r, mod=pygame.KMOD_LCTRL))
    window.tick()
    assert window.pilot.held.look() == []


def test_a_moment_kept_after_saving_is_asked_about(window: WindowLoop) -> None:
    press(window, pygame.K_4, pygame.K_k, ticks=4)
    press(window, pygame.K_F5)
    window.saver.last_session()
    assert window.session.unsaved == 0
    window.session.handle(c.GoTo(window.session.timeline.line.number, 2))
    press(window, pygame.K_k, pygame.K_ESCAPE)
    assert isinstance(window.overlay, Ask) and window.session.running


def test_a_video_of_no_frame_is_not_said_to_be_saved(
    window: WindowLoop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    press(window, pygame.K_p, pygame.K_v, ticks=2)
    press(window, pygame.K_v, ticks=0)  # or a tick may tell what was written before it is printed
    window.saver.close()
    assert capsys.readouterr().out == "nothing was recorded: no frame was played\n"
    assert not list((tmp_path / "genie").iterdir())


def pace_told(window: WindowLoop) -> str:
    return panel.facts(window.session, window.pilot.fps)["frames a second"]


def test_a_replay_has_a_pace_and_standing_still_has_none(window: WindowLoop, tmp_path: Path) -> None:
    press(window, ticks=8)
    window.session.handle(c.Open(parse_session(session_bytes(window.session), make_world()), replay=True))
    again = make_window(window.session, tmp_path)
    press(again, ticks=4)
    assert again.session.mode == "replay" and float(pace_told(again)) > 0
    press(again, ticks=8)
    assert again.session.mode == "resting" and pace_told(again) == "–"
    press(again, pygame.K_1, ticks=3)
    assert float(pace_told(again)) > 0
    press(again, pygame.K_TAB)
    assert pace_told(again) == "–", "or the pause would count as a slow step when play goes on"


def test_pictures_one_after_the_other(window: WindowLoop) -> None:
    prompts = [window.session.prompt]
    for key in (pygame.K_PAGEDOWN, pygame.K_PAGEDOWN, pygame.K_PAGEDOWN, pygame.K_PAGEUP):
        press(window, key)
        prompts.append(window.session.prompt)
    expected = [picture(seed) for seed in (0, 1, 2, 0, 2)]
    assert all(np.array_equal(one, other) for one, other in zip(prompts, expected, strict=True))


def test_a_click_on_a_thumbnail_jumps_there(window: WindowLoop) -> None:
    press(window, ticks=6)
    window.handle(down(pygame.K_BACKSPACE))
    window.tick()
    window.tick()
    window.handle(up(pygame.K_BACKSPACE))
    press(window, pygame.K_4)
    press(window, pygame.K_k)
    assert [thumbnail.line.number for thumbnail in window.thumbnails] == [0, 1, 1]
    window.handle(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=window.thumbnails[0].area.center))
    assert window.session.timeline.line.number == 0 and window.session.steps == 6
    press(window, pygame.K_l)
    assert window.session.timeline.line.number == 1
    press(window, pygame.K_b)
    assert window.session.timeline.line.number == 0


def test_branches_without_room_are_counted(window: WindowLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    text = Canvas.text

    def watched(self: Canvas, said: str, *given: Any, **more: Any) -> Any:
        written.append(said)
        return text(self, said, *given, **more)

    monkeypatch.setattr(Canvas, "text", watched)
    press(window, pygame.K_4)
    for _ in range(30):
        press(window, pygame.K_r, pygame.K_4)
    shown, lines = window.thumbnails, window.session.timeline.lines
    assert 1 < len(shown) < len(lines) == 31 and shown[-1].line is lines[-1]
    assert f"+{len(lines) - len(shown) + 1}" in written and "earlier" in written, "the first place counts the others"
    assert "branch: its last step" in written
    earlier = shown[0].line
    window.handle(click(shown[0].area.center))
    press(window)
    assert window.session.timeline.line is earlier, "a click on the count goes there"
    assert window.thumbnails[1].line is earlier and "later" in written, "and shows those around"
    window.handle(click(window.thumbnails[-1].area.center))
    assert window.session.timeline.line.number > earlier.number
    areas = [thumbnail.area for thumbnail in shown]
    assert all(one.collidelist(areas[i + 1 :]) == -1 for i, one in enumerate(areas))


def test_the_branch_shown_is_among_the_pictures_however_few() -> None:
    for count, room, here in itertools.product(range(2, 20), range(1, 12), range(20)):
        start, end = shown_run(count, room, min(here, count))
        assert 0 <= start <= end <= count and (start > 0) + (end - start) + (end < count) == min(room, count)
        assert here >= count or room < 3 or start <= here < end


def test_speeds_and_autoplay(window: WindowLoop) -> None:
    fps = window.session.config.fps
    press(window, pygame.K_EQUALS, pygame.K_EQUALS, pygame.K_EQUALS)
    assert window.session.speed == 4 and window.pacer.fps == 4 * fps
    press(window, *[pygame.K_MINUS] * 5)
    assert window.session.speed == 0.25
    press(window, pygame.K_t)
    assert window.session.autoplay is not None and isinstance(window.session.autoplay.source, RandomActions)
    press(window, pygame.K_t)
    assert window.session.autoplay.mix
    press(window, pygame.K_t)
    assert window.session.autoplay is None
    window.opener.imitated = [1, 2]
    press(window, *[pygame.K_t] * 3)
    assert isinstance(window.session.autoplay.source, ListedActions)
    press(window, pygame.K_3)
    assert window.session.autoplay is None and window.session.action == 2


def test_the_help_waits_and_gives_keys(window: WindowLoop, tmp_path: Path) -> None:
    press(window, pygame.K_F1, ticks=3)
    assert isinstance(window.overlay, Help) and window.session.steps == 0
    press(window, pygame.K_DOWN, pygame.K_RETURN, ticks=0)
    window.overlay.handle(down(pygame.K_z))
    window.overlay.handle(down(pygame.K_x))
    window.overlay.handle(up(pygame.K_x))
    assert load_settings(tmp_path / "keys.json").actions == {"action_1": ["z+x"]}
    press(window, pygame.K_RETURN, pygame.K_5 - 1, ticks=0)
    assert "by number" in window.overlay.said and window.settings.actions == {"action_1": ["z+x"]}
    press(window, pygame.K_DELETE, ticks=0)
    assert load_settings(tmp_path / "keys.json") == Settings()
    window.overlay.chosen = next(place for place, row in enumerate(window.overlay.rows) if row.name == "record")
    press(window, pygame.K_RETURN, pygame.K_g, ticks=0)
    assert (
        window.settings.commands == {"gif": "", "record": "g"}
        and "GIF of ten seconds” has no key" in window.overlay.said
    )
    assert window.overlay.bindings.roles()["g"] == "video" and window.overlay.bindings.displaced == ["gif"]
    press(window, pygame.K_z, ticks=0)
    assert window.settings == Settings() and window.overlay.bindings.roles()["g"] == "GIF", "undone"
    press(window, pygame.K_RETURN, pygame.K_j, ticks=0)
    assert window.settings.commands == {"record": "j"}
    press(window, pygame.K_ESCAPE)
    assert window.overlay is None and window.session.running
    press(window, pygame.K_j, ticks=3)
    assert window.saver.recording


@pytest.mark.parametrize("size", [(940, 640), (660, 360), (400, 300)])
def test_no_word_of_the_help_is_cut_off(
    window: WindowLoop, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    write, cut = Canvas.text, []

    def text(canvas: Canvas, words: str, at: tuple[int, int], *more: Any, **named: Any) -> int:
        right = write(canvas, words, at, *more, **named)
        if right > canvas.surface.get_clip().right:
            cut.append(words)
        return right

    pygame.display.set_mode(size, pygame.RESIZABLE)
    monkeypatch.setattr(Canvas, "text", text)
    press(window, pygame.K_h)
    assert isinstance(window.overlay, Help) and not cut


def test_what_there_is_no_time_for_is_drawing_not_stepping(window: WindowLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.window.loop.UNDRAWN_SECONDS", 3600)
    drawn = []
    monkeypatch.setattr(window, "draw", lambda: drawn.append(window.session.steps))
    window.pacer.fps = 1e9  # always late
    for _ in range(30):
        window.draw_if_there_is_time()
        window.pacer.wait()
        window.tick()
    assert window.session.steps == 30 and len(drawn) <= 1
    window.pacer.fps = 1e-9
    window.draw_if_there_is_time()
    assert drawn[-1] == 30


def test_files_of_one_second_do_not_overwrite_each_other(window: WindowLoop, tmp_path: Path) -> None:
    press(window, *[pygame.K_c, pygame.K_g, pygame.K_F5] * 3, ticks=2)
    press(window, pygame.K_v, ticks=3)
    window.saver.close()
    count = {suffix: len(list((tmp_path / "genie").glob(f"*.{suffix}"))) for suffix in ("png", "gif", "genie", "mp4")}
    assert count == {"png": 3, "gif": 3, "genie": 3, "mp4": 1}
    assert not list((tmp_path / "genie").glob(".*"))


def test_settings_that_cannot_be_read_are_told_and_play_goes_on(window: WindowLoop, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{")
    again = make_window(window.session, tmp_path)
    assert "the default keys are used" in told(again)
    press(again, pygame.K_PAGEDOWN, pygame.K_F6)
    assert load_settings(tmp_path / "keys.json") == again.settings
    assert (tmp_path / "keys.damaged-1.json").read_text() == "{", "what a player wrote is not written over"


@pytest.mark.parametrize("frame_size", [(40, 64), (64, 40)], ids=["wide", "tall"])
def test_frames_of_any_shape_are_kept_previewed_and_saved(
    window: WindowLoop, tmp_path: Path, frame_size: tuple[int, int]
) -> None:
    session = PlaySession(make_engine(frame_size), picture())  # type: ignore[arg-type]
    other = make_window(session, tmp_path, window.opener.prompts)
    press(other, pygame.K_4, pygame.K_k, pygame.K_c, pygame.K_g, ticks=2)
    assert [thumbnail.area.size for thumbnail in other.thumbnails] == [(48, 48)] * 2
    press(other, pygame.K_i)
    assert isinstance(other.overlay, Preview) and other.overlay.look("crop")[0].shape == (*frame_size, 3)
    press(other, pygame.K_RETURN)
    assert other.overlay is None and session.prompt.shape == (*frame_size, 3)
    other.saver.close(quiet=True)
    height, width = frame_size
    for suffix, times in (("png", 6), ("gif", 4)):
        (path,) = (tmp_path / "genie").glob(f"*.{suffix}")
        with Image.open(path) as saved:
            assert saved.size == (times * width, times * height)


def test_every_shortcut_runs(window: WindowLoop) -> None:
    for name in [name for name in SHORTCUTS if name not in ("rewind", "forward")]:  # those are held
        run_shortcut(window, name, shift=False)
        press(window, pygame.K_ESCAPE)  # also out of an overlay
        window.session.running = True
    window.saver.close(quiet=True)


def test_a_session_can_be_loaded_the_moment_it_is_saved(window: WindowLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even while a slow disk is still writing."""

    def slowly(path: Path, data: bytes) -> None:
        time.sleep(0.3)
        session_file.write_session(path, data)

    monkeypatch.setattr("app.window.saver.write_session", slowly)
    window.session.handle(c.Hold(1))
    window.session.tick()
    run_shortcut(window, "save", shift=False)
    window.session.tick()
    run_shortcut(window, "load", shift=False)
    assert window.session.steps == 1
    window.saver.close(quiet=True)


@pytest.mark.parametrize("size", [(940, 640), (300, 200), (64, 64), (2000, 300)])
def test_everything_can_be_drawn_at_any_size(window: WindowLoop, size: tuple[int, int]) -> None:
    pygame.display.set_mode(size, pygame.RESIZABLE)
    window.show_latency = True
    for key in (pygame.K_F6, pygame.K_F7, pygame.K_k, pygame.K_h, pygame.K_ESCAPE, pygame.K_i, pygame.K_ESCAPE):
        press(window, key)
    window.scale = 2.0
    window.draw()
    assert window.session.running


def waiting(folder: Path) -> WindowLoop:
    """A window as --play opens it: the start picture waits for the player."""
    session = PlaySession(WorldEngine(make_world()), picture(), waits=True)
    return make_window(session, folder, Prompts(folder))


def notice_of(window: WindowLoop) -> str:
    return notice(window.session, window.opener.reading, window.shortcut_label("pause"))


@pytest.mark.usefixtures("window")
def test_nothing_plays_before_the_first_key(tmp_path: Path) -> None:
    window = waiting(tmp_path)
    press(window, ticks=3)
    assert window.session.steps == 0 and notice_of(window) == "press a key to play"
    press(window, pygame.K_2, ticks=2)
    assert window.session.steps == 2 and notice_of(window) == ""
    for again in (pygame.K_r, pygame.K_PAGEDOWN):
        press(window, again, ticks=3)
        assert window.session.steps == 0 and window.session.mode == "resting", "every start picture waits"
        press(window, pygame.K_z)
        assert window.session.steps == 1, "also for a key that does nothing else"
    press(window, pygame.K_LSHIFT, pygame.K_TAB)
    assert notice_of(window) == "paused: P plays on"
    press(window, pygame.K_r, pygame.K_TAB, pygame.K_t, ticks=2)
    assert window.session.steps == 2, "autoplay waits for nobody"


def test_branches_are_not_lost_without_asking_once(window: WindowLoop) -> None:
    def branch() -> None:
        window.handle(down(pygame.K_BACKSPACE))
        press(window, ticks=2)
        window.handle(up(pygame.K_BACKSPACE))
        press(window, pygame.K_4)

    press(window, pygame.K_4, ticks=4)
    branch()
    window.handle(pygame.event.Event(pygame.QUIT))
    assert isinstance(window.overlay, Ask) and "2 branches are not saved" in window.overlay.title
    press(window, pygame.K_4, pygame.K_SPACE, pygame.K_RETURN, ticks=2)
    assert isinstance(window.overlay, Ask) and window.session.steps == 3, "no other key answers"
    press(window, pygame.K_ESCAPE, ticks=0)
    assert window.overlay is None and window.session.running, "Escape plays on"
    press(window, pygame.K_b, pygame.K_k, pygame.K_F5)
    path = window.saver.last_session()
    assert " with 2 branches and 1 kept moment" in told(window)
    assert window.session.unsaved == 0, "each was saved"
    assert path is not None and len(load_session(path, window.session.engine.world).kept) == 1
    branch()
    press(window, pygame.K_ESCAPE)
    assert isinstance(window.overlay, Ask) and "1 of 3 branches is not saved" in window.overlay.title
    press(window, pygame.K_q)
    assert not window.session.running


def click(position: tuple[int, int], event: int = pygame.MOUSEBUTTONDOWN) -> pygame.event.Event:
    return pygame.event.Event(event, button=1, pos=position)


def play_two_branches(window: WindowLoop) -> None:
    press(window, pygame.K_4, pygame.K_r, pygame.K_2, ticks=2)
    press(window, pygame.K_r)
    press(window, pygame.K_3)
    assert window.session.unsaved > 1


def test_the_session_is_saved_on_the_way_out(window: WindowLoop, tmp_path: Path) -> None:
    play_two_branches(window)
    press(window, pygame.K_ESCAPE, pygame.K_F5)
    assert not window.session.running
    window.saver.close(quiet=True)
    (path,) = (tmp_path / "genie").glob("*.genie")
    saved = load_session(path, window.session.engine.world)
    assert len(saved.lines) == len(window.session.branches)


def test_a_disk_that_refuses_keeps_the_window_open(window: WindowLoop, tmp_path: Path) -> None:
    play_two_branches(window)
    (tmp_path / "genie").write_text("no folder")
    press(window, pygame.K_ESCAPE, pygame.K_F5, ticks=2)
    assert window.session.running and window.overlay is None and "cannot be made" in told(window)


def test_nothing_that_passes_by_itself_is_asked_about(window: WindowLoop) -> None:
    play_two_branches(window)
    press(window, pygame.K_F5)
    window.saver.last_session()
    press(window, ticks=5)
    press(window, pygame.K_F9)
    assert "all of it was here" in told(window) and len(window.session.branches) == len(window.session.timeline.lines)
    press(window, pygame.K_ESCAPE)
    assert window.overlay is None and not window.session.running
    window.saver.close(quiet=True)


def test_what_looks_like_a_button_is_one(window: WindowLoop) -> None:
    press(window)
    areas = {name: area.center for area, name in window.buttons.shortcuts}
    rows = {key: area.center for area, key in window.buttons.actions}
    before = window.session.steps
    window.handle(click(rows["2"]))
    press(window, ticks=3)
    window.handle(click(rows["2"], pygame.MOUSEBUTTONUP))
    press(window, ticks=2)
    assert list(window.session.timeline.path())[before:] == [1, 1, 1, window.session.idle, window.session.idle]
    window.handle(click(areas["restart"]))
    assert window.session.steps == 0
    window.handle(click(areas["help"]))
    assert isinstance(window.overlay, Help)
    window.handle(click(areas["quit"]))
    assert window.session.running, "what lies over the window covers its buttons"
    press(window, pygame.K_ESCAPE)
    window.handle(click(areas["quit"]))
    assert not window.session.running


def test_the_top_of_the_speed_graph_is_above_each_bar(window: WindowLoop) -> None:
    latency, canvas = window.latency, Canvas(pygame.display.get_surface())
    for ended in (0.05, 0.4):
        latency.stepped(0.0, ended, 1.0)
        box = pygame.Rect(0, 0, 300, 200)
        heights = [y for _, y in latency._points(canvas, box, latency.step_ms)]
        assert len(set(heights)) == len(heights) and min(heights) > 8, "no bar reaches the top, where it would be cut"


def test_the_latest_place_alone_is_told(window: WindowLoop) -> None:
    play_two_branches(window)
    press(window, pygame.K_k, pygame.K_l, pygame.K_PAGEDOWN, pygame.K_b)
    assert "branch 1, at step" in told(window)
    for older in ("back at", "start picture", "a new branch"):
        assert older not in told(window)
    press(window, pygame.K_t)
    assert "T again: mixed" in told(window)
    press(window, pygame.K_t)
    assert "T again: off" in told(window) and "T again: mixed" not in told(window)


def test_escape_closes_what_is_open_before_it_quits(window: WindowLoop) -> None:
    press(window, pygame.K_F3)
    for key in (pygame.K_h, pygame.K_i):
        press(window, key, pygame.K_ESCAPE)
        assert window.overlay is None and window.session.running
    press(window, pygame.K_ESCAPE)
    assert not window.show_latency and window.session.running
    press(window, pygame.K_ESCAPE)
    assert not window.session.running, "a single branch asks nothing"


def test_the_strip_never_covers_the_world(window: WindowLoop) -> None:
    press(window, ticks=3)
    window.messages.shown.clear()
    window.draw()
    before = pygame.surfarray.array3d(pygame.display.get_surface())[: -panel.WIDTH]
    window.session.handle(c.Pause(True))
    press(window, pygame.K_k)
    window.messages.shown.clear()
    window.session.handle(c.Pause(False))
    window.draw()
    assert window.thumbnails and all(thumbnail.area.left > len(before) for thumbnail in window.thumbnails)
    assert np.array_equal(pygame.surfarray.array3d(pygame.display.get_surface())[: -panel.WIDTH], before)


def test_the_same_message_never_stacks(window: WindowLoop) -> None:
    for _ in range(3):
        press(window, pygame.K_l, pygame.K_F9)
    told(window)
    texts = [text for _, text, _, _ in window.messages.shown]
    assert texts[-2:] == ["nothing kept yet; K keeps this moment", "no session saved yet; F5 saves this one"]
    for reached in (0.5, 500.0, 0.7):
        window.session.pace(reached)
    assert told(window).count("too busy") == 1, "whatever its numbers"


@pytest.mark.parametrize("name", ["half-floats.dds", "damaged-no-item.avif", "animated-1.bin", "animated-2.bin"])
def test_no_dropped_file_ends_a_game(window: WindowLoop, name: str) -> None:
    press(window, ticks=2)
    drop(window, ROOT / "tests" / "data" / "videos" / name)
    before = window.session.steps
    assert window.session.running and (before == 0 or name in told(window)), "a start picture, or a sentence"
    press(window, ticks=2)
    assert window.session.steps > before


def test_a_photograph_with_a_preview_inside_starts_at_once_and_upright(window: WindowLoop) -> None:
    drop(window, ROOT / "tests" / "data" / "videos" / "quarters-camera-mpf-exif6.jpg")
    assert window.overlay is None and window.session.steps == 0
    prompt = window.session.prompt.astype(int)
    corners = [prompt[y, x] for y, x in ((3, 3), (3, -4), (-4, 3), (-4, -4))]
    wanted = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    assert np.abs(np.array(corners) - wanted).max() < 60


def test_the_window_goes_on_while_a_video_is_read_once(
    window: WindowLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played, read_film = Event(), opener.read_film
    monkeypatch.setattr(opener, "read_film", lambda *args: (played.wait(30), read_film(*args))[1])
    video = tmp_path / "long.mp4"
    save_frames(video, picture(7, (60, 16, 16, 3)), np.zeros(59, int), window.session.config.fps, ["stay"])
    window.handle(pygame.event.Event(pygame.DROPFILE, file=str(video)))
    assert notice_of(window).startswith("reading long.mp4")
    press(window, ticks=2)
    assert window.session.steps == 2, "the world plays on"
    played.set()
    read(window)
    video.unlink()
    assert isinstance(window.overlay, Preview) and window.overlay.count == 60
    for key in (pygame.K_RIGHT, pygame.K_DOWN, pygame.K_RIGHT, pygame.K_RIGHT, pygame.K_a):
        press(window, key, ticks=0)
        window.draw()
    read(window)
    assert len(window.opener.imitated) == 58, "its frames are at hand, though the file is gone"


def test_a_world_without_chance_says_how_to_leave_it_something(window: WindowLoop) -> None:
    press(window, ticks=2)
    assert window.session.sampling.temperature == 0
    press(window, pygame.K_n)
    assert window.session.steps == 3 and "start with --temperature 0.5" in told(window)
    press(window, pygame.K_h)
    assert isinstance(window.overlay, Help) and "seed" in [row.name for row in window.overlay.rows]


def test_files_go_where_the_window_says(window: WindowLoop, tmp_path: Path) -> None:
    press(window, pygame.K_o)
    assert "nothing is saved yet" in told(window)
    press(window, pygame.K_c)
    while "saved" not in told(window).replace("nothing is saved", ""):
        time.sleep(0.01)
    assert f"O opens {short(tmp_path / 'genie')}" in told(window)
    assert [path.suffix for path in (tmp_path / "genie").iterdir()] == [".png"]


def paused(session: PlaySession) -> PlaySession:
    session.handle(c.Pause(True))
    return session


@pytest.mark.parametrize("above", [0.0, 1000.0, None])
def test_the_window_says_that_the_world_guesses(window: WindowLoop, above: float | None) -> None:
    world = window.session.engine.world
    world.config = dataclasses.replace(world.config, guessing_above=above)
    press(window, ticks=2)
    window.messages.shown.clear()
    window.draw()
    screen = pygame.surfarray.array3d(pygame.display.get_surface())[: -panel.WIDTH].astype(int)
    height = screen.shape[1]
    edge, inside = screen[1:3, height // 2].mean(0), screen[6:8, height // 2].mean(0)
    marked = np.linalg.norm(edge - inside) > 40
    doubt = window.session.engine.doubt(window.session.timeline.moment)
    assert doubt is not None and doubt > 0
    assert window.session.guesses == marked == (above == 0)
    assert "guesses" not in panel.facts(paused(window.session), 0.0)["now"]
    window.session.handle(c.Pause(False))
    assert (panel.facts(window.session, 0.0)["now"] == "guesses") == (above == 0)
    window.handle(down(pygame.K_BACKSPACE))
    press(window, ticks=3)
    assert not window.session.guesses, "the prompt is nobody's guess"
