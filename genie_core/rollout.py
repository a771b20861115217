"""Many rollouts at once: a player of the engine for each prompt and its action sequence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange

from genie_core.engine import WorldEngine
from genie_core.models.dynamics import Prediction
from genie_core.models.tokenizer import Coded
from genie_core.noise import uniform
from genie_core.pixels import to_frames, to_model
from genie_core.sampling import reveal
from genie_core.world import World

TOGETHER = 32  # players stepped as one batch; more are no faster on two cores


def rollout(world: World, prompts: np.ndarray, actions: np.ndarray, seed: int = 0) -> np.ndarray:
    """Plays `actions` int (b, t) from uint8 `prompts` (b, H, W, 3), at the world's own sampling settings.

    Prompts may be clips (b, k, H, W, 3); the first k-1 actions are then those inside them. Returns uint8
    (b, t+1, H, W, 3), of which the first k frames are the prompt as the world sees it.
    """
    clips = prompts if prompts.ndim == 5 else prompts[:, None]
    engine = WorldEngine(world, players=len(clips), seed=seed, runtime="torch")
    inside = clips.shape[1] - 1
    shown = start(engine, clips, actions[:, :inside])
    seen = world.code(torch.from_numpy(clips))[1].cpu().numpy()
    seen[:, -1] = shown
    return np.concatenate([seen, play_on(engine, actions[:, inside:])], axis=1)


def start(engine: WorldEngine, clips: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Starts each player of `engine` from its clip, uint8 (b, k, H, W, 3), of `actions` int (b, k-1).

    Returns the last of each clip's frames as the world sees it, uint8 (b, H, W, 3).
    """
    return np.stack([engine.reset(clip, player, actions=actions[player]) for player, clip in enumerate(clips)])


def play_on(engine: WorldEngine, actions: np.ndarray) -> np.ndarray:
    """Steps all players by `actions` int (b, t): uint8 frames (b, t, H, W, 3)."""
    frames = np.empty((*actions.shape, *engine.world.config.frame_size, 3), np.uint8)
    for step, column in enumerate(actions.T):
        now = engine.step({player: int(action) for player, action in enumerate(column)})
        frames[:, step] = np.stack(list(now.values()))
    return frames


class Drawn(NamedTuple):
    """The `true` clip, coded, and the tokens int32 (b, t, h, w) `drawn` of each frame from the true frames before it,
    with the `doubt` float32 (b, t) of drawing. Of frame 0 only the true ones mean something."""

    true: Coded
    drawn: torch.Tensor
    doubt: torch.Tensor


@torch.inference_mode()
def drawn_from_truth(world: World, clips: np.ndarray, actions: np.ndarray, seed: int = 0) -> Drawn:
    """Draws each frame of uint8 `clips` (b, t, H, W, 3) under `actions` int (b, t-1) from the true frames before it, at
    the world's own sampling settings."""
    pixels = to_model(torch.from_numpy(clips).to(world.device))
    coded, taken = world.tokenizer.code(pixels), torch.from_numpy(actions).to(world.device)
    tokens, seen = coded.tokens, world.tokenizer.features(coded.pixels)
    b, t, h, w = tokens.shape
    blank = torch.full((b * t, h * w), world.dynamics.config.mask_id, device=world.device)

    def predict(draft: torch.Tensor) -> Prediction:
        grids = rearrange(draft, "(b t) (h w) -> b t h w", b=b, h=h)
        return world.dynamics(tokens, grids, taken, seen).as_batch()

    drawn, doubt = reveal(predict, blank, world.dynamics.config.mask_id, *noise_of(world, seed, b, t))
    drawn = rearrange(drawn, "(b t) (h w) -> b t h w", b=b, h=h)
    return Drawn(coded, drawn, rearrange(doubt, "(b t) -> b t", b=b))


@torch.inference_mode()
def teacher_forced(world: World, clips: np.ndarray, actions: np.ndarray, seed: int = 0) -> np.ndarray:
    """Each next frame of uint8 `clips` (b, t, H, W, 3) under `actions` int (b, t-1), predicted from the true ones.

    Returns uint8 (b, t-1, H, W, 3), at the world's own sampling settings.
    """
    true, drawn, _ = drawn_from_truth(world, clips, actions, seed)
    frames: np.ndarray = to_frames(world.tokenizer.decode_each(true, drawn)).cpu().numpy()
    return frames


def noise_of(world: World, seed: int, clips: int, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The noise of each frame of clips that share a seed, (clips * frames, passes, …), and its weight."""
    sampling, c = world.config.sampling, world.config.dynamics
    sides = (c.tokens, c.factor_vocabulary) if sampling.temperature else (1, 1)
    shape = (sampling.unmask_steps, sides[0], c.token_factors, sides[1])
    one = np.stack([uniform(seed, index, shape) for index in range(frames)])
    temperature = torch.full((clips * frames,), sampling.temperature, device=world.device)
    return torch.from_numpy(one).to(world.device).repeat(clips, 1, 1, 1, 1), temperature
