"""Everybody's way through the demo: invited with an opening, waiting, seated, gone. Lives on the event loop."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from app.web.engine_thread import Ticker
from app.web.outbox import Outbox
from app.web.player import Opening, Player, Stepper
from app.web.protocol import Message, Shown
from app.web.seats import Hall, HallFull, Ticket
from genie_core.errors import GenieError

Result = TypeVar("Result")
LOOK_SECONDS = 0.25  # between two looks at who has gone
INVITED_SECONDS, MOST_INVITED = 60.0, 64
STARVING_SECONDS = 10.0  # nothing drawn for so long: the page is gone
IDLE_SECONDS, IDLE_ALONE_SECONDS = 60.0, 900.0  # without a touch, while others wait and while nobody does
PROGRAM_IDLE_SECONDS = 60.0
IDLE = "you have not played for a while, so the seat went to the next player; press Play to come back"
BROKEN = "something went wrong here; press Play to begin again"
POLL_SECONDS = 4.0  # without a question from a page that has no socket


class Guest:
    """Somebody with an opening. `ticket` once they have come, `player` once they sit."""

    def __init__(self, token: str, opening: Opening, loop: asyncio.AbstractEventLoop) -> None:
        self.token, self.opening = token, opening
        self.outbox = Outbox(loop)
        self.ticket: Ticket | None = None
        self.player: Player | Stepper | None = None
        self.sitting_down = False  # the engine is making the player
        self.polled: float | None = None  # when a page without a socket last asked for news
        self.touched = time.monotonic()  # when a key or a button last was


class House:
    """The hall, the ticker and the guests. `start` and `stop` it on the event loop."""

    def __init__(self, seats: int) -> None:
        self.hall = Hall(seats)
        self.ticker = Ticker()
        self._guests: dict[str, Guest] = {}

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.ticker.start()
        self._watch = asyncio.create_task(self._look_around())

    async def stop(self) -> None:
        self._watch.cancel()
        for guest in list(self._guests.values()):
            self.leave(guest, "the demo closes")
        await asyncio.to_thread(self.ticker.stop)

    def health(self) -> dict[str, Any]:
        told = {"players": self.hall.players, "waiting": self.hall.waiting, "seats": self.hall.seats}
        return told | {"guests": len(self._guests)} | self.ticker.measured()

    def find(self, token: Any) -> Guest | None:
        return self._guests.get(token) if isinstance(token, str) else None

    async def engine(self, function: Callable[[], Result]) -> Result:
        """Runs `function` on the engine's thread, and waits for it here without holding up anybody."""
        return await asyncio.wrap_future(self.ticker.do(function))

    def invite(self, opening: Opening) -> str:
        """A token with which to come in soon. Raises HallFull when too many have been asked and have not come."""
        invited = [guest for guest in self._guests.values() if guest.ticket is None]
        if len(invited) >= MOST_INVITED:
            raise HallFull("too many games are about to begin; try again in a minute")
        token = secrets.token_urlsafe(16)
        self._guests[token] = Guest(token, opening, self._loop)
        return token

    def enter(self, guest: Guest) -> None:
        """Takes a seat or a place in the queue. Raises HallFull, and GenieError for one who is in already."""
        if guest.ticket is not None:
            raise GenieError("this game is open elsewhere already; press Play to begin one here")
        guest.touched = time.monotonic()
        ticket: Ticket | None = None

        def moved() -> None:
            if ticket is not None:
                self._moved(guest, ticket)

        ticket = guest.ticket = self.hall.enter(moved)
        self._moved(guest, ticket)

    async def sit_down(self, opening: Opening) -> str:
        """A seat for a program, at once; its token. Raises HallFull if there is none, PictureError as `reset` does."""
        token = self.invite(opening)
        guest = self._guests[token]
        try:
            guest.ticket = self.hall.enter(lambda: None, wait=False)
            seat = guest.ticket.seat
            assert seat is not None
            guest.player = await self.engine(lambda: self._add(Stepper(opening, seat)))
        except BaseException:
            self.leave(guest, "")
            raise
        return token

    async def step(self, guest: Guest, action: int) -> Any:
        """The frame after a step of a program's game, uint8 (H, W, 3)."""
        stepper = guest.player
        if not isinstance(stepper, Stepper):
            raise GenieError("this game is played by hand; begin one with /start")
        guest.touched = time.monotonic()
        asked: Future[Any] = await self.engine(lambda: stepper.ask(action))
        self.ticker.wake()
        return await asyncio.wrap_future(asked)

    def receive(self, guest: Guest, message: Message) -> None:
        if isinstance(message, Shown):
            guest.outbox.shown(message.frame)
            self.ticker.wake()
            return
        guest.touched = time.monotonic()
        player = guest.player
        if isinstance(player, Player):
            self.ticker.do(lambda: player.handle(message))

    async def begin(self, guest: Guest, opening: Opening) -> None:
        """Another game for one who sits already, on the same seat. Raises PictureError and SessionError."""
        player = guest.player
        assert isinstance(player, Player)
        guest.touched = time.monotonic()
        await self.engine(lambda: player.begin(opening))

    def leave(self, guest: Guest, why: str) -> None:
        """Frees all that was the guest's. Does nothing for one who has left."""
        if self._guests.pop(guest.token, None) is None:
            return
        guest.outbox.close(why)
        player, guest.player = guest.player, None
        if player is not None:
            self.ticker.do(lambda: self._remove(player))
        if guest.ticket is not None and not guest.sitting_down:
            self.hall.leave(guest.ticket)  # whoever sits down next is made after the player here was removed

    def _moved(self, guest: Guest, ticket: Ticket) -> None:
        """The guest has come forward in the queue, or has got a seat."""
        if ticket.seat is None:
            guest.outbox.put({"queue": {"place": self.hall.place(ticket), "waiting": self.hall.waiting}})
        elif guest.player is None and not guest.sitting_down:
            guest.touched = time.monotonic()
            guest.sitting_down = True
            seat = ticket.seat
            coming = self.ticker.do(lambda: self._sit_down(guest, seat))
            coming.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._seated, guest, ticket, done))

    def _seated(self, guest: Guest, ticket: Ticket, done: Future[None]) -> None:
        guest.sitting_down = False
        error = done.exception()
        if error is not None:
            self.leave(guest, str(error) if isinstance(error, GenieError) else BROKEN)
        if guest.token not in self._guests:  # perhaps they left while sitting down
            player, guest.player = guest.player, None
            if player is not None:
                self.ticker.do(lambda: self._remove(player))
            self.hall.leave(ticket)

    def _sit_down(self, guest: Guest, seat: int) -> None:
        """On the engine's thread. The page hears of it by `begin`, and from then on its player takes messages."""
        player = Player(seat, guest.outbox)
        guest.player = player
        try:
            player.begin(guest.opening)
        except BaseException:
            guest.player = None
            raise
        self.ticker.add(player)

    def _add(self, player: Any) -> Any:
        self.ticker.add(player)
        return player

    def _remove(self, player: Player | Stepper) -> None:
        self.ticker.remove(player)
        player.leave()

    async def _look_around(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for guest in list(self._guests.values()):
                why = self._gone(guest, time.monotonic())
                if why is not None:
                    self.leave(guest, why)

    def _gone(self, guest: Guest, now: float) -> str | None:
        """Why the guest has to leave, None if there is no reason."""
        untouched, starving = now - guest.touched, guest.outbox.starving_since
        if guest.ticket is None:
            return "this invitation is too old" if untouched > INVITED_SECONDS else None
        if isinstance(guest.player, Stepper):
            return "" if untouched > PROGRAM_IDLE_SECONDS else None
        if guest.polled is not None and now - guest.polled > POLL_SECONDS:
            return "this page does not ask for news any more"
        if guest.player is None:
            return None
        if starving is not None and now - starving > STARVING_SECONDS:
            return "this page has shown nothing for a while; press Play to come back"
        return IDLE if untouched > (IDLE_SECONDS if self.hall.waiting else IDLE_ALONE_SECONDS) else None
