"""Behind a proxy that serves the demo under a path of its own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

PREFIX = re.compile(rb"(?:/[\w.~-]+)+")


class UnderPrefix:
    """Tells Gradio of `X-Forwarded-Prefix`, which it does not read: in the host and in the root path, of which it makes
    its addresses."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers: dict[bytes, bytes] = dict(scope["headers"])
            prefix = headers.get(b"x-forwarded-prefix", b"").rstrip(b"/")
            host = headers.get(b"x-forwarded-host", headers.get(b"host", b""))
            if PREFIX.fullmatch(prefix) and not host.endswith(prefix):
                others = [(name, value) for name, value in scope["headers"] if name != b"x-forwarded-host"]
                headers_now = [*others, (b"x-forwarded-host", host + prefix)]
                scope = {**scope, "headers": headers_now, "root_path": prefix.decode()}
        await self.app(scope, receive, send)
