"""A player on a seat: the session, the keys that are down, and what the page is told. Lives on the engine's thread."""

from __future__ import annotations

import base64
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.play import commands as c
from app.play.autoplay import ListedActions, RandomActions, Source
from app.play.keymap import HeldKeys, build_keymap, resolve
from app.play.pace import measured_fps
from app.play.script import parse_script
from app.play.session import PlaySession
from app.play.session_file import SavedSession
from app.web.outbox import Outbox
from app.web.protocol import Frame, Key, LetGo, Message, Play, key_code, png
from genie_core.engine import WorldEngine
from genie_core.errors import GenieError

MOST_STEPS = 40_000  # of all lines of a player together, 0.9 kB each
MOST_KEPT, MOST_LINES_SHOWN = 24, 12
PACE_OVER_STEPS = 45
RANDOM = "random"
FULL = f"{MOST_STEPS:,} steps are as many as are kept; download what you like and press Play for a new start"


@dataclass(frozen=True, eq=False)
class Opening:
    """How a game begins: from a picture, uint8 (H, W, 3), or from a saved session; perhaps with somebody playing."""

    engine: WorldEngine
    world: str
    picture: np.ndarray
    seed: int
    saved: SavedSession | None = None
    source: Source | None = None
    word: str = ""  # to be told at the start


class Player:
    """A rider of the ticker that plays what its page holds down."""

    session: PlaySession  # from the first `begin` on

    def __init__(self, seat: int, outbox: Outbox) -> None:
        self.seat, self.outbox = seat, outbox
        self.due = 0.0
        self._inputs = 0
        self._steps = deque[float](maxlen=PACE_OVER_STEPS)  # when each was done
        self._told: dict[str, Any] = {}
        self._shown: tuple[int, int] | None = None

    @property
    def engine(self) -> WorldEngine:
        return self.session.engine

    @property
    def period(self) -> float:
        return 1 / self.session.fps

    def begin(self, opening: Opening) -> None:
        """Starts, or starts anew on the same seat; in the same world and seed what was played stays.

        Raises PictureError or SessionError if the opening cannot be played.
        """
        if self._told and self._goes_on_with(opening):
            self.session.handle(c.StartFrom(opening.picture))
        else:
            self.session = PlaySession(opening.engine, opening.picture, self.seat, opening.seed)
        if opening.saved is not None:
            self.session.handle(c.Open(opening.saved))
        self.session.handle(c.Autoplay(opening.source))
        self.session.handle(c.Pause(False))
        self.opening = opening
        self._keymap, self._held = build_keymap(self.session.config.actions), HeldKeys()
        self._told = {}
        self.outbox.put(self._hello())
        self.show()

    def leave(self) -> None:
        """Gives back what the engine keeps for the seat."""
        self.engine.set_sampling(None, self.seat)

    def handle(self, message: Message) -> None:
        """Takes a message in; what is wrong with it is told to the page alone."""
        try:
            match message:
                case Key(name, down, number):
                    (self._held.press if down else self._held.release)(name)
                    self._inputs = max(self._inputs, number)
                case LetGo():
                    self._held.clear()
                    for command in (c.Rewind(False), c.Forward(False)):
                        self.session.handle(command)
                case Play(script, mix):
                    self.session.handle(c.Autoplay(self._source(script), mix))
                case c.Keep() if len(self.session.kept) >= MOST_KEPT:
                    raise GenieError(f"{MOST_KEPT} moments are as many as are kept")
                case c.Speed():
                    self._steps.clear()
                    self.session.handle(message)
                case _:
                    self.session.handle(message)  # type: ignore[arg-type]  # what is left are commands
        except GenieError as error:
            self.session.tell(c.REFUSED, str(error))
        self.show()

    def ready(self) -> bool:
        return self.outbox.credit > 0

    def decide(self) -> int | None:
        self.session.handle(c.Hold(resolve(self._held.look(), self._keymap)))
        if self._full() and self.session.timeline.at_tip:
            self.session.handle(c.Pause(True))
        action = self.session.next_action()
        if action is None:
            self._steps.clear()  # standing still, or going along what was played, says nothing of the pace
            self.show()
        return action

    def take(self, frame: np.ndarray) -> None:
        self.session.advance(frame)
        self._steps.append(time.monotonic())
        if len(self._steps) == self._steps.maxlen:
            self.session.pace(measured_fps(self._steps))
        self.show()

    def show(self) -> None:
        """Tells the page what is new: words, the state of play, the picture."""
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
        config = self.session.config
        actions = [{"name": a.name, "codes": [key_code(k) for k in _first_keys(a.keys, a.id)]} for a in config.actions]
        codes = sorted({key_code(key) for binding in self._keymap for key in binding.keys} - {""})
        numpad = [f"Numpad{action.id + 1}" for action in config.actions]
        return {
            "hello": {
                "world": self.opening.world,
                "size": config.frame_size,
                "fps": config.fps,
                "actions": actions,
                "codes": codes + numpad,
                "word": self.opening.word,
                "seat": self.seat,
            }
        }

    def _state(self) -> dict[str, Any]:
        session, sampling = self.session, self.session.sampling
        return {
            "status": session.status,
            "speed": session.speed,
            "seed": session.seed,
            "unmask_steps": sampling.unmask_steps,
            "temperature": sampling.temperature,
            "kept": [(kept.line.number, kept.step) for kept in session.kept],
            "line": session.timeline.line.number,
            "lines": [line.number for line in session.timeline.lines[-MOST_LINES_SHOWN:]],
        }

    def _strip(self, changed: dict[str, Any]) -> dict[str, Any]:
        """The pictures of kept moments and of other lines' ends, where those have changed."""
        if not {"kept", "lines", "line"} & changed.keys():
            return {}
        timeline = self.session.timeline
        lines = [line for line in timeline.lines[-MOST_LINES_SHOWN:] if line is not timeline.line]
        return {
            "kept": [{"step": kept.step, "picture": data_url(kept.thumbnail)} for kept in self.session.kept],
            "lines": [{"line": o.number, "step": o.tip, "picture": data_url(timeline.thumbnail(o))} for o in lines],
        }

    def _source(self, script: str) -> Source | None:
        if not script:
            return None
        if script == RANDOM:
            return RandomActions(self.session.steps)
        return ListedActions(parse_script(script, self.session.config.actions))

    def _goes_on_with(self, opening: Opening) -> bool:
        """Whether a new picture leaves what was played before among the lines."""
        alike = opening.engine is self.engine and opening.seed == self.session.seed
        return alike and opening.saved is None and self._steps_kept() < MOST_STEPS

    def _steps_kept(self) -> int:
        return sum(len(line.moments) for line in self.session.timeline.lines)

    def _full(self) -> bool:
        full = self._steps_kept() >= MOST_STEPS
        if full and not self.session.paused:
            self.session.tell(c.REFUSED, FULL)
        return full


class Stepper:
    """A rider for programs: it steps when asked to, and then together with everybody else."""

    def __init__(self, opening: Opening, seat: int) -> None:
        self.seat = seat
        self.due = 0.0
        self.session = PlaySession(opening.engine, opening.picture, seat, opening.seed)
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
