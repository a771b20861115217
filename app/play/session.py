"""One playthrough: commands in, frames and events out. Knows no window, no browser and no file.

A tick has two halves, so that a server can step many players as one batch: `next_action` gives the action that the
engine is to step this player with, or None, and `advance` takes the frame. `tick` does both for a session that has
its engine alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from app.play import commands as c
from app.play.autoplay import Autoplayer, Source
from app.play.commands import Command, Event
from app.play.saved import SavedLine, SavedSession
from app.play.timeline import Line, Timeline
from genie_core.errors import ConfigError
from genie_core.pictures import fit

if TYPE_CHECKING:  # the engine brings torch, and a window opens before torch is imported
    from app.play.beside import Beside
    from genie_core.config import Action, SamplingConfig, WorldConfig
    from genie_core.engine import WorldEngine

IDLE_NAME = "stay"
SLOWER_THAN = 0.9  # of the frame rate asked for is told
STRIDES = ((0, 1), (30, 2), (90, 4))  # after so many ticks of rewinding, a tick goes back so many frames


class Mode(StrEnum):
    """What a tick does, by the name to show. A travel key covers a halt, and a halt covers what goes on without one."""

    REWINDING = "rewinding"  # a travel key is held
    FORWARD = "forward"
    PAUSED = "paused"  # a halt: until Pause(False)
    RESTING = "resting"  # a halt: until the player acts, after rewinding or a GoTo, or at the start
    REPLAY = "replay"  # shows what was played
    AUTOPLAY = "autoplay"
    PLAYING = "playing"


class Kept(NamedTuple):
    """A moment that the player kept: frame `step` of `line`."""

    line: Line
    step: int


class PlaySession:
    """One player of an engine: what was played, what is held, and where on which line the player is.

    `frame` is the picture to show, uint8 (H, W, 3). `running` is false after Quit. `familiarity` is that of the prompt.
    """

    def __init__(
        self, engine: WorldEngine, prompt: np.ndarray, player: int = 0, seed: int | None = None, waits: bool = False
    ) -> None:
        """`prompt` is uint8 (H, W, 3) of any size; raises PictureError if the engine cannot use it.

        `seed` None is the engine's own. With `waits` a start picture rests until the player acts.
        """
        self.engine, self.player, self.waits = engine, player, waits
        self.running = True
        self.speed = 1.0
        self.autoplay: Autoplayer | None = None
        self.beside: Beside | None = None  # the real game, which follows the session; a front end sets and shows it
        self.kept: list[Kept] = []
        self.timeline = Timeline(engine.look)
        self._held: int | None = None
        self._travel: Mode | None = None  # REWINDING or FORWARD, while its key is held
        self._halt: Mode | None = None  # PAUSED or RESTING
        self._goes_on: Mode = Mode.PLAYING  # or REPLAY
        self._travelled = 0  # ticks since the travel key went down
        self._one_step = False  # of a paused session, in the next tick
        self._pending = 0  # the action that the engine is stepping with
        self._acted = False  # whether somebody chose it
        self._slow = False  # as was told
        self._events: list[Event] = []
        self._start(prompt, engine.seed if seed is None else seed, judge=True)

    @property
    def config(self) -> WorldConfig:
        return self.engine.world.config

    @property
    def prompt(self) -> np.ndarray:
        """uint8 (H, W, 3), fitted to the world."""
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
    def idle(self) -> int:
        """The action played while nothing is held: the one named "stay", or the first if none is."""
        return next((action.id for action in self.config.actions if action.name == IDLE_NAME), 0)

    @property
    def fps(self) -> float:
        """Ticks a second that the player asks for."""
        return self.config.fps * self.speed

    @property
    def mode(self) -> Mode:
        autoplay = self.autoplay is not None and self._goes_on is Mode.PLAYING
        return self._travel or self._halt or (Mode.AUTOPLAY if autoplay else self._goes_on)

    @property
    def paused(self) -> bool:
        """Whether the session stands still until Pause(False), also while a travel key is held."""
        return self._halt is Mode.PAUSED

    @property
    def guesses(self) -> bool:
        """Whether the model was so unsure of `frame` that the world is known to err then: see `guessing_above`."""
        above, doubt = self.config.guessing_above, self.engine.doubt(self.timeline.moment)
        return above is not None and doubt is not None and doubt > above

    @property
    def branched(self) -> bool:
        """Whether there is more than one branch, or a kept moment."""
        return len(self.branches) > 1 or bool(self.kept)

    @property
    def branches(self) -> list[Line]:
        """The lines that have steps of their own."""
        return [line for line in self.timeline.lines if line.steps]

    @property
    def unsaved(self) -> int:
        """How many branches no saved session has; 0 as long as there is one branch and no moment is kept. Steps in
        which nobody acted are no loss."""
        ends = [(line.acted_until, line.saved) for line in self.timeline.lines if line.acted_until]
        return sum(until > saved for until, saved in ends) if len(ends) > 1 or self.kept else 0

    def events(self) -> list[Event]:
        """The events since the last call."""
        events, self._events = self._events, []
        return events

    def tell(self, kind: str, text: str) -> None:
        """Adds an event; front ends tell of saving, recording and refused files this way."""
        self._events.append(Event(kind, text))

    def pace(self, reached: float) -> None:
        """Takes the frame rate reached; tells the player once each time it falls behind the one asked for."""
        slow = reached < SLOWER_THAN * self.fps
        if slow and not self._slow:
            text = f"this computer is too busy for {self.fps:.3g} frames a second; {reached:.0f} reached"
            self.tell(c.CANNOT_KEEP_UP, text)
        self._slow = slow

    def handle(self, command: Command) -> None:
        """Takes a command in; it shows from the next tick on.

        Raises PictureError for a picture and ConfigError for numbers that cannot be used, and then changes nothing.
        """
        match command:
            case c.Hold(action):
                self._held = action
                if action is not None:
                    self._goes_on = Mode.PLAYING
            case c.Pause(on):
                self._halt = Mode.PAUSED if on or (on is None and self._halt is None) else None
                if self._halt is None and self.autoplay is None and not self.timeline.at_tip:
                    self._goes_on = Mode.REPLAY  # only acting starts a branch
            case c.Step():
                self._halt, self._one_step = Mode.PAUSED, True
            case c.Speed(times):
                if not c.SPEEDS[0] <= times <= c.SPEEDS[-1]:
                    raise ConfigError(f"speed {times} is not from {c.SPEEDS[0]} to {c.SPEEDS[-1]:g}")
                self.speed = times
            case c.Rewind(held):
                self._press(Mode.REWINDING, held)
            case c.Forward(held):
                self._press(Mode.FORWARD, held)
            case c.Restart():
                self._go(self.timeline.line, 0)
                self._begin()
                if not self.timeline.at_tip:
                    self.timeline.branch()
            case c.NewSeed(seed):
                seed = self.seed + 1 if seed is None else seed
                if not 0 <= seed < 2**63:
                    raise ConfigError(f"seed {seed} is not from 0 to {2**63 - 1}")
                self._start(self.prompt, seed)
                if self.sampling.temperature == 0:
                    self.tell(c.TOLD, f"seed {self.seed}; at temperature 0 every seed plays alike")
            case c.StartFrom(picture):
                self._start(picture, self.seed, judge=True)
            case c.Open(saved, replay):
                self._open(saved, replay)
            case c.Keep():
                at = self.timeline
                self.kept = [kept for kept in self.kept if (kept.line, kept.step) != (at.line, at.index)]
                self.kept.append(Kept(at.line, at.index))
                at.line.mark_acted(at.index)
                self.tell(c.KEPT, f"kept step {at.index}")
            case c.Recall(kept):
                if 0 <= kept < len(self.kept):
                    self._go(self.kept[kept].line, self.kept[kept].step)
            case c.GoTo(number, index):
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
        """One tick of a session that has its engine alone; returns the picture to show, uint8 (H, W, 3)."""
        action = self.next_action()
        if action is not None:
            self.advance(self.engine.step({self.player: action})[self.player])
        return self.frame

    def next_action(self) -> int | None:
        """The action to step the engine with for this player, or None: at a halt, or along what was played before.

        After an action `advance` must follow, with nothing between but the step.
        """
        if not self.running:
            return None
        if self._travel is not None:
            self._go_along(self._travel)
            return None
        one_step, self._one_step = self._one_step, False
        if self._held is not None:
            self._end_rest()
        if self._halt is not None and not one_step:
            return None
        if one_step and self._held is None and not self.timeline.at_tip:
            self._go(self.timeline.line, self.steps + 1)
            return None
        if self._goes_on is Mode.REPLAY and not one_step:
            self._go_along(Mode.REPLAY)
            if not self.timeline.at_tip:  # there it rests
                self._end_rest()
            return None
        self.catch_up()
        self._pending = self._choose()
        return self._pending

    def catch_up(self) -> None:
        """Takes the engine to the moment shown. A step does so too, and after loading a session that takes a while."""
        if self.engine.snapshot(self.player) is not self.timeline.moment:
            self.engine.restore(self.timeline.moment, self.player)

    def advance(self, frame: np.ndarray) -> None:
        """Takes in the frame, uint8 (H, W, 3), that the engine made of the action that was asked for."""
        self.frame = frame
        if self.timeline.add(self.engine.snapshot(self.player), self._pending, frame, self._acted):
            self.tell(c.BRANCHED, f"a new branch from step {self.steps - 1}")

    def play(self, actions: Iterable[int]) -> Iterator[np.ndarray]:
        """Yields the frame at hand, then the one after each action: one frame more than there are actions."""
        yield self.frame
        for action in actions:
            self.handle(c.Hold(action))
            yield self.tick()

    def _start(self, picture: np.ndarray, seed: int, judge: bool = False) -> None:
        prompt = fit(picture, self.config.frame_size)
        self.frame = self.engine.reset(prompt, self.player, seed)
        self._leave()
        self.timeline.start(self.engine.snapshot(self.player), prompt, seed)
        self._begin()
        if judge:
            self._judge(prompt)

    def _begin(self) -> None:
        """At a start picture: rests there or plays on, as the front end wants it."""
        self._goes_on = Mode.PLAYING
        self._end_rest()
        if self.waits and self.autoplay is None:
            self._halt = self._halt or Mode.RESTING

    def _judge(self, prompt: np.ndarray) -> None:
        """Warns of a picture that the world cannot show well; `frame` is the prompt as it is shown."""
        from genie_core.familiarity import compare  # which brings torch, as above

        asked = self.config.tokenizer.reference  # shows any picture as it is
        self.familiarity = self.engine.familiarity(prompt) if asked else compare(prompt, self.frame)
        if self.familiarity.unfamiliar:
            text = (
                f"this picture is far from what the world knows (familiarity {100 * self.familiarity.score:.0f} of 100)"
            )
            self.tell(c.UNFAMILIAR, text)

    def _open(self, saved: SavedSession, replay: bool) -> None:
        lines: list[Line] = []
        for one in saved.lines:
            parent = None if one.parent is None else lines[one.parent]
            lines.append(self._known(one, parent, lines) or self._line_of(one, parent))
        self.engine.set_sampling(saved.sampling, self.player)
        if self.timeline.line not in lines:
            self._leave()
        self.timeline.adopt([line for line in lines if line not in self.timeline.lines])
        for one, line in zip(saved.lines, lines, strict=True):
            line.mark_saved(one.tip)
        kept = [Kept(lines[number], step) for number, step in saved.kept]
        self.kept += [moment for moment in kept if moment not in self.kept]
        self._go(lines[saved.line], 0 if replay else saved.at)
        self._goes_on = Mode.REPLAY if replay else Mode.PLAYING
        if replay:
            self._end_rest()

    def _known(self, one: SavedLine, parent: Line | None, taken: list[Line]) -> Line | None:
        """The branch at hand that has, or begins with, the frames of a saved one; none of those `taken`."""
        for line in self.timeline.lines:
            own = line.moments[: len(one.tokens)]
            alike = (line.parent, line.start, line.seed, len(own)) == (parent, one.start, one.seed, len(one.tokens))
            if line not in taken and alike and np.array_equal(line.prompt, one.prompt):
                actions = [action or 0 for action in line.actions[: len(own)]]
                played = zip(own, one.tokens, strict=True)
                if actions == one.actions.tolist() and all(np.array_equal(m.frames[-1].tokens, t) for m, t in played):
                    return line
        return None

    def _line_of(self, one: SavedLine, parent: Line | None) -> Line:
        line = Line(0, parent, one.start, one.prompt, one.seed)  # the timeline numbers it
        after = None if parent is None else parent.moment(one.start - 1)
        actions, anchors = one.actions[parent is None :], [*one.anchors.values()]
        line.moments = self.engine.moments(one.tokens, actions, one.seed, after, anchors)
        line.actions = [*[None] * (parent is None), *actions.tolist()]
        line.acted = [action not in (None, self.idle) for action in line.actions]
        return line

    def _go(self, line: Line, index: int) -> None:
        """Shows a frame that was played before, and rests there; the engine follows when it has to step from there."""
        if line is not self.timeline.line:
            self._leave()
        self.timeline.go(line, index)
        self.frame = self.timeline.picture_of(line, self.steps)
        self._halt = self._halt or Mode.RESTING

    def _leave(self) -> None:
        """Lets go of the branch shown if nothing was played on it and no moment of it is kept."""
        empty = [line for line in self.timeline.lines if line is self.timeline.line and not line.steps]
        if empty and all(kept.line is not empty[0] for kept in self.kept):
            self.timeline.drop(empty[0])

    def _end_rest(self) -> None:
        if self._halt is Mode.RESTING:
            self._halt = None

    def _press(self, key: Mode, held: bool) -> None:
        """A travel key goes down or up; one that was up again before a tick counts too."""
        if held == (self._travel is key):
            return
        if not held and not self._travelled:
            self._go_along(key)
        self._travel = key if held else None
        self._travelled = 0

    def _go_along(self, mode: Mode) -> None:
        """One tick of travel along the line, ever faster while a key is held."""
        stride = 1 if mode is Mode.REPLAY else max(frames for ticks, frames in STRIDES if self._travelled >= ticks)
        self._travelled += 1
        was_at_tip = self.timeline.at_tip
        self._go(self.timeline.line, self.steps + (-stride if mode is Mode.REWINDING else stride))
        if self.timeline.at_tip:
            self._goes_on = Mode.PLAYING
            if not was_at_tip:
                what = "the replay" if mode is Mode.REPLAY else "this branch"
                self.tell(c.LINE_ENDED, f"{what} ends at step {self.steps}; press a key to play on")

    def _choose(self) -> int:
        """The action for this step: the player's, or else autoplay's, or else the one for doing nothing."""
        self._acted = True
        if self._held is not None:
            if self.autoplay is not None and not self.autoplay.mix:
                self._autoplay(None, False)
                self.tell(c.TAKEN_OVER, "you play")
            return self._held
        action = self.autoplay.next() if self.autoplay is not None else None
        if action is None and self.autoplay is not None:
            self._autoplay(None, False)
            self.tell(c.AUTOPLAY_ENDED, "autoplay has ended")
        self._acted = action is not None
        return action if action is not None else self.idle

    def _autoplay(self, source: Source | None, mix: bool) -> None:
        self.autoplay = None if source is None else Autoplayer(source, len(self.config.actions), mix)
        if source is not None:
            self._end_rest()
