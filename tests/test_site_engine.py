"""The engine of the static page in a real browser: the same worlds, the same frames as Python, from files alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import warm_process
from safetensors.numpy import load, save

pytest.importorskip("playwright", reason="pip install -r tests/requirements.txt")

from static_site import Served, Tab, browsing, elsewhere, export, needs_browser, served
from tiny import make_reference_world, make_world

from app.play import commands as c
from app.play.session_file import KEY, digest_of, parse_session
from app.play.session_snapshot import snapshot
from app.play.start import Start, begin
from genie_core import World, WorldEngine, load_picture
from genie_core.config import SamplingConfig
from genie_core.pictures import fit
from genie_core.pixels import pack_picture, unpack_picture

ROOT = Path(__file__).parents[1]
EASY, HARD = ROOT / "checkpoints/coinrun", ROOT / "checkpoints/coinrun-hard"
SEED = 5

pytestmark = needs_browser


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world whose pictures follow from the last one, with chance in its play."""
    folder = tmp_path_factory.mktemp("worlds") / "seeing"
    make_reference_world(sampling=SamplingConfig(unmask_steps=3, temperature=1.0)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world without last pictures, with chance in its play."""
    folder = tmp_path_factory.mktemp("worlds") / "plain"
    make_world(sampling=SamplingConfig(unmask_steps=3, temperature=1.0)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, seeing: Path, plain: Path) -> Path:
    return export(tmp_path_factory.mktemp("site") / "site", EASY, HARD, seeing, plain)


@pytest.fixture(scope="module")
def here(site: Path) -> Iterator[Served]:
    with served(site) as running:
        yield running


@pytest.fixture(scope="module")
def url(here: Served) -> str:
    return here.url


@pytest.fixture(scope="module")
def outside() -> Iterator[tuple[str, list[str]]]:
    """See `elsewhere`."""
    with elsewhere() as watched:
        yield watched


@pytest.fixture(scope="module")
def browser(outside: tuple[str, list[str]]) -> Iterator[Any]:
    with browsing(proxy=outside[0]) as running:
        yield running


@pytest.fixture(scope="module")
def tab(browser: Any, url: str) -> Iterator[Tab]:
    """With the easy world, which takes a while to open, for one game after the other."""
    with Tab(browser, url) as opened:
        assert opened.open("coinrun")["backend"] == "wasm"
        yield opened
        assert opened.faults == []


class Game:
    """A playthrough by Python's engine."""

    def __init__(self, folder: Path, picture: str, steps: int) -> None:
        self.world = World.from_pretrained(folder)
        self.engine = WorldEngine(self.world, seed=SEED)
        self.prompt = fit(load_picture(ROOT / "assets" / picture), self.world.config.frame_size)
        self.actions = [action % len(self.world.config.actions) for action in held(steps)]
        self.frames = [self.engine.reset(self.prompt)]
        self.moments = [self.engine.snapshot()]
        for action in self.actions:
            self.step(action)

    def step(self, action: int) -> None:
        self.frames.append(self.engine.step(action))
        self.moments.append(self.engine.snapshot())

    @property
    def tokens(self) -> np.ndarray:
        return np.stack([np.asarray(moment.frames[-1].tokens) for moment in self.moments])


def held(steps: int, seed: int = 0) -> list[int]:
    """Actions as somebody holds keys: each for one to nine steps."""
    draw = np.random.default_rng(seed)
    actions: list[int] = []
    while len(actions) < steps:
        actions += [int(draw.integers(8))] * int(draw.integers(1, 10))
    return actions[:steps]


@pytest.fixture(scope="module")
def easy() -> Game:
    return Game(EASY, "coinrun.png", 40)


@pytest.fixture(scope="module")
def small(plain: Path) -> Game:
    played = Game(plain, "coinrun.png", 51)
    assert played.engine.runtime.name == "onnx" and len(np.unique(played.tokens[10:], axis=0)) > 30, "it goes on"
    return played


@pytest.fixture(scope="module")
def small_tab(browser: Any, url: str) -> Iterator[Tab]:
    """With the small world, where its size proves nothing more."""
    with Tab(browser, url) as opened:
        opened.open("plain")
        yield opened
        assert opened.faults == []


def far(ours: np.ndarray, theirs: np.ndarray) -> int:
    """The largest difference of a pixel."""
    return int(np.abs(ours.astype(int) - theirs).max())


@pytest.mark.parametrize("steps", [40, pytest.param(200, marks=pytest.mark.long)])
def test_steps_are_those_of_python_and_ask_nobody_else(
    tab: Tab, here: Served, outside: tuple[str, list[str]], easy: Game, steps: int
) -> None:
    """Five times as many as the frames that the world sees; 25 times with the long tests."""
    easy = easy if steps == len(easy.actions) else Game(EASY, "coinrun.png", steps)
    pictures = [tab.reset(easy.prompt, SEED), *tab.steps(easy.actions)]
    saved = parse_session(tab.session(), easy.world)
    assert outside[1] == [], "a request left this computer"
    assert [address for address in tab.asked if not address.removeprefix("blob:").startswith(here.url)] == []
    assert {"worlds/coinrun/step.onnx", "js/worker.js"} <= {*here.asked}
    differ = np.flatnonzero((saved.tokens != easy.tokens).any((1, 2)))
    assert len(differ) == 0, f"other tokens than Python's from frame {differ[0]} on"
    assert max(map(far, pictures, easy.frames)) <= 1, "rounding to a pixel may differ, no more"
    assert saved.actions.tolist() == easy.actions and saved.seed == SEED and saved.at == steps
    assert (saved.prompt == easy.prompt).all()


def test_noise_is_pythons_too(browser: Any, url: str) -> None:
    hard = Game(HARD, "starts/hard-level-01.png", 20)
    assert hard.world.config.sampling.temperature > 0
    with Tab(browser, url) as tab:
        tab.open("coinrun-hard")
        tab.reset(hard.prompt, SEED)
        tab.steps(hard.actions)
        assert (parse_session(tab.session(), hard.world).tokens == hard.tokens).all()


def test_a_session_of_the_page_replays_in_the_program(tab: Tab, easy: Game, tmp_path: Path) -> None:
    tab.reset(easy.prompt, SEED)
    tab.steps(easy.actions[:12])
    (tmp_path / "page.genie").write_bytes(tab.session())
    words = ["--replay", str(tmp_path / "page.genie"), "--save", str(tmp_path / "out.npz"), "--quiet"]
    ended = warm_process.run([str(ROOT / "launch.py"), *words], tmp_path, {**os.environ})
    assert ended.returncode == 0, ended.stderr
    replayed = np.load(tmp_path / "out.npz")
    assert replayed["actions"].tolist() == easy.actions[:12]
    assert far(replayed["frames"], np.stack(easy.frames[:13])) <= 1


def test_a_session_of_the_program_goes_on_in_the_page(small_tab: Tab, small: Game) -> None:
    session = begin(WorldEngine(small.world), Start(small.prompt, seed=SEED))
    session.handle(c.Hold(small.actions[0]))
    for action in small.actions[:40]:
        session.handle(c.Hold(action))
        session.tick()
    session.handle(c.GoTo(0, 25))
    loaded = small_tab.load_session(snapshot(session)())
    assert loaded["index"] == 25 and loaded["tip"] == 40 and loaded["seed"] == SEED
    assert loaded["actions"] == small.actions[:40]
    assert far(small_tab.goto(40), small.frames[40]) <= 1
    assert max(map(far, small_tab.steps(small.actions[40:50]), small.frames[41:])) <= 1
    assert (parse_session(small_tab.session(), small.world).tokens == small.tokens[:51]).all()


def test_of_a_session_with_branches_the_one_shown_goes_on_in_the_page(small_tab: Tab, small: Game) -> None:
    """The third, whose frames are of all three, behind one of another picture."""
    session = begin(WorldEngine(small.world), Start(small.prompt[::-1].copy(), seed=5))
    list(session.play(small.actions[:3]))
    session.handle(c.NewSeed(SEED))
    session.handle(c.StartFrom(small.prompt))
    list(session.play(small.actions[:6]))
    session.handle(c.Keep())
    for start, actions in ((4, [0, 1, 0]), (5, [2, 3])):
        session.handle(c.GoTo(session.timeline.line.number, start))
        list(session.play(actions))
    loaded = small_tab.load_session(snapshot(session)())
    assert (loaded["index"], loaded["tip"], loaded["seed"]) == (7, 7, SEED)
    assert loaded["actions"] == [*small.actions[:4], 0, 2, 3]
    assert far(small_tab.goto(7), session.frame) <= 1
    assert np.array_equal(parse_session(small_tab.session(), small.world).prompt, small.prompt)


def test_a_file_whose_branches_do_not_fit_together_is_refused_by_the_page(small_tab: Tab, small: Game) -> None:
    session = begin(WorldEngine(small.world), Start(small.prompt, seed=SEED))
    list(session.play(small.actions[:3]))
    content = snapshot(session)()
    told = json.loads(json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"][KEY])
    for line in ((0, 0, 4), (-1, 1, 4), (-1, 0, 5), (-1, 0, 0), (-1, 0, -1)):
        tensors = load(content) | {"lines": np.array([line], np.int32)}
        with pytest.raises(Exception, match="damaged"):
            small_tab.load_session(save(tensors, {KEY: json.dumps(told | {"content": digest_of(tensors)})}))


def test_going_back_and_another_way_is_as_in_python(small_tab: Tab, small: Game) -> None:
    small_tab.reset(small.prompt, SEED)
    small_tab.steps(small.actions[:30])
    assert far(small_tab.goto(20), small.frames[20]) <= 1
    other = [action % 4 for action in held(12, seed=1)]
    branch = small_tab.steps(other)
    small.engine.restore(small.moments[20])
    assert max(map(far, branch, [small.engine.step(action) for action in other])) <= 1
    assert parse_session(small_tab.session(), small.world).actions.tolist() == [*small.actions[:20], *other]


def test_what_was_forgotten_is_played_again_as_it_was(small_tab: Tab, small: Game) -> None:
    """Of a session loaded, nothing but tokens is at hand; 40 frames need more past than all layers see."""
    index = 40
    small_tab.reset(small.prompt, SEED)
    small_tab.steps(small.actions[:42])
    small_tab.load_session(small_tab.session())
    assert far(small_tab.goto(index), small.frames[index]) <= 1
    small_tab.steps(small.actions[index : index + 10])
    assert (parse_session(small_tab.session(), small.world).tokens == small.tokens[: index + 11]).all()


@pytest.mark.long
def test_threads_play_the_same(browser: Any, url: str, easy: Game) -> None:
    with Tab(browser, url) as tab:
        opened = tab.open("coinrun", home=True, threads=2)
        if not opened["isolated"]:  # one core: the page saw no reason to reload
            tab.page.goto(tab.url + "blank.html")
            opened = tab.open("coinrun", home=True, threads=2)
        assert opened["isolated"] and opened["threads"] == 2
        tab.reset(easy.prompt, SEED)
        assert max(map(far, tab.steps(easy.actions[:10]), easy.frames[1:])) <= 1


@pytest.fixture(scope="module")
def game(seeing: Path) -> Game:
    played = Game(seeing, "starts/pixel-hills.png", 45)
    assert played.engine.runtime.name == "onnx"
    return played


@pytest.fixture(scope="module")
def seeing_tab(browser: Any, url: str) -> Iterator[Tab]:
    with Tab(browser, url) as opened:
        opened.open("seeing")
        yield opened
        assert opened.faults == []


class TestByReference:
    """A world whose pictures follow from those before them, some of which are kept."""

    @pytest.fixture
    def tab(self, seeing_tab: Tab) -> Tab:
        return seeing_tab

    def test_steps_are_those_of_python_and_the_start_is_shown_as_it_is(self, tab: Tab, game: Game) -> None:
        pictures = [tab.reset(game.prompt, SEED), *tab.steps(game.actions)]
        saved = parse_session(tab.session(), game.world)
        assert np.array_equal(pictures[0], game.prompt) and not saved.tokens[0].any()
        differ = np.flatnonzero((saved.tokens != game.tokens).any((1, 2)))
        assert len(differ) == 0, f"other tokens than Python's from frame {differ[0]} on"
        assert max(map(far, pictures, game.frames)) <= 1
        made = np.array(tab.page.evaluate("Array.from(client.made)"), np.uint8).reshape(*game.prompt.shape[:2], 4)
        assert far(made[..., :3], game.engine.familiarity(game.prompt).seen) <= 1
        assert [*saved.lines[0].anchors] == [*range(0, 46, 8)]
        assert all(
            unpack_picture(a, (16, 16)).tobytes() == pictures[i].tobytes() for i, a in saved.lines[0].anchors.items()
        )

    def test_old_pictures_are_painted_from_the_nearest_that_is_kept(self, tab: Tab, game: Game) -> None:
        tab.reset(game.prompt, SEED)
        shown = [game.prompt, *tab.steps(game.actions)]
        tab.load_session(tab.session())
        for index in (44, 43, 40, 39, 25, 32, 16, 7, 1, 0):
            assert np.array_equal(tab.goto(index), shown[index]), index
        tab.goto(30)
        assert all(map(np.array_equal, tab.steps(game.actions[30:40]), shown[31:41]))
        assert np.array_equal(tab.goto(17), shown[17])
        other = tab.steps([3, 3, 3])
        game.engine.restore(game.moments[17])
        assert max(map(far, other, [game.engine.step(3) for _ in range(3)])) <= 1
        saved = parse_session(tab.session(), game.world)
        assert [*saved.alone().lines[0].anchors] == [0, 8, 16] and saved.at == 20
        assert [(line.parent, line.start, line.tip) for line in saved.lines][-2:] == [(0, 31, 40), (0, 18, 20)]

    def test_a_session_of_the_program_with_branches_goes_on_in_the_page_and_back(self, tab: Tab, game: Game) -> None:
        session = begin(WorldEngine(game.world), Start(game.prompt[::-1].copy(), seed=5))
        list(session.play(game.actions[:12]))
        session.handle(c.NewSeed(SEED))
        session.handle(c.StartFrom(game.prompt))
        list(session.play(game.actions[:20]))
        session.handle(c.Keep())
        session.handle(c.GoTo(session.timeline.line.number, 13))
        frames = list(session.play([1, 0, 2, 3, 2]))
        content = snapshot(session)()
        loaded = tab.load_session(content)
        theirs, back = (parse_session(data, game.world) for data in (content, tab.session()))
        for one, other in zip(theirs.lines, back.lines[-3:], strict=True):
            assert np.array_equal(one.tokens, other.tokens) and np.array_equal(one.actions, other.actions)
            assert np.array_equal(one.prompt, other.prompt)
            assert (one.start, one.seed, one.anchors) == (other.start, other.seed, other.anchors)
        earlier = len(back.lines) - 3
        assert [(line - earlier, step) for line, step in back.kept] == [*theirs.kept] == [(1, 20)]
        assert (loaded["index"], loaded["tip"], loaded["seed"]) == (18, 18, SEED)
        assert np.array_equal(tab.goto(16), frames[3]) and far(tab.goto(18), frames[5]) <= 1
        assert far(tab.goto(12), game.frames[12]) <= 1
        tab.goto(18)
        on = tab.steps([1] * 12)
        assert max(map(far, on[:2], list(session.play([1, 1]))[1:])) <= 1  # a level apart, they may soon part
        again = begin(WorldEngine(game.world), Start(None, saved=parse_session(tab.session(), game.world)))
        assert far(again.frame, on[-1]) <= 1 and np.array_equal(
            again.timeline.picture_of(again.timeline.line, 24), on[5]
        )

    def test_what_was_seen_is_what_play_goes_on_from(self, tab: Tab, game: Game) -> None:
        """Where another device made other pictures of the same tokens."""
        other = game.prompt[::-1].copy()
        data = changed(tab, game, 12, [game.prompt, other])
        tab.load_session(data)
        assert np.array_equal(tab.goto(8), other)
        after = tab.goto(9)
        tab.load_session(data)
        assert np.array_equal(tab.goto(9), after) and far(after, game.frames[9]) > 1

    @pytest.mark.parametrize("kept", [0, 1, 3, "start", "small", "junk", "long"])
    def test_kept_pictures_that_are_none_are_refused(self, tab: Tab, game: Game, kept: int | str) -> None:
        odd = {"small": game.prompt[:8], "long": np.zeros((99, 99, 3), np.uint8), "start": game.prompt[::-1]}
        pictures = [game.prompt] * kept if isinstance(kept, int) else [game.prompt, odd.get(kept, game.prompt)]
        last = b"junk" if kept == "junk" else b""
        data = changed(tab, game, 12, pictures[::-1] if kept == "start" else pictures, last)
        with pytest.raises(Exception, match="damaged"):
            opened_at(tab, data, 9)
        tab.reset(game.prompt, SEED)


def opened_at(tab: Tab, content: bytes, index: int) -> np.ndarray:
    tab.load_session(content)
    return tab.goto(index)


def changed(tab: Tab, game: Game, steps: int, pictures: list[np.ndarray], last: bytes = b"") -> bytes:
    """A session of the page with other pictures kept."""
    tab.reset(game.prompt, SEED)
    tab.steps(game.actions[:steps])
    content = tab.session()
    told = json.loads(json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"][KEY])
    kept = [pack_picture(picture) for picture in pictures]
    kept = [*kept[:-1], last] if last else kept
    tensors = load(content) | {
        "anchors": np.frombuffer(b"".join(kept), np.uint8),
        "anchor_lengths": np.array([len(part) for part in kept], np.int32),
    }
    return save(tensors, {KEY: json.dumps(told | {"content": digest_of(tensors)})})


ON = "async (n) => { for (let i = 0; i < n; i++) await client.step(i % 8); }"
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


@needs_proc
def test_steps_leave_nothing_behind(tab: Tab, easy: Game) -> None:
    """A step that left its copy of the ring behind, 2.1 MB, would show."""
    tab.reset(easy.prompt, SEED)
    tab.page.evaluate(ON, 20)
    before, kept = tab.megabytes, tab.kept
    tab.page.evaluate(ON, 60)
    assert tab.megabytes - before - (tab.kept - kept) < 80


@needs_proc
@pytest.mark.long
def test_memory_is_flat_over_five_thousand_steps(browser: Any, url: str, easy: Game) -> None:
    with Tab(browser, url) as tab:
        tab.open("coinrun")
        tab.reset(easy.prompt, SEED)
        sizes = []
        for _ in range(5):
            tab.page.evaluate(ON, 1000)
            sizes.append((round(tab.megabytes), round(tab.kept)))
        print("MB of the page, and kept of the line, after each 1,000 steps:", sizes)
        assert sizes[-1][0] - sizes[1][0] < 30
