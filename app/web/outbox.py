"""What a player has to be told, filled by the engine's thread and emptied by the event loop, with credit for frames."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any

from app.web.protocol import Frame

CREDIT = 2  # frames on their way or not drawn yet: one is drawn while the next travels, and nothing piles up
MOST_WORDS = 200  # messages not fetched yet; a client that lets so many pile up is gone

Item = Frame | dict[str, Any]


class Outbox:
    """Frames and words in order. Of frames only the newest `CREDIT` wait; words all do."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._items: deque[Item] = deque()
        self._news = asyncio.Event()
        self._numbered = 0  # frames put in so far
        self._shown = 0  # newest frame known to be drawn
        self.closed: str | None = None  # why nothing follows
        self.starving_since: float | None = None  # by time.monotonic(); None while there is credit

    @property
    def credit(self) -> int:
        return CREDIT - (self._numbered - self._shown)

    def number(self) -> int:
        """The number of the next frame, which is taken by this."""
        self._numbered += 1
        return self._numbered

    def put(self, item: Item) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._put, item)

    def shown(self, frame: int) -> None:
        """On the loop: the client has drawn `frame`, and so all before it."""
        self._shown = max(self._shown, min(frame, self._numbered))
        self.starving_since = None if self.credit > 0 else time.monotonic()

    def close(self, why: str) -> None:
        """On the loop: what is in it is still fetched, then no more."""
        self.closed = self.closed or why
        self._news.set()

    async def take(self, seconds: float | None = None) -> list[Item]:
        """Waits for news, at most so long; empty if there are none, or if it is closed and empty."""
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
        elif len(self._items) >= MOST_WORDS:
            return self.close("this page does not fetch what it is told")
        self._items.append(item)
        self._news.set()
