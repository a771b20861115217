"""`--continue`, `--replay`, `--infer-actions`, `--autoplay` and `--fit`, as the command line runs them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import ACTIONS, world_config
from PIL import Image
from played import save_session

import launch
from app.media.write import save_frames
from app.play.autoplay import ListedActions, RandomActions
from app.play.script import parse_script, source_of
from app.play.session import PlaySession
from app.play.session_file import load_session
from app.play.start import Start, begin
from app.play.start_pictures import Prompts
from genie_core.config import SamplingConfig
from genie_core.engine import WorldEngine
from genie_core.errors import ScriptError
from genie_core.graph_world import GraphWorld
from genie_core.pictures import fit, load_picture
from genie_core.training.assemble import write_starts
from genie_core.world import World


@pytest.fixture(scope="module")
def world(tiny_world: Path) -> World:
    return World.from_pretrained(tiny_world)


@pytest.fixture
def saved(world: World, prompt: np.ndarray, tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A session file, and the frames that were played in it, uint8 (7, 32, 32, 3)."""
    session = PlaySession(WorldEngine(world, 4), prompt)
    frames = np.stack([frame.copy() for frame in session.play([0, 0, 3, 4, 1, 1])])
    save_session(session, tmp_path / "s.genie")
    return tmp_path / "s.genie", frames


def run(*arguments: str | Path) -> int:
    return launch.main([str(argument) for argument in (*arguments, "--quiet")])


def read(path: Path) -> tuple[np.ndarray, list[int]]:
    with np.load(path) as data:
        return data["frames"], data["actions"].tolist()


def test_a_replay_is_what_was_played(
    saved: tuple[Path, np.ndarray], tiny_world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, frames = saved
    assert run("--replay", path, "--world", tiny_world, "--save", tmp_path / "r.npz") == 0
    replayed, actions = read(tmp_path / "r.npz")
    assert np.array_equal(replayed, frames) and actions == [0, 0, 3, 4, 1, 1]
    assert run("--replay", path, "--world", tiny_world, "--save", tmp_path / "r.mp4") == 0
    assert capsys.readouterr().out == ""
    assert launch.main(["--replay", str(path), "--world", str(tiny_world), "--save", str(tmp_path / "r.gif")]) == 0
    assert capsys.readouterr().out == f"saved {tmp_path / 'r.gif'}, 7 frames played\n"


def test_going_on_is_as_if_one_had_never_left(
    saved: tuple[Path, np.ndarray], world: World, prompt: np.ndarray, tiny_world: Path, tmp_path: Path
) -> None:
    path, _ = saved
    call = ("--play", "--continue", path, "--world", tiny_world, "--actions", "left*3,jump", "--save")
    assert run(*call, tmp_path / "c.npz") == 0
    frames, actions = read(tmp_path / "c.npz")
    whole = list(PlaySession(WorldEngine(world, 4), prompt).play([0, 0, 3, 4, 1, 1, 3, 3, 3, 1]))
    assert np.array_equal(frames, np.stack(whole[6:])) and actions == [3, 3, 3, 1]


def test_a_session_of_another_world_is_refused(
    saved: tuple[Path, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--replay", saved[0], "--save", tmp_path / "r.npz") == 1
    assert "was played in the world 'tiny'" in capsys.readouterr().err


def test_the_actions_of_a_video_are_a_script(
    tiny_world: Path, world: World, picture_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    save_frames(tmp_path / "v.mp4", frames, np.zeros(19, int), world.config.fps, ["stay"])
    assert run("--infer-actions", tmp_path / "v.mp4", "--world", tiny_world) == 0
    script = parse_script(capsys.readouterr().out.strip(), ACTIONS)
    assert len(script) == 19
    call = ("--play", picture_file, "--infer-actions", tmp_path / "v.mp4", "--world", tiny_world, "--save")
    assert run(*call, tmp_path / "i.npz") == 0
    assert read(tmp_path / "i.npz")[1] == script
    Image.fromarray(frames[0]).save(tmp_path / "one.png")
    assert run("--infer-actions", tmp_path / "one.png", "--world", tiny_world) == 1
    assert "one frame at 15 frames a second, expected two" in capsys.readouterr().err


def test_what_is_given_beats_what_was_saved(saved: tuple[Path, np.ndarray], world: World) -> None:
    played = load_session(saved[0], world)
    given = begin(WorldEngine(world), Start(None, saved=played, seed=9, temperature=0.5))
    assert (given.seed, given.steps, given.sampling) == (4, 6, SamplingConfig(1, 0.5))
    plain = begin(WorldEngine(world, sampling=SamplingConfig(5)), Start(None, saved=played, replay=True))
    assert (plain.sampling, plain.mode, plain.steps) == (SamplingConfig(1), "replay", 0)


def test_who_plays_and_how_it_fits(world: World, prompt: np.ndarray) -> None:
    engine = WorldEngine(world, players=2)
    session = begin(engine, Start(prompt[:20], "stretch", autoplay=RandomActions(5), seed=5), player=1)
    assert session.autoplay is not None and session.autoplay.source == RandomActions(5)
    assert (session.player, session.seed, session.mode) == (1, 5, "autoplay")
    assert np.array_equal(session.prompt, fit(prompt[:20], (32, 32), "stretch"))


def test_what_plays_by_itself() -> None:
    assert source_of("random", ACTIONS, 5) == RandomActions(5)
    assert source_of("left*2,jump", ACTIONS, 5) == ListedActions((3, 3, 1))
    with pytest.raises(ScriptError):
        source_of("fly", ACTIONS, 5)


def opened(starts: Sequence[Path] = (), **settings: Any) -> Any:
    return SimpleNamespace(config=world_config(**settings), starts=list(starts))


def test_pictures_that_a_world_brings_come_before_those_of_its_game(
    world: World, prompt: np.ndarray, tmp_path: Path
) -> None:
    world.save_pretrained(tmp_path / "world")
    write_starts(tmp_path / "world", np.stack([prompt, 255 - prompt]))
    brought = [tmp_path / f"world/starts/start-{number}.png" for number in range(1, 7)]
    for opened_world in (
        World.from_pretrained(tmp_path / "world"),
        GraphWorld(tmp_path / "world", "tiny", world.config, {}),
    ):
        prompts = Prompts(tmp_path, world=opened_world)
        assert prompts.shipped == brought and np.array_equal(load_picture(prompts.next(-1)), 255 - prompt)


def test_pictures_to_start_from_are_of_the_world_s_game(tmp_path: Path) -> None:
    for name in ("coinrun.png", "coinrun-pit.png", "pong-1.png", "web-page.png", "mine.png"):
        Image.new("RGB", (8, 6)).save(tmp_path / name)

    def names(game: str | None, first: str | None = None) -> list[str]:
        world = None if game is None else opened(game=game)
        prompts = Prompts(tmp_path, first and tmp_path / first, world)
        return [path.name for path in (*prompts.files, prompts.next())]

    assert names("pong") == ["pong-1.png", "pong-1.png"]
    assert names("coinrun", "coinrun.png") == ["coinrun.png", "coinrun-pit.png", "coinrun-pit.png"]
    assert names("coinrun", "coinrun-pit.png") == ["coinrun.png", "coinrun-pit.png", "coinrun.png"]
    for unknown in (None, "unknown"):
        assert names(unknown, "mine.png") == ["mine.png", "coinrun.png", "coinrun-pit.png", "coinrun.png"]


def test_a_world_of_hard_levels_starts_from_such() -> None:
    def names(source: object) -> list[str]:
        world = opened(game="coinrun", training={"source": source})
        return [path.name for path in Prompts(Path(__file__).parents[1] / "assets", world=world).shipped]

    hard = names({"sets": [{"mode": "easy"}, {"mode": "hard"}]})
    assert len(hard) == 6 and all(name.startswith("hard-level") for name in hard)
    for source in (None, 3, {}, {"sets": 3}, {"sets": [3]}, {"sets": [{"mode": "easy"}]}):
        assert "coinrun.png" in names(source)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--play", "--play needs IMAGE, the picture to start from, such as assets/coinrun.png, or --continue FILE"),
        ("--play p.png --save f.npz", "--actions SCRIPT and --save FILE go together"),
        ("--play p.png --autoplay random --save f.npz", "--autoplay plays in a window"),
        ("--play p.png --actions a --infer-actions v --save f.npz", "exclude each other: each says what is played"),
        ("--play p.png --fit tile", "invalid choice: 'tile'"),
        ("--replay f --continue g", "--continue goes with --play"),
        ("--replay f --infer-actions v", "--replay and --infer-actions are two modes"),
        ("--infer-actions v --save f.npz", "--save goes with --play or --replay"),
    ],
)
def test_wrong_usage(arguments: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        launch.main(arguments.split())
    assert caught.value.code == 2
    assert words in capsys.readouterr().err
