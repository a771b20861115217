"""The engine under any order of calls: whoever joins, leaves, steps, rewinds or branches plays as if alone.

Hypothesis draws the orders and shrinks one that fails to a few calls. What a player must see is what an engine of its
own shows, which only resets and steps.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", tempfile.mkdtemp())  # it is read when hypothesis is imported

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from tiny import make_reference_world, make_world

from genie_core.config import SamplingConfig
from genie_core.engine import Moment, WorldEngine
from genie_core.key_ring import Kept
from genie_core.pixels import pack_picture
from genie_core.runtimes.base import RUNTIMES, Runtime
from genie_core.runtimes.choose import open_runtime
from genie_core.world import World

PLAYERS = 3
PROMPTS = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
PASSES = 2
LEVELS = {"torch": 1, "onnx": 0}
"""Of 255, by which a picture made in a batch may differ. The convolutions of torch's CPU library sum in an order that
depends on the batch: what the decoder remembers then differs by some 5e-6. Tokens are the same."""
players, actions = st.integers(0, PLAYERS - 1), st.integers(0, 3)


class Line(NamedTuple):
    """What leads to a moment: a prompt, a seed, and each step's action and temperature."""

    prompt: int
    seed: int
    steps: tuple[tuple[int, float], ...] = ()

    def and_then(self, action: int, temperature: float) -> Line:
        return self._replace(steps=(*self.steps, (action, temperature)))


class Shown(NamedTuple):
    """A moment: what is seen of it, and the keys and values of the frame before, which depend on all that is remembered
    more finely than tokens do; None where there are none."""

    tokens: np.ndarray
    picture: np.ndarray
    before: Kept | None


def shown(moment: Moment, picture: np.ndarray) -> Shown:
    return Shown(moment.frames[-1].tokens, picture, moment.frames[-2].keys if len(moment.frames) > 1 else None)


class Alone:
    """What an engine shows at the end of a line that it plays from the prompt on, with nobody beside it."""

    def __init__(self, world: World, runtime: Runtime) -> None:
        self._world, self._runtime = world, runtime
        self._engines: dict[Line, WorldEngine] = {}
        self._known: dict[Line, Shown] = {}

    def __call__(self, line: Line) -> Shown:
        if line not in self._known:
            self._known[line] = self._play(line)
        return self._known[line]

    def _play(self, line: Line) -> Shown:
        if not line.steps:
            engine = WorldEngine(self._world, runtime=self._runtime)
            picture = engine.reset(PROMPTS[line.prompt], seed=line.seed)
        else:
            before = line._replace(steps=line.steps[:-1])
            if before not in self._engines:
                self._play(before)
            engine, (action, temperature) = self._engines.pop(before), line.steps[-1]
            engine.set_sampling(SamplingConfig(PASSES, temperature))
            picture = engine.step(action)
        self._engines[line] = engine
        return shown(engine.snapshot(), picture)


class Play(RuleBasedStateMachine):
    """Up to three players of one engine. A seat is free until somebody joins, and after it is left."""

    kept = Bundle("kept")  # (moment, line)

    def __init__(self, world: World, runtime: Runtime, alone: Alone) -> None:
        super().__init__()
        self.world, self.runtime, self.alone = world, runtime, alone
        self.lines: dict[int, Line] = {}
        self.trails: dict[int, list[Moment]] = {}  # each moment of the line, for rewinding
        self.temperatures = dict.fromkeys(range(PLAYERS), 0.0)

    @initialize(forgetful=st.booleans())
    def open(self, forgetful: bool) -> None:
        self.engine = WorldEngine(self.world, players=PLAYERS, runtime=self.runtime)
        if forgetful:  # old frames lose their keys and pictures at once
            self.engine._room = self.engine._reach + PLAYERS
        for player, temperature in enumerate((1.0, 0.0)):  # two have played for longer than the context
            self.join(player, player, player, temperature)
        for action in (0, 1, 3, 2, 1):
            self._step([0, 1], [action, 3 - action])

    @rule(player=players, prompt=st.integers(0, 1), seed=st.integers(0, 2), temperature=st.sampled_from([0.0, 1.0]))
    def join(self, player: int, prompt: int, seed: int, temperature: float) -> None:
        picture = self.engine.reset(PROMPTS[prompt], player, seed)
        self.temperatures[player] = temperature
        self.engine.set_sampling(SamplingConfig(PASSES, temperature), player)
        self._take(player, Line(prompt, seed), [self.engine.snapshot(player)], picture)

    @precondition(lambda self: self.lines)
    @rule(data=st.data(), chosen=st.lists(actions, min_size=PLAYERS, max_size=PLAYERS), times=st.integers(1, 4))
    def step(self, data: st.DataObject, chosen: list[int], times: int) -> None:
        some = data.draw(st.lists(st.sampled_from(sorted(self.lines)), min_size=1, unique=True))
        for _ in range(times):
            self._step(some, chosen)

    @precondition(lambda self: self.lines)
    @rule(target=kept, data=st.data())
    def keep(self, data: st.DataObject) -> tuple[Moment, Line]:
        player = data.draw(st.sampled_from(sorted(self.lines)))
        return self.engine.snapshot(player), self.lines[player]

    @rule(player=players, what=kept, action=actions)
    def go_to(self, player: int, what: tuple[Moment, Line], action: int) -> None:
        moment, line = what
        self.engine.set_sampling(SamplingConfig(PASSES, self.temperatures[player]), player)
        self._go(player, line, [moment], action)

    @rule(what=kept)
    def look(self, what: tuple[Moment, Line]) -> None:
        self._check(what[1], what[0], self.engine.look(what[0]))

    @rule(what=consumes(kept))
    def forget(self, what: tuple[Moment, Line]) -> None: ...

    @precondition(lambda self: self.lines)
    @rule(data=st.data(), by=st.integers(1, 12), action=actions)
    def rewind(self, data: st.DataObject, by: int, action: int) -> None:
        player = data.draw(st.sampled_from(sorted(self.lines)))
        trail, line = self.trails[player], self.lines[player]
        by = min(by, len(trail) - 1)
        trail, line = trail[: len(trail) - by], line._replace(steps=line.steps[: len(line.steps) - by])
        self._go(player, line, trail, action)

    @precondition(lambda self: self.lines)
    @rule(data=st.data(), action=actions)
    def save_and_load(self, data: st.DataObject, action: int) -> None:
        """As a session file does: from tokens, and the pictures it keeps."""
        player = data.draw(st.sampled_from(sorted(self.lines)))
        line = self.lines[player]
        past = [self.alone(line._replace(steps=line.steps[:end])) for end in range(len(line.steps) + 1)]
        tokens, chosen = np.stack([each.tokens for each in past]), np.array([a for a, _ in line.steps], np.uint8)
        anchors = [pack_picture(each.picture) for index, each in enumerate(past) if self.engine.is_anchored(index)]
        moments = self.engine.moments(tokens, chosen, line.seed, anchors=anchors)
        self._go(player, line, moments, action)

    @precondition(lambda self: self.lines)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        player = data.draw(st.sampled_from(sorted(self.lines)))
        self.engine.set_sampling(None, player)
        del self.lines[player], self.trails[player]

    def _go(self, player: int, line: Line, trail: list[Moment], action: int) -> None:
        """Restores the last of `trail`, and steps from there, or nothing would show that all of it was restored."""
        self._take(player, line, trail, self.engine.restore(trail[-1], player))
        self._step([player], [action] * PLAYERS)

    def _step(self, some: list[int], chosen: list[int]) -> None:
        frames = self.engine.step({player: chosen[player] for player in some})
        assert sorted(frames) == sorted(some)
        for player, picture in frames.items():
            line = self.lines[player].and_then(chosen[player], self.temperatures[player])
            self._take(player, line, [*self.trails[player], self.engine.snapshot(player)], picture)

    def _take(self, player: int, line: Line, trail: list[Moment], picture: np.ndarray) -> None:
        self.lines[player], self.trails[player] = line, trail
        self._check(line, self.engine.snapshot(player), picture)

    def _check(self, line: Line, moment: Moment, picture: np.ndarray) -> None:
        found, expected = shown(moment, picture), self.alone(line)
        assert np.array_equal(found.tokens, expected.tokens)
        assert np.abs(found.picture.astype(int) - expected.picture).max() <= LEVELS[self.runtime.name]
        if found.before is not None and expected.before is not None:
            assert all(np.allclose(*parts, atol=1e-5) for parts in zip(found.before, expected.before, strict=True))


@cache
def opened(runtime: str, make: Callable[..., World]) -> Callable[[], Play]:
    world = make(sampling=SamplingConfig(unmask_steps=PASSES))
    run = open_runtime(world, runtime, PLAYERS)
    alone = Alone(world, run)
    return lambda: Play(world, run, alone)


@pytest.mark.parametrize("make", [make_world, make_reference_world], ids=["spelt anew", "by reference"])
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("examples", [8, pytest.param(2000, marks=(pytest.mark.slow, pytest.mark.long))])
def test_in_any_order_each_player_plays_as_if_alone(runtime: str, examples: int, make: Callable[..., World]) -> None:
    if runtime == "onnx":
        pytest.importorskip("onnxruntime")
    run_machine(
        opened(runtime, make),
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            derandomize=examples < 100,  # the same orders each time, so that no run fails by chance
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
