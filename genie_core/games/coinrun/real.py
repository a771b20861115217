"""CoinRun itself, to be played beside a world of it: one level, from its start, as often as is wished."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from genie_core.games.base import Labelled
from genie_core.games.coinrun.record import ACTIONS, MODES, NEW_LEVEL, open_coinrun
from genie_core.limits import require

FIRST_LEVEL = 100_000  # recordings for training are of levels far below
LABEL_LEVELS = (200_000, 201_000)
JUMP_STEPS, WALK_STEPS, REST_STEPS = 2, 4, 6


class RealCoinRun:
    """Level `FIRST_LEVEL` + `seed`, easy or hard as `source`, the description of what a world learnt from, says."""

    rest = ACTIONS["stay"]

    def __init__(self, seed: int, source: Mapping[str, Any]) -> None:
        """Raises MissingExtraError without Procgen."""
        self._mode = _mode(source)
        level, most = FIRST_LEVEL + seed, LABEL_LEVELS[0] - FIRST_LEVEL - 1
        require(0 <= seed <= most, f"--seed {seed} names no level to play; expected 0 to {most}")
        self.name = f"level {level:,} of CoinRun ({self._mode})"
        self._env = open_coinrun((level, level + 1), self._mode, 0)

    def begin(self) -> np.ndarray:
        """Starts the level anew; its first frame, uint8 (64, 64, 3)."""
        _, observed, first = self._env.observe()
        if not first[0]:
            observed = self._act(NEW_LEVEL)[0]
        frame: np.ndarray = observed["rgb"][0].copy()
        return frame

    def step(self, action: int) -> np.ndarray | None:
        """The next frame, uint8 (64, 64, 3); None if the player died or reached the coin."""
        observed, first = self._act(action)
        return None if first else observed["rgb"][0].copy()

    def labelled(self, steps: int) -> list[Labelled]:
        """Recordings of `steps` steps in all, of other levels: each button is pressed, then let go for a while."""
        env = open_coinrun(LABEL_LEVELS, self._mode, 0)
        frames: list[list[np.ndarray]] = []
        actions: list[list[int]] = []
        for button in islice(_each_in_turn(random.Random(0)), steps + 1):
            _, observed, first = env.observe()
            if first[0]:
                frames.append([])
                actions.append([])
            frames[-1].append(observed["rgb"][0].copy())
            actions[-1].append(button)
            env.act(np.array([button], np.int32))
        return [Labelled(np.stack(f), np.array(a[:-1])) for f, a in zip(frames, actions, strict=True) if len(f) > 1]

    def _act(self, action: int) -> tuple[Any, bool]:
        self._env.act(np.array([action], np.int32))
        _, observed, first = self._env.observe()
        return observed, bool(first[0])


def _each_in_turn(rng: random.Random) -> Iterator[int]:
    """Buttons pressed for a moment each, in an order that changes, and none in between."""
    moves = ["left", "right", "up", "left_up", "right_up"]
    while True:
        rng.shuffle(moves)
        for move in moves:
            yield from [ACTIONS[move]] * (JUMP_STEPS if "up" in move else WALK_STEPS)
            yield from [ACTIONS["stay"]] * REST_STEPS


def _mode(source: Mapping[str, Any]) -> str:
    """That of the first recording; easy where nothing is said."""
    sets = source.get("sets")
    first = sets[0] if isinstance(sets, list) and sets and isinstance(sets[0], dict) else source
    mode = first.get("mode")
    return mode if mode in MODES else MODES[0]
