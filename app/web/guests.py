"""Each visitor's way through the demo: invited with a game, waiting, seated, gone. Lives on the event loop.

A page whose connection breaks keeps its seat for a while. A game whose seat is needed is parked: its tokens are kept,
and the page may come back and take a seat again.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from app.web import limits, staying
from app.web.engine_thread import EngineThread
from app.web.game import GameStart, parked
from app.web.guest import Guest
from app.web.outbox import Outbox
from app.web.player import BROKEN, Player
from app.web.program import ProgramPlayer
from app.web.protocol import Here, Message, Shown
from app.web.seats import Seats
from app.web.watching import Watching
from genie_core.errors import GenieError

Result = TypeVar("Result")
LOOK_SECONDS = 0.25  # between two rounds of freeing seats


class Guests:
    """The guests, their seats and the engine's thread. `start` and `stop` it on the event loop."""

    def __init__(self, seats: int) -> None:
        self.seats = Seats(seats)
        self.engine_thread = EngineThread()
        self._watching = Watching(self.engine_thread)
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

    async def for_player(self, player: Player, function: Callable[[], Result]) -> Result:
        """As `on_engine`, at the cost of a player. Raises GenieError if the player's game is over."""
        return await asyncio.wrap_future(self.engine_thread.do_for(player, function))

    def find(self, token: Any) -> Guest | None:
        return self._by_token.get(token) if isinstance(token, str) else None

    async def on_engine(self, function: Callable[[], Result]) -> Result:
        """Runs `function` on the engine's thread and waits for it; the event loop goes on."""
        return await asyncio.wrap_future(self.engine_thread.do(function))

    def invite(self, start: GameStart) -> str:
        """A token to connect with soon. Of too many invitations the oldest lapses."""
        invited = [guest for guest in self._by_token.values() if guest.ticket is None and not guest.parked]
        if len(invited) >= limits.INVITED:
            self.leave(invited[0], "this invitation is too old")
        token = secrets.token_urlsafe(16)
        self._by_token[token] = Guest(token, start, self._loop)
        return token

    def enter(self, guest: Guest, client: str = "", shown: int = 0) -> Outbox:
        """A page has connected: it takes a seat or a place in the queue, or has one and goes on. What it is told.

        `client` is its address, `shown` the frame that it showed last. Raises SeatsFull, and GenieError if a program
        plays this game.
        """
        if isinstance(guest.player, ProgramPlayer):
            raise GenieError("this game is played by a program; press Play to begin one here")
        ticket = guest.ticket or self.seats.enter(lambda: self._moved(guest), client)
        guest.connect()
        outbox, player = guest.outbox, guest.player
        if guest.ticket is None:
            guest.go_to(shown)
            guest.ticket = ticket
        elif player is not None and not guest.sitting_down:
            self.engine_thread.do(lambda: player.resume(outbox, shown))
        self._moved(guest)
        return outbox

    def disconnect(self, guest: Guest, outbox: Outbox) -> None:
        """A connection has ended. If it was the guest's newest, the seat is kept for a while and the game rests."""
        outbox.close("this connection has ended", "again")
        player = guest.player
        if guest.outbox is outbox and guest.away_since is None:
            guest.away_since = time.monotonic()
            if isinstance(player, Player):
                self.engine_thread.do(player.rest)

    async def seat_program(self, start: GameStart, client: str = "") -> tuple[str, Any]:
        """A seat for a program, at once: its token and first frame, uint8 (H, W, 3).

        Raises SeatsFull if no seat is free, and PictureError as `begin` does.
        """
        token = self.invite(start)
        guest = self._by_token[token]
        try:
            guest.ticket = self.seats.enter(lambda: None, client, wait=False)
            seat = guest.ticket.seat
            assert seat is not None
            player = guest.player = await self.on_engine(lambda: self._add(ProgramPlayer(start, seat)))
        except BaseException:
            self.leave(guest, "")
            raise
        return token, player.session.frame

    async def step(self, guest: Guest, actions: list[int]) -> list[Any]:
        """The frames, uint8 (H, W, 3) each, after steps of a program's game."""
        player = guest.player
        if not isinstance(player, ProgramPlayer):
            raise GenieError("this game is played by hand; begin one with /start")
        guest.touched = time.monotonic()
        asked: list[Future[Any]] = await self.on_engine(lambda: player.ask(actions))
        self.engine_thread.wake()
        frames = await asyncio.gather(*(asyncio.wrap_future(each) for each in asked))
        guest.touched = time.monotonic()
        return frames

    def receive(self, guest: Guest, outbox: Outbox, message: Message) -> None:
        """Takes a message in that came over the connection of `outbox`."""
        if guest.outbox is not outbox:
            return
        if isinstance(message, Shown):
            outbox.shown(message.frame)
            self.engine_thread.wake()
            return
        guest.touched = time.monotonic()
        player = guest.player
        if isinstance(player, Player) and not isinstance(message, Here):
            if self.engine_thread.waiting_for(player) >= limits.TASKS_WAITING:
                outbox.close("this page asks for more than can be done", "back")
            else:
                self.engine_thread.do_for(player, lambda: player.handle(message))

    async def begin(self, guest: Guest, start: GameStart) -> None:
        """Begins another game on the seat that the guest has. Raises PictureError and SessionError."""
        player = guest.player
        assert isinstance(player, Player)
        guest.touched = time.monotonic()
        await self.for_player(player, lambda: player.begin(start))

    def leave(self, guest: Guest, why: str) -> None:
        """Frees everything that the guest has. Does nothing the second time."""
        if self._by_token.pop(guest.token, None) is not None:
            guest.outbox.close(why)
            self._stand_up(guest)

    def park(self, guest: Guest, why: str) -> None:
        """Frees the guest's seat or place and keeps the game; its page may come back."""
        player = guest.player
        guest.outbox.close(why, "back")
        guest.parked, guest.away_since = True, time.monotonic()
        if isinstance(player, Player):
            self.engine_thread.do(lambda: guest.keep(parked(player.game, player.session), player))
        self._stand_up(guest)

    def _stand_up(self, guest: Guest) -> None:
        player, guest.player = guest.player, None
        ticket = guest.ticket
        if player is not None:
            self.engine_thread.do(lambda: self._remove(player))
        if ticket is not None and not guest.sitting_down:
            guest.ticket = None
            self.seats.leave(ticket)  # the next player on this seat is made after this one was removed

    def _moved(self, guest: Guest) -> None:
        """The guest has come forward in the queue, or has a seat now."""
        ticket = guest.ticket
        if ticket is None:
            return  # `enter` seats the guest at once, and calls again when the guest has the ticket
        if ticket.seat is None:
            place = self.seats.place(ticket)
            seconds = round(self.seats.wait_seconds(place))
            guest.outbox.put({"queue": {"place": place, "waiting": self.seats.waiting, "seconds": seconds}})
        elif guest.player is None and not guest.sitting_down:
            guest.touched = time.monotonic()
            guest.sitting_down = True
            seat = ticket.seat
            coming = self.engine_thread.do(lambda: self._sit_down(guest, seat))
            coming.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._seated, guest, ticket, done))

    def _seated(self, guest: Guest, ticket: Any, done: Future[None]) -> None:
        guest.sitting_down = False
        error, player = done.exception(), guest.player
        if error is not None:
            self.leave(guest, str(error) if isinstance(error, GenieError) else BROKEN)
        if guest.token not in self._by_token or guest.parked:  # the page may have left meanwhile
            guest.player = guest.ticket = None
            if player is not None:
                self.engine_thread.do(lambda: self._remove(player))
            self.seats.leave(ticket)
        elif isinstance(player, Player) and player.outbox is not guest.outbox:  # or have connected anew
            outbox = guest.outbox
            self.engine_thread.do(lambda: player.resume(outbox, 0))

    def _sit_down(self, guest: Guest, seat: int) -> None:
        """On the engine's thread. `begin` tells the page, and from then on the player takes messages."""
        player = guest.player = Player(seat, guest.outbox)
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
                self._look_after(guest)
            self._watching.arrange(self._by_token.values())
            games = [guest for guest in self._by_token.values() if guest.parked]
            while sum(guest.start.bytes for guest in games) > limits.PARKED_BYTES:
                self.leave(games.pop(0), "")

    def _look_after(self, guest: Guest) -> None:
        verdict = staying.verdict(guest, time.monotonic(), self.seats.waiting > 0)
        if verdict is None and guest.ticket is not None and guest.ticket is self.seats.to_give_up():
            verdict = staying.PARK, "others wait, and several games are played at your address"
        if verdict is None:
            return
        what, why = verdict
        if what == staying.HANG_UP:
            self.disconnect(guest, guest.outbox)
        elif what == staying.PARK and not isinstance(guest.player, ProgramPlayer):
            self.park(guest, why)
        else:
            self.leave(guest, why)
