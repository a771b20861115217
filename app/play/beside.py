"""The real game under the same keys beside a playthrough, from the same start, and where the two part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from genie_core.pictures import fit
from genie_core.pixels import psnr

if TYPE_CHECKING:
    from app.play.timeline import Timeline
    from genie_core.games.base import RealGame

PARTED_DB = 18.0  # PSNR of the world's frame against the real one; of two frames of one level it is 10 to 15
GAP = 2  # pixels between two frames side by side


class Beside:
    """`game` follows a session: whatever frame is shown, the real game was played by the actions that led there."""

    def __init__(self, game: RealGame, buttons: Sequence[int], size: tuple[int, int]) -> None:
        """`buttons` has that of the real game for each latent action of the world, whose frames are of `size`."""
        self._game, self._buttons, self._size = game, buttons, size
        self.name = game.name
        self._played: list[int] = []  # latent actions
        self._frames = [fit(game.begin(), size)]  # before each and after the last of them, until the real game ends
        self._alike = [math.inf]  # dB of the world's frame against the real one
        self._at = 0

    @property
    def start(self) -> np.ndarray:
        """The real game's first frame, uint8 (H, W, 3)."""
        return self._frames[0]

    @property
    def frame(self) -> np.ndarray:
        """The real frame, or the last one before the real game ended, uint8 (H, W, 3)."""
        return self._frames[min(self._at, len(self._frames) - 1)]

    @property
    def ended(self) -> bool:
        """Whether the real game ended before the frame shown."""
        return self._at >= len(self._frames)

    @property
    def parted(self) -> int | None:
        """The step since which the world and the real game differ; None while they are alike."""
        alike = self._alike[: self._at + 1]
        since = next((step for step in range(len(alike), 0, -1) if alike[step - 1] >= PARTED_DB), 0)
        return since if since < len(alike) else None

    def follow(self, timeline: Timeline) -> None:
        """Catches up with the frame that `timeline` shows."""
        taken = timeline.taken
        same = next((i for i, (one, other) in enumerate(zip(taken, self._played, strict=False)) if one != other), None)
        known = min(len(taken), len(self._played)) if same is None else same
        if known < len(taken):
            self._go_to(known)
            for step, action in enumerate(taken[known:], known + 1):
                self._step(action, timeline.picture_of(timeline.line, step))
        self._at = len(taken)

    def told(self) -> str:
        """Where the two stand, in a few words."""
        if self.ended:
            return f"the real game ended at step {len(self._frames) - 1}"
        return "alike" if self.parted is None else f"apart since step {self.parted}"

    def _go_to(self, step: int) -> None:
        """Puts the real game at a step that it has been at; what came after is forgotten."""
        if step < len(self._played):
            self._game.begin()
            for action in self._played[:step]:
                self._game.step(self._buttons[action])
            del self._played[step:], self._frames[step + 1 :], self._alike[step + 1 :]

    def _step(self, action: int, world: np.ndarray) -> None:
        frame = self._game.step(self._buttons[action]) if len(self._frames) > len(self._played) else None
        self._played.append(action)
        if frame is not None:
            self._frames.append(fit(frame, self._size))
            self._alike.append(float(psnr(self._frames[-1], world)))


def side_by_side(frame: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Two uint8 frames (H, W, 3) as one, (H, 2 W + GAP, 3)."""
    return np.concatenate([frame, np.zeros((len(frame), GAP, 3), np.uint8), real], axis=1)
