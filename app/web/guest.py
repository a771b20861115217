"""A visitor with a game: invited, in the queue, seated, away for a moment, or gone with the game kept."""

from __future__ import annotations

import asyncio
import dataclasses
import time

from app.web import limits
from app.web.clients import Bucket
from app.web.game import GameStart
from app.web.outbox import Outbox
from app.web.player import Player
from app.web.program import ProgramPlayer
from app.web.seats import Ticket


class Guest:
    """`ticket` is set while the guest has a seat or a place in the queue, `player` while it has a seat.

    `away_since` is when the last connection ended, None while there is one. A `parked` guest has neither ticket nor
    player, and `start` is the game as it was left.
    """

    def __init__(self, token: str, start: GameStart, loop: asyncio.AbstractEventLoop) -> None:
        self.token, self.start = token, start
        self.loop = loop
        self.outbox = Outbox(loop)
        self.ticket: Ticket | None = None
        self.player: Player | ProgramPlayer | None = None
        self.sitting_down = False  # the engine is making the player
        self.parked = False
        self.away_since: float | None = time.monotonic()
        self.polled: float | None = None  # time of the last question from a page without a WebSocket
        self.touched = time.monotonic()  # time of the last key or button
        self.messages = Bucket(2 * limits.MESSAGES_A_SECOND, limits.MESSAGES_A_SECOND)
        self._sent: dict[int, int] = {}  # the steps of the last frames sent before the game was parked

    @property
    def playing(self) -> Player | None:
        """The player with a game that has begun: the engine's thread makes the first one while `sitting_down`."""
        return self.player if isinstance(self.player, Player) and not self.sitting_down else None

    def connect(self) -> None:
        """A page has connected: what is told from now on goes to it alone."""
        self.outbox.close("this game goes on in another window", "back")
        self.outbox = Outbox(self.loop, self.outbox.numbered)
        self.away_since, self.polled = None, None
        self.parked = self.parked and self.ticket is None
        self.touched = time.monotonic()

    def keep(self, start: GameStart, player: Player) -> None:
        """From now on `start` is the game as `player` left it."""
        number = player.session.timeline.line.number
        self.start = start
        self._sent = {frame: step for frame, (line, step) in player.sent.items() if line == number}

    def go_to(self, shown: int) -> None:
        """Lets a parked game go on at the frame that its page has shown last, if that is known."""
        saved, step = self.start.start.saved, self._sent.get(shown)
        if self.parked and saved is not None and step is not None:
            begun = dataclasses.replace(self.start.start, saved=dataclasses.replace(saved, at=step))
            self.start = dataclasses.replace(self.start, start=begun)
        self.parked = False
