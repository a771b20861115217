"""What a session file holds, as a value. It lies below the session, which opens one, and the file, which reads one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from genie_core.config import SamplingConfig


@dataclass(frozen=True, eq=False)
class SavedSession:
    """A playthrough, checked against its world: `tokens` int32 (t, h, w), `actions` uint8 (t-1,), `prompt` uint8
    (H, W, 3). `at` is the frame that was shown, 0..t-1; `fps` is its pace in frames a second."""

    tokens: np.ndarray
    actions: np.ndarray
    prompt: np.ndarray
    seed: int
    at: int
    fps: float
    sampling: SamplingConfig
