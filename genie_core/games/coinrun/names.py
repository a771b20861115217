"""CoinRun's actions: names and keys for a world's codes, found without labels, and what Procgen's own actions do."""

from __future__ import annotations

import numpy as np

from genie_core.config import Action
from genie_core.games.directions import ActionMotions, Moves, name_by_motion
from genie_core.limits import require

MOVES: Moves = {
    "stay": ((0, 0), ()),
    "left": ((-1, 0), ("left", "a")),
    "right": ((1, 0), ("right", "d")),
    "jump": ((0, -1), ("up", "w", "space")),
    "jump_left": ((-1, -1), ("up+left", "w+a", "space+left")),
    "jump_right": ((1, -1), ("up+right", "w+d", "space+right")),
    "down": ((0, 1), ("down", "s")),
}
KEYS = {name: keys for name, (_, keys) in MOVES.items()}
# Procgen's fifteen actions; those without meaning in CoinRun do what no button does. Falling ignores "down".
BUTTONS = {0: "left", 1: "left", 2: "jump_left", 5: "jump", 6: "right", 7: "right", 8: "jump_right"}
BUTTON_NAMES = tuple(sorted({*BUTTONS.values(), "stay"}))
PROCGEN_ACTIONS, NO_BUTTON = 15, 4


def buttons(true_actions: np.ndarray) -> np.ndarray:
    """Procgen's action ids to the distinct ones of CoinRun, as places in BUTTON_NAMES, of the same shape."""
    table = np.array([BUTTON_NAMES.index(BUTTONS.get(action, "stay")) for action in range(PROCGEN_ACTIONS)])
    known = (true_actions >= 0) & (true_actions < PROCGEN_ACTIONS)  # a stranger's recording may hold any
    return table[np.where(known, true_actions, NO_BUTTON)]


def level_range(text: str) -> tuple[int, int]:
    """`A:B` as two numbers; ConfigError for anything else."""
    first, _, end = text.partition(":")
    fits = first.isdecimal() and end.isdecimal() and int(first) < int(end)
    require(fits, f"{text!r} is not A:B with A < B, as in 0:10000")
    return int(first), int(end)


def name_actions(motions: ActionMotions) -> tuple[Action, ...]:
    """Actions with names, keys, motions and evidence from what each code does, in CoinRun's own words."""
    return name_by_motion(motions, MOVES)
