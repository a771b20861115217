"""Pages in the queue watch a game, if its player agrees. Lives on the event loop."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from app.web.engine_thread import EngineThread
from app.web.guest import Guest
from app.web.player import Player


class Watching:
    """At most one game is watched, by all pages in the queue."""

    def __init__(self, engine_thread: EngineThread) -> None:
        self._engine = engine_thread
        self._watched: Player | None = None

    def arrange(self, guests: Iterable[Guest]) -> None:
        """Tells each player how many wait, and shows these the first game whose player is there and agrees."""
        guests = list(guests)
        waiting = tuple(guest.outbox for guest in guests if _waits(guest))
        games = {guest: guest.player for guest in guests if isinstance(guest.player, Player) and not guest.sitting_down}
        agreed = [player for guest, player in games.items() if player.watched and guest.away_since is None]
        watched = agreed[0] if agreed else None
        if self._watched is not None and self._watched not in games.values():
            self._engine.do(partial(self._watched.tell_queue, 0, ()))
        for player in games.values():
            queue = len(waiting), waiting if player is watched else ()
            if player.queue != queue:
                self._engine.do(partial(player.tell_queue, *queue))
        self._watched = watched


def _waits(guest: Guest) -> bool:
    """Whether the guest is in the queue, and its page is there."""
    return guest.ticket is not None and guest.ticket.seat is None and guest.away_since is None
