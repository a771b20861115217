"""Many rollouts at once: a player of the engine for each prompt and its action sequence."""

from __future__ import annotations

import numpy as np

from genie_core.engine import WorldEngine
from genie_core.world import World


def rollout(world: World, prompts: np.ndarray, actions: np.ndarray, seed: int = 0) -> np.ndarray:
    """Plays `actions` int (b, t) from uint8 `prompts` (b, H, W, 3), at the world's own sampling settings.

    Returns uint8 (b, t+1, H, W, 3), of which the first frame is the prompt as the world sees it.
    """
    engine = WorldEngine(world, players=len(prompts), seed=seed)
    frames = [[engine.reset(prompt, player) for player, prompt in enumerate(prompts)]]
    for column in actions.T:
        now = engine.step({player: int(action) for player, action in enumerate(column)})
        frames.append(list(now.values()))
    return np.array(frames).swapaxes(0, 1)
