"""The games behind the web demo, by their sockets: played, shared, waited for, abused."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

from webdemo import PATIENCE, Demo, Page, in_this_process, wait_for

from app.play.session_file import parse_session
from app.play.start import Start
from app.web import connections, limits
from app.web.game import GameStart
from app.web.outbox import CREDIT
from app.web.protocol import HEADER
from app.web.upload_folder import upload_folder
from genie_core import World, WorldEngine
from genie_core.config import Action, WorldConfig, build_networks
from genie_core.errors import GenieError

pytestmark = pytest.mark.slow
STAY, RIGHT, LEFT = 2, 0, 3  # of the tiny world of conftest.py


@pytest.fixture(scope="module")
def demo(tiny_world: Path) -> Iterator[Demo]:
    with in_this_process(tiny_world, seats=2, fps=40) as running:
        yield running


@pytest.fixture(autouse=True)
def everybody_leaves(demo: Demo) -> Iterator[None]:
    yield
    demo.on_loop(lambda: [demo.guests.leave(each, "") for each in [*demo.guests._by_token.values()] if each.parked])
    wait_for(lambda: demo.health()["guests"] == 0, "everybody to have left")


@pytest.fixture(scope="module")
def world(tiny_world: Path) -> World:
    return World.from_pretrained(tiny_world)


def picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def invite(demo: Demo, seed: int = 0) -> str:
    engine = demo.worlds.engine("tiny")
    return demo.on_loop(lambda: demo.guests.invite(GameStart(engine, "tiny", Start(picture(), seed=seed))))


def come(demo: Demo, seed: int = 0, shows: bool = True) -> Page:
    return Page(demo, invite(demo, seed), shows)


def key(page: Page, code: str, down: bool, number: int = 1) -> None:
    page.send("key", code=code, down=down, number=number)


def action_of(page: Page) -> int:
    return page.frames[-1][0][4]


def same_alone(page: Page, world: World, seed: int) -> bool:
    """Whether the frames are those that the world makes for one player with the same actions."""
    engine = WorldEngine(world, seed)
    alone = [engine.reset(picture())]
    alone += [engine.step(head[4]) for head, _ in page.frames[1:]]
    return all(np.array_equal(frame, other) for (_, frame), other in zip(page.frames, alone, strict=True))


# ---- playing


def test_a_held_key_plays_until_it_is_let_go(demo: Demo) -> None:
    with come(demo) as page:
        assert [page.word("hello")[side] for side in ("width", "height")] == [32, 32]
        page.play(2)
        key(page, "ArrowRight", True)
        page.until(lambda: action_of(page) == RIGHT, "right")
        page.play(3)
        assert action_of(page) == RIGHT
        key(page, "ArrowRight", False)
        page.until(lambda: action_of(page) == STAY, "stay")
        key(page, "KeyA", True)
        page.until(lambda: action_of(page) == LEFT, "left")
        page.send("release_all")
        page.until(lambda: action_of(page) == STAY, "stay")


def test_a_tap_between_two_steps_counts(demo: Demo) -> None:
    with come(demo) as page:
        page.play(2)
        key(page, "Digit1", True, 7)
        key(page, "Digit1", False, 8)
        page.until(lambda: page.frames[-1][0][1] == 8, "a frame that says it has taken both in")
        assert 0 in [head[4] for head, _ in page.frames], "the tapped action"


def test_two_players_with_settings_of_their_own_play_as_if_alone(demo: Demo, world: World) -> None:
    with come(demo, seed=3) as one, come(demo, seed=4) as other:
        one.play(1), other.play(1)
        key(one, "ArrowRight", True)
        key(other, "ArrowLeft", True)
        for _ in range(20):
            one.play(1), other.play(1)
        assert {action_of(one), action_of(other)} == {RIGHT, LEFT}
        assert same_alone(one, world, 3) and same_alone(other, world, 4)
        other.send("tune", unmask_steps=3, temperature=1.0)
        other.until(lambda: other.state.get("unmask_steps") == 3, "the settings")
        for _ in range(10):
            one.play(1), other.play(1)
        assert same_alone(one, world, 3), "the other's settings are the other's"
        assert not same_alone(other, world, 4)


def test_rewinding_shows_the_very_frames_and_acting_branches(demo: Demo) -> None:
    with come(demo) as page:
        page.play(12)
        page.send("keep")
        kept = page.until(lambda: page.state.get("kept"), "the kept moment")[0]["step"]
        page.send("rewind", held=True)
        page.until(lambda: page.frames[-1][0][2] <= 4, "step 4")
        page.send("rewind", held=False)
        page.until(lambda: page.state.get("status") == "resting", "rest")
        shown: dict[int, np.ndarray] = {}
        for head, frame in page.frames:
            assert np.array_equal(frame, shown.setdefault(head[2], frame)), f"step {head[2]} shown again"
        key(page, "ArrowLeft", True)
        page.until(lambda: any(word.get("kind") == "branched" for word in page.words), "the branch")
        key(page, "ArrowLeft", False)
        page.send("pause", on=True)
        page.until(lambda: page.state.get("status") == "paused", "the pause")
        page.send("recall", kept=0)
        page.until(lambda: page.frames[-1][0][2] == kept, "the kept moment again")
        assert np.array_equal(page.frames[-1][1], shown[kept])


def test_autoplay_plays_a_script_and_says_what_is_wrong_with_one(demo: Demo) -> None:
    with come(demo) as page:
        page.play(1)
        page.send("autoplay", script="left*2,nothing*3", mix=False)
        page.until(lambda: "names no action" in page.word("fault")["script"], "what is wrong, beside the field")
        assert "--" not in page.word("fault")["script"], "no advice for a command line"
        page.send("autoplay", script="left*4", mix=False)
        page.until(lambda: action_of(page) == LEFT, "left")
        page.until(lambda: any(word.get("kind") == "autoplay ended" for word in page.words), "the end")


def test_a_speed_that_cannot_be_kept_up_is_told(demo: Demo) -> None:
    fps = demo.worlds.engine("tiny").world.config.fps
    with come(demo) as page:
        page.play(2)
        page.send("speed", times=4)
        page.until(lambda: page.state.get("speed") == 4, "the speed")
        asked = f"too busy for {4 * fps:.3g} frames a second"
        demo.on_loop(lambda: setattr(demo.guests.engine_thread, "_batch", slowed(demo.guests.engine_thread._batch)))
        try:
            page.until(lambda: any(asked in word.get("say", "") for word in page.words), "the word")
        finally:
            demo.on_loop(lambda: delattr(demo.guests.engine_thread, "_batch"))


def slowed(step: Any) -> Any:
    """As on a machine that takes a tenth of a second for each batch."""

    def late(*args: Any) -> None:
        time.sleep(0.1)
        step(*args)

    return late


def test_what_is_downloaded_is_what_was_played(demo: Demo, world: World, tmp_path: Path) -> None:
    import av

    token = invite(demo)
    with Page(demo, token) as page:
        key(page, "ArrowRight", True)
        page.play(10)
        page.send("pause", on=True)
        page.until(lambda: page.state.get("status") == "paused", "the pause")
        saved = parse_session(demo.get(f"/play/{token}/play.genie"), world)
        (tmp_path / "play.mp4").write_bytes(demo.get(f"/play/{token}/play.mp4"))
        assert demo.get(f"/play/{token}/play.gif")[:4] == b"GIF8"
        assert [head[4] for head, _ in page.frames[1:]] == saved.actions.tolist()
        with av.open(str(tmp_path / "play.mp4")) as film:
            assert sum(1 for _ in film.decode(video=0)) == len(page.frames)
        tip = page.frames[-1]
    engine = demo.worlds.engine("tiny")
    start = GameStart(engine, "tiny", Start(None, saved=saved))
    with Page(demo, demo.on_loop(lambda: demo.guests.invite(start))) as again:
        again.play(1)
        assert again.frames[-1][0][2] == tip[0][2] and np.array_equal(again.frames[-1][1], tip[1])
    assert demo.status(f"/play/{token}/play.mp4") == 404, "gone with the player"


def test_a_playthrough_has_an_end_and_a_new_start_is_a_new_start(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STEPS", 12)
    token = invite(demo)
    with Page(demo, token) as page:
        page.until(lambda: any("steps are kept" in word.get("say", "") for word in page.words), "the end")
        page.until(lambda: page.state.get("status") == "paused", "the pause")
        assert page.frames[-1][0][2] == 11
        guest = demo.on_loop(lambda: demo.guests.find(token))
        start = GameStart(demo.worlds.engine("tiny"), "tiny", Start(picture(1)))
        asyncio.run_coroutine_threadsafe(demo.guests.begin(guest, start), demo.loop).result(30)
        page.until(lambda: page.frames[-1][0][2] == 5, "step 5 of the new one")


def test_a_frame_need_not_be_square(tmp_path: Path) -> None:
    sections = {
        "tokenizer": {"channels": [8, 8], "decoder_blocks": 1, "code_bits": 8},
        "latent_action": {"width": 16, "layers": 1, "heads": 2, "code_width": 4},
        "dynamics": {"width": 16, "layers": 1, "heads": 2},
    }
    actions = tuple(Action(i, f"action_{i}") for i in range(3))
    networks = build_networks((90, 160), 3, len(actions), sections)
    World(WorldConfig(*networks, actions=actions)).save_pretrained(tmp_path / "wide")
    with in_this_process(tmp_path / "wide", seats=1) as demo:
        start = GameStart(demo.worlds.first, "wide", Start(picture()))
        token = demo.on_loop(lambda: demo.guests.invite(start))
        with Page(demo, token) as page:
            page.play(2)
            hello = page.word("hello")
            assert (hello["width"], hello["height"], len(hello["actions"])) == (160, 90, 3)
            assert page.frames[-1][1].shape == (90, 160, 3)
            key(page, "Digit3", True)
            page.until(lambda: action_of(page) == 2, "the third action")
            assert demo.get(f"/play/{token}/play.gif")[6:10] == struct.pack("<HH", 4 * 160, 4 * 90)
        assert "0 to 2" in demo.get("/gradio_api/info").decode(), "the endpoints describe the world's own actions"


# ---- seats


def test_who_comes_when_all_seats_are_taken_waits_and_sees_the_place(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "AWAY_WAITED_SECONDS", 0.1)
    with come(demo) as first, come(demo) as second:
        first.play(1), second.play(1)
        with come(demo) as third, come(demo) as fourth:
            told = third.word("queue")
            assert (told["place"], told["waiting"]) == (1, 1)
            assert fourth.word("queue")["place"] == 2
            assert fourth.word("queue")["seconds"] >= told["seconds"], "an estimate of the wait"
            health = demo.health()
            assert (health["players"], health["waiting"]) == (2, 2)
            seat = first.word("hello")["seat"]
            first.socket.close()
            third.play(3)
            assert third.word("hello")["seat"] == seat
            fourth.until(lambda: fourth.word("queue")["place"] == 1, "place 1")
            second.play(2)


def test_who_vanishes_without_a_word_frees_the_seat(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "AWAY_SECONDS", 0.1)
    monkeypatch.setattr(limits, "PARKED_SECONDS", 0.1)
    page = come(demo)
    page.play(1)
    linger = struct.pack("ii", 1, 0)  # closing then resets the connection, as a killed process does
    page.socket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    page.socket.socket.close()
    wait_for(lambda: demo.health()["players"] == 0, "the seat to be free")


def test_a_page_that_shows_nothing_holds_up_nobody_and_is_let_go(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    with come(demo, shows=False) as stalled, come(demo) as other:
        stalled.until(lambda: len(stalled.frames) == CREDIT, "what credit allows")
        other.play(30)
        assert len(stalled.frames) == CREDIT
        monkeypatch.setattr(limits, "STARVING_SECONDS", 1.0)
        monkeypatch.setattr(limits, "AWAY_SECONDS", 0.1)
        wait_for(lambda: other.play(1) or demo.health()["players"] == 1, "the seat to be free")
        assert "connection has ended" in stalled.ended()
        other.play(5)


def test_who_does_not_play_is_let_go_when_others_wait(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    with come(demo) as idle, come(demo) as busy:
        idle.play(1), busy.play(1)
        monkeypatch.setattr(limits, "IDLE_SECONDS", 0.5)
        for number in range(30):
            key(busy, "ArrowLeft", number % 2 == 0, number)
            busy.play(1), idle.play(1)  # nobody waits, nobody goes
        with come(demo) as waiting:
            for number in range(15):
                key(busy, "ArrowLeft", number % 2 == 0, number)
                busy.play(1)
            assert "the seat went to the next player" in idle.ended()
            waiting.play(1)


def test_a_folder_for_uploads_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/dev/null/uploads")
    told = r"uploads cannot be kept in /dev/null/uploads .*; name another folder"
    with pytest.raises(GenieError, match=told), upload_folder():
        pass


# ---- abuse


@pytest.mark.parametrize(
    "hostile",
    ["junk", "[" * 2000, "x" * 5000, b"\0\1\2", '{"do":"tune"}'],
    ids=["junk", "nested", "giant", "bytes", "empty"],
)
def test_who_talks_nonsense_is_shown_out_and_the_other_plays_on(demo: Demo, hostile: str | bytes) -> None:
    with come(demo) as bad, come(demo) as good:
        bad.play(1), good.play(1)
        bad.socket.send(hostile)
        assert bad.ended()
        good.play(5)


@pytest.mark.parametrize(
    "told", ['"tune","unmask_steps":99,"temperature":0', '"speed","times":-1' + 400 * "0", '"seed","seed":3000000000']
)
def test_a_number_out_of_range_is_refused_in_words_and_the_game_goes_on(demo: Demo, told: str) -> None:
    with come(demo) as page:
        page.play(1)
        page.socket.send('{"do":' + told + "}")
        page.until(lambda: "number from" in page.word("say"), "the refusal")
        page.play(5)


def test_a_player_who_asks_for_dear_things_again_and_again_gets_an_even_share(demo: Demo) -> None:
    """New seeds as fast as a page may send: each starts the game anew, which costs several steps."""
    with come(demo) as greedy, come(demo) as other:
        greedy.play(1), other.play(1)
        engine = demo.worlds.engine("tiny")
        reset, done = engine.reset, list[int]()
        engine.reset = lambda *args: done.append(1) or time.sleep(0.02) or reset(*args)
        asked = limits.TASKS_WAITING // 2
        for seed in range(asked):
            greedy.send("seed", seed=seed)
        other.play(5)
        del engine.reset
        assert len(done) < asked / 2


def test_numbers_that_are_not_finite_cost_one_player_an_apology_and_the_seat(demo: Demo) -> None:
    with come(demo) as unlucky, come(demo) as lucky:
        unlucky.play(2), lucky.play(2)
        seat, engine = unlucky.word("hello")["seat"], demo.worlds.engine("tiny")

        def put(value: float) -> None:
            engine._ring.keys[:, seat] = value

        demo.guests.engine_thread.do(lambda: put(np.nan)).result(PATIENCE)
        assert "something went wrong here; press Play to begin again" in unlucky.ended()
        lucky.play(5)
        wait_for(lambda: demo.health()["players"] == 1, "the seat to be free")
        demo.guests.engine_thread.do(lambda: put(0.0)).result(PATIENCE)
        with come(demo) as next_one:
            next_one.play(5)


def test_a_flood_of_messages_is_cut_off(demo: Demo) -> None:
    from websockets.exceptions import ConnectionClosed

    with come(demo) as bad, come(demo) as good:
        bad.play(1), good.play(1)

        def flood() -> None:
            for number in range(20_000):
                key(bad, "ArrowLeft", True, number)

        with pytest.raises(ConnectionClosed):
            flood()
        good.play(5)


def test_the_newest_page_of_a_token_plays_on_and_none_can_be_guessed(demo: Demo) -> None:
    token = invite(demo)
    with Page(demo, token) as page:
        page.play(2)
        with Page(demo, token) as copy:
            assert "another window" in page.ended()
            copy.play(1)
            assert copy.word("hello")["resumed"]
    for guess in ("", "x", "../../etc/passwd", "%2e%2e%2f", "a" * 3000):
        assert demo.status(f"/play/{guess}", b"[]") in (404, 405)
    with Page(demo, "x") as stranger:
        assert "over" in stranger.ended()


def test_paths_lead_to_nothing_of_this_machine(demo: Demo) -> None:
    token = invite(demo)
    with Page(demo, token) as page:
        page.play(1)
        for path in (
            f"/play/{token}/play.py",
            f"/play/{token}/..%2f..%2flaunch.py",
            "/gradio_api/file=/etc/passwd",
            "/gradio_api/file=launch.py",
            "/gradio_api/file=../launch.py",
            "/static/../../launch.py",
        ):
            assert demo.status(path) in (403, 404, 409), path


def test_connections_that_say_nothing_are_closed(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEAD_SECONDS", 0.5)
    port = int(demo.url.rsplit(":", 1)[1])
    with come(demo) as page:
        page.play(1)
        for said in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX: "):
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as silent:
                silent.sendall(said)
                assert silent.recv(1) == b"", "the server hangs up"
        page.play(20)  # who has said something plays on


def test_a_client_has_so_many_connections(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_A_CLIENT", 5)
    monkeypatch.setattr(connections, "is_proxy", lambda host: False)
    port = int(demo.url.rsplit(":", 1)[1])
    with come(demo) as page, ExitStack() as opened:
        page.play(1)
        many = [opened.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE)) for _ in range(12)]
        assert sum(each.recv(1) == b"" for each in many[-4:]) == 4, "the last ones are closed at once"
        page.play(3)


# ---- coming back


@pytest.mark.parametrize("kept", [True, False], ids=["the seat is kept", "others have it"])
def test_a_page_comes_back_to_the_frame_that_it_showed(demo: Demo, monkeypatch: pytest.MonkeyPatch, kept: bool) -> None:
    monkeypatch.setattr(limits, "AWAY_SECONDS", limits.AWAY_SECONDS if kept else 0.0)
    token = invite(demo)
    first = Page(demo, token)
    key(first, "ArrowRight", True)
    first.play(12)
    shown, seen = first.frames[-1]
    first.socket.close()
    wait_for(lambda: demo.health()["players"] == int(kept), "the seat to be kept, or given up")
    with Page(demo, token, query=f"?shown={shown[0]}") as page:
        page.play(1)
        again, picture = page.frames[0]
        assert again[2] == shown[2] and np.array_equal(picture, seen)
        page.until(lambda: page.state.get("status") == "resting", "rest until a key")
        key(page, "ArrowLeft", True)
        page.until(lambda: page.frames[-1][0][2] > shown[2] + 3, "play on")
        assert page.frames[-1][0][4] == LEFT
        page.send("share")
        assert page.word("share").startswith("w=tiny&s=0&a=")


def test_of_the_games_that_are_kept_the_oldest_go_first(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "AWAY_SECONDS", 0.0)
    tokens = [invite(demo), invite(demo)]
    for token in tokens:
        page = Page(demo, token)
        page.play(3)
        page.socket.close()
        wait_for(lambda: demo.health()["players"] == 0, "the seat to be free")
    older, newer = (demo.guests.find(token) for token in tokens)
    wait_for(lambda: older.start.bytes and newer.start.bytes, "both to be kept")
    monkeypatch.setattr(limits, "PARKED_BYTES", newer.start.bytes)
    wait_for(lambda: demo.guests.find(tokens[0]) is None, "the oldest to be let go")
    assert demo.guests.find(tokens[1]) is newer


def test_a_silent_page_loses_its_place(demo: Demo) -> None:
    with come(demo) as first, come(demo) as second:
        first.play(1), second.play(1)
        with come(demo) as silent, come(demo) as present:
            assert silent.word("queue")["place"] == 1 and present.word("queue")["place"] == 2
            guest, long_ago = demo.guests.find(silent.token), time.monotonic() - limits.PLACE_IDLE_SECONDS - 1
            demo.on_loop(lambda: setattr(guest, "touched", long_ago))
            wait_for(lambda: demo.health()["waiting"] == 1, "the place to lapse")
            assert "place in the queue lapsed" in silent.ended()
            present.until(lambda: present.word("queue")["place"] == 1, "the place before")


# ---- without WebSockets


def test_over_plain_http_it_plays_too(demo: Demo) -> None:
    token, frames, words = invite(demo), [], []

    def poll(*messages: dict[str, object], wait: bool = True) -> None:
        import urllib.request

        body = json.dumps([json.dumps(message) for message in messages]).encode()
        with urllib.request.urlopen(f"{demo.url}/play/{token}{'' if wait else '?wait=0'}", body) as answer:
            news = answer.read()
        while news:
            length, is_frame = struct.unpack(">IB", news[:5])
            part, news = news[5 : 5 + length], news[5 + length :]
            if is_frame:
                frames.append((HEADER.unpack(part[: HEADER.size]), np.array(Image.open(BytesIO(part[HEADER.size :])))))
            else:
                words.append(json.loads(part))

    poll()
    poll({"do": "key", "code": "ArrowRight", "down": True, "number": 1}, wait=False)
    for _ in range(40):
        poll(*([{"do": "shown", "frame": frames[-1][0][0]}] if frames else []))
    assert any("hello" in word for word in words)
    assert frames[-1][0][4] == RIGHT and len(frames) > 10
    assert demo.status(f"/play/{token}/leave", b"") == 200
    assert demo.health()["players"] == 0
    assert demo.status(f"/play/{token}", b"[]") == 404


@pytest.mark.parametrize("body", [b"junk", b"{}", b"[1]", b'["junk"]', b"[" * 20_000])
def test_what_no_page_posts_is_refused(demo: Demo, body: bytes) -> None:
    assert demo.status(f"/play/{invite(demo)}", body) == 400
