"""Long work, such as a film, is done one piece at a time, and clients take turns."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.web import limits
from genie_core.errors import GenieError


class Turns:
    """Each client has a queue; after a piece of work, the next client in the round is served. Lives on the loop."""

    def __init__(self) -> None:
        self._busy = False
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def of(self, client: str) -> AsyncIterator[None]:
        """Waits for the client's turn. Raises GenieError if too much work of this client waits already."""
        if self._busy:
            queue = self._waiting.setdefault(client, deque())
            if len(queue) >= limits.ROLLOUTS_WAITING:
                raise GenieError(f"{len(queue)} of your calls wait already; wait for one to end")
            turn = asyncio.get_running_loop().create_future()
            queue.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn in queue:
                    queue.remove(turn)
                elif turn.done() and not turn.cancelled():
                    self._next()
                raise
        self._busy = True
        try:
            yield
        finally:
            self._next()

    def _next(self) -> None:
        """Hands the turn to the next client; it stays busy until then."""
        while self._waiting:
            client, queue = self._waiting.popitem(last=False)
            turn = queue.popleft() if queue else None
            if queue:
                self._waiting[client] = queue  # behind all others
            if turn is not None and not turn.done():
                turn.set_result(None)
                return
        self._busy = False
