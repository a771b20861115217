"""Which pages may post and open sockets: those that this server served."""

from __future__ import annotations

import os
from collections.abc import Iterable
from urllib.parse import urlsplit


def is_foreign(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request was sent by a page of another site. Programs send no Origin, browsers always do.

    The Host is the server's name as the browser knows it, unless a proxy changes it: then the forwarded one is, of
    which only a trusted proxy's is left here, or the browser itself says that the page is of the same origin.
    """
    told = dict(headers)
    origin = told.get(b"origin")
    if origin is None or told.get(b"sec-fetch-site") == b"same-origin":
        return False
    ours = [told.get(b"host", b""), told.get(b"x-forwarded-host", b""), os.environ.get("SPACE_HOST", "").encode()]
    names = {each.decode("latin1").split("/")[0].strip().lower() for each in ours} - {""}
    try:
        return urlsplit(origin.decode("latin1")).netloc.lower() not in names
    except ValueError:
        return True
