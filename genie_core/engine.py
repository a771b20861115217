"""WorldEngine: one playthrough of a world, a frame at a time. All state of play lives here.

It knows tokens, caches and seeds; it does not know keys, windows or training.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genie_core.config import SamplingConfig
from genie_core.errors import ConfigError
from genie_core.models.dynamics import Past
from genie_core.models.tokenizer import DecoderPast
from genie_core.pictures import fit
from genie_core.pixels import to_frames
from genie_core.sampling import unmask
from genie_core.world import World


class Moment(NamedTuple):
    """The whole state of b playthroughs after a step; nothing in it is ever changed in place."""

    frames: Tensor  # uint8 (b, H, W, 3)
    tokens: Tensor  # (b, h, w)
    past: Past
    decoder_past: DecoderPast


@torch.inference_mode()
def begin(world: World, prompts: Tensor) -> Moment:
    """Starts b playthroughs, each from one of uint8 `prompts` (b, H, W, 3) of the world's frame size."""
    tokens = world.encode(prompts[:, None])[:, 0]
    return _moment(world, tokens, world.dynamics.remember(tokens, None, None), None)


@torch.inference_mode()
def advance(world: World, now: Moment, actions: Tensor, sampling: SamplingConfig, generator: torch.Generator) -> Moment:
    """The moment after `now` under latent `actions` (b,).

    The past is final, so the dynamics runs on the new frame's tokens alone, against cached keys and values of earlier
    frames: once for each unmasking pass, and once more to remember the result.
    """
    dynamics = world.dynamics
    blank = torch.full_like(now.tokens, dynamics.config.mask_id)
    tokens = unmask(lambda draft: dynamics.predict(draft, actions, now.past), blank, sampling, generator)
    return _moment(world, tokens, dynamics.remember(tokens, actions, now.past), now.decoder_past)


def _moment(world: World, tokens: Tensor, past: Past, decoder_past: DecoderPast | None) -> Moment:
    pixels, decoder_past = world.tokenizer.decode_next(tokens[:, None], decoder_past)
    return Moment(to_frames(pixels)[:, 0], tokens, past, decoder_past)


class WorldEngine:
    """Plays `world`: one dear `reset`, then many cheap `step`s, each one frame."""

    def __init__(self, world: World, seed: int = 0, sampling: SamplingConfig | None = None) -> None:
        self.world = world
        self.seed = seed
        self.sampling = sampling or world.config.sampling
        self.steps = 0  # since reset
        self._now: Moment | None = None
        self._generator = torch.Generator(world.device)

    def reset(self, image: np.ndarray) -> np.ndarray:
        """Starts from `image`, uint8 (any height, any width, 3); returns it as the world sees it, uint8 (H, W, 3)."""
        prompt = torch.from_numpy(fit(image, self.world.config.frame_size))
        self._generator.manual_seed(self.seed)
        self._now = begin(self.world, prompt[None])
        self.steps = 0
        return self._frame(self._now)

    def step(self, action: int) -> np.ndarray:
        """Goes on by one frame under latent action `action`; returns it, uint8 (H, W, 3)."""
        if self._now is None:
            raise RuntimeError("step() before reset(image): there is no picture to go on from")
        if not 0 <= action < len(self.world.config.actions):
            raise ConfigError(f"action {action} is not one of 0..{len(self.world.config.actions) - 1}")
        actions = torch.tensor([action], device=self.world.device)
        self._now = advance(self.world, self._now, actions, self.sampling, self._generator)
        self.steps += 1
        return self._frame(self._now)

    @staticmethod
    def _frame(moment: Moment) -> np.ndarray:
        return moment.frames[0].cpu().numpy()
