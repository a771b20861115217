"""What may be asked of the server, and how much by one client: all else is refused before it is read."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect

from app.web import limits, proxy
from app.web.clients import Client, Clients, household
from app.web.origin import is_foreign

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class Door(NamedTuple):
    """A path, the price of a request in milliseconds, and how many bytes its body may have."""

    path: re.Pattern[str]
    price: float
    most: int = 0
    keeps: bool = False  # what is posted stays on the disk for a while


# Gradio has other doors: some decode what is posted unchecked, one runs FFmpeg on it, one fetches addresses, some
# pass by the queue. No page of ours needs them.
READS = (
    Door(re.compile(r"/(gradio_api/)?"), limits.PAGE_MS),
    Door(re.compile(r"/(config|gradio_api/(info|openapi\.json))/?"), limits.PAGE_MS),
    Door(
        re.compile(r"/(assets|static)/.+|/((gradio_api/)?theme\.css|favicon\.ico|manifest\.json|robots\.txt)"),
        limits.FILE_MS,
    ),
    Door(re.compile(r"/(healthz|attract\.webp)"), limits.FILE_MS),
    Door(re.compile(r"/gradio_api/(file=.+|app_id/?|login_check/?|startup-events|upload_progress)"), limits.FILE_MS),
    Door(re.compile(r"/gradio_api/(queue/(data|status)|heartbeat/[^/]+|call/[^/]+/[^/]+)"), limits.STREAM_MS),
    Door(re.compile(r"/play/[^/]+/play\.[a-z0-9]+"), limits.DOWNLOAD_MS),
)
POSTS = (
    Door(re.compile(r"/play"), limits.BEGIN_MS, limits.POST_BYTES),
    Door(re.compile(r"/play/[^/]*(/leave)?"), limits.POLL_MS, limits.POST_BYTES),
    Door(re.compile(r"/gradio_api/upload/?"), limits.CALL_MS, limits.UPLOAD_REQUEST_BYTES, keeps=True),
    Door(
        re.compile(r"/gradio_api/(queue/join|cancel|reset|call/(v2/)?[^/]+)/?"),
        limits.CALL_MS,
        limits.REQUEST_BYTES,
    ),
)
SOCKETS = (Door(re.compile(r"/play/[^/]*"), limits.SOCKET_MS),)
KINDS = {"GET": READS, "HEAD": READS, "POST": POSTS}
HANG_UP = (b"connection", b"close")  # instead of reading the rest of a body
APOLOGY = "something went wrong here; try again"


log = logging.getLogger(__name__)


class Refused(Exception):
    """A request that is not let in, or a body that is cut off: a status of HTTP, and a sentence."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Doors:
    """Lets requests in by their path, client and origin, and counts each body as it streams in."""

    def __init__(self, app: App, has_room: Callable[[], bool] = lambda: True) -> None:
        """`has_room` says whether the disk has room for more uploads."""
        self.app, self._has_room = app, has_room
        self._clients = Clients()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        host, port = scope.get("client") or ("", 0)
        scope = {**scope, "client": (household(host), port)}
        client = Client() if proxy.speaks_for_itself(host) else self._clients.of(household(host))
        try:
            door = self._let_in(scope, client)
        except Refused as no:
            return await _refuse(scope, send, no)
        client.open += 1
        try:
            if scope["type"] == "websocket":
                await self.app(scope, receive, send)
            else:
                await Body(door, client).serve(self.app, scope, receive, send)
        finally:
            client.open -= 1

    def _let_in(self, scope: dict[str, Any], client: Client) -> Door:
        doors = SOCKETS if scope["type"] == "websocket" else KINDS.get(scope["method"], ())
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        door = next((door for door in doors if door.path.fullmatch(path)), None)
        if door is None:
            raise Refused(404, "there is nothing here")
        if doors is not READS and is_foreign(scope["headers"]):
            raise Refused(
                403, "this was sent by a page of another site; if it is yours, let its proxy pass on the Host"
            )
        if client.open >= limits.CONNECTIONS_A_CLIENT:
            raise Refused(429, "too many connections are open at your address; close some")
        if not client.work.take(door.price):
            raise Refused(429, "your address asks for more than its share; wait for a minute")
        if door.keeps and not self._has_room():
            raise Refused(507, "too much has been uploaded here of late; try again in an hour")
        told = dict(scope["headers"]).get(b"content-length", b"")
        if told.isdigit() and int(told[:20]) > door.most and doors is POSTS:
            raise Refused(413, f"at most {door.most:,} bytes are read here")
        return door


class Body:
    """The body of one request, cut off at the limit of its door whatever its headers say, and the answer to it."""

    def __init__(self, door: Door, client: Client) -> None:
        self._door, self._client = door, client
        self._left, self._read, self._started = door.most, door.most == 0, False
        self._until = time.monotonic() + limits.BODY_SECONDS + door.most / limits.BODY_BYTES_A_SECOND
        self._no: Refused | None = None

    async def serve(self, app: App, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self._receive, self._send = receive, send
        try:
            await app(scope, self._counted if self._door.most else receive, self._answered)
        except ClientDisconnect:
            return  # in the middle of what it sent
        except Exception:
            if self._no is None or self._no.status == 500:  # a fault of ours
                log.exception("a request of %s failed", scope["path"])
            self._no = self._no or Refused(500, APOLOGY)
        if self._no is not None and not self._started:
            await _refuse(scope, send, self._no)

    async def _counted(self) -> dict[str, Any]:
        if self._no is not None:
            raise self._no
        # After the body the next message is the client's leaving, which may take as long as it likes.
        left = min(limits.BODY_SECONDS, self._until - time.monotonic())
        try:
            async with asyncio.timeout(None if self._read else max(0, left)):
                message: dict[str, Any] = await self._receive()
        except TimeoutError:
            raise self._cut(408, f"the rest did not come within {limits.BODY_SECONDS:.0f} seconds") from None
        size = len(message.get("body", b""))
        self._left -= size
        self._read = not message.get("more_body", False)
        if self._left < 0:
            raise self._cut(413, f"at most {self._door.most:,} bytes are read here")
        if self._door.keeps and not self._client.uploads.take(size):
            raise self._cut(429, "your address has uploaded more than its share; try again in an hour")
        return message

    def _cut(self, status: int, why: str) -> Refused:
        self._no = Refused(status, why)
        return self._no

    async def _answered(self, message: dict[str, Any]) -> None:
        if self._no is not None and not self._started:
            return  # a route may have taken the exception for a fault of its own
        if message["type"] == "http.response.start":
            if message["status"] == 500 and _is_text(message):
                self._no = Refused(500, APOLOGY)
                return
            self._started = True
            message = message if self._read else message | {"headers": [*message["headers"], HANG_UP]}
        await self._send(message)


def _is_text(message: dict[str, Any]) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/") for name, value in message["headers"])


async def _refuse(scope: dict[str, Any], send: Any, no: Refused) -> None:
    if scope["type"] == "websocket":
        return await send({"type": "websocket.close", "code": 1008, "reason": no.why})  # before it is open: a 403
    headers = [(b"content-type", b"application/json"), HANG_UP]
    await send({"type": "http.response.start", "status": no.status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": no.why}).encode()})
