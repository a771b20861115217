"""The bounds of a game on the web, each at its edge: how much is played, kept and sent, and for how long."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

from conftest import FakeEngine
from played import save_session, session_bytes
from tiny import make_world

from app.play import commands as c
from app.play.autoplay import ListedActions
from app.play.session import PlaySession
from app.play.session_file import parse_session
from app.play.start import Start
from app.play.start_pictures import Prompts
from app.play.timeline import Line
from app.web import downloads, limits, loaded_worlds, staying, told, uploads
from app.web.api import _script
from app.web.course import Course
from app.web.game import GameStart, affordable
from app.web.game_starts import GameStarts
from app.web.guest import Guest
from app.web.guests import Guests
from app.web.loaded_worlds import LoadedWorlds
from app.web.outbox import Outbox
from app.web.player import Player
from app.web.program import ProgramPlayer
from app.web.protocol import Frame, Key, ProtocolError, Rest, Share
from app.web.share import Link, read_link, to_fragment
from app.web.tabs.shared import playing
from app.web.transport import _take
from genie_core.config import Action, SamplingConfig
from genie_core.engine import WorldEngine
from genie_core.errors import GenieError, HubError, PictureError, ScriptError, SessionError
from genie_core.hub.address import Address
from genie_core.hub.download import Weighed

NOW = 10_000.0


class Loop:
    """Calls at once what is to be called soon."""

    def call_soon_threadsafe(self, function: Any, *args: Any) -> None:
        function(*args)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def make_outbox() -> Outbox:
    return Outbox(Loop())  # type: ignore[arg-type]


def taken(outbox: Outbox) -> list[Any]:
    return asyncio.run(outbox.take(0))


@pytest.fixture
def player() -> Player:
    """At the prompt, with an engine that shows steps and actions."""
    player = Player(0, make_outbox())
    player.begin(GameStart(FakeEngine(), "fake", Start(picture())))  # type: ignore[arg-type]
    taken(player.outbox)
    return player


# ---- how long a guest stays


def seated(**changes: Any) -> Guest:
    guest = Guest("token", GameStart(FakeEngine(), "fake", Start(picture())), Loop())  # type: ignore[arg-type]
    guest.ticket, guest.away_since, guest.touched = object(), None, NOW  # type: ignore[assignment]
    guest.player = Player(0, guest.outbox)
    for name, value in changes.items():
        setattr(guest, name, value)
    return guest


def test_nobody_asks_a_player_whose_first_game_is_still_made() -> None:
    """It has neither a game nor a session before; the page's tabs and downloads see a guest who plays nothing yet."""
    guest = seated(sitting_down=True)
    guests = SimpleNamespace(find=lambda token: guest)
    with pytest.raises(GenieError, match="nothing has been played yet"):
        asyncio.run(downloads.download(guests, guest, "gif"))  # type: ignore[arg-type]
    with pytest.raises(GenieError, match="you are not playing"):
        playing(guests, {"token": "token"})  # type: ignore[arg-type]
    guest.sitting_down = False
    assert playing(guests, {"token": "token"}) is guest.player  # type: ignore[arg-type]


def test_a_program_whose_game_failed_is_told_so_and_its_seat_is_free() -> None:
    guest = seated()
    guest.player = program(busy=True)
    (waiting,) = (future for _, future in guest.player._asked)
    guest.player.fail()
    with pytest.raises(GenieError, match="the game is over"):
        waiting.result(0)
    with pytest.raises(GenieError, match="the game is over"):
        guest.player.ask([1])
    assert (staying.verdict(guest, NOW, False) or [""])[0] == staying.LEAVE


def program(busy: bool = False) -> ProgramPlayer:
    start = GameStart(FakeEngine(), "fake", Start(picture()))  # type: ignore[arg-type]
    program = ProgramPlayer(start, 0)
    program.ask([1] if busy else [])
    return program


@pytest.mark.parametrize(
    ("guest", "since", "limit", "others_wait", "what"),
    [
        ({"ticket": None}, "away_since", "INVITED_SECONDS", False, staying.LEAVE),
        ({"ticket": None, "parked": True}, "away_since", "PARKED_SECONDS", False, staying.LEAVE),
        ({}, "away_since", "AWAY_SECONDS", False, staying.PARK),
        ({}, "away_since", "AWAY_WAITED_SECONDS", True, staying.PARK),
        ({"player": None}, "away_since", "PLACE_SECONDS", True, staying.PARK),
        ({"player": None}, "touched", "PLACE_IDLE_SECONDS", True, staying.PARK),
        ({}, "touched", "IDLE_ALONE_SECONDS", False, staying.PARK),
        ({}, "touched", "IDLE_SECONDS", True, staying.PARK),
        ({}, "polled", "POLL_SECONDS", False, staying.HANG_UP),
        ({}, "starving", "STARVING_SECONDS", False, staying.HANG_UP),
        ({"player": "program"}, "touched", "PROGRAM_IDLE_SECONDS", False, staying.LEAVE),
    ],
)
def test_a_guest_stays_to_its_limit_and_no_longer(
    guest: dict[str, Any], since: str, limit: str, others_wait: bool, what: str
) -> None:
    seconds = getattr(limits, limit)
    for over, verdict in ((0.0, None), (0.5, what)):
        one = seated(**guest)
        one.player = program() if guest.get("player") == "program" else one.player
        if since == "starving":
            one.outbox.starving_since = NOW - seconds - over
        else:
            setattr(one, since, NOW - seconds - over)
        found = staying.verdict(one, NOW, others_wait)
        assert (found and found[0]) == verdict, over


def test_a_program_whose_steps_are_still_to_come_stays_and_a_player_that_failed_goes() -> None:
    long_ago = NOW - 10 * limits.PROGRAM_IDLE_SECONDS
    assert staying.verdict(seated(player=program(busy=True), touched=long_ago), NOW, True) is None
    broken = seated()
    assert isinstance(broken.player, Player)
    broken.player.failed = True
    assert (staying.verdict(broken, NOW, False) or [""])[0] == staying.LEAVE


# ---- what waits to go out


def frame(number: int) -> Frame:
    return Frame(number, 0, number, number, None, picture())


def test_no_more_frames_wait_than_there_is_credit_for_and_the_newest_do() -> None:
    outbox = make_outbox()
    for number in range(1, limits.CREDIT + 1):
        assert outbox.credit == limits.CREDIT + 1 - number and outbox.starving_since is None
        outbox.put(frame(outbox.number()))
    assert outbox.credit == 0 and outbox.starving_since is not None
    outbox.put({"say": "between"})
    outbox.put(frame(outbox.number()))
    frames = [item.number for item in taken(outbox) if isinstance(item, Frame)]
    assert frames == list(range(2, limits.CREDIT + 2))
    outbox.shown(limits.CREDIT)
    assert outbox.credit == limits.CREDIT - 1 and outbox.starving_since is None
    outbox.shown(1000)
    assert outbox.credit == limits.CREDIT, "a page has drawn no frame that it was not sent"


def test_a_page_that_fetches_no_messages_is_gone_after_so_many() -> None:
    outbox = make_outbox()
    for number in range(limits.MESSAGES_UNSENT):
        outbox.put({"say": number})
    assert outbox.closed is None
    outbox.put({"say": "one too many"})
    assert outbox.closed == "this page does not fetch its messages"
    assert len(taken(outbox)) == limits.MESSAGES_UNSENT and taken(outbox) == []


def test_a_page_says_so_much_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now, heard = [NOW], list[Any]()
    monkeypatch.setattr("app.web.clients.time.monotonic", lambda: now[0])
    guest, guests = seated(), SimpleNamespace(receive=lambda *told: heard.append(told))
    for most in (2 * limits.MESSAGES_A_SECOND, limits.MESSAGES_A_SECOND):
        heard.clear()
        for _ in range(most):
            _take(guests, guest, guest.outbox, '{"do": "here"}')  # type: ignore[arg-type]
        with pytest.raises(ProtocolError, match="messages a second"):
            _take(guests, guest, guest.outbox, '{"do": "here"}')  # type: ignore[arg-type]
        assert len(heard) == most
        now[0] += 1


# ---- what is played and kept


def test_a_player_keeps_so_many_moments(player: Player) -> None:
    for number in range(limits.KEPT_MOMENTS + 1):
        assert len(player.session.kept) == number
        player.handle(c.Keep())
        player.pilot.take(player.engine.step({0: player.session.next_action()})[0])
    assert len(player.session.kept) == limits.KEPT_MOMENTS
    said = [item.get("say", "") for item in taken(player.outbox) if isinstance(item, dict)]
    assert sum(f"at most {limits.KEPT_MOMENTS} moments" in each for each in said) == 1


def test_a_picture_of_the_visitor_s_own_waits_and_its_warning_is_not_talked_over(player: Player) -> None:
    player.handle(c.Pause(True))
    player.begin(GameStart(player.engine, "fake", Start(picture(1), waits=True)))
    assert player.session.mode == "resting" and player.decide() is None
    player.session.tell(c.UNFAMILIAR, "this picture is far from what the world knows")
    player.session.tell(c.CANNOT_KEEP_UP, "this computer is too busy for 15 frames a second; 2 reached")
    player.show()
    said = [item for item in taken(player.outbox) if isinstance(item, dict) and item.get("kind")]
    assert [item["kind"] for item in said] == [c.UNFAMILIAR] and said[0]["stays"]
    assert "Hold a key to play all the same, or choose another picture" in said[0]["say"]
    player.begin(GameStart(player.engine, "fake", Start(picture(2))))
    assert player.session.mode == "playing" and player.decide() is not None, "this start does not wait"


def test_a_game_rests_while_the_player_uses_other_controls_and_after_autoplay(player: Player) -> None:
    list(player.session.play([1, None]))
    player.handle(Rest())
    assert player.session.mode == "resting" and player.decide() is None
    player.handle(Key("1", True, 1))
    assert player.decide() == 0
    player.take(player.engine.step({0: 0})[0])
    player.handle(Key("1", False, 2))
    player.session.handle(c.Autoplay(ListedActions([1])))
    for _ in range(3):
        action = player.decide()
        if action is not None:
            player.take(player.engine.step({0: action})[0])
    assert player.session.mode == "resting" and player.decide() is None


def test_a_page_shows_the_newest_lines(player: Player) -> None:
    session = player.session
    session.tick()
    for _ in range(limits.LINES_SHOWN + 2):
        session.handle(c.GoTo(0, 0))
        session.handle(c.Hold(1))
        session.tick()
    numbers = [line.number for line in session.timeline.lines]
    assert len(numbers) == limits.LINES_SHOWN + 3
    assert told.state(session)["lines"] == numbers[-limits.LINES_SHOWN :] and told.state(session)["earlier"] == 3
    assert [line["line"] for line in told.strip(session)["lines"]] == numbers[-limits.LINES_SHOWN : -1], "but the own"


def test_all_lines_of_a_player_together_have_an_end(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STEPS", 6)  # frames, the prompt's among them
    for _ in range(3):
        player.take(player.engine.step({0: player.decide()})[0])
    player.handle(c.GoTo(0, 0))
    player.pilot.held.press("1")  # only acting starts a branch
    for _ in range(2):
        player.take(player.engine.step({0: player.decide()})[0])
    assert sum(len(line.moments) for line in player.session.timeline.lines) == 6
    assert player.decide() is None and player.session.paused
    said = [item.get("say", "") for item in taken(player.outbox) if isinstance(item, dict)]
    assert any("at most 6 steps are kept" in each for each in said)
    player.begin(GameStart(player.engine, "fake", Start(picture(1))))
    assert len(player.session.timeline.lines) == 1, "a new start has room again"


@pytest.mark.parametrize(
    ("asked", "given"), [(1, 1), (limits.PASSES, limits.PASSES), (limits.PASSES + 1, limits.PASSES)]
)
def test_a_session_gets_no_more_passes_than_a_player(asked: int, given: int) -> None:
    session = PlaySession(WorldEngine(make_world(), sampling=SamplingConfig(asked, 0.5)), picture())
    saved = parse_session(session_bytes(session), session.engine.world)
    assert affordable(saved).sampling == SamplingConfig(given, 0.5)


@pytest.fixture
def worlds(tmp_path: Path) -> LoadedWorlds:
    """Three that ship, by the names of their folders."""
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").touch()
    return LoadedWorlds(make_world(), tmp_path, 1)


def test_a_session_as_long_as_a_player_may_play_is_too_long_to_go_on(
    worlds: LoadedWorlds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = PlaySession(WorldEngine(worlds.first.world), picture())
    list(session.play([1, 2, 3]))
    save_session(session, tmp_path / "s.genie")
    starts = GameStarts(worlds, Prompts(tmp_path))
    monkeypatch.setattr(limits, "STEPS", 4)
    assert starts.from_session(str(tmp_path / "s.genie"), worlds.title).start.saved is not None
    monkeypatch.setattr(limits, "STEPS", 3)
    with pytest.raises(SessionError, match=r"s\.genie has 3 steps, at most 3 are played here"):
        starts.from_session(str(tmp_path / "s.genie"), worlds.title)


def test_so_many_worlds_stay_loaded_and_the_one_used_longest_ago_goes(
    worlds: LoadedWorlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WORLDS_LOADED", 2)
    monkeypatch.setattr(loaded_worlds.World, "from_pretrained", lambda folder: make_world())
    a, b = worlds.engine("a"), worlds.engine("b")
    assert worlds.engine("a") is a and worlds.engine("b") is b and worlds.engine("a") is a
    worlds.engine("c")
    assert worlds.engine("a") is a, "it was used after b"
    assert worlds.engine("b") is not b
    assert worlds.engine(worlds.title) is worlds.first


def test_a_world_of_the_hub_is_weighed_before_it_is_fetched(
    worlds: LoadedWorlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = [limits.WORLD_BYTES]
    fetched: list[str] = []
    monkeypatch.setattr(loaded_worlds, "weigh", lambda address: Weighed("0" * 40, size[0], size[0]))
    monkeypatch.setattr(loaded_worlds.World, "from_pretrained", lambda repo, at: fetched.append(repo) or make_world())
    worlds.engine("owner/just-small-enough")
    size[0] += 1
    with pytest.raises(HubError, match=r"has 400 MB, and this demo plays worlds of at most 400 MB"):
        worlds.engine("owner/too-large")
    assert fetched == ["owner/just-small-enough"]


def test_a_slow_world_of_the_hub_stops_nobody_else(worlds: LoadedWorlds, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, answered = threading.Event(), threading.Event()

    def weigh(address: Address) -> Weighed:
        if address.repo == "owner/slow":
            asked.set()
            assert answered.wait(30)
        return Weighed("0" * 40, 1, 1)

    monkeypatch.setattr(loaded_worlds, "weigh", weigh)
    monkeypatch.setattr(loaded_worlds.World, "from_pretrained", lambda *_: make_world())
    slow = threading.Thread(target=worlds.engine, args=("owner/slow",))
    slow.start()
    assert asked.wait(30)
    assert worlds.engine("a") is worlds.engine("a")
    with pytest.raises(GenieError, match="a world is being fetched for somebody here; try again"):
        worlds.engine("owner/quick")
    answered.set()
    slow.join()
    assert worlds.engine("owner/slow").world.name == "owner/slow"
    assert worlds.engine("owner/quick").world.name == "owner/quick"


def test_one_commit_is_loaded_once_and_so_many_worlds_are_open(
    worlds: LoadedWorlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        loaded_worlds, "weigh", lambda address: Weighed("0" * 40 if address.revision else address.repo[-1] * 40, 1, 1)
    )
    monkeypatch.setattr(loaded_worlds.World, "from_pretrained", lambda *_: make_world())
    assert worlds.engine("owner/a@v1") is worlds.engine("owner/a@v2")
    played = [worlds.engine(f"owner/{letter}") for letter in "bcde"]  # games keep them
    with pytest.raises(GenieError, match=r"as many worlds are open here as fit; choose one of .*, a, b, c"):
        worlds.engine("owner/f")
    assert worlds.engine("owner/e") is played[-1] and worlds.engine("a")
    del played
    worlds.engine("owner/f")


# ---- who comes


@pytest.fixture
def guests() -> Guests:
    guests = Guests(1)
    guests._loop = Loop()  # type: ignore[assignment]
    return guests


def test_of_too_many_invitations_the_oldest_lapses(guests: Guests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "INVITED", 3)
    start = GameStart(FakeEngine(), "fake", Start(picture()))  # type: ignore[arg-type]
    tokens = [guests.invite(start) for _ in range(3)]
    assert all(map(guests.find, tokens))
    tokens.append(guests.invite(start))
    assert [guests.find(token) is not None for token in tokens] == [False, True, True, True]


def test_of_the_games_that_are_kept_the_oldest_go_first(guests: Guests, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.guests.LOOK_SECONDS", 0)
    start: Any = SimpleNamespace(bytes=limits.PARKED_BYTES // 3)
    kept = [guests.find(guests.invite(start)) for _ in range(5)]
    for guest in kept[:4]:
        guest.parked = True  # type: ignore[union-attr]

    async def look() -> None:
        looking = asyncio.create_task(guests._free_seats())
        for _ in range(5):
            await asyncio.sleep(0)
        looking.cancel()

    asyncio.run(look())
    assert [guests.find(guest.token) is guest for guest in kept if guest] == [False, True, True, True, True]


def test_a_page_that_asks_for_more_than_can_be_done_is_parted_with(
    guests: Guests, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest, asked, waiting = seated(), list[Any](), [limits.TASKS_WAITING - 1]
    thread = SimpleNamespace(waiting_for=lambda player: waiting[0], do_for=lambda *task: asked.append(task))
    monkeypatch.setattr(guests, "engine_thread", thread)
    guests.receive(guest, guest.outbox, c.Step())
    assert len(asked) == 1 and guest.outbox.closed is None
    waiting[0] += 1
    guests.receive(guest, guest.outbox, c.Step())
    assert len(asked) == 1 and guest.outbox.closed == "this page asks for more than can be done"


# ---- links, downloads, uploads, scripts


@pytest.mark.parametrize(
    ("query", "whole"),
    [
        (f"&k={limits.PASSES}", True),
        (f"&k={limits.PASSES + 1}", False),
        ("&k=1", True),
        ("&k=0", False),
        (f"&t={limits.TEMPERATURE}", True),
        (f"&t={limits.TEMPERATURE + 0.01}", False),
        ("&t=0", True),
        ("&t=-0.01", False),
        (f"&s={2**63 - 1}", True),
        (f"&s={2**63}", False),
        (f"&a=1x{limits.FILM_FRAMES - 1}.2x1", True),
        (f"&a=1x{limits.FILM_FRAMES - 1}.2x2", False),
        ("&z=".ljust(limits.POST_BYTES - len("w=a&p=b")), True),
        ("&z=".ljust(limits.POST_BYTES - len("w=a&p=b") + 1), False),
    ],
    ids=lambda value: str(value)[:20].strip(),
)
def test_what_a_link_asks_for_has_bounds(query: str, whole: bool) -> None:
    if whole:
        assert read_link("w=a&p=b" + query).world == "a"
    else:
        with pytest.raises(SessionError, match="damaged"):
            read_link("w=a&p=b" + query)


def test_a_link_leaves_out_the_last_steps_in_which_nobody_acted(player: Player) -> None:
    list(player.session.play([1, None, 2, None, None]))
    idle = player.session.idle
    assert read_link(to_fragment(player.game, player.session)).actions == [1, idle, 2]


def test_a_game_too_long_for_a_link_is_told_so(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    list(player.session.play([1, 2, 3]))
    link = to_fragment(player.game, player.session)
    assert read_link(link).actions == [1, 2, 3]
    monkeypatch.setattr(limits, "FILM_FRAMES", 3)
    monkeypatch.setattr(limits, "POST_BYTES", len(link) + 1000)
    assert to_fragment(player.game, player.session) == link
    monkeypatch.setattr(limits, "POST_BYTES", len(link) + 999)
    with pytest.raises(SessionError, match="too long for a link"):
        to_fragment(player.game, player.session)
    monkeypatch.undo()
    monkeypatch.setattr(limits, "FILM_FRAMES", 2)
    with pytest.raises(SessionError, match="too long for a link"):
        to_fragment(player.game, player.session)


def test_a_link_tells_the_branch_that_is_shown(player: Player) -> None:
    """Its own picture and settings, whatever was begun or changed since; two settings in one branch are refused."""
    engine = WorldEngine(make_world())
    own = engine.world.config.sampling
    player = Player(0, make_outbox())
    for number, action in ((1, 2), (2, 3)):
        start = GameStart(engine, "tiny", Start(picture(number)), picture=f"start-{number}.png")
        player.begin(start)
        for _ in range(5):
            player.pilot.held.press(str(action))
            player.take(engine.step({0: player.decide() or 0})[0])
        player.pilot.release_all()

    def shared(line: int) -> Link:
        player.handle(c.GoTo(line))
        taken(player.outbox)
        player.handle(Share())
        told = [message for message in taken(player.outbox) if isinstance(message, dict) and "share" in message]
        return read_link(told[0]["share"])

    assert (shared(0).picture, shared(1).picture) == ("start-1.png", "start-2.png")
    assert (shared(0).actions, shared(1).actions) == ([1] * 5, [2] * 5)
    player.handle(c.Restart())
    player.handle(c.Tune(unmask_steps=own.unmask_steps + 1, temperature=1.5))
    player.take(engine.step({0: player.decide() or 0})[0])
    assert (shared(0).unmask_steps, shared(0).temperature) == (None, None)
    assert shared(2).temperature == 1.5 and player.game.picture == "start-2.png"
    player.handle(c.GoTo(0))
    player.handle(c.Pause(False))
    player.take(engine.step({0: player.decide() or 0})[0])
    assert player.game.tuned
    with pytest.raises(IndexError):
        shared(0)


def test_a_branch_of_many_branches_tells_its_settings() -> None:
    course, line = Course(), Line(0, None, 0, picture(), 0)
    for number in range(1, 3000):
        course.stepped(line, SamplingConfig(1 + number % 2, 0.5))
        line = Line(number, line, number + 1, picture(), 0)
    assert course.settings(line) == {SamplingConfig(1, 0.5), SamplingConfig(2, 0.5)}


def test_a_picture_of_a_world_s_own_is_named_as_on_the_static_page(player: Player, tmp_path: Path) -> None:
    world = SimpleNamespace(config=player.session.config, starts=[tmp_path])
    player.session.engine.world = world  # type: ignore[assignment]
    game = dataclasses.replace(player.game, world="tiny", picture="start-1.png")
    assert "p=pictures%2Ftiny%2Fstart-1.png" in (link := to_fragment(game, player.session))
    assert read_link(link).picture == "start-1.png"
    world.starts = []
    assert "p=pictures%2Fstart-1.png" in to_fragment(game, player.session)


@pytest.mark.parametrize("kind", ["mp4", "gif"])
def test_a_download_has_so_many_frames_the_last_ones(
    player: Player, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FILM_FRAMES", 7)
    monkeypatch.setattr(limits, "GIF_SECONDS", 5 / player.session.config.fps)
    list(player.session.play([1, 2, 3, 4, 5, 6, 7, 0, 1, 2]))
    player.session.handle(c.GoTo(0, 8))

    async def for_player(_: Player, function: Any) -> Any:
        return function()

    frames, actions = asyncio.run(downloads._film(SimpleNamespace(for_player=for_player), player, kind))  # type: ignore[arg-type]
    # each frame shows its step: a film goes to the end of the line, a GIF to the moment shown
    assert frames[:, 0, 0, 1].tolist() == ([4, 5, 6, 7, 8, 9, 10] if kind == "mp4" else [4, 5, 6, 7, 8])
    assert actions.tolist() == ([5, 6, 7, 0, 1, 2] if kind == "mp4" else [5, 6, 7, 0])


def test_so_many_downloads_are_made_at_once() -> None:
    made, many = 0, limits.DOWNLOADS + 2

    async def run() -> list[bytes]:
        go = asyncio.Event()

        async def for_player(_: Player, function: Any) -> Any:
            nonlocal made
            made += 1
            await go.wait()
            return lambda: b"a session"

        guests: Any = SimpleNamespace(for_player=for_player)
        visitors: list[Any] = [SimpleNamespace(token=str(number), playing=object()) for number in range(many)]
        files = [asyncio.create_task(downloads.download(guests, each, "genie")) for each in visitors]
        for _ in range(5):
            await asyncio.sleep(0)
        assert made == limits.DOWNLOADS
        with pytest.raises(GenieError, match="is being made"):
            await downloads.download(guests, visitors[0], "genie")
        go.set()
        return await asyncio.gather(*files)

    assert asyncio.run(run()) == [b"a session"] * many
    assert made == many and not downloads.busy


def test_an_upload_is_opened_up_to_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "get_upload_folder", lambda: str(tmp_path))
    monkeypatch.setattr(uploads, "UPLOAD_BYTES", 10)
    for size, opened in ((10, True), (11, False)):
        (tmp_path / "a.png").write_bytes(b"x" * size)
        assert uploads.is_upload(str(tmp_path / "a.png")) is opened


def test_a_picture_is_decoded_up_to_so_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PICTURE_PIXELS", 2_000_000)
    for width in (2000, 2001):
        Image.new("1", (width, 1000)).save(tmp_path / f"{width}.png")
    assert uploads.read_picture(str(tmp_path / "2000.png")).shape == (1000, 2000, 3)
    with pytest.raises(PictureError, match=r"2001×1000 pixels, at most 2 million are read"):
        uploads.read_picture(str(tmp_path / "2001.png"))


def test_a_script_of_a_program_has_so_many_steps() -> None:
    actions = (Action(0, "stay"), Action(1, "left"))
    assert len(_script(f"left*{limits.ROLLOUT_STEPS}", actions)) == limits.ROLLOUT_STEPS
    with pytest.raises(ScriptError, match=f"runs for {limits.ROLLOUT_STEPS + 1} steps, at most {limits.ROLLOUT_STEPS}"):
        _script(f"left*{limits.ROLLOUT_STEPS},stay", actions)
