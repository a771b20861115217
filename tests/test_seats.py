"""Seats and queue: first come, first served, and nothing is lost however people come and go."""

from __future__ import annotations

import random

import pytest

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

from app.web.seats import MOST_WAITING, Hall, HallFull, Ticket


def enter(hall: Hall, moves: list[str] | None = None, name: str = "") -> Ticket:
    return hall.enter(lambda: None if moves is None else moves.append(name))


def test_seats_are_given_until_there_are_none_then_places() -> None:
    hall = Hall(2)
    first, second, third, fourth = (enter(hall) for _ in range(4))
    assert sorted([first.seat, second.seat]) == [0, 1]
    assert third.seat is None and fourth.seat is None
    assert [hall.place(ticket) for ticket in (first, third, fourth)] == [0, 1, 2]
    assert (hall.players, hall.waiting) == (2, 2)


def test_whoever_waits_longest_gets_the_seat_that_is_left() -> None:
    hall = Hall(1)
    moves: list[str] = []
    first, second, third = enter(hall), enter(hall, moves, "second"), enter(hall, moves, "third")
    moves.clear()
    hall.leave(first)
    assert second.seat == 0 and third.seat is None and hall.place(third) == 1
    assert moves == ["second", "third"], "one sits down, the other comes forward, and both are told"


def test_leaving_the_queue_moves_those_behind_and_no_others() -> None:
    hall = Hall(1)
    moves: list[str] = []
    enter(hall)
    tickets = {name: enter(hall, moves, name) for name in ("a", "b", "c")}
    moves.clear()
    hall.leave(tickets["b"])
    assert moves == ["c"] and [hall.place(tickets[name]) for name in ("a", "c")] == [1, 2]


def test_leaving_twice_frees_one_seat() -> None:
    hall = Hall(1)
    first, second, third = (enter(hall) for _ in range(3))
    hall.leave(first)
    hall.leave(first)
    assert second.seat == 0 and third.seat is None


def test_the_queue_has_an_end_and_programs_do_not_wait() -> None:
    hall = Hall(1)
    enter(hall)
    with pytest.raises(HallFull, match="all 1 seats are taken"):
        hall.enter(lambda: None, wait=False)
    for _ in range(MOST_WAITING):
        enter(hall)
    with pytest.raises(HallFull, match="come back later"):
        enter(hall)


def test_no_seat_is_lost_or_shared_in_any_coming_and_going() -> None:
    rng, hall = random.Random(0), Hall(3)
    tickets: list[Ticket] = []
    for _ in range(2000):
        if tickets and rng.random() < 0.5:
            hall.leave(tickets.pop(rng.randrange(len(tickets))))
        elif len(tickets) < 20:
            tickets.append(enter(hall))
        seats = sorted(ticket.seat for ticket in tickets if ticket.seat is not None)
        assert len(seats) == len(set(seats)) == min(3, len(tickets)) == hall.players
        assert len(tickets) == hall.players + hall.waiting
