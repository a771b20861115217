"""Gradio's queue of calls, of which one client may not have all."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.web import limits, proxy

TOO_MANY = "too many of your calls wait already; wait for one to end"


def share_queue(pages: gr.Blocks) -> gr.Blocks:
    """Makes the queue of `pages` refuse a client that has `limits.CALLS_A_CLIENT` calls in it."""
    queue = pages._queue
    push = queue.push

    async def pushed(*args: Any, **named: Any) -> Any:
        client = _host(named.get("request") or args[1])
        waiting = [event for each in queue.event_queue_per_concurrency_id.values() for event in each.queue]
        many = sum(_host(event.request) == client for event in waiting) >= limits.CALLS_A_CLIENT
        if many and not proxy.speaks_for_itself(client):
            return False, TOO_MANY, "queue_full"
        return await push(*args, **named)

    queue.push = pushed  # type: ignore[method-assign]
    return pages


def _host(request: Any) -> str:
    return "" if request.client is None else str(request.client.host)
