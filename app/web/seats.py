"""Seats, and the queue before them: first come, first served. Lives on the event loop; knows no games."""

from __future__ import annotations

from collections.abc import Callable

from app.web import limits
from genie_core.errors import GenieError


class SeatsFull(GenieError):
    """There is no seat, and no place in the queue."""


class Ticket:
    """`seat` is the number of the seat, None in the queue. `on_move` is called when the seat or the place changes."""

    def __init__(self, on_move: Callable[[], None]) -> None:
        self.seat: int | None = None
        self.on_move = on_move


class Seats:
    """`count` seats, numbered from 0, and a queue of at most `limits.WAITING`."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._free = list(range(count))
        self._seated: set[Ticket] = set()
        self._waiting: list[Ticket] = []

    @property
    def players(self) -> int:
        return len(self._seated)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def enter(self, on_move: Callable[[], None], wait: bool = True) -> Ticket:
        """A ticket with a seat, or with a place in the queue. Raises SeatsFull if there is neither, or without `wait`
        no seat."""
        if not self._free and not wait:
            raise SeatsFull(f"all {self.count} seats are taken; try again in a minute")
        if len(self._waiting) >= limits.WAITING:
            raise SeatsFull(f"{limits.WAITING} players are waiting already; come back later")
        ticket = Ticket(on_move)
        self._waiting.append(ticket)
        self._seat_waiting()
        return ticket

    def place(self, ticket: Ticket) -> int:
        """The place in the queue, from 1; 0 for a ticket that has a seat or has left."""
        return self._waiting.index(ticket) + 1 if ticket in self._waiting else 0

    def leave(self, ticket: Ticket) -> None:
        """Gives the seat to the first in the queue. Does nothing the second time."""
        if ticket in self._seated:
            self._seated.remove(ticket)
            assert ticket.seat is not None
            self._free.append(ticket.seat)
            self._seat_waiting()
        elif ticket in self._waiting:
            behind = self._waiting[self._waiting.index(ticket) + 1 :]
            self._waiting.remove(ticket)
            for other in behind:
                other.on_move()

    def _seat_waiting(self) -> None:
        moved = False
        while self._free and self._waiting:
            ticket = self._waiting.pop(0)
            ticket.seat = self._free.pop(0)
            self._seated.add(ticket)
            ticket.on_move()
            moved = True
        if moved:
            for other in self._waiting:
                other.on_move()
