"""Another world in the same window: what is offered, how the player chooses, and that nothing is lost on the way."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pygame
import pytest
from conftest import FakeEngine
from PIL import Image
from test_window import RIGHT, STAY, down
from test_window_loop import click, picture, play_two_branches, press, told
from tiny import make_world

from app.cli import play as cli
from app.cli.options import parse
from app.play.session import PlaySession
from app.play.session_file import load_session
from app.play.start_pictures import Prompts
from app.window import play as window_program
from app.window.ask import Ask
from app.window.loop import WindowLoop
from app.window.run_shortcut import run_shortcut
from app.window.screen import Progress, open_window
from app.window.worlds import Choice, Worlds
from genie_core.engine import WorldEngine
from genie_core.errors import CheckpointError
from genie_core.graph_world import WorldOnDisk
from genie_core.pictures import fit, load_picture
from genie_core.world import World

SIZES = [(940, 640), (300, 200), (64, 64), (2000, 300)]


def load(tell: Progress) -> PlaySession:
    """A world of other weights and another picture than the one of `window`."""
    tell("reading the world", 0.5)
    return PlaySession(WorldEngine(make_world(1)), picture(1), waits=True)


def choice(name: str, begin: Callable[[Progress], PlaySession] = load, played: bool = False) -> Choice:
    return Choice(name, picture(1), played, Prompts(Path()), begin)


@pytest.fixture
def window(tmp_path: Path) -> Iterator[WindowLoop]:
    """Three worlds are offered, the middle one of which is played."""
    scale = open_window("tiny")
    offered = [choice("meadow"), choice("tiny", played=True), choice("runs/island/world")]
    session = PlaySession(WorldEngine(make_world()), picture())
    files = tmp_path / "keys.json", scale, run_shortcut, tmp_path / "genie"
    yield WindowLoop(session, "tiny", None, *files, lambda played: offered)
    pygame.quit()


def offer(window: WindowLoop, *choices: Choice) -> None:
    window._at_hand = lambda played: list(choices)


def test_another_world_begins_with_its_own_picture_and_waits(window: WindowLoop) -> None:
    press(window, pygame.K_4, ticks=3)
    press(window, pygame.K_F4, ticks=3)
    assert isinstance(window.overlay, Worlds) and window.overlay.at == 1 and window.session.steps == 3, "this one waits"
    press(window, pygame.K_RIGHT, pygame.K_RIGHT, pygame.K_RETURN)
    after = window.next
    assert after is not None and not window.session.running
    assert after.name == "runs/island/world" and np.array_equal(after.session.prompt, picture(1))
    press(after, ticks=3)
    assert after.session.steps == 0 and after.session.mode == "resting"
    press(after, pygame.K_2, ticks=2)
    assert after.session.steps == 2
    press(after, pygame.K_F4)
    assert isinstance(after.overlay, Worlds), "and from there to the next"


def test_the_full_screen_and_the_gamepads_outlast_a_world(window: WindowLoop) -> None:
    press(window, pygame.K_F4, pygame.K_LEFT, pygame.K_RETURN)
    after = window.next
    assert after is not None and after.screen is window.screen and after.gamepads is window.gamepads
    closed: list[int] = []
    window.gamepads.close = lambda: closed.append(1)  # type: ignore[method-assign]
    window.run(quiet=True)
    assert not closed
    after.session.running = False
    after.run(quiet=True)
    assert closed == [1]


def test_a_click_chooses(window: WindowLoop) -> None:
    press(window, pygame.K_F4)
    overlay = window.overlay
    assert isinstance(overlay, Worlds)
    window.handle(click((1, 1)))
    assert window.overlay is overlay, "beside the pictures"
    window.handle(click(overlay.cells[0][0].center))
    assert window.next is not None and window.next.name == "meadow"


@pytest.mark.parametrize("keys", [[pygame.K_ESCAPE], [pygame.K_F4], [pygame.K_RETURN]], ids=["esc", "f4", "this one"])
def test_the_world_plays_on_if_no_other_is_chosen(window: WindowLoop, keys: list[int]) -> None:
    press(window, ticks=2)
    press(window, pygame.K_F4, *keys, ticks=2)
    assert window.overlay is None and window.next is None and window.session.running and window.session.steps == 4


def test_a_single_world_is_told_instead_of_shown(window: WindowLoop) -> None:
    for choices in ([], [choice("tiny", played=True)]):
        offer(window, *choices)
        press(window, pygame.K_F4)
        assert window.overlay is None and "tiny is the only world here" in told(window)
    offer(window, choice("meadow"))
    press(window, pygame.K_F4)
    assert isinstance(window.overlay, Worlds), "the only one whole, of which the one played is none"


def test_a_world_that_cannot_be_loaded_leaves_this_one(window: WindowLoop) -> None:
    def fail(tell: Progress) -> PlaySession:
        raise CheckpointError("meadow/tokenizer is damaged; copy it anew")

    play_two_branches(window)
    offer(window, choice("meadow", fail))
    before, lines = window.session.steps, len(window.session.branches)
    press(window, pygame.K_F4, pygame.K_RETURN, pygame.K_q)
    assert window.next is None and window.session.running and "meadow/tokenizer is damaged" in told(window)
    press(window, ticks=2)
    assert window.session.steps > before and len(window.session.branches) == lines


@pytest.mark.parametrize("way", [down(pygame.K_ESCAPE), pygame.event.Event(pygame.QUIT)], ids=["escape", "close"])
def test_loading_can_be_stopped(window: WindowLoop, way: pygame.event.Event) -> None:
    stopped = threading.Event()

    def never(tell: Progress) -> PlaySession:
        pygame.event.post(way)
        stopped.wait()
        return load(tell)

    offer(window, choice("meadow", never))
    try:
        press(window, pygame.K_F4, pygame.K_RETURN, ticks=0)
    finally:
        stopped.set()
    assert window.next is None and window.session.running
    for event in pygame.event.get([pygame.QUIT]):
        window.handle(event)
    assert window.session.running == (way.type != pygame.QUIT), "who closes the window wants no world"


def test_branches_are_asked_about_once(window: WindowLoop, tmp_path: Path) -> None:
    play_two_branches(window)
    to_another = (pygame.K_F4, pygame.K_LEFT, pygame.K_RETURN)
    press(window, *to_another)
    assert isinstance(window.overlay, Ask) and "are not saved" in window.overlay.title
    assert "F5: save the session and change world" in window.overlay.choices.values()
    press(window, pygame.K_ESCAPE)
    assert window.overlay is None and window.next is None and window.session.running, "Escape plays on"
    press(window, *to_another, pygame.K_F5)
    assert window.next is not None and window.next.name == "meadow"
    window.saver.close(quiet=True)
    (path,) = (tmp_path / "genie").glob("*.genie")
    assert len(load_session(path, window.session.engine.world).lines) == len(window.session.branches)


def test_branches_can_be_left_unsaved(window: WindowLoop, tmp_path: Path) -> None:
    play_two_branches(window)
    press(window, pygame.K_F4, pygame.K_LEFT, pygame.K_RETURN, pygame.K_q)
    assert window.next is not None and not (tmp_path / "genie").exists()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [2, 23])
def test_each_world_can_be_reached_at_any_size(window: WindowLoop, size: tuple[int, int], count: int) -> None:
    """No picture lies over another or outside of a window that has room for one; the chosen one is always drawn."""
    pygame.display.set_mode(size, pygame.RESIZABLE)
    offer(window, *(choice(f"world-{number}") for number in range(count)))
    press(window, pygame.K_F4)
    overlay = window.overlay
    assert isinstance(overlay, Worlds)
    for place in range(count):
        cells = {number: cell for cell, number in overlay.cells}
        assert overlay.at == place and place in cells
        areas = list(cells.values())
        assert all(one.collidelist(areas[i + 1 :]) == -1 for i, one in enumerate(areas))
        if min(size) >= 200:
            assert all(pygame.display.get_surface().get_rect().contains(area) for area in areas)
        press(window, pygame.K_RIGHT)
    while overlay.at >= overlay._columns:
        press(window, pygame.K_UP)
    press(window, pygame.K_UP, pygame.K_DOWN)
    assert overlay.at < 2 * overlay._columns


def test_the_program_plays_one_world_after_the_other(prompt: np.ndarray) -> None:
    first, second, titles = FakeEngine(), FakeEngine(), []

    def choose(step: int) -> None:
        titles.append(pygame.display.get_caption()[0])
        for key in (pygame.K_F4, pygame.K_RETURN):
            pygame.event.post(down(key))

    def end(step: int) -> None:
        titles.append(pygame.display.get_caption()[0])
        pygame.event.post(down([pygame.K_RIGHT, pygame.K_ESCAPE][step - 1]))

    first.on_step, second.on_step = choose, end
    other = choice("meadow", lambda tell: PlaySession(second, prompt))
    asked: list[object] = []

    def at_hand(played: object) -> list[Choice]:
        asked.append(played)
        return [other]

    window_program.play(lambda tell: PlaySession(first, prompt), "fake", at_hand=at_hand)
    assert asked == [first.world]
    assert first.taken == [STAY] and second.taken == [STAY, RIGHT]
    assert titles == ["fake - genie", "meadow - genie", "meadow - genie"]
    assert not pygame.display.get_init()


@pytest.fixture
def at_hand(tmp_path: Path, tiny_world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two worlds that ship, one of them damaged, one trained here that brings a start picture, and one elsewhere."""
    for folder in ("shipped/plain", "shipped/torn", "runs/mine/world", "elsewhere"):
        shutil.copytree(tiny_world, tmp_path / folder)
    (tmp_path / "shipped" / "torn" / "config.json").write_text("{")
    (tmp_path / "runs/mine/world/starts").mkdir()
    Image.fromarray(picture(7, (32, 32, 3))).save(tmp_path / "runs/mine/world/starts/start-1.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "WORLDS", tmp_path / "shipped")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def choices(played: str, *words: str) -> list[Choice]:
    asked = parse(["--play", "picture.png", "--world", "elsewhere", *words])
    return cli._choices(asked, "elsewhere", World.from_pretrained(played))


def test_whole_worlds_at_hand_are_offered_unloaded(at_hand: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offered = {one.name: one for one in choices("runs/mine/world")}
    assert list(offered) == ["elsewhere", "plain", "runs/mine/world"], "a damaged one cannot be played"
    assert [one.played for one in offered.values()] == [False, False, True]
    assert np.array_equal(offered["runs/mine/world"].picture, picture(7, (32, 32, 3)))
    plain = Prompts(cli.ROOT / "assets", world=WorldOnDisk.read(at_hand / "shipped" / "plain"))
    assert np.array_equal(offered["plain"].picture, fit(load_picture(plain.shipped[0]), (32, 32)))


def test_a_world_offered_begins_with_its_picture_and_the_options_given(at_hand: Path) -> None:
    given = ["--autoplay", "random", "--fps", "3", "--seed", "5", "--device", "cpu"]
    offered = next(one for one in choices("elsewhere", *given) if one.name == "runs/mine/world")
    session = offered.begin(Progress())
    assert session.engine.world.folder is not None
    assert session.engine.world.folder.resolve() == (at_hand / "runs/mine/world").resolve()
    assert np.array_equal(session.prompt, picture(7, (32, 32, 3)))
    assert session.mode == "resting" and session.autoplay is None, "a key begins it"
    assert session.seed == 5 and session.config.fps == 3
    (at_hand / "runs/mine/world/tokenizer/model.safetensors").unlink()
    with pytest.raises(CheckpointError):
        offered.begin(Progress())
