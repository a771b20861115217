"""CoinRun's actions: names and keys for a world's codes, found without labels, and what Procgen's own actions do."""

from __future__ import annotations

import itertools

import numpy as np

from genie_core.config import Action
from genie_core.games.base import ActionMotions
from genie_core.limits import require

# Where each name points, in shares of the farthest motion along x and along y, and its pygame key names; "up+right"
# means both held.
MOVES: dict[str, tuple[tuple[int, int], tuple[str, ...]]] = {
    "stay": ((0, 0), ()),
    "left": ((-1, 0), ("left", "a")),
    "right": ((1, 0), ("right", "d")),
    "jump": ((0, -1), ("up", "w", "space")),
    "jump_left": ((-1, -1), ("up+left", "w+a", "space+left")),
    "jump_right": ((1, -1), ("up+right", "w+d", "space+right")),
    "down": ((0, 1), ("down", "s")),
}
NAMES, KEYS = tuple(MOVES), {name: keys for name, (_, keys) in MOVES.items()}
MANDATORY = ("stay", "left", "right", "jump")
NEAR = 0.5  # squared distance, in shares of the farthest motion, within which a second name still tells the truth
SMALLEST_SCALE = 1 / 128  # of a frame's width a step; motion below it is noise that must not be scaled up
# Procgen's fifteen actions; those without meaning in CoinRun do what no button does. Falling ignores "down".
BUTTONS = {0: "left", 1: "left", 2: "jump_left", 5: "jump", 6: "right", 7: "right", 8: "jump_right"}
BUTTON_NAMES = tuple(sorted({*BUTTONS.values(), "stay"}))
PROCGEN_ACTIONS = 15


def buttons(true_actions: np.ndarray) -> np.ndarray:
    """Procgen's action ids to the distinct ones of CoinRun, as places in BUTTON_NAMES, of the same shape."""
    table = np.array([BUTTON_NAMES.index(BUTTONS.get(action, "stay")) for action in range(PROCGEN_ACTIONS)])
    return table[true_actions]


def level_range(text: str) -> tuple[int, int]:
    """`A:B` as two numbers; ConfigError for anything else."""
    first, _, end = text.partition(":")
    fits = first.isdecimal() and end.isdecimal() and int(first) < int(end)
    require(fits, f"{text!r} is not A:B with A < B, as in 0:10000")
    return int(first), int(end)


def name_actions(motions: ActionMotions) -> tuple[Action, ...]:
    """Actions with names, keys and motions from what each code does.

    stay, left, right and jump go to the four codes that together suit them best; every other code gets the name of its
    nearest direction, or of a free one nearly as near, else _2, _3 and no keys. Fewer than four codes get no names.
    """
    typical = np.asarray(motions.typical, np.float64)
    names, smallest = {}, SMALLEST_SCALE * motions.width
    if len(typical) >= len(MANDATORY):
        # A prompt's player may be running or falling already. The likeliest `stay` shows that motion, which no code
        # causes; the other codes are judged by how they differ from it.
        likeliest = _mandatory_names(_costs(typical, smallest))
        shared = typical[next(code for code, name in likeliest.items() if name == "stay")]
        cost = _costs(typical - shared, smallest)
        names = _mandatory_names(cost)
        rest = [code for code in range(len(typical)) if code not in names]
        for code in sorted(rest, key=lambda code: cost[code].min()):  # the closest first: it gets the plain name
            names[code] = _free_name(cost[code], set(names.values()))
    rounded = [(round(float(dx), 2), round(float(dy), 2)) for dx, dy in typical]
    named = [names.get(code, f"action_{code}") for code in range(len(typical))]
    return tuple(
        Action(code, name, KEYS.get(name, ()), motion)
        for code, (name, motion) in enumerate(zip(named, rounded, strict=True))
    )


def _costs(motions: np.ndarray, smallest: float) -> np.ndarray:
    """Squared distance of each code to each name's direction, (codes, names); left, right, up and down each scaled
    by the farthest motion that way, for a fall is faster than a jump."""
    forward, backward = (np.maximum(way.max(axis=0), smallest) for way in (motions, -motions))
    scaled = motions / np.where(motions > 0, forward, backward)
    directions = np.array([direction for direction, _ in MOVES.values()], np.float64)
    return ((scaled[:, None] - directions) ** 2).sum(axis=-1)


def _mandatory_names(cost: np.ndarray) -> dict[int, str]:
    """Code to name, by the least total cost over all ways to give the four names to four codes."""
    columns = [NAMES.index(name) for name in MANDATORY]
    ways = itertools.permutations(range(len(cost)), len(MANDATORY))
    best = min(ways, key=lambda codes: cost[list(codes), columns].sum())
    return dict(zip(best, MANDATORY, strict=True))


def _free_name(cost: np.ndarray, taken: set[str]) -> str:
    """The nearest name, by `cost` (names,); if taken, another that is near too; else the nearest with a number."""
    order = cost.argsort()
    near = [NAMES[name] for name in order if cost[name] < NEAR and NAMES[name] not in taken]
    nearest = NAMES[order[0]]
    doubles = (f"{nearest}_{number}" for number in itertools.count(2))
    return next(free for free in itertools.chain([nearest], near, doubles) if free not in taken)
