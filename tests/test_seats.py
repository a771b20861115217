"""Seats and queue: first come, first served, and no seat is lost."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

from app.web.limits import WAITING
from app.web.seats import Seats, SeatsFull, Ticket


def enter(seats: Seats, moves: list[str] | None = None, name: str = "") -> Ticket:
    return seats.enter(lambda: None if moves is None else moves.append(name))


def test_seats_are_given_until_there_are_none_then_places() -> None:
    seats = Seats(2)
    first, second, third, fourth = (enter(seats) for _ in range(4))
    assert sorted([first.seat, second.seat]) == [0, 1]
    assert third.seat is None and fourth.seat is None
    assert [seats.place(ticket) for ticket in (first, third, fourth)] == [0, 1, 2]
    assert (seats.players, seats.waiting) == (2, 2)


def test_the_first_in_the_queue_gets_the_seat_that_is_left() -> None:
    seats = Seats(1)
    moves: list[str] = []
    first, second, third = enter(seats), enter(seats, moves, "second"), enter(seats, moves, "third")
    moves.clear()
    seats.leave(first)
    assert second.seat == 0 and third.seat is None and seats.place(third) == 1
    assert moves == ["second", "third"], "one sits down, the other comes forward, and both are told"


def test_leaving_the_queue_moves_those_behind_and_no_others() -> None:
    seats = Seats(1)
    moves: list[str] = []
    enter(seats)
    tickets = {name: enter(seats, moves, name) for name in ("a", "b", "c")}
    moves.clear()
    seats.leave(tickets["b"])
    assert moves == ["c"] and [seats.place(tickets[name]) for name in ("a", "c")] == [1, 2]


def test_leaving_twice_frees_one_seat() -> None:
    seats = Seats(1)
    first, second, third = (enter(seats) for _ in range(3))
    seats.leave(first)
    seats.leave(first)
    assert second.seat == 0 and third.seat is None


def test_the_queue_has_an_end_and_programs_do_not_wait() -> None:
    seats = Seats(1)
    enter(seats)
    with pytest.raises(SeatsFull, match="all 1 seats are taken"):
        seats.enter(lambda: None, wait=False)
    for _ in range(WAITING):
        enter(seats)
    with pytest.raises(SeatsFull, match="come back later"):
        enter(seats)


def test_no_seat_is_lost_or_shared_in_any_coming_and_going() -> None:
    rng, seats = random.Random(0), Seats(3)
    tickets: list[Ticket] = []
    for _ in range(2000):
        if tickets and rng.random() < 0.5:
            seats.leave(tickets.pop(rng.randrange(len(tickets))))
        elif len(tickets) < 20:
            tickets.append(enter(seats))
        taken = sorted(ticket.seat for ticket in tickets if ticket.seat is not None)
        assert len(taken) == len(set(taken)) == min(3, len(tickets)) == seats.players
        assert len(tickets) == seats.players + seats.waiting
