"""Many rollouts at once: what the engine plays for one player, for a batch of prompts and action sequences."""

from __future__ import annotations

import numpy as np
import torch

from genie_core.engine import advance, begin
from genie_core.world import World


def rollout(world: World, prompts: np.ndarray, actions: np.ndarray, seed: int = 0) -> np.ndarray:
    """Plays `actions` int (b, t) from uint8 `prompts` (b, H, W, 3), at the world's own sampling settings.

    Returns uint8 (b, t+1, H, W, 3), of which the first frame is the prompt as the world sees it.
    """
    generator = torch.Generator(world.device).manual_seed(seed)
    now = begin(world, torch.from_numpy(prompts))
    frames = [now.frames]
    for column in torch.from_numpy(np.ascontiguousarray(actions.T)).long().to(world.device):
        now = advance(world, now, column, world.config.sampling, generator)
        frames.append(now.frames)
    return torch.stack(frames, 1).cpu().numpy()
