"""What one client may take, and what the server tells strangers: each limit, at its edge, without a browser."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

import uvicorn
from websockets.asyncio.client import connect

from app.web import connections, limits
from app.web.calls import TOO_MANY, share_queue
from app.web.clients import FORGET_FROM, Bucket, Clients, household
from app.web.connections import PatientForAWhile
from app.web.doors import APOLOGY, KINDS, POSTS, READS, Doors
from app.web.headers import Headers
from app.web.origin import is_foreign
from app.web.proxy import TrustedProxy
from app.web.server import Server, settings
from app.web.upload_folder import UploadFolder

FAR = "192.0.2.7"  # a client of another machine
UPLOAD = "/gradio_api/upload"
PATHS = ("/", "/config", "/theme.css", "/healthz", "/gradio_api/file=/a", "/gradio_api/queue/data", "/play/a/play.mp4")
PATHS += ("/play", "/play/a", UPLOAD, "/gradio_api/queue/join")


class Clock:
    """Stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("app.web.clients.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def reads_all(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An app that reads the body, and tells who asked and how much came."""
    size, more = 0, True
    while more and scope["type"] == "http":
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{scope['client'][0]} {size}".encode()})


def ask(
    app: Any, method: str, path: str, chunks: list[bytes] | None = None, host: str = FAR, **headers: str
) -> tuple[int, Any]:
    """The status and the content of the answer to one request."""
    return asyncio.run(asking(app, method, path, chunks, host, **headers))


async def asking(
    app: Any, method: str, path: str, chunks: list[bytes] | None = None, host: str = FAR, **headers: str
) -> tuple[int, Any]:
    left, sent = list(chunks or [b""]), list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        body = left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "client": (host, 1), "headers": told}
    await app(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], content.decode()


# ---- clients


def test_a_bucket_gives_what_is_in_it_and_fills_again(clock: Clock) -> None:
    bucket = Bucket(10, 2)
    assert bucket.take(10) and not bucket.take(0.1) and not bucket.full
    clock.now += 1
    assert bucket.take(2) and not bucket.take(0.1)
    clock.now += 100
    assert bucket.full and not bucket.take(10.1) and bucket.take(10), "and never holds more"


def test_addresses_of_one_household_are_one_client() -> None:
    assert household("2001:db8:1:2:3::9") == household("2001:db8:1:2:ffff::1") != household("2001:db8:1:3::9")
    assert household("::ffff:192.0.2.7") == household("192.0.2.7") != household("192.0.2.8")
    assert household("testclient") == "testclient"


def test_clients_who_have_left_are_forgotten_and_debtors_are_not(clock: Clock) -> None:
    clients = Clients()
    debtor, uploader, here = (clients.of(name) for name in ("debtor", "uploader", "here"))
    debtor.work.take(limits.WORK_MS)
    uploader.uploads.take(limits.UPLOADED_BYTES)
    here.open = 1
    for number in range(FORGET_FROM):
        clients.of(str(number))
    assert len(clients) < 10, "the rest are dropped at the thousandth"
    assert [clients.of(name) for name in ("debtor", "uploader", "here")] == [debtor, uploader, here]


# ---- doors


def test_a_client_that_asks_for_more_than_its_share_is_told_and_the_others_are_served(clock: Clock) -> None:
    doors = Doors(reads_all)
    served = int(limits.WORK_MS / limits.PAGE_MS)
    assert [ask(doors, "GET", "/")[0] for _ in range(served)] == [200] * served
    status, why = ask(doors, "GET", "/")
    assert status == 429 and "more than its share" in why
    assert ask(doors, "GET", "/", host="192.0.2.8") == (200, "192.0.2.8 0")
    assert {ask(doors, "GET", "/", host="127.0.0.1")[0] for _ in range(served + 1)} == {200}, "the owner's own machine"
    clock.now += limits.PAGE_MS / limits.WORK_MS_A_SECOND
    assert [ask(doors, "GET", "/")[0] for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("header", ["6.6.6.6", "10.9.9.9"])
def test_a_visitor_of_a_space_cannot_make_up_addresses(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    monkeypatch.setenv("SPACE_ID", "owner/name")
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    app = TrustedProxy(Doors(reads_all))
    assert ask(app, "GET", "/", host="10.16.3.80", x_forwarded_for=f"{header}, {FAR}")[1] == f"{FAR} 0"


def test_so_many_requests_of_a_client_are_open_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_A_CLIENT", 3)

    async def run() -> None:
        over = asyncio.Event()

        async def waits(scope: dict[str, Any], receive: Any, send: Any) -> None:
            await over.wait()
            await reads_all(scope, receive, send)

        doors = Doors(waits)
        open_now = [asyncio.create_task(asking(doors, "GET", "/")) for _ in range(3)]
        await asyncio.sleep(0)
        status, why = await asyncio.wait_for(asking(doors, "GET", "/"), 30)
        assert status == 429 and "too many connections" in why
        over.set()
        assert [status for status, _ in await asyncio.gather(*open_now)] == [200] * 3
        assert (await asking(doors, "GET", "/"))[0] == 200, "they have ended"

    asyncio.run(run())


@pytest.mark.parametrize("path", ["/play", "/play/token", UPLOAD, "/gradio_api/queue/join"])
def test_a_body_is_cut_off_at_its_limit_and_not_before(path: str) -> None:
    most = next(door.most for door in POSTS if door.path.fullmatch(path))
    half = b"x" * (most // 2)
    assert ask(Doors(reads_all), "POST", path, [half, half]) == (200, f"{FAR} {most}")
    status, why = ask(Doors(reads_all), "POST", path, [half, half, b"x"], content_length="9")
    assert status == 413 and f"at most {most:,} bytes" in why
    assert ask(Doors(reads_all), "POST", path, content_length=str(most + 1))[0] == 413, "before anything is read"


def test_a_client_uploads_so_much_and_all_of_them_so_much(clock: Clock) -> None:
    room = True
    doors = Doors(reads_all, lambda: room)
    chunks = [b"x" * limits.UPLOAD_BYTES] * 2
    rounds = limits.UPLOADED_BYTES // sum(map(len, chunks))
    assert {ask(doors, "POST", UPLOAD, chunks)[0] for _ in range(rounds)} == {200}
    status, why = ask(doors, "POST", UPLOAD, chunks)
    assert status == 429 and "uploaded more than its share" in why
    assert ask(doors, "POST", UPLOAD, chunks, "192.0.2.8")[0] == 200
    assert ask(doors, "POST", "/play/token", [b"[]"])[0] == 200, "its game goes on"
    clock.now += limits.UPLOADED_BYTES / limits.UPLOADED_BYTES_A_SECOND
    assert ask(doors, "POST", UPLOAD, chunks)[0] == 200, "an hour later"
    room = False
    assert ask(doors, "POST", UPLOAD, chunks, "192.0.2.8")[0] == 507
    assert ask(doors, "POST", "/play", host="192.0.2.8")[0] == 200


def test_a_body_that_does_not_come_is_waited_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.05)

    async def silent() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.request", "body": b"", "more_body": False}

    assert asyncio.run(asyncio.wait_for(posting(silent), 30)) == 408


def test_a_body_that_trickles_has_the_time_of_the_slowest_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("app.web.doors.time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(limits, "BODY_BYTES_A_SECOND", limits.POST_BYTES / 10)

    async def trickle() -> dict[str, Any]:
        nonlocal now
        await asyncio.sleep(0)
        now += 1
        return {"type": "http.request", "body": b"[", "more_body": True}

    assert asyncio.run(posting(trickle)) == 408
    assert now == limits.BODY_SECONDS + 10


async def posting(receive: Any) -> int:
    """The status of the answer to a post whose body comes by `receive`."""
    sent = list[dict[str, Any]]()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/play", "client": (FAR, 1), "headers": []}
    await Doors(reads_all)(scope, receive, send)
    return sent[0]["status"]


def test_a_fault_of_ours_is_told_in_words_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: dict[str, Any], receive: Any, send: Any) -> None:
        raise RuntimeError("/srv/secret")

    async def answered(scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": b"/srv/secret"})
        raise RuntimeError("/srv/secret")

    for app in (broken, answered):
        assert ask(Doors(app), "GET", "/") == (500, json.dumps({"detail": APOLOGY}))
        assert "/srv/secret" in caplog.text
        caplog.clear()


def test_what_is_no_door_is_not_there() -> None:
    for method, path in (("GET", "/gradio_api/dev/reload"), ("PUT", "/play"), ("TRACE", "/"), ("GET", "/play/a/b.py")):
        assert ask(Doors(reads_all), method, path)[0] == 404, path
    assert {ask(Doors(reads_all), "HEAD", path)[0] for path in ("/", "/healthz", "/assets/a.js")} == {200}


@pytest.mark.parametrize("kind", KINDS)
def test_each_door_has_its_price(clock: Clock, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    paths = {path: door for path in PATHS for door in KINDS[kind] if door.path.fullmatch(path)}
    assert set(paths.values()) == set(KINDS[kind]), "a path for each door"
    for path, door in paths.items():
        monkeypatch.setattr(limits, "WORK_MS", 3 * door.price)
        doors = Doors(reads_all)
        assert [ask(doors, kind, path)[0] for _ in range(4)] == [200, 200, 200, 429], path


def test_every_price_leaves_a_burst_of_page_loads() -> None:
    """Twenty people behind one address open the page, of a hundred files, at once."""
    page, file = (next(d.price for d in READS if d.path.fullmatch(path)) for path in ("/", "/assets/a.js"))
    assert 20 * (page + 100 * file) <= limits.WORK_MS


# ---- connections


def test_who_does_not_fetch_what_was_asked_for_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SEND_SECONDS", 0.1)

    async def large(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 30_000_000})  # more than the system's buffers hold

    async def run() -> None:
        async with serving(large) as (server, address):
            _, writer = await asyncio.open_connection(*address, limit=2**12)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            while server.server_state.connections or not server.server_state.total_requests:
                await asyncio.sleep(0.01)
            writer.close()

    asyncio.run(run())


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[tuple[uvicorn.Server, tuple[str, int]]]:
    """The server of `app`, with the demo's settings, and its address; for a minute."""
    server, listening = Server(settings(app)), socket.create_server(("127.0.0.1", 0))
    async with asyncio.timeout(60):
        ends = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield server, listening.getsockname()
        server.should_exit = True
        await ends


@pytest.mark.parametrize("proxy", [False, True], ids=["a client", "a proxy, for many"])
def test_a_client_has_so_many_connections(monkeypatch: pytest.MonkeyPatch, proxy: bool) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_A_CLIENT", 2)
    monkeypatch.setattr(connections, "is_proxy", lambda host: proxy)

    async def run() -> list[bool]:
        async with serving(reads_all) as (_, address):
            opened, served = [await asyncio.open_connection(*address) for _ in range(3)], []
            for reader, writer in reversed(opened):
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                try:
                    served.append(b"200 OK" in await reader.read(100))
                except ConnectionResetError:
                    served.append(False)
            for _, writer in opened:
                writer.close()
        return served

    assert asyncio.run(run()) == [proxy, True, True]


def test_the_head_of_a_request_is_waited_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HEAD_SECONDS", 0.1)

    async def run() -> bytes:
        async with serving(reads_all) as (_, address):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n")
            try:
                return await reader.read()
            except ConnectionResetError:
                return b""
            finally:
                writer.close()

    assert asyncio.run(run()) == b""


def test_a_message_too_long_for_any_ends_its_socket() -> None:
    async def counts(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            await send({"type": "websocket.send", "text": str(len(message.get("text", "")))})

    async def run() -> int | None:
        async with serving(counts) as (_, (host, port)), connect(f"ws://{host}:{port}") as page:
            assert await page.recv() == "0", "it is open"
            await page.send("x" * 2 * limits.MESSAGE_BYTES)
            assert await page.recv() == str(2 * limits.MESSAGE_BYTES)
            await page.send("x" * (2 * limits.MESSAGE_BYTES + 1))
            await page.wait_closed()
            return page.close_code

    assert asyncio.run(run()) == 1009  # too big


def test_who_fetches_slowly_is_waited_for() -> None:
    later, gone = list[Callable[[], None]](), list[bool]()
    waiting = iter([90, 60, 60])
    protocol = object.__new__(PatientForAWhile)
    protocol.loop = SimpleNamespace(
        call_later=lambda _, *call: later.append(lambda: call[0](*call[1:])) or SimpleNamespace(cancel=lambda: None)
    )
    protocol.transport = SimpleNamespace(get_write_buffer_size=lambda: next(waiting), abort=lambda: gone.append(True))
    protocol._watch_sending()
    later.pop()()
    assert not gone, "something was fetched"
    later.pop()()
    assert gone and not later


# ---- who asks


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({"host": "demo.example"}, False),
        ({"host": "demo.example", "origin": "https://demo.example"}, False),
        ({"host": "127.0.0.1:7860", "origin": "http://127.0.0.1:7860"}, False),
        ({"host": "127.0.0.1:7860", "origin": "http://127.0.0.1:8000"}, True),
        ({"host": "demo.example", "origin": "https://demo.example.evil"}, True),
        ({"host": "demo.example", "origin": "null"}, True),
        ({"host": "demo.example", "origin": "http://[::1"}, True),
        ({"host": "inner:80", "origin": "https://demo.example"}, True),
        ({"host": "inner:80", "origin": "https://demo.example", "x-forwarded-host": "demo.example/app"}, False),
        ({"host": "inner:80", "origin": "https://demo.example", "sec-fetch-site": "same-origin"}, False),
        ({"host": "inner:80", "origin": "https://demo.example", "sec-fetch-site": "cross-site"}, True),
    ],
)
def test_a_page_of_another_site_is_told_by_its_origin(headers: dict[str, str], foreign: bool) -> None:
    assert is_foreign([(name.encode(), value.encode()) for name, value in headers.items()]) is foreign


@pytest.mark.parametrize("path", ["/play", "/play/token", UPLOAD, "/gradio_api/queue/join"])
def test_a_page_of_another_site_posts_nothing(path: str) -> None:
    status, why = ask(Doors(reads_all), "POST", path, [b"{}"], host="demo", origin="https://evil.example")
    assert status == 403 and "another site" in why


def test_a_page_of_another_site_opens_no_socket() -> None:
    sent = list[dict[str, Any]]()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", b"demo"), (b"origin", b"https://evil.example")]
    scope = {"type": "websocket", "path": "/play/token", "client": (FAR, 1), "headers": headers}
    asyncio.run(Doors(reads_all)(scope, None, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


# ---- what browsers are told


@pytest.mark.parametrize(("space", "frames"), [(None, "'self'"), ("owner/name", "'self' https://huggingface.co")])
def test_the_page_runs_nothing_from_elsewhere_and_is_framed_by_the_hub_alone(
    monkeypatch: pytest.MonkeyPatch, space: str | None, frames: str
) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    if space:
        monkeypatch.setenv("SPACE_ID", space)
    page, file = _headers("/"), _headers("/gradio_api/file=/tmp/drawing.svg")
    assert page["x-content-type-options"] == "nosniff" and page["referrer-policy"] == "same-origin"
    for told in ("default-src 'self'", "object-src 'none'", "base-uri 'self'", f"frame-ancestors {frames}"):
        assert told in page["content-security-policy"]
    assert "http" not in page["content-security-policy"].split("frame-ancestors")[0]
    assert "sandbox" in file["content-security-policy"] and "script" not in file["content-security-policy"]


def _headers(path: str) -> dict[str, str]:
    sent = list[dict[str, Any]]()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "client": (FAR, 1), "headers": []}
    asyncio.run(Headers(Doors(reads_all))(scope, _nothing, send))
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request"}


# ---- uploads on the disk


def test_uploads_that_broke_off_are_deleted_and_the_rest_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, half, fresh, inner = (
        tmp_path / "ab" / "a.png",
        tmp_path / "tmpx",
        tmp_path / "tmpy",
        tmp_path / "ab" / "tmpz",
    )
    whole.parent.mkdir()
    for file in (whole, half, fresh, inner):
        file.write_bytes(b"x" * 10)
    before = time.time() - limits.HALF_SECONDS - 1
    for file in (whole, half, inner):
        os.utime(file, (before, before))
    folder = UploadFolder(tmp_path)
    folder.tidy()
    assert [file.exists() for file in (whole, half, fresh, inner)] == [True, False, True, True]
    monkeypatch.setattr(limits, "UPLOADS_BYTES", 31)
    assert folder.has_room()
    monkeypatch.setattr(limits, "UPLOADS_BYTES", 30)
    assert not folder.has_room()


# ---- Gradio's queue


def test_a_client_has_so_many_calls_in_the_queue() -> None:
    import gradio as gr

    with gr.Blocks() as pages:
        gr.Button().click(lambda: None, api_name="work")
    share_queue(pages.queue(max_size=limits.REQUESTS_WAITING))

    def request(host: str) -> Any:
        return SimpleNamespace(client=SimpleNamespace(host=host))

    def full(host: str) -> Callable[[], bool]:
        body = SimpleNamespace(fn_index=None)  # a call that Gradio refuses next
        return lambda: asyncio.run(pages._queue.push(body, request(host), None))[1] == TOO_MANY

    held = SimpleNamespace(queue=[SimpleNamespace(request=request(FAR))] * (limits.CALLS_A_CLIENT - 1))
    pages._queue.event_queue_per_concurrency_id["work"] = held  # type: ignore[assignment]
    assert not full(FAR)()
    held.queue.append(SimpleNamespace(request=request(FAR)))
    assert full(FAR)() and not full("192.0.2.8")()
