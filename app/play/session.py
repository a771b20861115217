"""One playthrough, whoever shows it: commands in, frames and events out. Knows no window, no browser and no file.

A tick has two halves, so that a server can step many players as one batch: `next_action` says what the engine is to
play for this player, None if nothing, and `advance` takes the frame. `tick` does both for one who plays alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from app.play import commands as c
from app.play.autoplay import Autoplayer, Source
from app.play.commands import Command, Event
from app.play.timeline import Line, Timeline
from genie_core.errors import ConfigError

if TYPE_CHECKING:  # the engine brings torch, which a window does not wait for before it opens
    from app.play.session_file import SavedSession
    from genie_core.config import Action, SamplingConfig, WorldConfig
    from genie_core.engine import WorldEngine

IDLE_NAME = "stay"
SLOWER_THAN = 0.9  # of the pace asked for is told
STRIDES = ((0, 1), (30, 2), (90, 4))  # after so many ticks of rewinding, a tick goes back so many frames


class Kept(NamedTuple):
    """A moment that the player kept: frame `step` of `line`, and its picture, uint8 (32, 32, 3)."""

    line: Line
    step: int
    thumbnail: np.ndarray


class PlaySession:
    """One player of an engine: what was played, what is held, and where on which line the player is.

    `frame` is the picture to show, uint8 (S, S, 3). `running` is false after Quit. `familiarity` is that of the prompt.
    """

    def __init__(self, engine: WorldEngine, prompt: np.ndarray, player: int = 0, seed: int | None = None) -> None:
        """`prompt` is uint8 (H, W, 3) of any size; raises PictureError if the engine cannot use it.

        `seed` None is the engine's own.
        """
        self.engine, self.player = engine, player
        self.running = True
        self.paused = False
        self.resting = False  # stands where rewinding or a jump led, until the player acts
        self.speed = 1.0
        self.autoplay: Autoplayer | None = None
        self.kept: list[Kept] = []
        self.timeline = Timeline(engine.look)
        self._held: int | None = None
        self._rewinding = self._forwarding = self._replaying = self._one_step = False
        self._travelled = 0  # ticks, since the key to rewind or to go forward went down
        self._in_place = True  # the engine is where the player is
        self._pending = 0  # the action that the engine is stepping with
        self._slow = False
        self._events: list[Event] = []
        self._start(prompt, engine.seed if seed is None else seed)
        self._judge(prompt)

    @property
    def config(self) -> WorldConfig:
        return self.engine.world.config

    @property
    def prompt(self) -> np.ndarray:
        return self.timeline.line.prompt

    @property
    def seed(self) -> int:
        return self.timeline.line.seed

    @property
    def sampling(self) -> SamplingConfig:
        return self.engine.sampling_of(self.player)

    @property
    def steps(self) -> int:
        """Frames since the prompt."""
        return self.timeline.index

    @property
    def action(self) -> int | None:
        """The latent action that led to `frame`, None at the prompt."""
        return self.timeline.line.action(self.steps)

    @property
    def last_action(self) -> Action | None:
        """What is known about `action`, or None at the prompt."""
        return None if self.action is None else self.config.actions[self.action]

    @property
    def actions(self) -> list[int]:
        """What led from the prompt to `frame`."""
        return list(self.timeline.path())[: self.steps]

    @property
    def idle(self) -> int:
        """The action played while nothing is held: the one named "stay", or the first if none is."""
        return next((action.id for action in self.config.actions if action.name == IDLE_NAME), 0)

    @property
    def fps(self) -> float:
        """Ticks a second that the player asks for."""
        return self.config.fps * self.speed

    @property
    def status(self) -> str:
        """`rewinding`, `forward`, `paused`, `resting` (until the player acts), `replay`, `autoplay` or `playing`."""
        states = {
            "rewinding": self._rewinding,
            "forward": self._forwarding,
            "paused": self.paused,
            "resting": self.resting,
            "replay": self._replaying,
            "autoplay": self.autoplay is not None,
        }
        return next((name for name, true in states.items() if true), "playing")

    def events(self) -> list[Event]:
        """What there is to tell since this was last asked."""
        events, self._events = self._events, []
        return events

    def tell(self, kind: str, text: str) -> None:
        """Adds an event, for what front ends do with a session: saving, recording, refusing a file."""
        self._events.append(Event(kind, text))

    def pace(self, reached: float) -> None:
        """Told the steps a second that were reached; says so once when they fall behind those asked for."""
        slow = reached < SLOWER_THAN * self.fps
        if slow and not self._slow:
            self.tell(c.CANNOT_KEEP_UP, f"{self.fps:.3g} steps a second asked for, {reached:.3g} reached")
        self._slow = slow

    def handle(self, command: Command) -> None:
        """Takes a command in; it shows from the next tick on.

        Raises PictureError for a picture and ConfigError for numbers that cannot be used, and then changes nothing.
        """
        match command:
            case c.Hold(action):
                self._held = action
                if action is not None:
                    self._replaying = False
            case c.Pause(on):
                self._pause(not (self.paused or self.resting) if on is None else on)
            case c.Step():
                self.paused = self._one_step = True
            case c.Speed(times):
                if not c.SPEEDS[0] <= times <= c.SPEEDS[-1]:
                    raise ConfigError(f"speed {times} is not from {c.SPEEDS[0]} to {c.SPEEDS[-1]:g}")
                self.speed = times
            case c.Rewind(held):
                self._rewinding = self._press(self._rewinding, held, -1)
            case c.Forward(held):
                self._forwarding = self._press(self._forwarding, held, 1)
            case c.Restart():
                self._go(self.timeline.line, 0, resting=False)
                if not self.timeline.at_tip:
                    self.timeline.branch()
            case c.NewSeed(seed):
                seed = self.seed + 1 if seed is None else seed
                if not 0 <= seed < 2**63:
                    raise ConfigError(f"seed {seed} is not from 0 to {2**63 - 1}")
                self._start(self.prompt, seed)
                if self.sampling.temperature == 0 and self.sampling.order != "random":
                    self.tell(c.TOLD, f"seed {self.seed}; at temperature 0 all seeds play alike")
            case c.StartFrom(picture):
                self._start(picture, self.seed)
                self._judge(picture)
            case c.Open(saved, replay):
                self._open(saved, replay)
            case c.Keep():
                at = self.timeline
                self.kept.append(Kept(at.line, at.index, at.thumbnail(at.line, at.index)))
                self.tell(c.KEPT, f"kept step {at.index} as number {len(self.kept)}")
            case c.Recall(kept):
                if 0 <= kept < len(self.kept):
                    self._go(self.kept[kept].line, self.kept[kept].step)
            case c.Jump(number, index):
                line = next((line for line in self.timeline.lines if line.number == number), None)
                if line is not None:
                    self._go(line, line.tip if index is None else index)
            case c.Autoplay(source, mix):
                self._autoplay(source, mix)
            case c.Tune(unmask_steps, temperature):
                given = {"unmask_steps": unmask_steps, "temperature": temperature}
                changes = {name: value for name, value in given.items() if value is not None}
                self.engine.set_sampling(dataclasses.replace(self.sampling, **changes), self.player)  # type: ignore[arg-type]
            case c.Quit():
                self.running = False

    def tick(self) -> np.ndarray:
        """One tick of a player who has the engine to itself; returns the picture to show, uint8 (S, S, 3)."""
        action = self.next_action()
        if action is not None:
            self.advance(self.engine.step({self.player: action})[self.player])
        return self.frame

    def next_action(self) -> int | None:
        """What the engine is to step this player with, or None: paused, or going along what was played before.

        If it is an action, `advance` must follow, with nothing between but the step.
        """
        if not self.running:
            return None
        if self._rewinding or self._forwarding:
            self._travel(-1 if self._rewinding else 1)
            return None
        one_step, self._one_step = self._one_step, False
        if one_step and self._held is None and not self.timeline.at_tip:
            self._go(self.timeline.line, self.steps + 1)
            return None
        if not one_step and (self.paused or (self.resting and self._held is None)):
            return None
        if self._replaying and not one_step:
            self._travel(1)
            self.resting = self.timeline.at_tip
            return None
        self.resting = False
        if not self._in_place:
            self.engine.restore(self.timeline.moment, self.player)
            self._in_place = True
        self._pending = self._choose()
        return self._pending

    def advance(self, frame: np.ndarray) -> None:
        """Takes in the frame, uint8 (S, S, 3), that the engine made of the action that was asked for."""
        self.frame = frame
        if self.timeline.add(self.engine.snapshot(self.player), self._pending, frame):
            self.tell(c.BRANCHED, f"a new line from step {self.steps - 1}")

    def play(self, actions: Iterable[int]) -> Iterator[np.ndarray]:
        """Yields the frame at hand, then the one after each action: one frame more than there are actions."""
        yield self.frame
        for action in actions:
            self.handle(c.Hold(action))
            yield self.tick()

    def seek(self, step: int) -> np.ndarray:
        """Goes to frame `step` of this line, or the nearest there is, and returns it, uint8 (S, S, 3)."""
        self._go(self.timeline.line, step)
        return self.frame

    def _start(self, prompt: np.ndarray, seed: int) -> None:
        self.frame = self.engine.reset(prompt, self.player, seed)
        self.timeline.start([self.engine.snapshot(self.player)], [], prompt, seed)
        self._in_place, self.resting, self._replaying = True, False, False
        self.kept = [kept for kept in self.kept if kept.line in self.timeline.lines]

    def _judge(self, prompt: np.ndarray) -> None:
        """Warns of a picture that the world will not make much of."""
        self.familiarity = self.engine.familiarity(prompt)
        if self.familiarity.unfamiliar:
            text = f"this picture is far from what the world knows: {100 * self.familiarity.score:.0f} of 100"
            self.tell(c.UNFAMILIAR, text)

    def _open(self, saved: SavedSession, replay: bool) -> None:
        moments = self.engine.moments(saved.tokens, saved.actions, saved.seed)
        self.engine.set_sampling(saved.sampling, self.player)
        self.timeline.start(moments, saved.actions.tolist(), saved.prompt, saved.seed)
        self._go(self.timeline.line, 0 if replay else saved.at)
        self._replaying, self.resting = replay, not replay

    def _pause(self, on: bool) -> None:
        self.paused = on
        if not on:
            self.resting = False

    def _go(self, line: Line, index: int, resting: bool = True) -> None:
        """Shows a frame that was played before; the engine follows when it has to step from there."""
        self.timeline.go(line, index)
        self.frame = self.timeline.picture()
        self._in_place, self.resting = False, resting

    def _press(self, before: bool, held: bool, towards: int) -> bool:
        """The key to rewind, or to go forward, goes down or up; one that was up again before a tick counts too."""
        if before and not held and not self._travelled:
            self._travel(towards)
        if before != held:
            self._travelled = 0
        return held

    def _travel(self, towards: int) -> None:
        """One tick of rewinding (-1) or of going forward along the line (1), ever faster."""
        stride = 1 if self._replaying else max(frames for ticks, frames in STRIDES if self._travelled >= ticks)
        self._travelled += 1
        was_at_tip = self.timeline.at_tip
        self._go(self.timeline.line, self.steps + towards * stride)
        if self.timeline.at_tip and not was_at_tip:
            self._replaying = False
            self.tell(c.LINE_ENDED, f"the line ends here, at step {self.steps}; act to go on")

    def _choose(self) -> int:
        """The action for this step: the player's, or else autoplay's, or else the one for doing nothing."""
        if self._held is not None:
            if self.autoplay is not None and not self.autoplay.mix:
                self._autoplay(None, False)
                self.tell(c.TAKEN_OVER, "you play")
            return self._held
        action = self.autoplay.next() if self.autoplay is not None else None
        if action is None and self.autoplay is not None:
            self._autoplay(None, False)
            self.tell(c.AUTOPLAY_ENDED, "autoplay has come to its end")
        return self.idle if action is None else action

    def _autoplay(self, source: Source | None, mix: bool) -> None:
        self.autoplay = None if source is None else Autoplayer(source, len(self.config.actions), mix)
        if source is not None:
            self.resting = False
