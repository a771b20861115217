"""FVD between real clips and the same clips played by a world."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from genie_core.data.scenes import Clips, spread
from genie_core.errors import DataError
from genie_core.evaluation.fvd import bootstrap, features, frechet_distance, kernel_distance
from genie_core.evaluation.i3d_weights import load_i3d


class Filmstrips(NamedTuple):
    """Clips to look at, uint8 (n, t, H, W, 3) each: real, played with their own actions, and with random ones."""

    truth: np.ndarray
    played: np.ndarray
    random: np.ndarray


def measure_distances(strips: Filmstrips, clips: Clips, count: int, seed: int, quiet: bool) -> dict[str, Any]:
    """`fvd` of up to `count` clips that are long enough; None for a count of 0.

    `fvd.between_real` is the distance between real clips and other real clips: the lowest that so few clips can give.
    Raises DataError if fewer than two clips are long enough.
    """
    if not count:
        return {"fvd": None}
    real, played, others = _films(strips, clips, count)
    network = load_i3d()
    seen, made, unlike = (features(network, film, quiet) for film in (real, played, others))
    fvd = _distances(seen, made, seed, quiet) | {"frames": real.shape[1], "clips": len(real), "seed": seed}
    if len(others) > 1:
        fvd["between_real"] = _distances(seen[: len(others)], unlike, seed, quiet)
    return {"fvd": fvd}


def _films(strips: Filmstrips, clips: Clips, count: int) -> list[np.ndarray]:
    """Up to `count` of the clips that are long enough, uint8 (count, t, H, W, 3): real, the same played, other real."""
    whole = np.flatnonzero(clips.there[:, : strips.truth.shape[1]].all(1))
    if len(whole) < 2:
        raise DataError(
            f"the data set has {len(whole)} clips of {strips.truth.shape[1]} frames, an FVD needs 2 or more"
        )
    chosen = whole[spread(len(whole), count)]
    others = np.setdiff1d(whole, chosen)[:count]
    return [strips.truth[chosen], strips.played[chosen], strips.truth[others]]


def _distances(one: np.ndarray, other: np.ndarray, seed: int, quiet: bool) -> dict[str, Any]:
    fvd, kernel = (
        bootstrap(distance, one, other, seed=seed, quiet=quiet)._asdict()
        for distance in (frechet_distance, kernel_distance)
    )
    return fvd | {"kernel_distance": kernel}
