"""The motion estimate finds known shifts, whatever the player does, and sees what was really played."""

from pathlib import Path

import numpy as np
import pytest

from genie_core.data import VideoDataset
from genie_core.games.coinrun.camera import around_player, player_motion, scenery_shift

CLIPS = Path(__file__).parent / "data" / "coinrun-easy-test"
MARGIN = 8


@pytest.fixture(scope="module")
def sceneries() -> np.ndarray:
    """Real pictures enlarged by a margin to move the camera in: uint8 (n, 80, 80, 3)."""
    dataset = VideoDataset(CLIPS)
    frames = np.stack([dataset.clip(int(first), 1)[0] for first in dataset.episodes[:, 0]])
    return np.pad(frames, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="reflect")


def seen(sceneries: np.ndarray, dx: int, dy: int) -> np.ndarray:
    """What a camera sees after the scenery moved by (dx, dy)."""
    return sceneries[:, MARGIN - dy : MARGIN - dy + 64, MARGIN - dx : MARGIN - dx + 64]


@pytest.mark.parametrize("shift", [(0, 0), (-2, 0), (3, 0), (0, 7), (0, -5), (2, -3)])
def test_a_known_shift_is_found(sceneries: np.ndarray, shift: tuple[int, int]) -> None:
    found = scenery_shift(seen(sceneries, 0, 0), seen(sceneries, *shift))
    assert np.abs(found - shift).max() < 0.3


def test_half_pixels_are_found(sceneries: np.ndarray) -> None:
    before, after = (seen(sceneries, dx, 0).astype(np.float32) for dx in (0, 1))
    found = scenery_shift(before.astype(np.uint8), ((before + after) / 2).astype(np.uint8))
    assert np.abs(found.mean(axis=0) - (0.5, 0)).max() < 0.15


def test_noise_and_the_player_do_not_matter(sceneries: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    before, after = seen(sceneries, 0, 0), seen(sceneries, -2, 1).copy()
    after[:, 27:37, 28:36] = rng.integers(0, 256, after[:, 27:37, 28:36].shape)
    noisy = np.clip(after + rng.normal(0, 8, after.shape), 0, 255).astype(np.uint8)
    assert np.abs(np.median(scenery_shift(before, noisy) - (-2, 1), axis=0)).max() < 0.2


def test_any_leading_axes_and_frame_sizes(sceneries: np.ndarray) -> None:
    frames = np.stack([seen(sceneries[:6], -x, 0) for x in range(3)], axis=1)  # (6, 3, 64, 64, 3)
    motion = player_motion(frames)
    assert motion.shape == (6, 2, 2)
    assert np.abs(motion - (1, 0)).max() < 0.3
    dx, dy = scenery_shift(frames[0, 0], frames[0, 1])
    assert (round(dx), round(dy)) == (-1, 0)
    doubled = frames.repeat(2, axis=2).repeat(2, axis=3)
    assert np.abs(player_motion(doubled) - (2, 0)).max() < 0.6


def test_frames_need_not_be_square(sceneries: np.ndarray) -> None:
    """Wide or high, the shift is looked for in shares of each side, and the middle is left out."""
    for rows, columns in ((slice(8, 56), slice(None)), (slice(None), slice(12, 52))):
        before, after = seen(sceneries, 0, 0)[:, rows, columns], seen(sceneries, -2, 3)[:, rows, columns]
        assert np.abs(np.median(scenery_shift(before, after) - (-2, 3), axis=0)).max() < 0.2
        height, width = before.shape[1:3]
        assert around_player(before).shape == (len(before), 2 * int(3 / 16 * height), 2 * int(3 / 16 * width), 3)


def test_a_jump_rises_and_falls() -> None:
    """After UP the player leaves the ground at several pixels a step; somewhere in a clip it falls again."""
    dataset = VideoDataset(CLIPS)
    rising = []
    for first, length, _ in dataset.episodes:
        up = dataset.true_actions(int(first), int(length)) == 5
        rising += list(player_motion(dataset.clip(int(first), int(length)))[up, 1])
    assert len(rising) > 20
    assert np.mean(rising) < -2
    assert min(rising) < -5
