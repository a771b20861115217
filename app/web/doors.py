"""What may be posted to the server, and how much of it: all else is refused before it is read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from app.web.limits import BODY_SECONDS, POST_BYTES, REQUEST_BYTES, UPLOAD_REQUEST_BYTES

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

# Gradio has other doors: some decode what is posted unchecked, one runs FFmpeg on it. No page of ours needs them.
DOORS = (
    (re.compile(r"/play(/[^/]*(/leave)?)?"), POST_BYTES),
    (re.compile(r"/gradio_api/upload/?"), UPLOAD_REQUEST_BYTES),
    (re.compile(r"/gradio_api/(queue/join|cancel|reset|(run|api|call|call/v2)/[^/]+)/?"), REQUEST_BYTES),
)
READS = ("GET", "HEAD", "OPTIONS")
HANG_UP = (b"connection", b"close")  # instead of reading the rest of a body


class TooLarge(Exception):
    """The body of a request is longer than its door lets in."""


class Doors:
    """Counts each body as it streams in, whatever its headers say, and cuts it off at the limit of its door."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] in READS:
            return await self.app(scope, receive, send)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        most = next((most for door, most in DOORS if door.fullmatch(path)), None)
        if most is None:
            return await _refuse(send, 404, "nothing is taken in here")
        told = dict(scope["headers"]).get(b"content-length", b"")
        if told.isdigit() and int(told) > most:
            return await _refuse(send, 413, f"at most {most:,} bytes are read here")
        await self._count(scope, receive, send, most)

    async def _count(self, scope: dict[str, Any], receive: Any, send: Any, most: int) -> None:
        left, read, started = most, False, False

        async def counted() -> dict[str, Any]:
            nonlocal left, read
            # After the body the next message is the client's leaving, which may take as long as it likes.
            message: dict[str, Any] = await asyncio.wait_for(receive(), None if read else BODY_SECONDS)
            left -= len(message.get("body", b""))
            read = not message.get("more_body", False)
            if left < 0:
                raise TooLarge
            return message

        async def answered(message: dict[str, Any]) -> None:
            nonlocal started
            if left < 0 and not started:
                return  # a route may have taken the exception for a fault of its own
            if message["type"] == "http.response.start":
                started = True
                message = message if read else message | {"headers": [*message["headers"], HANG_UP]}
            await send(message)

        with contextlib.suppress(TooLarge, TimeoutError):
            await self.app(scope, counted, answered)
        if left < 0 and not started:
            await _refuse(send, 413, f"at most {most:,} bytes are read here")
        elif not started:
            await _refuse(send, 408, f"nothing came for {BODY_SECONDS:.0f} seconds")


async def _refuse(send: Any, status: int, why: str) -> None:
    headers = [(b"content-type", b"application/json"), HANG_UP]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": why}).encode()})
