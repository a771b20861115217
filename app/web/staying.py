"""How long a guest may stay: when a seat, a place in the queue or a game that is kept is given up, and why."""

from __future__ import annotations

from app.web import limits
from app.web.guest import Guest
from app.web.player import BROKEN
from app.web.program import ProgramPlayer

HANG_UP, PARK, LEAVE = "hang up", "park", "leave"
IDLE = "you have not played for a while, so the seat went to the next player"


def verdict(guest: Guest, now: float, others_wait: bool) -> tuple[str, str] | None:
    """What becomes of a guest, and a sentence for its page; None if it stays as it is."""
    away = 0.0 if guest.away_since is None else now - guest.away_since
    untouched = now - guest.touched
    if guest.ticket is None:
        kept = limits.PARKED_SECONDS if guest.parked else limits.INVITED_SECONDS
        return (LEAVE, "this invitation is too old") if away > kept else None
    if guest.player is not None and guest.player.failed:
        return LEAVE, BROKEN
    if isinstance(guest.player, ProgramPlayer):
        return (LEAVE, "") if not guest.player.busy and untouched > limits.PROGRAM_IDLE_SECONDS else None
    if guest.away_since is not None:
        return _away(guest, away, others_wait)
    if guest.polled is not None and now - guest.polled > limits.POLL_SECONDS:
        return HANG_UP, ""
    if guest.player is None:
        silent = untouched > limits.PLACE_IDLE_SECONDS
        return (PARK, "nobody was at this page for a while, so its place in the queue lapsed") if silent else None
    starving = guest.outbox.starving_since
    if starving is not None and now - starving > limits.STARVING_SECONDS:
        return HANG_UP, ""
    idle = limits.IDLE_SECONDS if others_wait else limits.IDLE_ALONE_SECONDS
    return (PARK, IDLE) if untouched > idle else None


def _away(guest: Guest, away: float, others_wait: bool) -> tuple[str, str] | None:
    if guest.player is None:
        kept = limits.PLACE_SECONDS
    else:
        kept = limits.AWAY_WAITED_SECONDS if others_wait else limits.AWAY_SECONDS
    return (PARK, "this page has gone") if away > kept else None
