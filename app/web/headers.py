"""What a browser is told with each answer: run nothing from elsewhere, show the demo inside no other site's page."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

HUB = "https://huggingface.co https://*.huggingface.co https://*.hf.space"  # show Spaces inside their own pages
# Gradio writes its settings into the page as a script, and makes functions of text.
PAGE = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self' data: blob:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}
FILE = {
    "default-src": "'none'",
    "img-src": "'self'",
    "media-src": "'self'",
    "style-src": "'unsafe-inline'",
    "sandbox": "",
}
FILES = "/gradio_api/file="  # what visitors uploaded: nothing in it runs


class Headers:
    def __init__(self, app: App) -> None:
        self.app = app
        framed = "'self' " + HUB if "SPACE_ID" in os.environ else "'self'"
        self._page, self._file = (_told(policy | {"frame-ancestors": framed}) for policy in (PAGE, FILE))

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        async def answered(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                policy = self._file if FILES in scope["path"] else self._page
                message = message | {"headers": [*message["headers"], *ALWAYS, (b"content-security-policy", policy)]}
            await send(message)

        await self.app(scope, receive, answered if scope["type"] == "http" else send)


ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # the path of a game has its token
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
]


def _told(policy: dict[str, str]) -> bytes:
    return "; ".join(f"{name} {value}".strip() for name, value in policy.items()).encode()
