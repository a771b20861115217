"""A player on a seat: its session, the keys that are down, and what its page is told. Lives on the engine's thread."""

from __future__ import annotations

import dataclasses
import time
from collections import OrderedDict
from typing import Any

import numpy as np

from app.play import commands as c
from app.play.keymap import build_keymap
from app.play.pilot import Pilot
from app.play.script import source_of
from app.play.session import Mode, PlaySession
from app.play.start import begin
from app.web import limits, told
from app.web.course import Course
from app.web.game import GameStart
from app.web.outbox import Outbox
from app.web.protocol import AutoplayScript, Frame, Key, Message, ReleaseAll, Rest, Share, Watched, WatchedFrame
from app.web.share import played_until, to_fragment
from genie_core.engine import WorldEngine
from genie_core.errors import GenieError

BROKEN = "something went wrong here; press Play to begin again"
BUSY_SECONDS = 60.0  # between two words that the demo is too busy
REMEMBERED = 16  # frames sent last, for a page that comes back and says which it has shown


class Player:
    """Plays what its page holds down."""

    session: PlaySession  # from the first `begin` on
    pilot: Pilot

    def __init__(self, seat: int, outbox: Outbox) -> None:
        self.seat, self.outbox = seat, outbox
        outbox.watches = None
        self.watched = False  # whether pages in the queue may watch
        self.queue: tuple[int, tuple[Outbox, ...]] = (0, ())  # how many pages wait, and those of them that watch
        self.due = 0.0
        self.sent: OrderedDict[int, tuple[int, int]] = OrderedDict()  # line and step of each frame sent of late
        self._inputs = 0  # newest input taken in
        self._told: dict[str, Any] = {}
        self._shown: tuple[int, int] | None = None  # line and step
        self._busy_until = 0.0  # time until which that is not told again
        self._course = Course()
        self.failed = False  # the engine could not go on

    @property
    def engine(self) -> WorldEngine:
        return self.session.engine

    @property
    def game(self) -> GameStart:
        """That which the branch shown began as."""
        line = self.session.timeline.line
        tuned = len({*self._course.settings(line), self.session.sampling}) > 1
        return dataclasses.replace(self._game, picture=self._course.picture(line), tuned=tuned)

    @property
    def period(self) -> float:
        return 1 / self.session.fps

    def begin(self, start: GameStart) -> None:
        """Begins a game, also as the next one on the same seat. In the same world and seed, earlier lines stay.

        Raises PictureError or SessionError if the game cannot be played.
        """
        if self._told and self._goes_on_with(start):
            assert start.start.picture is not None
            self.session.waits = start.start.waits
            self.session.handle(c.Pause(False))
            self.session.handle(c.Autoplay(None))
            self.session.handle(c.StartFrom(start.start.picture))
            self.session.handle(c.Autoplay(start.start.autoplay))
        else:
            self.session, self._course = begin(start.engine, start.start, self.seat), Course()
        line = self.session.timeline.line
        self._course.began(line, start.picture)
        if line.tip:
            self._course.stepped(line, None if start.tuned else self.session.sampling)
        self._game = start
        self.pilot = Pilot(self.session, build_keymap(self.session.config.actions))
        self._greet(start.word)

    def resume(self, outbox: Outbox, shown: int) -> None:
        """A page has come back, over another connection: it gets the frame that it showed last, and rests there."""
        self.outbox = outbox
        line, step = self.sent.get(shown, (self.session.timeline.line.number, self.session.steps))
        self.session.handle(c.GoTo(line, step))
        go_on = "It is paused." if self.session.paused else "Hold a key to play on."
        self._greet(f"You are back at step {step}. {go_on}", resumed=True)

    def tell_queue(self, waiting: int, watching: tuple[Outbox, ...]) -> None:
        """So many pages wait for a seat. Those of `watching` see this game from now on, and no others."""
        before = self.queue[1]
        self.queue = waiting, watching
        for page in before:
            if page not in watching and page.watches is self:
                page.watches = None
                page.put({"watch": None})
        for page in watching:
            if page not in before:
                page.watches = self
                self._let_in(page)
        self.show()

    def rest(self) -> None:
        """Nobody holds a key any more."""
        self.pilot.release_all()

    def leave(self) -> None:
        """Gives back what the engine keeps for the seat."""
        self.engine.set_sampling(None, self.seat)

    def fail(self) -> None:
        """Apologises: the engine could not go on."""
        self.failed = True
        self.outbox.close_soon(BROKEN)

    def handle(self, message: Message) -> None:
        """Takes a message in. A refusal is told to this page alone."""
        try:
            self._handle(message)
        except GenieError as error:
            self._refuse(message, told.for_visitors(str(error)))
        self.show()

    def _handle(self, message: Message) -> None:
        match message:
            case Key(name, down, number):
                (self.pilot.held.press if down else self.pilot.held.release)(name)
                self._inputs = max(self._inputs, number)
            case ReleaseAll():
                self.pilot.release_all()
            case Rest():
                self._rest()
            case AutoplayScript(script, mix):
                actions, seed = self.session.config.actions, self.session.steps
                self.session.handle(c.Autoplay(source_of(script, actions, seed) if script else None, mix))
                self.outbox.put({"fault": {"script": ""}})
            case Watched(on):
                self.watched = on
            case Share():
                settings = self._course.settings(self.session.timeline.line)
                fragment = to_fragment(self.game, self.session, settings)
                self.outbox.put({"share": fragment, "steps": played_until(self.session.timeline)})
            case c.Keep() if len(self.session.kept) >= limits.KEPT_MOMENTS:
                raise GenieError(f"at most {limits.KEPT_MOMENTS} moments are kept")
            case c.Speed():
                self.pilot.stand_still()
                self._busy_until = 0.0
                self.session.handle(message)
            case c.NewSeed():
                picture = self._course.picture(self.session.timeline.line)
                self.session.handle(message)
                self._course.began(self.session.timeline.line, picture)
            case _:
                self.session.handle(message)  # type: ignore[arg-type]  # the others are commands

    def _rest(self) -> None:
        """The game waits where it is until the player acts."""
        if self.session.mode is Mode.PLAYING:
            self.session.handle(c.GoTo(self.session.timeline.line.number, self.session.steps))

    def _refuse(self, message: Message, why: str) -> None:
        if isinstance(message, AutoplayScript):
            self.outbox.put({"fault": {"script": why}})
        else:
            self.session.tell(c.REFUSED, why)

    def ready(self) -> bool:
        return self.outbox.credit > 0 and self.outbox.closed is None

    def decide(self) -> int | None:
        if self._full() and self.session.timeline.at_tip:
            self.session.handle(c.Pause(True))
        action = self.pilot.decide()
        if action is None:
            self.show()
        return action

    def take(self, frame: np.ndarray) -> None:
        self.pilot.take(frame)
        self._course.stepped(self.session.timeline.line, self.session.sampling)
        self.show()

    def show(self) -> None:
        """Tells the page what is new: messages, the state of play, the picture."""
        session = self.session
        for event in session.events():
            if event.kind == c.AUTOPLAY_ENDED:
                self._rest()
            self._say(event)
        waiting, watching = self.queue
        state = told.state(session) | {"watched": self.watched, "waiting": waiting, "watching": len(watching)}
        changed = {name: value for name, value in state.items() if self._told.get(name, ...) != value}
        if changed:
            pictures = told.strip(session) if {"kept", "lines", "line"} & changed.keys() else {}
            self.outbox.put({"state": changed | pictures})
            self._told = state
        shown = (session.timeline.line.number, session.steps)
        if shown != self._shown:
            self._shown = shown
            self._send(shown)

    def _say(self, event: c.Event) -> None:
        """A demo that is busy is busy for a while: that is told now and then, and never over a picture that waits."""
        now, rests = time.monotonic(), self.session.mode is Mode.RESTING
        if event.kind == c.CANNOT_KEEP_UP:
            if now < self._busy_until or rests:
                return
            self._busy_until = now + BUSY_SECONDS
        text, waits = event.text.replace("this computer", "this demo"), False
        if event.kind == c.UNFAMILIAR:
            text, waits = f"{text}, and soon turns into something that it knows", rests
            text += ". Hold a key to play all the same, or choose another picture" if waits else ""
        self.outbox.put({"say": text, "kind": event.kind, "stays": waits})

    def _send(self, shown: tuple[int, int]) -> None:
        session, number = self.session, self.outbox.number()
        self.sent[number] = shown
        if len(self.sent) > REMEMBERED:
            self.sent.popitem(last=False)
        tip = session.timeline.line.tip
        frame = Frame(number, self._inputs, session.steps, tip, session.action, session.frame.copy())
        self.outbox.put(frame)
        for page in self.queue[1]:
            if page.credit > 0:
                self._send_copy(page, frame)

    def _send_copy(self, page: Outbox, frame: Frame) -> None:
        """To a page that watches, unless the page plays itself by now."""
        if page.watches is self:
            page.put(WatchedFrame(page.number(), 0, frame.step, frame.tip, frame.action, frame.picture, frame))

    def _let_in(self, page: Outbox) -> None:
        """Tells a page that watches which world it sees, and shows it where the game stands."""
        session, line = self.session, self.session.timeline.line
        page.put({"watch": told.world_told(session.config, self.game.world)})
        self._send_copy(page, Frame(0, 0, session.steps, line.tip, session.action, session.frame.copy()))

    def _greet(self, word: str, **more: Any) -> None:
        self._told, self._shown = {}, None
        about = {"word": word, "seat": self.seat}
        self.outbox.put(told.hello(self.session, self.pilot.keymap, self.game.world, **about, **more))
        for page in self.queue[1]:
            self._let_in(page)
        self.show()

    def _goes_on_with(self, start: GameStart) -> bool:
        """Whether the earlier lines stay when this game begins."""
        alike = start.engine is self.engine and start.start.seed == self.session.seed
        return alike and start.start.saved is None and self._steps_kept() < limits.STEPS

    def _steps_kept(self) -> int:
        return sum(len(line.moments) for line in self.session.timeline.lines)

    def _full(self) -> bool:
        full = self._steps_kept() >= limits.STEPS
        if full and not self.session.paused:
            text = f"at most {limits.STEPS:,} steps are kept; download what you like and press Play for a new start"
            self.session.tell(c.REFUSED, text)
        return full
