"""Behind a proxy: what it tells of the client and of the path is believed, if it is a proxy that we trust."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
PREFIX = re.compile(rb"(?:/[\w.~-]+)+")
LOCAL = "127.0.0.1,::1"
INSIDE = LOCAL + ",10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7"  # the Hub's network around a Space


def believing(app: Any) -> Any:
    """Takes the client's address from the headers of a trusted proxy; its `trusted_hosts` are those.

    They are the addresses in FORWARDED_ALLOW_IPS, by default this machine's; a Space is reached through the Hub's
    network alone. Of the addresses that proxies noted one after the other, the last that is no proxy's is the client:
    what comes before may be made up.
    """
    trusted = os.environ.get("FORWARDED_ALLOW_IPS") or (INSIDE if "SPACE_ID" in os.environ else LOCAL)
    return ProxyHeadersMiddleware(app, trusted)


def is_proxy(host: str) -> bool:
    """Whether connections from `host` may be those of a trusted proxy, for many clients."""
    return host in believing(None).trusted_hosts


def speaks_for_itself(host: str) -> bool:
    """Whether a client is of the owner's own: a trusted proxy that asks for nobody else, such as this machine."""
    trusted = believing(None).trusted_hosts
    return host in trusted and not trusted.always_trust


class TrustedProxy:
    """Takes the client's address from the headers of a trusted proxy; takes such headers away from anybody else."""

    def __init__(self, app: App) -> None:
        self.app, self._believing = app, believing(app)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        client = scope.get("client")
        if scope["type"] == "lifespan" or (client and client[0] in self._believing.trusted_hosts):
            return await self._believing(scope, receive, send)
        headers = [(name, value) for name, value in scope["headers"] if not _tells_of_a_proxy(name)]
        await self.app({**scope, "headers": headers}, receive, send)


class UnderPrefix:
    """Tells Gradio of `X-Forwarded-Prefix`, which it does not read: in the host and in the root path, of which it makes
    its addresses."""

    def __init__(self, app: App) -> None:
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


def _tells_of_a_proxy(header: bytes) -> bool:
    return header.startswith(b"x-forwarded-") or header in (b"forwarded", b"x-real-ip")
