"""The form of a runtime: arrays in, arrays out, no memory of playthroughs."""

from __future__ import annotations

import os
from typing import Protocol

import numpy as np

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


def asked_threads() -> int | None:
    """What OMP_NUM_THREADS says; None if it says nothing that makes sense."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(asked) if asked.isdecimal() and int(asked) else None
