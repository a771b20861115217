"""A script at the very start of the page: Gradio adds what it is given for the head only once its own scripts run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

SCRIPT = (Path(__file__).parent / "static" / "early.js").read_bytes()
HEAD = b"<head>"
PAGES = ("", "/")


class Early:
    """Puts `early.js` first into the head of the page."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in PAGES:
            return await self.app(scope, receive, send)
        start: dict[str, Any] = {}
        body = bytearray()

        async def answered(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            page = bytes(body).replace(HEAD, HEAD + b"<script>" + SCRIPT + b"</script>", 1)
            others = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
            await send(start | {"headers": [*others, (b"content-length", str(len(page)).encode())]})
            await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, answered)
