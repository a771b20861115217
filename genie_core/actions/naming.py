"""Measures what a world's latent actions do. No labels are used.

Each code is held for some steps from many prompts. The game names the codes after how far the player gets, or, where
a game tells no motion, after how far the pictures say that something gets.
"""

from __future__ import annotations

import numpy as np

from genie_core.actions.motion import Motion, picture_motion, player_motion
from genie_core.games import ActionMotions, Game, Play

MOST_HELD = 8  # steps


def held_steps(fps: float) -> int:
    """For how many steps an action is held to see what it does: half a second of play, from 2 to MOST_HELD.

    In a slow game of boards a step goes a whole field, and eight of them end at the edge whatever was asked.
    """
    return min(max(round(fps / 2), 2), MOST_HELD)


def measure_actions(game: Game, play: Play, prompts: np.ndarray, codes: int, hold: int = MOST_HELD) -> ActionMotions:
    """Holds each of `codes` actions for `hold` steps from each of uint8 `prompts` (prompts, H, W, 3).

    `play` maps prompts (b, H, W, 3) and actions (b, t) to frames (b, t+1, H, W, 3), as `rollout` of a world does.
    """
    held = (play(prompts, np.full((len(prompts), hold), code)) for code in range(codes))
    if game.tells_motion:
        steps = np.stack([np.asarray(game.motion(frames)) for frames in held], axis=1)
    else:  # one camera for all codes: how they differ says which kind it is
        parts = zip(*map(picture_motion, held), strict=True)
        steps = player_motion(Motion(*(np.stack(part, axis=1) for part in parts)))
    return ActionMotions(_mean_of_told(steps), prompts.shape[-2])


def _mean_of_told(steps: np.ndarray) -> np.ndarray:
    """The mean over steps of (prompts, codes, steps, 2): (prompts, codes, 2), NaN if fewer than half of them tell."""
    told = ~np.isnan(steps[..., 0])
    mean = np.where(told[..., None], steps, 0).sum(2) / np.maximum(told.sum(2), 1)[..., None]
    return np.where((told.mean(2) >= 0.5)[..., None], mean, np.nan)
