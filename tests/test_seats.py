"""Seats and queue: first come, first served, and no seat is lost."""

from __future__ import annotations

import itertools
import random

import pytest

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

from app.web import limits
from app.web.limits import WAITING, WAITING_A_CLIENT
from app.web.seats import Seats, SeatsFull, Ticket

clients = itertools.count()


def enter(seats: Seats, moves: list[str] | None = None, name: str = "", client: str | None = None) -> Ticket:
    """A ticket for a client of its own, unless another is named."""
    client = f"client {next(clients)}" if client is None else client
    return seats.enter(lambda: None if moves is None else moves.append(name), client)


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


def test_one_client_takes_neither_all_places_nor_all_seats() -> None:
    seats = Seats(2)
    greedy = [enter(seats, client="greedy") for _ in range(2 + WAITING_A_CLIENT)]
    with pytest.raises(SeatsFull, match="at your address"):
        enter(seats, client="greedy")
    other = enter(seats)
    assert seats.place(other) == 1, "before the places of a client with seats"
    assert seats.to_give_up() is None, "not at once"
    other.since -= limits.SHARE_SECONDS + 1
    due = seats.to_give_up()
    assert due is greedy[0], "a client that has none gets one of a client that has two"
    seats.leave(due)
    assert other.seat is not None and seats.to_give_up() is None


def test_the_wait_is_estimated_by_how_long_others_stayed() -> None:
    seats = Seats(2)
    before = seats.wait_seconds(1)
    for _ in range(20):
        ticket = enter(seats)
        ticket.since -= 1000
        seats.leave(ticket)
    assert before < seats.wait_seconds(1) == pytest.approx(500, rel=0.01)
    assert seats.wait_seconds(3) == pytest.approx(1500, rel=0.01)
