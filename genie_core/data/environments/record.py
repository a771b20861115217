"""Plays an environment and writes down what it draws, with the action of each step.

Every episode starts from a seed of its own, which the data set keeps: the same arguments give the same bytes wherever
the environment follows its seed.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from genie_core.data.environments.action_set import ActionSet
from genie_core.data.environments.opening import open_environment, own_fps, told_by
from genie_core.data.environments.policies import Choose, open_policy
from genie_core.data.frame_size import usual_size
from genie_core.data.room import SPLIT, require_room
from genie_core.data.writer import DatasetWriter
from genie_core.errors import DataError
from genie_core.limits import Size, require
from genie_core.pictures import fit

FPS = 15  # asked of an environment where the user asks nothing
LONGEST_EPISODE = 1000  # frames; then a new one begins, for the sake of other scenery
EPISODE_BYTES = 2**28  # of frames held in memory
MOST_EMPTY = 100  # episodes in a row without two frames


class Episode(NamedTuple):
    """Frames uint8 (t, H, W, 3), ids of the actions between them int8 (t-1,), and the seed that it started from."""

    frames: np.ndarray
    actions: np.ndarray
    seed: int


class Stage:
    """An environment as it is recorded: each step is `skip` of its own with one action, each frame of size `size`.

    `fps` is the rate asked for; `self.fps` what comes nearest to it, at most the environment's own.
    """

    def __init__(self, name: str, env: Any, size: Size | None, fps: float | None) -> None:
        self.name, self.env = name, env
        own, asked = own_fps(env), fps or FPS
        self.skip = max(1, round(own / asked)) if own else 1
        self.fps = round(own / self.skip, 3) if own else asked
        self._drawn: tuple[int, ...] | None = None
        self.reset(0)
        self.size = size or usual_size(*self._draw().shape[:2])

    def reset(self, seed: int) -> Any:
        with told_by(self.name, "to begin an episode"):
            return self.env.reset(seed=seed)[0]

    def step(self, action: Any) -> tuple[Any, bool]:
        """The observation after the action, and whether the episode ends with it."""
        for _ in range(self.skip):
            with told_by(self.name, f"to take action {str(action)[:40]}"):
                observation, _, terminated, truncated, _ = self.env.step(action)
            if terminated or truncated:
                return observation, True
        return observation, False

    def frame(self) -> np.ndarray:
        """What it shows now, uint8 (H, W, 3): the whole picture scaled to the frame, nothing cut off."""
        return fit(self._draw(), self.size, "stretch")

    def _draw(self) -> np.ndarray:
        with told_by(self.name, "to draw itself"):
            drawn = self.env.render()
        shape = drawn.shape if isinstance(drawn, np.ndarray) else None
        if shape is None or drawn.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            found = f"{drawn.dtype} {shape}" if shape is not None else f"{drawn!r:.60}"
            raise DataError(f"{self.name} draws {found}, expected rgb_array pictures, uint8 (H, W, 3)")
        if shape != (self._drawn or shape):
            raise DataError(
                f"{self.name} changed its picture from {self._drawn} to {shape}; expected one size throughout"
            )
        self._drawn = shape
        return np.ascontiguousarray(drawn)


def record_environment(
    out: str | Path,
    name: str,
    frames: int,
    *,
    seed: int = 0,
    policy: str = "explore",
    frame_size: Size | None = None,
    fps: float | None = None,
    options: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> None:
    """Plays the Gymnasium environment `name` and writes exactly `frames` frames to the data set folder `out`.

    `frame_size` is (H, W); None keeps the picture's shape. `options` are the environment's own keyword arguments.
    Raises ConfigError for arguments that make no sense, MissingExtraError with the pip line of a package that is
    missing, DataError if `out` is not empty or the environment or the policy fails.
    """
    require(frames > 1, f"--frames {frames} is too few, expected 2 or more")
    env = open_environment(name, options or {})
    try:
        stage = Stage(name, env, frame_size, fps)
        require_room(f"--frames {frames}", frames, stage.size, SPLIT)
        actions = ActionSet(name, env.action_space)
        module = name.rpartition(":")[0]
        source = {
            "environment": env.spec.id,
            **({"module": module} if module else {}),
            "options": dict(options or {}),
            "policy": policy,
            "seed": seed,
            "steps_a_frame": stage.skip,
            "actions": actions.told(),
        }
        choose = open_policy(policy, actions, env, seed)
        with (
            DatasetWriter(out, source=source, frame_size=stage.size, fps=stage.fps) as writer,
            tqdm(total=frames, unit=" frames", desc=f"recording {name}", disable=not progress) as bar,
        ):
            for episode in play(stage, choose, seed, frames, bar.update):
                writer.add_episode(*episode)
    finally:
        with contextlib.suppress(Exception):  # what it recorded is whole by now
            env.close()


def play(stage: Stage, choose: Choose, seed: int, frames: int, tick: Callable[[int], object]) -> Iterator[Episode]:
    """Episodes of together `frames` frames, none of a single one; DataError from an environment that ends each at once.

    `tick` is told of each frame, as a progress bar is.
    """
    longest = max(2, min(LONGEST_EPISODE, EPISODE_BYTES // (3 * math.prod(stage.size))))
    left, empty = frames, 0
    for number in itertools.count():
        if not left:
            return
        own_seed = int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) >> 1
        episode = play_once(stage, choose, own_seed, min(longest, left), tick)
        length = usable_length(len(episode.frames), left)
        empty = 0 if length else empty + 1
        if empty == MOST_EMPTY:
            raise DataError(
                f"{stage.name} ended {MOST_EMPTY} episodes in a row before a second frame; nothing to record"
            )
        if length:
            left -= length
            yield Episode(episode.frames[:length], episode.actions[: length - 1], own_seed)


def play_once(stage: Stage, choose: Choose, seed: int, longest: int, tick: Callable[[int], object]) -> Episode:
    """One episode, cut after `longest` frames."""
    observation, ended = stage.reset(seed), False
    frames, taken = [stage.frame()], []
    tick(1)
    while not ended and len(frames) < longest:
        action, number = choose(observation)
        observation, ended = stage.step(action)
        frame = stage.frame()
        if ended and _is_blank(frame) and not _is_blank(frames[-1]):
            break  # some have no picture of the end, and draw one colour
        frames.append(frame)
        taken.append(number)
        tick(1)
    return Episode(np.stack(frames), np.array(taken, np.int8), seed)


def _is_blank(frame: np.ndarray) -> bool:
    return bool((frame == frame[0, 0]).all())


def usable_length(length: int, remaining: int) -> int:
    """How much of an episode to keep so that no episode of a single frame is written, now or as the last one."""
    kept = min(length, remaining)
    if remaining - kept == 1:
        kept -= 1
    return kept if kept > 1 else 0
