"""The step as torch runs it, where the world's networks are: on a GPU or, without ONNX Runtime, on the CPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genie_core.models.reference_tokenizer import ReferenceTokenizer
from genie_core.runtimes.base import SHARED_FROM, encode_prompt
from genie_core.state import Encoded, StepInputs, Stepped
from genie_core.step import Encode, EncodeNext, Step
from genie_core.world import World


@contextmanager
def threads_for(players: int) -> Iterator[None]:
    """Use one thread for a step: its products are too small to share unless there are many players.

    A second thread made a step no faster on a core of its own, and four times slower beside another busy process. If
    OMP_NUM_THREADS is set, it decides instead.
    """
    usual = torch.get_num_threads()
    if "OMP_NUM_THREADS" in os.environ or players >= SHARED_FROM:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


class TorchRuntime:
    """Runs the networks of `world` as they are now: weights that change later change play."""

    name = "torch"

    def __init__(self, world: World) -> None:
        self._world = world

    def encode(self, frames: np.ndarray) -> Encoded[np.ndarray]:
        """uint8 frames (b, t, H, W, 3)."""
        return encode_prompt(self._world.config, frames, self._encode)

    @torch.inference_mode()
    def _encode(self, inputs: dict[str, np.ndarray]) -> Encoded[np.ndarray]:
        tokenizer, values = self._world.tokenizer, [*map(self._there, inputs.values())]
        network = EncodeNext(tokenizer) if isinstance(tokenizer, ReferenceTokenizer) else Encode(tokenizer)
        with threads_for(len(values[0])):
            encoded: Encoded[Tensor] = network(*values)
        return Encoded(*map(_here, encoded))

    @torch.inference_mode()
    def step(self, inputs: StepInputs[np.ndarray]) -> Stepped[np.ndarray]:
        """In as many passes as `inputs.uniform` brings noise for."""
        step = Step(self._world.dynamics, self._world.tokenizer, inputs.uniform.shape[1])
        with threads_for(len(inputs.last)):
            stepped = step(*map(self._there, inputs))
        return Stepped(*map(_here, stepped))

    def is_ready(self, passes: int) -> bool:
        return True

    def make_ready(self, passes: int) -> None: ...

    def _there(self, array: Any) -> Any:
        """An array, or several, as tensors."""
        if isinstance(array, tuple):
            return tuple(map(self._there, array))
        return torch.from_numpy(array).to(self._world.device)


def _here(tensor: Any) -> Any:
    """A tensor, or several, as arrays."""
    return tuple(map(_here, tensor)) if isinstance(tensor, tuple) else tensor.contiguous().cpu().numpy()
