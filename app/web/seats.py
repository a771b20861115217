"""Seats, and the queue before them: first come, first served, but a client with fewer seats goes first.

A client is an address. Lives on the event loop; knows no games.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable

from app.web import limits
from genie_core.errors import GenieError

USUAL_STAY = 120.0  # seconds on a seat, until the stays of some players are known


class SeatsFull(GenieError):
    """There is no seat, and no place in the queue."""


class Ticket:
    """`seat` is the number of the seat, None in the queue. `on_move` is called when the seat or the place changes.

    `since` is the time at which the ticket got its seat or its place.
    """

    def __init__(self, on_move: Callable[[], None], client: str) -> None:
        self.seat: int | None = None
        self.on_move, self.client = on_move, client
        self.since = time.monotonic()


class Seats:
    """`count` seats, numbered from 0, and a queue of at most `limits.WAITING`."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = list(range(count))
        self._seated: list[Ticket] = []
        self._waiting: list[Ticket] = []
        self._stays = deque[float](maxlen=20)

    @property
    def players(self) -> int:
        return len(self._seated)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def enter(self, on_move: Callable[[], None], client: str = "", wait: bool = True) -> Ticket:
        """A ticket with a seat, or with a place in the queue. Raises SeatsFull if there is neither, or without `wait`
        no seat."""
        if not self._free and not wait:
            raise SeatsFull(f"all {self.count} seats are taken; try again in a minute")
        if len(self._waiting) >= limits.WAITING:
            raise SeatsFull(f"{limits.WAITING} players are waiting already; come back later")
        if sum(other.client == client for other in self._waiting) >= limits.WAITING_A_CLIENT:
            raise SeatsFull(f"{limits.WAITING_A_CLIENT} players wait at your address already; come back later")
        ticket = Ticket(on_move, client)
        self._waiting.append(ticket)
        self._seat_waiting()
        return ticket

    def place(self, ticket: Ticket) -> int:
        """The place in the queue, from 1; 0 for a ticket that has a seat or has left."""
        order = self._order()
        return order.index(ticket) + 1 if ticket in order else 0

    def wait_seconds(self, place: int) -> float:
        """An estimate of how long the one at this place waits, by how long the last players stayed."""
        stay = sum(self._stays) / len(self._stays) if self._stays else USUAL_STAY
        return place * stay / self.count

    def leave(self, ticket: Ticket) -> None:
        """Gives the seat to the first in the queue. Does nothing the second time."""
        if ticket in self._seated:
            self._seated.remove(ticket)
            assert ticket.seat is not None
            self._free.append(ticket.seat)
            self._stays.append(time.monotonic() - ticket.since)
            self._seat_waiting()
        elif ticket in self._waiting:
            behind = self._order()[self.place(ticket) :]
            self._waiting.remove(ticket)
            for other in behind:
                other.on_move()

    def to_give_up(self) -> Ticket | None:
        """The seat that is due to a client who has none and has waited long: the oldest of whoever has most."""
        held = Counter(ticket.client for ticket in self._seated)
        before = time.monotonic() - limits.SHARE_SECONDS
        if not any(not held[ticket.client] and ticket.since < before for ticket in self._waiting):
            return None
        client, most = held.most_common(1)[0]
        return next(ticket for ticket in self._seated if ticket.client == client) if most > 1 else None

    def _order(self) -> list[Ticket]:
        """The queue as it will be served if no seat is given back by a client in it."""
        held = Counter(ticket.client for ticket in self._seated)
        left, order = list(self._waiting), list[Ticket]()
        while left:
            order.append(min(left, key=lambda ticket: held[ticket.client]))
            left.remove(order[-1])
            held[order[-1].client] += 1
        return order

    def _seat_waiting(self) -> None:
        moved = False
        while self._free and self._waiting:
            ticket = self._order()[0]
            self._waiting.remove(ticket)
            ticket.seat, ticket.since = self._free.pop(0), time.monotonic()
            self._seated.append(ticket)
            ticket.on_move()
            moved = True
        if moved:
            for other in list(self._waiting):
                other.on_move()
