"""Each visitor's way through the demo: invited with a game, waiting, seated, gone. Lives on the event loop."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from app.web import limits
from app.web.engine_thread import EngineThread
from app.web.outbox import Outbox
from app.web.player import GameStart, Player, ProgramPlayer
from app.web.protocol import Message, Shown
from app.web.seats import Seats, SeatsFull, Ticket
from genie_core.errors import GenieError

Result = TypeVar("Result")
LOOK_SECONDS = 0.25  # between two rounds of freeing seats
IDLE = "you have not played for a while, so the seat went to the next player; press Play to come back"
BROKEN = "something went wrong here; press Play to begin again"


class Guest:
    """A visitor with a game to play. `ticket` is set once the page has connected, `player` once it has a seat."""

    def __init__(self, token: str, start: GameStart, loop: asyncio.AbstractEventLoop) -> None:
        self.token, self.start = token, start
        self.outbox = Outbox(loop)
        self.ticket: Ticket | None = None
        self.player: Player | ProgramPlayer | None = None
        self.sitting_down = False  # the engine is making the player
        self.polled: float | None = None  # time of the last question from a page without a WebSocket
        self.touched = time.monotonic()  # time of the last key or button


class Guests:
    """The guests, their seats and the engine's thread. `start` and `stop` it on the event loop."""

    def __init__(self, seats: int) -> None:
        self.seats = Seats(seats)
        self.engine_thread = EngineThread()
        self._by_token: dict[str, Guest] = {}

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.engine_thread.start()
        self._watch = asyncio.create_task(self._free_seats())

    async def stop(self) -> None:
        self._watch.cancel()
        for guest in list(self._by_token.values()):
            self.leave(guest, "the demo closes")
        await asyncio.to_thread(self.engine_thread.stop)

    def health(self) -> dict[str, Any]:
        counts = {"players": self.seats.players, "waiting": self.seats.waiting, "seats": self.seats.count}
        return counts | {"guests": len(self._by_token)} | self.engine_thread.measured()

    def find(self, token: Any) -> Guest | None:
        return self._by_token.get(token) if isinstance(token, str) else None

    async def on_engine(self, function: Callable[[], Result]) -> Result:
        """Runs `function` on the engine's thread and waits for it; the event loop goes on."""
        return await asyncio.wrap_future(self.engine_thread.do(function))

    def invite(self, start: GameStart) -> str:
        """A token to connect with soon. Raises SeatsFull while too many invited pages have not connected."""
        invited = [guest for guest in self._by_token.values() if guest.ticket is None]
        if len(invited) >= limits.INVITED:
            raise SeatsFull("too many games are about to begin; try again in a minute")
        token = secrets.token_urlsafe(16)
        self._by_token[token] = Guest(token, start, self._loop)
        return token

    def enter(self, guest: Guest) -> None:
        """Takes a seat or a place in the queue. Raises SeatsFull, and GenieError if the guest has either already."""
        if guest.ticket is not None:
            raise GenieError("this game is open elsewhere already; press Play to begin one here")
        guest.touched = time.monotonic()
        guest.ticket = self.seats.enter(lambda: self._moved(guest))
        self._moved(guest)

    async def seat_program(self, start: GameStart) -> tuple[str, Any]:
        """A seat for a program, at once: its token and first frame, uint8 (H, W, 3).

        Raises SeatsFull if no seat is free, and PictureError as `begin` does.
        """
        token = self.invite(start)
        guest = self._by_token[token]
        try:
            guest.ticket = self.seats.enter(lambda: None, wait=False)
            seat = guest.ticket.seat
            assert seat is not None
            player = guest.player = await self.on_engine(lambda: self._add(ProgramPlayer(start, seat)))
        except BaseException:
            self.leave(guest, "")
            raise
        return token, player.session.frame

    async def step(self, guest: Guest, action: int) -> Any:
        """The frame after a step of a program's game, uint8 (H, W, 3)."""
        player = guest.player
        if not isinstance(player, ProgramPlayer):
            raise GenieError("this game is played by hand; begin one with /start")
        guest.touched = time.monotonic()
        asked: Future[Any] = await self.on_engine(lambda: player.ask(action))
        self.engine_thread.wake()
        return await asyncio.wrap_future(asked)

    def receive(self, guest: Guest, message: Message) -> None:
        if isinstance(message, Shown):
            guest.outbox.shown(message.frame)
            self.engine_thread.wake()
            return
        guest.touched = time.monotonic()
        player = guest.player
        if isinstance(player, Player):
            self.engine_thread.do(lambda: player.handle(message))

    async def begin(self, guest: Guest, start: GameStart) -> None:
        """Begins another game on the seat that the guest has. Raises PictureError and SessionError."""
        player = guest.player
        assert isinstance(player, Player)
        guest.touched = time.monotonic()
        await self.on_engine(lambda: player.begin(start))

    def leave(self, guest: Guest, why: str) -> None:
        """Frees everything that the guest has. Does nothing the second time."""
        if self._by_token.pop(guest.token, None) is None:
            return
        guest.outbox.close(why)
        player, guest.player = guest.player, None
        if player is not None:
            self.engine_thread.do(lambda: self._remove(player))
        if guest.ticket is not None and not guest.sitting_down:
            self.seats.leave(guest.ticket)  # the next player on this seat is made after this one was removed

    def _moved(self, guest: Guest) -> None:
        """The guest has come forward in the queue, or has a seat now."""
        ticket = guest.ticket
        if ticket is None:
            return  # `enter` seats the guest at once, and calls again when the guest has the ticket
        if ticket.seat is None:
            guest.outbox.put({"queue": {"place": self.seats.place(ticket), "waiting": self.seats.waiting}})
        elif guest.player is None and not guest.sitting_down:
            guest.touched = time.monotonic()
            guest.sitting_down = True
            seat = ticket.seat
            coming = self.engine_thread.do(lambda: self._sit_down(guest, seat))
            coming.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._seated, guest, ticket, done))

    def _seated(self, guest: Guest, ticket: Ticket, done: Future[None]) -> None:
        guest.sitting_down = False
        error = done.exception()
        if error is not None:
            self.leave(guest, str(error) if isinstance(error, GenieError) else BROKEN)
        if guest.token not in self._by_token:  # the page may have left meanwhile
            player, guest.player = guest.player, None
            if player is not None:
                self.engine_thread.do(lambda: self._remove(player))
            self.seats.leave(ticket)

    def _sit_down(self, guest: Guest, seat: int) -> None:
        """On the engine's thread. `begin` tells the page, and from then on the player takes messages."""
        player = Player(seat, guest.outbox)
        guest.player = player
        try:
            player.begin(guest.start)
        except BaseException:
            guest.player = None
            raise
        self.engine_thread.add(player)

    def _add(self, player: ProgramPlayer) -> ProgramPlayer:
        self.engine_thread.add(player)
        return player

    def _remove(self, player: Player | ProgramPlayer) -> None:
        self.engine_thread.remove(player)
        player.leave()

    async def _free_seats(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for guest in list(self._by_token.values()):
                why = self._gone(guest, time.monotonic())
                if why is not None:
                    self.leave(guest, why)

    def _gone(self, guest: Guest, now: float) -> str | None:
        """Why the guest has to leave; None if there is no reason."""
        untouched, starving = now - guest.touched, guest.outbox.starving_since
        if guest.ticket is None:
            return "this invitation is too old" if untouched > limits.INVITED_SECONDS else None
        if isinstance(guest.player, ProgramPlayer):
            return "" if untouched > limits.PROGRAM_IDLE_SECONDS else None
        if guest.polled is not None and now - guest.polled > limits.POLL_SECONDS:
            return "this page does not ask for news any more"
        if guest.player is None:
            return None
        if starving is not None and now - starving > limits.STARVING_SECONDS:
            return "this page has shown nothing for a while; press Play to come back"
        idle = limits.IDLE_SECONDS if self.seats.waiting else limits.IDLE_ALONE_SECONDS
        return IDLE if untouched > idle else None
