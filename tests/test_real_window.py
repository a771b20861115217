"""A real window on a virtual screen, driven by real keys: once with the shipped world, else with a tiny one."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import skimage.data
from PIL import Image
from virtual_desktop import ROOT, Desk, desk, require_programs

from app.media.write import MP4_ENLARGED
from app.play.saved import SavedSession
from app.window.drawing import LIGHT
from genie_core.pictures import fit, load_picture
from genie_core.world import World

pytestmark = pytest.mark.slow
PROMPT = ROOT / "assets" / "coinrun.png"


SHIPPED = ROOT / "checkpoints" / "coinrun"


@pytest.fixture(scope="module")
def world() -> World:
    return World.from_pretrained(SHIPPED)


@pytest.fixture(scope="module")
def tiny(tiny_world: Path) -> World:
    return World.from_pretrained(tiny_world)


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    require_programs()
    with desk() as name:
        yield name


@pytest.fixture
def play(display: str, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Starts the program with the world in a folder, from PROMPT unless told otherwise."""
    opened = []

    def start(world: Path, *arguments: str | Path) -> Desk:
        opened.append(Desk(display, tmp_path, "--world", world, "--play", *(arguments or (PROMPT,))))
        return opened[-1]

    yield start
    for game in opened:
        game.close()


def named(world: World, name: str) -> int:
    return next(action.id for action in world.config.actions if action.name == name)


def runs(saved: SavedSession) -> list[int]:
    """The actions played, without repeats of a held one."""
    actions = saved.actions.tolist()
    return [action for action, before in zip(actions, [None, *actions], strict=False) if action != before]


def test_held_keys_pause_and_pictures(play: Callable[..., Desk], world: World, tmp_path: Path) -> None:
    game = play(SHIPPED)
    time.sleep(0.5)
    assert len(game.saved(world).actions) == 0, "nothing plays before the first key"
    right, stay, jump = (named(world, name) for name in ("right", "stay", "jump"))
    game.hands("keydown", "Right")
    game.played(world, lambda saved: saved.actions.tolist().count(right) > 8, "steps to the right")
    game.hands("keyup", "Right")
    game.played(world, lambda saved: saved.actions[-1] == stay, "standing still")
    game.hold("w", 0.5)
    assert runs(game.saved(world))[:3] == [right, stay, jump]

    focus = subprocess.check_output(["xdotool", "getwindowfocus"], env=game.environment, text=True).strip()
    root = subprocess.check_output(["xdotool", "search", "--maxdepth", "0", ""], env=game.environment, text=True)
    game.hands("keydown", "Right")
    game.played(world, lambda saved: saved.actions[-1] == right, "the right again")
    game.hands("windowfocus", root.split()[0])
    game.hands("keyup", "Right")
    game.hands("windowfocus", focus)
    game.played(world, lambda saved: saved.actions[-1] == stay, "letting go of the keys on losing the focus")

    game.hands("key", "Tab")  # pause
    still = len(game.saved(world).actions)
    time.sleep(0.5)
    assert len(game.saved(world).actions) == still
    game.hands("key", "period")
    game.played(world, lambda saved: len(saved.actions) == still + 1, "a single step")
    game.hands("key", "r", "Tab")
    game.played(world, lambda saved: 0 < len(saved.actions) < still, "a restart")

    first = game.saved(world)
    game.hands("key", "Next")
    second = game.played(world, lambda saved: not np.array_equal(saved.prompt, first.prompt), "another picture")
    game.hands("key", "Prior")
    game.played(world, lambda saved: np.array_equal(saved.prompt, first.prompt), "the picture before")
    own = load_picture(ROOT / "checkpoints" / "coinrun" / "starts" / "start-1.png")
    assert np.array_equal(second.prompt, fit(own, world.config.frame_size))
    Image.fromarray(skimage.data.astronaut()).save(tmp_path / "copied.png")
    copied = ["xclip", "-selection", "clipboard", "-t", "image/png", "-i", str(tmp_path / "copied.png")]
    subprocess.run(copied, env=game.environment, check=True)
    clear = np.zeros((40, 40, 4), np.uint8)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    for keys, how in ((["ctrl+v"], "crop"), (["i", "Right", "Right", "Return"], "stretch")):
        game.hands("key", *keys)
        wanted = fit(skimage.data.astronaut(), world.config.frame_size, how)
        game.played(world, lambda saved, wanted=wanted: np.array_equal(saved.prompt, wanted), f"{how} of the clipboard")
    game.quit()


def test_rewinding_branching_and_going_on_later(
    play: Callable[..., Desk], tiny: World, tiny_world: Path, tmp_path: Path
) -> None:
    game, world = play(tiny_world), tiny
    left = named(world, "left")
    game.hands("keydown", "d")
    game.played(world, lambda saved: len(saved.actions) > 25, "steps")
    game.hands("keyup", "d")
    game.hold("BackSpace", 0.7)
    back = game.saved(world)
    assert back.at < len(back.actions), "the line is still there"
    game.hands("key", "Return")
    forth = game.played(world, lambda saved: saved.at > back.at, "a step forward again")
    assert np.array_equal(forth.tokens, back.tokens)
    game.hands("keydown", "Left")
    branch = game.played(world, lambda saved: left in saved.actions, "a branch")
    game.hands("keyup", "Left")
    assert np.array_equal(branch.tokens[: forth.at + 1], back.tokens[: forth.at + 1])
    assert branch.actions[forth.at] == left
    game.hands("key", "b")
    again = game.saved(world)
    assert np.array_equal(again.tokens, back.tokens), "the old line, as it was"
    game.quit()

    game = play(tiny_world, "--continue", max(game.made.glob("*.genie"), key=lambda file: file.stat().st_mtime_ns))
    saved = game.saved(world)
    assert saved.at == again.at and np.array_equal(saved.tokens, again.tokens)
    game.hands("keydown", "Left")
    after = game.played(world, lambda saved: left in saved.actions, "going on")
    assert np.array_equal(after.tokens[: len(again.tokens)], again.tokens)
    game.quit()


def test_recordings_own_keys_and_looks(
    play: Callable[..., Desk], tiny: World, tiny_world: Path, tmp_path: Path
) -> None:
    game, world = play(tiny_world), tiny
    size = MP4_ENLARGED * np.array(world.config.frame_size)
    right = named(world, "right")
    game.hands("key", "v")
    game.hold("Right", 2)
    game.hands("key", "v")
    time.sleep(0.5)
    game.hands("key", "shift+v")
    time.sleep(1)
    game.hands("key", "shift+v")
    gif = game.new("gif", lambda: game.hands("key", "g"))
    photo = game.new("png", lambda: game.hands("key", "c"))
    screen = game.new("png", lambda: game.hands("key", "shift+c"))

    assert game.window()[2:] == (940, 640)
    dark = game.panel().mean()
    game.hands("key", "F6", "F3")
    game.until(lambda: game.panel().mean() > dark + 100, "the light panel")
    game.hands("key", "F2")
    game.until(lambda: not (game.panel() == LIGHT.panel).all(-1).any(), "a window without panel")
    game.hands("key", "F2", "F7", "F11")
    # There is no window manager, so what fills the screen begins where the window was.
    game.until(lambda: min(np.subtract(game.window()[2:], (940, 640))) > 0, "the full screen")
    game.hands("key", "F11")
    game.until(lambda: game.window()[2:] == (940, 640), "the window")
    time.sleep(0.5)  # keys that come while a window changes reach nobody
    game.hands("key", "F6", "F3")
    game.until(lambda: game.panel().mean() < dark + 50, "the dark panel")

    below = [action.name for action in world.config.actions].index("right")
    game.hands("key", "h", *["Down"] * below, "Return")
    game.hold("v", 0.2)  # a letter that was a shortcut
    game.hands("key", "Escape")
    for restarted in (False, True):
        if restarted:
            game.quit()
            game.start()
        videos = set(game.made.glob("*.mp4"))
        game.hands("key", "r")
        game.hands("keydown", "v")
        game.played(world, lambda saved: right in saved.actions[-2:], "the right by the player's own key")
        game.hands("keyup", "v")
        assert set(game.made.glob("*.mp4")) == videos, "a letter that moves is no shortcut"
    game.quit()

    plain, hud = sorted(game.made.glob("*.mp4"), key=lambda file: file.stat().st_mtime_ns)
    assert frames_of(plain).shape[1:] == (*size, 3) and len(frames_of(plain)) >= 8
    assert frames_of(hud).shape[1:3] == (640, 940)
    assert np.abs(np.diff(frames_of(plain).astype(int), axis=0)).mean() > 0.5, "it moves"
    with Image.open(gif) as animation:
        assert animation.n_frames > 3
    assert load_picture(photo).shape == (*size, 3) and load_picture(screen).shape == (640, 940, 3)


def test_keys_of_other_keyboards(
    play: Callable[..., Desk], tiny: World, tiny_world: Path, tmp_path: Path, display: str
) -> None:
    """Pressed by where they lie, as hands do: keycodes 38 and 40 are a US keyboard's A and D, 27 its R, 52 its Z."""
    game = play(tiny_world)
    left, right = named(tiny, "left"), named(tiny, "right")
    try:
        for layout in ("ru", "gr", "fr"):
            subprocess.run(["setxkbmap", layout], env=game.environment, check=True)
            for keycode, action in ((38, left), (40, right)):
                game.hands("keydown", keycode)
                game.played(tiny, lambda saved, action=action: action in saved.actions[-1:], f"{action} on {layout}")
                game.hands("keyup", keycode)
            game.hands("key", 27)
            game.played(tiny, lambda saved: len(saved.actions) == 0, f"a restart on {layout}")
        subprocess.run(["setxkbmap", "ru"], env=game.environment, check=True)
        below = [action.name for action in tiny.config.actions].index("right")
        game.hands("key", "F1", *["Down"] * below, "Return")
        for keycode in (52, 53):
            game.hands("keydown", keycode)
        for keycode in (52, 53):
            game.hands("keyup", keycode)
        keys = tmp_path / "config" / "genie" / "keys.json"
        game.until(keys.exists, "own keys")
        assert json.loads(keys.read_text())["actions"] == {"right": ["z+x"]}, "two keys without Latin names"
    finally:
        subprocess.run(["setxkbmap", "us"], env=game.environment, check=True)
    game.hands("key", "Escape")
    game.quit()


def test_another_world_in_the_same_window(play: Callable[..., Desk], world: World, tiny_world: Path) -> None:
    game = play(tiny_world)
    assert game.title() == f"{tiny_world.name} - genie"
    game.hands("key", "F4", "Right", "Right", "Return")  # past cars; the tiny one lies elsewhere, and comes first
    game.until(lambda: game.title() == "coinrun - genie", "the other world")
    assert len(game.saved(world).actions) == 0, "it waits for a key"
    right = named(world, "right")
    game.hands("keydown", "Right")
    game.played(world, lambda saved: right in saved.actions, "steps in the other world")
    game.hands("keyup", "Right")
    game.quit()


def frames_of(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
