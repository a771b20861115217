"""What a page has to be told: filled by the engine's thread, emptied by the event loop, with credit for frames.

Each connection of a page has an outbox of its own; the numbers of the frames go on from one to the next.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from app.web.limits import CREDIT, MESSAGES_UNSENT
from app.web.protocol import Frame

Item = Frame | dict[str, Any]


class Outbox:
    """Frames and messages in order. Only the newest `CREDIT` frames wait; all messages do."""

    def __init__(self, loop: asyncio.AbstractEventLoop, numbered: int = 0) -> None:
        """`numbered` frames have gone out over earlier connections."""
        self._loop = loop
        self._items: deque[Item] = deque()
        self._news = asyncio.Event()
        self.numbered = numbered  # frames put in so far
        self._shown = numbered  # newest frame known to be drawn
        self.closed: str | None = None  # why nothing follows
        self.then = "end"  # what the page can do about it: see protocol
        self.watches: object = None  # the player whose game a page in the queue sees; the engine's thread sets it
        self.starving_since: float | None = None  # by time.monotonic(); None while there is credit

    @property
    def credit(self) -> int:
        return CREDIT - (self.numbered - self._shown)

    def number(self) -> int:
        """Takes the next frame number."""
        self.numbered += 1
        return self.numbered

    def put(self, item: Item) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._put, item)

    def shown(self, frame: int) -> None:
        """On the loop: the page has drawn `frame`, and so all before it."""
        self._shown = max(self._shown, min(frame, self.numbered))
        self.starving_since = None if self.credit > 0 else time.monotonic()

    def close(self, why: str, then: str = "end") -> None:
        """On the loop: the items inside can still be taken, and no more come."""
        if self.closed is None:
            self.closed, self.then = why, then
        self._news.set()

    def close_soon(self, why: str) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self.close, why)

    async def take(self, seconds: float | None = None) -> list[Item]:
        """Waits for items, at most `seconds`. Empty if none came, or if it is closed and empty."""
        if not self._items and self.closed is None:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), seconds)
            except TimeoutError:
                return []
        items = list(self._items)
        self._items.clear()
        return items

    def _put(self, item: Item) -> None:
        if self.closed is not None:
            return
        if isinstance(item, Frame):
            waiting = [other for other in self._items if isinstance(other, Frame)]
            if len(waiting) >= CREDIT:
                self._items.remove(waiting[0])
            if self.credit <= 0 and self.starving_since is None:
                self.starving_since = time.monotonic()
        elif len(self._items) >= MESSAGES_UNSENT:
            return self.close("this page does not fetch its messages")
        self._items.append(item)
        self._news.set()
