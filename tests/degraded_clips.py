"""Real CoinRun clips, ways to make them worse that a distance should see, and a pickle that would run code."""

from __future__ import annotations

from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"


def real_clips() -> np.ndarray:
    """uint8 (60, 12, 64, 64, 3), each of another level."""
    return np.load(DATA / "coinrun-easy-test/frames-00000.npz")["frames"].reshape(60, 12, 64, 64, 3)


def blurred(clips: np.ndarray, times: int) -> np.ndarray:
    """Each time the mean of 3x3 pixels."""
    pixels = clips.astype(np.float64)
    for axis in (2, 3) * times:
        pixels = (np.roll(pixels, 1, axis) + pixels + np.roll(pixels, -1, axis)) / 3
    return pixels.round().astype(np.uint8)


def noisy(clips: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, clips.shape)
    return np.clip(clips + noise, 0, 255).astype(np.uint8)


def in_order(clips: np.ndarray, *order: int) -> np.ndarray:
    return clips[:, list(order)]


class Malicious:
    """Makes the file it is given when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple:
        return Path.touch, (self.file,)
