"""Gradio's queue of calls, of which one client may not have all, and whose answers all arrive."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr

from app.web import limits, proxy

TOO_MANY = "too many of your calls wait already; wait for one to end"
SETTLED_SECONDS = 0.1
"""A page hears of its calls by one stream, which Gradio ends with the last of them. A call that comes just then is lost
if the page learns its place before it reads of the end: it waits on at the old one. So it learns that a little later.
"""


def share_queue(pages: gr.Blocks) -> gr.Blocks:
    """Makes the queue of `pages` refuse a client that has `limits.CALLS_A_CLIENT` calls in it, and lose no page's.

    Programs call one after the other, and are told of their places at once.
    """
    queue = pages._queue
    push = queue.push

    async def pushed(*args: Any, **named: Any) -> Any:
        client = _host(named.get("request") or args[1])
        waiting = [event for each in queue.event_queue_per_concurrency_id.values() for event in each.queue]
        many = sum(_host(event.request) == client for event in waiting) >= limits.CALLS_A_CLIENT
        if many and not proxy.speaks_for_itself(client):
            return False, TOO_MANY, "queue_full"
        placed = await push(*args, **named)
        if placed[0] and pages.fns[(named.get("body") or args[0]).fn_index].api_visibility == "private":
            await asyncio.sleep(SETTLED_SECONDS)
        return placed

    queue.push = pushed  # type: ignore[method-assign]
    return pages


def _host(request: Any) -> str:
    return "" if request.client is None else str(request.client.host)
