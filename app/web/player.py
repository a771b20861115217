"""A player on a seat: its session, the keys that are down, and what its page is told. Lives on the engine's thread."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.play import commands as c
from app.play.keymap import build_keymap
from app.play.pilot import Pilot
from app.play.script import source_of
from app.play.session import PlaySession
from app.play.start import Start, begin
from app.web import limits
from app.web.outbox import Outbox
from app.web.protocol import AutoplayScript, Frame, Key, Message, ReleaseAll, key_code, png
from genie_core.engine import WorldEngine
from genie_core.errors import GenieError


@dataclass(frozen=True, eq=False)
class GameStart:
    """A game to begin: the engine and the name of its world, the start, and a sentence for the player."""

    engine: WorldEngine
    world: str
    start: Start
    word: str = ""


class Player:
    """Plays what its page holds down."""

    session: PlaySession  # from the first `begin` on
    pilot: Pilot

    def __init__(self, seat: int, outbox: Outbox) -> None:
        self.seat, self.outbox = seat, outbox
        self.due = 0.0
        self._inputs = 0  # newest input taken in
        self._reseeded = 0.0  # time of the last new seed
        self._told: dict[str, Any] = {}
        self._shown: tuple[int, int] | None = None  # line and step

    @property
    def engine(self) -> WorldEngine:
        return self.session.engine

    @property
    def period(self) -> float:
        return 1 / self.session.fps

    def begin(self, start: GameStart) -> None:
        """Begins a game, also as the next one on the same seat. In the same world and seed, earlier lines stay.

        Raises PictureError or SessionError if the game cannot be played.
        """
        if self._told and self._goes_on_with(start):
            assert start.start.picture is not None
            self.session.handle(c.StartFrom(start.start.picture))
            self.session.handle(c.Autoplay(start.start.autoplay))
            self.session.handle(c.Pause(False))
        else:
            self.session = begin(start.engine, start.start, self.seat)
        self.game = start
        self.pilot = Pilot(self.session, build_keymap(self.session.config.actions))
        self._told = {}
        self.outbox.put(self._hello())
        self.show()

    def leave(self) -> None:
        """Gives back what the engine keeps for the seat."""
        self.engine.set_sampling(None, self.seat)

    def handle(self, message: Message) -> None:
        """Takes a message in. A refusal is told to this page alone."""
        try:
            match message:
                case Key(name, down, number):
                    (self.pilot.held.press if down else self.pilot.held.release)(name)
                    self._inputs = max(self._inputs, number)
                case ReleaseAll():
                    self.pilot.release_all()
                case AutoplayScript(script, mix):
                    actions, seed = self.session.config.actions, self.session.steps
                    self.session.handle(c.Autoplay(source_of(script, actions, seed) if script else None, mix))
                case c.NewSeed():
                    self._reseed(message)
                case c.Keep() if len(self.session.kept) >= limits.KEPT_MOMENTS:
                    raise GenieError(f"at most {limits.KEPT_MOMENTS} moments are kept")
                case c.Speed():
                    self.pilot.stand_still()
                    self.session.handle(message)
                case _:
                    self.session.handle(message)  # type: ignore[arg-type]  # the others are commands
        except GenieError as error:
            self.session.tell(c.REFUSED, str(error))
        self.show()

    def ready(self) -> bool:
        return self.outbox.credit > 0

    def decide(self) -> int | None:
        if self._full() and self.session.timeline.at_tip:
            self.session.handle(c.Pause(True))
        action = self.pilot.decide()
        if action is None:
            self.show()
        return action

    def take(self, frame: np.ndarray) -> None:
        self.pilot.take(frame)
        self.show()

    def show(self) -> None:
        """Tells the page what is new: messages, the state of play, the picture."""
        session = self.session
        for event in session.events():
            self.outbox.put({"say": event.text, "kind": event.kind})
        state = self._state()
        changed = {name: value for name, value in state.items() if self._told.get(name, ...) != value}
        if changed:
            self.outbox.put({"state": changed | self._strip(changed)})
            self._told = state
        shown = (session.timeline.line.number, session.steps)
        if shown != self._shown or not self._told:
            self._shown = shown
            tip = session.timeline.line.tip
            number = self.outbox.number()
            self.outbox.put(Frame(number, self._inputs, session.steps, tip, session.action, session.frame.copy()))

    def _hello(self) -> dict[str, Any]:
        config, (height, width) = self.session.config, self.session.frame.shape[:2]
        actions = [{"name": a.name, "codes": [key_code(k) for k in _first_keys(a.keys, a.id)]} for a in config.actions]
        codes = sorted({key_code(key) for binding in self.pilot.keymap for key in binding.keys} - {""})
        numpad = [f"Numpad{action.id + 1}" for action in config.actions]
        return {
            "hello": {
                "world": self.game.world,
                "width": width,
                "height": height,
                "fps": config.fps,
                "actions": actions,
                "codes": codes + numpad,
                "word": self.game.word,
                "seat": self.seat,
            }
        }

    def _state(self) -> dict[str, Any]:
        session, sampling = self.session, self.session.sampling
        return {
            "status": session.mode,
            "speed": session.speed,
            "seed": session.seed,
            "unmask_steps": sampling.unmask_steps,
            "temperature": sampling.temperature,
            "kept": [(kept.line.number, kept.step) for kept in session.kept],
            "line": session.timeline.line.number,
            "lines": [line.number for line in session.timeline.lines[-limits.LINES_SHOWN :]],
        }

    def _strip(self, changed: dict[str, Any]) -> dict[str, Any]:
        """The pictures of kept moments and of the ends of other lines, if either changed."""
        if not {"kept", "lines", "line"} & changed.keys():
            return {}
        timeline = self.session.timeline
        lines = [line for line in timeline.lines[-limits.LINES_SHOWN :] if line is not timeline.line]
        return {
            "kept": [{"step": kept.step, "picture": data_url(kept.thumbnail)} for kept in self.session.kept],
            "lines": [{"line": o.number, "step": o.tip, "picture": data_url(timeline.thumbnail(o))} for o in lines],
        }

    def _reseed(self, command: c.NewSeed) -> None:
        if time.monotonic() - self._reseeded < limits.SEED_SECONDS:
            raise GenieError("that was too soon after the last seed; enter it again")
        self._reseeded = time.monotonic()
        self.session.handle(command)

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


class ProgramPlayer:
    """A player that a program steps, in one batch with everybody else."""

    def __init__(self, start: GameStart, seat: int) -> None:
        self.seat = seat
        self.due = 0.0
        self.session = begin(start.engine, start.start, seat)
        self._asked: list[tuple[int, Future[np.ndarray]]] = []

    @property
    def engine(self) -> WorldEngine:
        return self.session.engine

    @property
    def period(self) -> float:
        return 1 / (c.SPEEDS[-1] * self.session.config.fps)

    def leave(self) -> None:
        for _, future in self._asked:
            future.set_exception(GenieError("the game is over"))
        self._asked.clear()

    def ask(self, action: int) -> Future[np.ndarray]:
        """Steps as soon as it is due; the frame, uint8 (H, W, 3)."""
        future: Future[np.ndarray] = Future()
        self._asked.append((action, future))
        return future

    def ready(self) -> bool:
        return bool(self._asked)

    def decide(self) -> int | None:
        self.session.handle(c.Hold(self._asked[0][0]))
        return self.session.next_action()

    def take(self, frame: np.ndarray) -> None:
        self.session.advance(frame)
        _, future = self._asked.pop(0)
        future.set_result(frame)


def data_url(picture: np.ndarray, encode: Callable[[np.ndarray], bytes] = png, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(encode(picture)).decode()}"


def _first_keys(spelled: tuple[str, ...], action: int) -> list[str]:
    """The keys that an on-screen button of this action stands for: its first combination, or its number."""
    return spelled[0].split("+") if spelled else [str(action + 1)]
