"""Recording CoinRun with Procgen: one game played by a scripted policy, written down as a data set.

One environment on no extra thread is as fast as many (some 15,000 frames/s) and has nothing to race:
the same arguments give the same bytes.
Source: Procgen, Cobbe et al. 2020 (arXiv:1912.01588); its table of actions is `ACTIONS`.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from genie_core.data.room import SPLIT, require_room
from genie_core.data.writer import DatasetWriter
from genie_core.games.procgen_opening import open_procgen
from genie_core.limits import require

ACTIONS = {"left": 1, "left_up": 2, "down": 3, "stay": 4, "up": 5, "right": 7, "right_up": 8}
NUM_ACTIONS = 15
NEW_LEVEL = -1  # what Procgen takes as the wish for another level
MODES = ("easy", "hard")
FPS = 15  # Procgen's own interactive rate
FRAME_SIZE = 64
RESERVED_LEVELS = 500_000  # from here on levels are kept for the final check of a world
LONGEST_HOLD = 12
# Mostly to the right, where new scenery is; with no-ops, for an idle player must be learned too.
EXPLORE_WEIGHTS = {"left": 14, "stay": 10, "up": 12, "right": 30, "left_up": 8, "right_up": 22, "down": 4}


def random_actions(rng: random.Random) -> Iterator[int]:
    """Any of Procgen's 15 actions, a new one each step."""
    while True:
        yield rng.randrange(NUM_ACTIONS)


def explore_actions(rng: random.Random) -> Iterator[int]:
    """Moves held for 1 to 12 steps, as a player holds keys."""
    moves = [ACTIONS[name] for name in EXPLORE_WEIGHTS]
    weights = list(EXPLORE_WEIGHTS.values())
    while True:
        move = rng.choices(moves, weights)[0]
        yield from itertools.repeat(move, rng.randint(1, LONGEST_HOLD))


class Policy(NamedTuple):
    """Who plays: the actions, and after how many frames it is put into a new level (None: when Procgen does)."""

    actions: Callable[[random.Random], Iterator[int]]
    longest_episode: int | None


# A random player hardly leaves the start: 1,000 frames of every level, Procgen's limit, would show few levels.
POLICIES = {"random": Policy(random_actions, 250), "explore": Policy(explore_actions, None)}


class Episode(NamedTuple):
    """One life in one level: frames uint8 (t, 64, 64, 3), actions int8 (t-1,) between them."""

    frames: np.ndarray
    actions: np.ndarray
    level_seed: int


def record_coinrun(
    out: str | Path,
    frames: int,
    levels: tuple[int, int] = (0, 10_000),
    mode: str = "easy",
    policy: str = "explore",
    seed: int = 0,
    progress: bool = True,
) -> None:
    """Plays CoinRun and writes exactly `frames` frames to the data set folder `out`.

    `levels` is half-open. Raises ConfigError for arguments that make no sense, MissingExtraError without
    Procgen, DataError if `out` is not empty.
    """
    _check_arguments(frames, levels, mode, policy, seed)
    require_room(f"--frames {frames}", frames, (FRAME_SIZE, FRAME_SIZE), SPLIT)
    source = {"game": "coinrun", "mode": mode, "policy": policy, "levels": list(levels), "seed": seed}
    episodes = play(levels, mode, policy, seed)
    with (
        DatasetWriter(out, source=source, frame_size=(FRAME_SIZE, FRAME_SIZE), fps=FPS) as writer,
        tqdm(total=frames, unit=" frames", desc="recording CoinRun", disable=not progress) as bar,
    ):
        while writer.frames < frames:
            episode = next(episodes)
            length = _usable_length(len(episode.frames), frames - writer.frames)
            if length:
                writer.add_episode(episode.frames[:length], episode.actions[: length - 1], episode.level_seed)
                bar.update(length)


def play(levels: tuple[int, int], mode: str, policy: str, seed: int) -> Iterator[Episode]:
    """CoinRun episodes without end."""
    env = open_coinrun(levels, mode, seed)
    actions = POLICIES[policy].actions(random.Random(seed))
    longest = POLICIES[policy].longest_episode
    frames: list[np.ndarray] = []
    taken: list[int] = []
    level_seed = -1
    while True:
        _, observation, first = env.observe()
        if first[0]:
            if frames:  # the last action led to the new level, not to a frame of this one
                yield Episode(np.stack(frames), np.array(taken[:-1], np.int8), level_seed)
            frames, taken = [], []
            level_seed = int(env.get_info()[0]["level_seed"])
        frames.append(observation["rgb"][0].copy())
        taken.append(NEW_LEVEL if len(frames) == longest else next(actions))
        env.act(np.array([taken[-1]], np.int32))


def open_coinrun(levels: tuple[int, int], mode: str, seed: int) -> Any:
    return open_procgen(
        "coinrun",
        seed,
        start_level=levels[0],
        num_levels=levels[1] - levels[0],
        distribution_mode=mode,
    )


def _usable_length(length: int, remaining: int) -> int:
    """How much of an episode to keep so that no episode of a single frame is written, now or as the last one."""
    kept = min(length, remaining)
    if remaining - kept == 1:
        kept -= 1
    return kept if kept > 1 else 0


def _check_arguments(frames: int, levels: tuple[int, int], mode: str, policy: str, seed: int) -> None:
    first, end = levels
    require(frames > 1, f"--frames {frames} is too few, expected 2 or more")
    require(0 <= first < end, f"--levels {first}:{end} is not a range A:B with 0 <= A < B")
    require(
        end <= RESERVED_LEVELS,
        f"--levels {first}:{end} reaches into the levels from {RESERVED_LEVELS} on, which are reserved; end below",
    )
    require(mode in MODES, f"--mode {mode!r} is not one of {', '.join(MODES)}")
    require(policy in POLICIES, f"--policy {policy!r} is not one of {', '.join(POLICIES)}")
    require(0 <= seed < 2**31, f"--seed {seed} is outside 0..{2**31 - 1}")
