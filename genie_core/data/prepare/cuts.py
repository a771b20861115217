"""Scene cuts: where the next frame is of something else.

Source: FFmpeg's scdet filter finds candidates by how much two frames differ and how much more than the two before. A
fast game makes such frames all the time, so a candidate counts as a cut only if motion cannot explain it: if few blocks
of the new frame are found anywhere near their place in the one before. PySceneDetect was weighed: it has no such test,
and brings OpenCV, which needs numpy 2.
"""

from __future__ import annotations

import numpy as np

SCORE = 8.0  # percent of full scale, as scdet counts
SMALL = 32  # pixels of the shorter side of the frames that are compared by blocks
BLOCK = 8  # pixels
REACH = 10  # pixels along each axis that a block may have moved
UNEXPLAINED = 0.5  # of the new frame's contrast, on average over its blocks


class CutFinder:
    """Looks at frames one after the other, uint8 (H, W, 3) of one size."""

    def __init__(self) -> None:
        self._before: np.ndarray | None = None
        self._change = 0.0

    def forget(self) -> None:
        """Begins anew."""
        self._before = None

    def is_cut(self, frame: np.ndarray) -> bool:
        """Whether a cut lies between the frame before and this one."""
        before, self._before = self._before, frame
        if before is None:
            return False
        difference = np.maximum(before, frame) - np.minimum(before, frame)
        change = float(difference.mean(dtype=np.float32)) / 2.55
        score, self._change = min(change, abs(change - self._change)), change
        return score >= SCORE and unexplained(before, frame) > UNEXPLAINED


def unexplained(before: np.ndarray, frame: np.ndarray) -> float:
    """What of `frame` no motion of `before` explains, as a share of its contrast: near 0 for motion, 1 for a cut."""
    old, new = _small(before), _small(frame)
    height, width = (side // BLOCK * BLOCK for side in new.shape)
    new = new[:height, :width]
    padded = np.pad(old, REACH, mode="edge")
    best = np.full((height // BLOCK, width // BLOCK), np.inf, np.float32)
    for down in range(2 * REACH + 1):
        for right in range(2 * REACH + 1):
            moved = padded[down : down + height, right : right + width]
            np.minimum(best, _by_block(np.abs(moved - new)), out=best)
    contrast = _by_block(np.abs(new - new.mean()))
    return float(best.sum() / max(contrast.sum(), 1.0))


def _small(frame: np.ndarray) -> np.ndarray:
    """Grey float32 (h, w), the shorter side about `SMALL`, never less than a block."""
    step = max(1, round(min(frame.shape[:2]) / SMALL))
    grey = frame.mean(-1, dtype=np.float32)
    height, width = (side // step * step for side in grey.shape)
    small = grey[:height, :width].reshape(height // step, step, width // step, step).mean((1, 3))
    missing = [(0, max(0, BLOCK - side)) for side in small.shape]
    return np.pad(small, missing, mode="edge")


def _by_block(values: np.ndarray) -> np.ndarray:
    height, width = values.shape
    return values.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).mean((1, 3))
