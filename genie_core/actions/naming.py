"""Measures what a world's latent actions do. No labels are used.

Each code is held for some steps from many prompts. The game names the codes after how far the player gets.
"""

from __future__ import annotations

import numpy as np

from genie_core.games import ActionMotions, Game, Play

HOLD = 8


def measure_actions(game: Game, play: Play, prompts: np.ndarray, codes: int, hold: int = HOLD) -> ActionMotions | None:
    """Holds each of `codes` actions for `hold` steps from each of uint8 `prompts` (prompts, H, W, 3).

    `play` maps prompts (b, H, W, 3) and actions (b, t) to frames (b, t+1, H, W, 3), as `rollout` of a world does.
    None for a game that tells no motion; `game.name_actions` takes that too.
    """
    if not game.tells_motion:
        return None
    held = (game.motion(play(prompts, np.full((len(prompts), hold), code))) for code in range(codes))
    return ActionMotions(np.stack([np.asarray(motion).mean(axis=1) for motion in held], axis=1), prompts.shape[-2])
