"""Names and keys for a world's latent actions, found by watching what each does. No labels are used.

Each code is held for some steps from many prompts; how far the player gets says what the code means.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from genie_core.config import ACTION_NAMES, Action, require
from genie_core.games.coinrun.camera import player_motion

Play = Callable[[np.ndarray, np.ndarray], np.ndarray]

HOLD = 8
# Where each name points, in shares of the farthest motion along x and along y.
DIRECTIONS = dict(zip(ACTION_NAMES, [(0, 0), (-1, 0), (1, 0), (0, -1), (-1, -1), (1, -1), (0, 1)], strict=True))
MANDATORY = ("stay", "left", "right", "jump")
# pygame key names; "up+right" means both held.
KEYS = {
    "stay": (),
    "left": ("left", "a"),
    "right": ("right", "d"),
    "jump": ("up", "w", "space"),
    "jump_left": ("up+left", "w+a", "space+left"),
    "jump_right": ("up+right", "w+d", "space+right"),
    "down": ("down", "s"),
}
NEAR = 0.5  # squared distance, in shares of the farthest motion, within which a second name still tells the truth
RESTING = 0.25  # pixels a step: less is no motion
SMALLEST_SCALE = 0.5  # pixels a step; motion below it is noise that must not be scaled up to a direction


class ActionMotions(NamedTuple):
    """The player's motion under each held code, pixels a step, x right, y down.

    mean (codes, 2), spread (codes, 2): standard deviation over prompts, per_prompt (prompts, codes, 2).
    """

    mean: np.ndarray
    spread: np.ndarray
    per_prompt: np.ndarray

    @property
    def typical(self) -> np.ndarray:
        """The median over prompts, (codes, 2), of those where some code leaves the player at rest, if there are any.

        In mid-air all codes fall, or rise, and what a key does shows the less for it.
        """
        resting = np.linalg.norm(self.per_prompt, axis=-1).min(axis=1) < RESTING
        return np.median(self.per_prompt[resting] if resting.any() else self.per_prompt, axis=0)


def measure_actions(play: Play, prompts: np.ndarray, codes: int, hold: int = HOLD) -> ActionMotions:
    """Holds each of `codes` actions for `hold` steps from each of uint8 `prompts` (prompts, H, W, 3).

    `play` maps prompts (b, H, W, 3) and actions (b, t) to frames (b, t+1, H, W, 3), as `rollout` of a world does.
    """
    per_code = [player_motion(play(prompts, np.full((len(prompts), hold), code))).mean(axis=1) for code in range(codes)]
    per_prompt = np.stack(per_code, axis=1)
    return ActionMotions(per_prompt.mean(axis=0), per_prompt.std(axis=0), per_prompt)


def name_actions(motions: np.ndarray) -> tuple[Action, ...]:
    """Actions with names, keys and motions from the typical motion (codes, 2) of each code.

    stay, left, right and jump go to the four codes that together suit them best; every other code gets
    the name of its nearest direction, or of a free one nearly as near, with _2, _3 and no keys where there is none.
    """
    motions = np.asarray(motions, np.float64)
    require(len(motions) >= len(MANDATORY), f"{len(motions)} actions are too few to find {', '.join(MANDATORY)}")
    cost = _costs(motions - _shared_motion(motions))
    names = _mandatory_names(cost)
    rest = [code for code in range(len(motions)) if code not in names]
    for code in sorted(rest, key=lambda code: cost[code].min()):  # the closest first: it gets the plain name
        names[code] = _free_name(cost[code], set(names.values()))
    rounded = [(round(float(dx), 2), round(float(dy), 2)) for dx, dy in motions]
    return tuple(
        Action(id=code, name=names[code], keys=KEYS.get(names[code], ()), motion_px=motion)
        for code, motion in enumerate(rounded)
    )


def _shared_motion(motions: np.ndarray) -> np.ndarray:
    """What happens whatever is pressed, (2,): the player of a prompt may be running or falling already.

    It is what the likeliest `stay` does; the other codes are judged by how they differ from it.
    """
    names = _mandatory_names(_costs(motions))
    stay = next(code for code, name in names.items() if name == "stay")
    return motions[stay]


def _costs(motions: np.ndarray) -> np.ndarray:
    """Squared distance of each code to each name's direction, (codes, names); left, right, up and down each scaled
    by the farthest motion that way, for a fall is faster than a jump."""
    forward, backward = (
        np.maximum(motions.max(axis=0), SMALLEST_SCALE),
        np.maximum(-motions.min(axis=0), SMALLEST_SCALE),
    )
    scaled = motions / np.where(motions > 0, forward, backward)
    directions = np.array([DIRECTIONS[name] for name in ACTION_NAMES], np.float64)
    return ((scaled[:, None] - directions) ** 2).sum(axis=-1)


def _mandatory_names(cost: np.ndarray) -> dict[int, str]:
    """Code to name, by the least total cost over all ways to give the four names to four codes."""
    columns = [ACTION_NAMES.index(name) for name in MANDATORY]
    ways = itertools.permutations(range(len(cost)), len(MANDATORY))
    best = min(ways, key=lambda codes: cost[list(codes), columns].sum())
    return dict(zip(best, MANDATORY, strict=True))


def _free_name(cost: np.ndarray, taken: set[str]) -> str:
    """The nearest name, by `cost` (names,); if taken, another that is near too; else the nearest with a number."""
    order = cost.argsort()
    near = [ACTION_NAMES[name] for name in order if cost[name] < NEAR and ACTION_NAMES[name] not in taken]
    nearest = ACTION_NAMES[order[0]]
    doubles = (f"{nearest}_{number}" for number in itertools.count(2))
    return next(free for free in itertools.chain([nearest], near, doubles) if free not in taken)
