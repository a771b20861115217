"""The form of a runtime: arrays in, arrays out, no memory of playthroughs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

import numpy as np

from genie_core.config import WorldConfig
from genie_core.state import Encoded, StepInputs, Stepped

RUNTIMES = ("torch", "onnx")
SHARED_FROM = 8  # players whose step is worth sharing between threads


class Runtime(Protocol):
    """Runs the graphs of one world. `name` is one of `RUNTIMES`."""

    name: str

    def encode(self, frames: np.ndarray) -> Encoded[np.ndarray]:
        """uint8 frames (b, t, H, W, 3)."""
        ...

    def step(self, inputs: StepInputs[np.ndarray]) -> Stepped[np.ndarray]:
        """In as many passes as `inputs.uniform` brings noise for. Raises ConfigError if it cannot take that many."""
        ...

    def is_ready(self, passes: int) -> bool:
        """Whether a step in so many passes can begin at once."""
        ...

    def make_ready(self, passes: int) -> None:
        """Make what such a step needs, from any thread, in seconds. Raises ConfigError if it cannot be made."""
        ...


Encoder = Callable[[dict[str, np.ndarray]], Encoded[np.ndarray]]
"""Runs the graph of a prompt, of inputs by their names in `encode_inputs`."""


def encode_prompt(config: WorldConfig, frames: np.ndarray, encode: Encoder) -> Encoded[np.ndarray]:
    """uint8 frames (b, t, H, W, 3) by `encode`: at once, or one after another, each after what was seen before it."""
    if not config.tokenizer.reference:
        return encode({"frames": frames})
    grids, picture = [np.zeros((len(frames), config.dynamics.tokens), np.int32)], frames[:, 0]
    for index in range(1, frames.shape[1]):
        encoded = encode({"reference": picture, "frame": np.ascontiguousarray(frames[:, index])})
        grids.append(encoded.tokens)
        picture = encoded.picture
    return Encoded(np.stack(grids, 1), frames[:, 0].copy(), ())


def asked_threads() -> int | None:
    """What OMP_NUM_THREADS says; None if it says nothing that makes sense."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(asked) if asked.isdecimal() and int(asked) else None
