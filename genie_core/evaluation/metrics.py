"""Picture metrics: one value a frame, numpy in and out, so that means and their errors are taken in one place."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from genie_core import pixels

CHANGED = 24  # grey levels in any colour by which a pixel must differ from the prompt to count as changed


class Mean(NamedTuple):
    """A mean over `n` values and half the width of its 95 % confidence interval; None where it is unknown."""

    mean: float | None
    ci95: float | None
    n: int


def mean_ci95(values: np.ndarray) -> Mean:
    """Mean over independent values, one a clip rather than one a frame; NaN ("does not apply") is left out."""
    flat = np.asarray(values, np.float64).ravel()
    flat = flat[~np.isnan(flat)]
    n = len(flat)
    ci95 = float(1.96 * flat.std(ddof=1) / math.sqrt(n)) if n > 1 else None
    return Mean(float(flat.mean()) if n else None, ci95, n)


def share_ci95(values: np.ndarray) -> Mean:
    """The same for values that are 0 or 1: the farther end of Wilson's interval, which does not vanish at 0 and 1."""
    share, _, n = mean_ci95(values)
    if share is None:
        return Mean(None, None, n)
    z = 1.96
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return Mean(share, max(middle + reach - share, share - middle + reach), n)


def share_difference_ci95(differences: np.ndarray) -> Mean:
    """The same for differences of pairs of such values, -1, 0 or 1: a few pairs that agree prove nothing yet.

    Source: Bonett & Price 2012, Wald's interval after two more pairs that disagree, one each way; its farther end.
    """
    mean, _, n = mean_ci95(differences)
    if mean is None:
        return Mean(None, None, n)
    known = differences[~np.isnan(differences)]
    middle = known.sum() / (n + 2)
    reach = 1.96 * math.sqrt((((known**2).sum() + 2) / (n + 2) - middle**2) / (n + 2))
    return Mean(mean, float(reach + abs(mean - middle)), n)


def psnr(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """PSNR in dB of each frame, capped at 60: uint8 (..., H, W, 3) twice to float64 (...)."""
    _check_frames(truth, prediction)
    return pixels.psnr(truth, prediction)


def changed_pixel_psnr(truth: np.ndarray, prediction: np.ndarray, prompt: np.ndarray) -> np.ndarray:
    """PSNR in dB over the pixels whose truth is no longer the prompt's; NaN for a frame in which none changed.

    `prompt` broadcasts: uint8 (H, W, 3) for all frames (..., H, W, 3), or (b, 1, H, W, 3) for (b, t, H, W, 3).
    A rollout that repeats its prompt scores well on all pixels, and badly on these.
    """
    _check_frames(truth, prediction)
    changed = np.abs(truth.astype(np.int16) - prompt).max(axis=-1) > CHANGED
    count = changed.sum(axis=(-2, -1))
    squared = ((truth.astype(np.float64) - prediction) ** 2).mean(axis=-1)
    error = (squared * changed).sum(axis=(-2, -1))
    return np.where(count > 0, pixels.psnr_of(error / np.maximum(count, 1)), np.nan)


def ssim(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Structural similarity of each frame, mean over colours and whole windows: uint8 (..., H, W, 3) to float64 (...).

    Source: Wang et al. 2004, with its Gaussian window of 11x11 pixels and sigma 1.5. torchmetrics' own also counts
    the mirrored border, by which it comes out lower; this is scikit-image's number.
    """
    _check_frames(truth, prediction)
    x, y = truth.astype(np.float64), prediction.astype(np.float64)
    mean_x, mean_y = _windowed(x), _windowed(y)
    variance_x, variance_y = _windowed(x * x) - mean_x**2, _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return (luminance * structure).mean(axis=(-3, -2, -1))


def sharpness(frames: np.ndarray) -> np.ndarray:
    """Mean squared grey-level step between neighbouring pixels, grey in [0, 1]: uint8 (..., H, W, 3) to (...).

    Meaningful as a ratio to the truth's: below 1 is blur.
    """
    grey = frames.astype(np.float64).mean(axis=-1) / 255
    return (np.diff(grey, axis=-1) ** 2).mean(axis=(-2, -1)) + (np.diff(grey, axis=-2) ** 2).mean(axis=(-2, -1))


def palette_distance(frames: np.ndarray, of: np.ndarray) -> np.ndarray:
    """How far the colours of frames lie from those of frames `of`, wherever in the picture, in grey levels: uint8
    (..., H, W, 3) twice, which broadcast, to float64 (...).

    The Wasserstein distance of order 1 between the values of each colour, mean over the three. Source: Rubner et al.
    2000 (doi:10.1023/A:1026543900054). Differs: each colour by itself, for which sorting is enough.
    """
    x, y = (np.sort(each.reshape(*each.shape[:-3], -1, 3), axis=-2).astype(np.float64) for each in (frames, of))
    distance: np.ndarray = np.abs(x - y).mean(axis=(-2, -1))
    return distance


def _windowed(images: np.ndarray) -> np.ndarray:
    """Gaussian mean around each pixel that has a whole window: (..., H, W, 3) to (..., 3, H-10, W-10)."""
    planes = np.ascontiguousarray(np.moveaxis(images, -1, -3))  # numpy multiplies others without BLAS
    columns = np.ascontiguousarray(_gaussian_rows(planes.shape[-1]).T)
    return _gaussian_rows(planes.shape[-2]) @ (planes @ columns)


@cache
def _gaussian_rows(size: int) -> np.ndarray:
    """(size - 10, size): row i averages the entries i to i+10. As matrix products, windows cost a tenth."""
    weights = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights /= weights.sum()
    return sum(weight * np.eye(size - 10, size, i) for i, weight in enumerate(weights))


def _check_frames(truth: np.ndarray, prediction: np.ndarray) -> None:
    for frames in (truth, prediction):
        if frames.dtype != np.uint8 or frames.shape != truth.shape or frames.shape[-1:] != (3,):
            raise ValueError(f"frames are {frames.dtype} {frames.shape}, expected uint8 {(*truth.shape[:-1], 3)}")
