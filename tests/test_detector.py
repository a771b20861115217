"""The detector of CoinRun's player, on real frames of levels it was not fitted on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genie_core.data import VideoDataset
from genie_core.games import find
from genie_core.games.coinrun.detector import COLUMNS, ROWS, SIDE, middle, player_found
from genie_core.games.coinrun.fit_detector import paint_out

CLIPS = Path(__file__).parent / "data" / "coinrun-easy-test"


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """uint8 (720, 64, 64, 3), all of which show the player."""
    dataset = VideoDataset(CLIPS)
    return np.concatenate([dataset.clip(int(first), int(length)) for first, length, _ in dataset.episodes])


def test_the_player_is_found_in_real_frames(frames: np.ndarray) -> None:
    assert player_found(frames).mean() >= 0.98
    assert player_found(frames.reshape(60, 12, 64, 64, 3)).shape == (60, 12)


@pytest.mark.parametrize("across", [-1, 1])
def test_it_is_not_found_where_scenery_covers_it(frames: np.ndarray, across: int) -> None:
    painted = paint_out(frames, across)
    outside = np.ones((64, 64), bool)
    outside[ROWS, COLUMNS] = False
    assert (painted[:, outside] == frames[:, outside]).all() and (painted != frames).any((1, 2, 3)).all()
    assert player_found(painted).mean() <= 0.02


def test_it_is_not_found_where_it_was_removed_by_somebody_elses_method(frames: np.ndarray) -> None:
    restoration = pytest.importorskip("skimage.restoration", reason="scikit-image is only in tests/requirements.txt")
    mask = np.zeros((64, 64), bool)
    mask[ROWS, COLUMNS] = True
    removed = [restoration.inpaint_biharmonic(frame, mask, channel_axis=-1) for frame in frames[::6]]
    assert player_found((255 * np.clip(removed, 0, 1)).round().astype(np.uint8)).mean() <= 0.02


def test_a_smear_is_no_player(frames: np.ndarray) -> None:
    """Its mean over 9x9 pixels, in an otherwise sharp picture."""
    smeared = frames[::4].copy()
    shifts = [np.roll(frames[::4], (y, x), (1, 2))[:, ROWS, COLUMNS] for y in range(-4, 5) for x in range(-4, 5)]
    smeared[:, ROWS, COLUMNS] = np.mean(shifts, axis=0)
    assert player_found(smeared).mean() <= 0.02


def test_it_is_looked_for_where_the_camera_keeps_it(frames: np.ndarray) -> None:
    assert player_found(np.roll(frames, 14, axis=2)).mean() <= 0.02, "elsewhere it is not this player"
    assert player_found(np.full((3, 64, 64, 3), 90, np.uint8)).tolist() == [False] * 3
    outside = frames.copy()
    outside[:, : (64 - SIDE) // 2] = 0
    assert (player_found(outside) == player_found(frames)).all()


def test_a_little_blur_and_noise_do_not_hide_it(frames: np.ndarray) -> None:
    """As a tokenizer of 30 dB shows it."""
    near = np.mean([np.roll(frames.astype(float), (y, x), (1, 2)) for y, x in ((0, 0), (0, 0), (0, 1), (1, 0))], axis=0)
    noise = np.random.default_rng(0).normal(0, 5, frames.shape)
    assert player_found(np.clip(near + noise, 0, 255).astype(np.uint8)).mean() >= 0.95


def test_in_frames_of_another_size_the_game_tells_nothing(frames: np.ndarray) -> None:
    coinrun = find("coinrun")
    assert coinrun.player_found(frames[:2, 8:]) is None
    assert (coinrun.player_found(frames[:2]) == player_found(frames[:2])).all()  # type: ignore[union-attr]


def test_the_middle_of_a_frame() -> None:
    frame = np.arange(64 * 64 * 3).reshape(64, 64, 3)
    np.testing.assert_array_equal(middle(frame[None]), frame[None, 22:42, 22:42])
    np.testing.assert_array_equal(middle(frame, 24), frame[20:44, 20:44])
