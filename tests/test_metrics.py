"""Picture metrics against scikit-image, and the properties that their names promise."""

import math

import numpy as np
import pytest
import torch

from genie_core.evaluation.metrics import (
    changed_pixel_psnr,
    mean_ci95,
    palette_distance,
    psnr,
    share_ci95,
    share_difference_ci95,
    sharpness,
    ssim,
)


@pytest.fixture
def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Smooth pictures and noisy copies, ever noisier: uint8 (2, 3, 48, 64, 3) twice."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:48, :64]
    phase = rng.uniform(0, 6, (2, 3, 1, 1, 3))
    truth = 128 + 90 * np.sin(0.2 * x[..., None] + phase) * np.cos(0.15 * y[..., None] + phase)
    noise = rng.normal(size=truth.shape) * np.array([2.0, 8.0, 25.0])[:, None, None, None]
    return truth.astype(np.uint8), np.clip(truth + noise, 0, 255).astype(np.uint8)


def test_psnr_and_ssim_agree_with_scikit_image(pictures: tuple[np.ndarray, np.ndarray]) -> None:
    reference = pytest.importorskip("skimage.metrics", reason="scikit-image is only in tests/requirements.txt")
    truth, prediction = pictures
    ours_psnr, ours_ssim = psnr(truth, prediction), ssim(truth, prediction)
    assert ours_psnr.shape == ours_ssim.shape == (2, 3)
    for index in np.ndindex(2, 3):
        a, b = truth[index], prediction[index]
        assert ours_psnr[index] == pytest.approx(reference.peak_signal_noise_ratio(a, b, data_range=255), abs=1e-9)
        expected = reference.structural_similarity(
            a, b, channel_axis=-1, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert ours_ssim[index] == pytest.approx(expected, abs=1e-9)


def test_psnr_and_ssim_agree_with_torchmetrics(pictures: tuple[np.ndarray, np.ndarray]) -> None:
    """Whose SSIM also counts windows that are mirrored at the border: those are cut off before its mean is taken."""
    functional = pytest.importorskip("torchmetrics.functional.image")
    truth, prediction = (torch.from_numpy(frames).double().flatten(0, 1).movedim(-1, 1) for frames in pictures)
    theirs_psnr = functional.peak_signal_noise_ratio(prediction, truth, 255.0, reduction="none", dim=(1, 2, 3))
    np.testing.assert_allclose(psnr(*pictures).ravel(), theirs_psnr, atol=1e-6)
    _, maps = functional.structural_similarity_index_measure(
        prediction, truth, sigma=1.5, data_range=255.0, return_full_image=True
    )
    np.testing.assert_allclose(ssim(*pictures).ravel(), maps[..., 5:-5, 5:-5].mean((1, 2, 3)), atol=1e-6)


def test_equal_frames_reach_the_cap(pictures: tuple[np.ndarray, np.ndarray]) -> None:
    truth, _ = pictures
    assert (psnr(truth, truth) == 60).all()
    np.testing.assert_allclose(ssim(truth, truth), 1, atol=1e-5)


def test_changed_pixels_unmask_a_repeated_prompt() -> None:
    prompt = np.full((16, 16, 3), 100, np.uint8)
    truth = np.stack([prompt, prompt, prompt])
    truth[1:, :4, :4] = 200
    prediction = truth.copy()
    prediction[1, :4, :4] = 100  # repeats the prompt
    prediction[2, 8:, 8:] = 0  # right where it changed, wrong elsewhere
    values = changed_pixel_psnr(truth, prediction, prompt)
    assert math.isnan(values[0])
    assert values[1] == pytest.approx(10 * math.log10(255**2 / 100**2))
    assert values[2] == 60
    batched = changed_pixel_psnr(truth[None], prediction[None], prompt[None, None])
    np.testing.assert_array_equal(batched[0], values)


def test_blur_lowers_sharpness(pictures: tuple[np.ndarray, np.ndarray]) -> None:
    _, sharp = pictures
    blurred = ((sharp.astype(int) + np.roll(sharp, 1, axis=-2) + np.roll(sharp, 1, axis=-3)) // 3).astype(np.uint8)
    assert (sharpness(blurred) < sharpness(sharp)).all()
    assert sharpness(np.full((8, 8, 3), 77, np.uint8)) == 0


def test_mean_ci95() -> None:
    mean, ci95, n = mean_ci95(np.array([1.0, 2.0, 3.0, np.nan]))
    assert (mean, n) == (2.0, 3)
    assert ci95 == pytest.approx(1.96 / math.sqrt(3))
    assert mean_ci95(np.array([5.0])) == (5.0, None, 1)
    assert mean_ci95(np.array([np.nan])) == (None, None, 0)


def test_ci95_covers_the_true_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    intervals = [mean_ci95(sample) for sample in rng.normal(3, 2, (2000, 50))]
    covered = np.mean([abs(i.mean - 3) <= i.ci95 for i in intervals])  # type: ignore[operator]
    assert 0.925 < covered < 0.965


@pytest.mark.parametrize(("so", "of"), [(0, 8), (8, 8), (1, 8), (5, 8), (63, 64), (1, 1), (30, 64)])
def test_the_interval_of_a_share_is_wilsons(so: int, of: int) -> None:
    """Its ends are where the normal test with the variance of that end is just passed; the farther one is told."""
    mean, ci95, n = share_ci95(np.array([1.0] * so + [0.0] * (of - so) + [np.nan]))
    assert (mean, n) == (so / of, of) and ci95 is not None

    def surprise(share: float) -> float:
        return abs(so / of - share) / math.sqrt(share * (1 - share) / of)

    grid = np.linspace(1e-6, 1 - 1e-6, 200_001)
    inside = grid[np.array([surprise(share) <= 1.96 for share in grid])]
    assert ci95 == pytest.approx(max(mean - inside.min(), inside.max() - mean), abs=2e-5)
    assert share_ci95(np.array([np.nan])) == (None, None, 0)


def test_the_interval_of_a_difference_of_shares_covers_it_about_95_times_in_100() -> None:
    """Of pairs that are seldom unlike, as two good worlds are, and of few of them."""
    rng = np.random.default_rng(0)
    for n, ways in ((8, (0.1, 0.3)), (30, (0.05, 0.15)), (8, (0.0, 0.9))):
        pairs = rng.choice([1.0, -1.0, 0.0], (2000, n), p=[*ways, 1 - sum(ways)])
        found = [share_difference_ci95(row) for row in pairs]
        true = ways[0] - ways[1]
        covered = np.mean([abs(f.mean - true) <= f.ci95 for f in found])  # type: ignore[operator]
        assert 0.94 < covered <= 1, (n, ways)
    assert share_difference_ci95(np.array([1.0, 0.0, np.nan])).n == 2
    assert share_difference_ci95(np.zeros(3)).mean == 0 and share_difference_ci95(np.zeros(0)) == (None, None, 0)


def test_frames_of_unlike_shape_or_kind_are_a_bug(pictures: tuple[np.ndarray, np.ndarray]) -> None:
    truth, prediction = pictures
    for wrong in (prediction[:1], prediction.astype(np.float32)):
        with pytest.raises(ValueError, match="expected uint8"):
            psnr(truth, wrong)


# ---- palettes


def test_the_distance_of_palettes_is_that_of_wasserstein_and_knows_no_place() -> None:
    from scipy.stats import wasserstein_distance  # type: ignore[import-untyped]

    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 256, (2, 3, 8, 9, 3), dtype=np.uint8)
    expected = [
        np.mean([wasserstein_distance(a[..., c].ravel(), b[..., c].ravel()) for c in range(3)])
        for a, b in zip(one, other, strict=True)
    ]
    assert np.allclose(palette_distance(one, other), expected)
    assert (palette_distance(one[:, ::-1, ::-1], one) == 0).all(), "moved about, the colours are the same"
    assert np.allclose(palette_distance(np.full((2, 4, 4, 3), 7, np.uint8), np.zeros((4, 4, 3), np.uint8)), 7)
