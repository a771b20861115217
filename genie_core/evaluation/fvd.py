"""How far played clips are from real ones as videos: Fréchet and kernel distance between their I3D features.

Source: FVD, Unterthiner et al. 2018 (arXiv:1812.01717), and its code: frames enlarged to 224x224, then the 400 logits
of I3D, not the features before them. Compare distances of equally many and equally long clips only: between other real
clips the Fréchet distance is above 0 too, the more so the fewer they are; the kernel distance is 0 on average.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from genie_core.evaluation.i3d import I3D, LEAST_FRAMES, SIDE
from genie_core.pixels import to_model

BATCH = 2  # on a CPU the fastest, by a little
RESAMPLES = 200


class Distance(NamedTuple):
    """A distance between sets of `n` clips each, and half the width of its 95 % interval over other sets of `n`."""

    value: float
    ci95: float
    n: int


def features(network: I3D, clips: np.ndarray, quiet: bool = False) -> np.ndarray:
    """Logits float64 (b, 400) of clips uint8 (b, t, H, W, 3) of any size and at least 9 frames; FVD's own are 16."""
    if clips.dtype != np.uint8 or clips.ndim != 5 or clips.shape[1] < LEAST_FRAMES or clips.shape[-1] != 3:
        raise ValueError(f"clips are {clips.dtype} {clips.shape}, expected uint8 (b, {LEAST_FRAMES} or more, H, W, 3)")
    device = next(network.parameters()).device
    found = np.empty((len(clips), network.logits.out_channels))
    with torch.inference_mode(), tqdm(total=len(clips), desc="I3D", unit="clip", disable=quiet) as bar:
        for first in range(0, len(clips), BATCH):
            batch = torch.from_numpy(clips[first : first + BATCH].copy()).to(device)  # so that any view will do
            found[first : first + BATCH] = network(resized(to_model(batch))).cpu().numpy()
            bar.update(len(batch))
    return found


def resized(pixels: Tensor) -> Tensor:
    """Float (..., H, W) to (..., 224, 224), bilinear as in TensorFlow 1: pixel i of 224 lies at i * W / 224.

    By PyTorch's own, half a pixel off that, a figure would not be the published FVD.
    """
    for axis in (-2, -1):
        size = pixels.shape[axis]
        place = torch.arange(SIDE, device=pixels.device) * (size / SIDE)
        low = place.long()
        high = (low + 1).clamp(max=size - 1)
        share = (place - low).view(-1, 1) if axis == -2 else place - low
        pixels = torch.lerp(pixels.index_select(axis, low), pixels.index_select(axis, high), share)
    return pixels


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """FVD of features (n, d) and (m, d): the squared 2-Wasserstein distance of the Gaussians fitted to them.

    With centred features A and B, scaled so that A'A and B'B are the covariances, the trace of the root of their
    product is the sum of the singular values of AB'. So no root of an ill-conditioned d x d matrix is taken, and
    fewer rows than d do no harm.
    """
    _check_sets(one, other, same_number=False)
    a, b = _scaled(one), _scaled(other)
    overlap = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    means = ((one.mean(0) - other.mean(0)) ** 2).sum()
    return float(max(means + (a**2).sum() + (b**2).sum() - 2 * overlap, 0.0))


def kernel_distance(one: np.ndarray, other: np.ndarray) -> float:
    """KVD of two features (n, d): unbiased squared MMD with the kernel (x.y / d + 1)^3, that of KID.

    Source: Bińkowski et al. 2018 (arXiv:1801.01401), its u-statistic: a clip is not compared with the one of its own
    row, so that it is unbiased too where one set was played from the prompts of the other. May fall below 0.
    """
    _check_sets(one, other, same_number=True)
    within = _mean_of_pairs(_kernel(one, one)) + _mean_of_pairs(_kernel(other, other))
    return within - 2 * _mean_of_pairs(_kernel(one, other))


def bootstrap(
    distance: Callable[..., float], *sets: np.ndarray, resamples: int = RESAMPLES, seed: int = 0, quiet: bool = False
) -> Distance:
    """`distance(*sets)` of features of n clips each, and how much it varies when the n clips are drawn again.

    Row i of every set is drawn together, as it belongs to one prompt. More than two sets make differences:
    `bootstrap(lambda real, a, b: frechet_distance(real, a) - frechet_distance(real, b), real, a, b)`. The interval is
    1.96 standard deviations to each side, not percentiles: repeated clips make every redrawn distance larger. It is
    the interval of a distance of n clips, and rather too wide where there is hardly any distance.
    """
    _check_sets(*sets, same_number=True)
    rng, n = np.random.default_rng(seed), len(sets[0])
    redrawn = []
    for _ in tqdm(range(resamples), desc="bootstrap", disable=quiet):
        rows = rng.integers(0, n, n)
        redrawn.append(distance(*(features[rows] for features in sets)))
    return Distance(distance(*sets), float(1.96 * np.std(redrawn, ddof=1)), n)


def _scaled(features: np.ndarray) -> np.ndarray:
    """Centred rows whose outer products add up to the covariance; of more than d rows an equivalent d."""
    rows = (features - features.mean(0)) / np.sqrt(len(features) - 1)
    return np.linalg.qr(rows).R if len(rows) > rows.shape[1] else rows


def _kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    kernel = one @ other.T / one.shape[-1] + 1
    return kernel * kernel * kernel


def _mean_of_pairs(kernel: np.ndarray) -> float:
    n = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))


def _check_sets(*sets: np.ndarray, same_number: bool) -> None:
    n, *width = sets[0].shape
    for features in sets:
        if features.ndim != 2 or [*features.shape[1:]] != width or len(features) < 2:
            raise ValueError(f"features are {[s.shape for s in sets]}, expected (n, d) of one d, n 2 or more")
        if same_number and len(features) != n:
            raise ValueError(f"features are {[s.shape for s in sets]}, expected as many clips in each")
