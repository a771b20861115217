"""How well a world knows when it errs: the share of wrong tokens, as a function of the doubt that a step tells.

Frames are drawn from true pasts at the world's own sampling settings. A token is wrong if the tokenizer has another one
at that place of the true next frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from genie_core.rollout import drawn_from_truth
from genie_core.world import World

BINS = 10
GUESSED = 0.1  # the share of frames that are called guesses, those doubted most


class Calibration(NamedTuple):
    """Of frames, (n,): the `doubt` in nats a token, and the share of tokens that were `wrong`."""

    doubt: np.ndarray
    wrong: np.ndarray

    @property
    def guessing_above(self) -> float:
        """The doubt that `GUESSED` of the frames exceed."""
        return float(np.quantile(self.doubt, 1 - GUESSED))

    def bins(self) -> Iterator[tuple[float, float, float, int]]:
        """`BINS` bins of equally many frames, from the least doubt on: mean doubt, share of wrong tokens, 95 %
        interval, frames."""
        for part in np.array_split(np.argsort(self.doubt, kind="stable"), BINS):
            wrong = self.wrong[part]
            yield (
                float(self.doubt[part].mean()),
                float(wrong.mean()),
                1.96 * float(wrong.std()) / len(part) ** 0.5,
                len(part),
            )

    def shares(self, above: float) -> tuple[float, float]:
        """The shares of wrong tokens where the world does not say that it guesses, and where it does."""
        guesses = self.doubt > above
        return float(self.wrong[~guesses].mean()), float(self.wrong[guesses].mean())

    @property
    def correlation(self) -> float:
        """Spearman's, of doubt and wrong tokens: 1 if the most doubted frames are the worst."""
        ranks = [np.argsort(np.argsort(values, kind="stable"), kind="stable") for values in self]
        return float(np.asarray(np.corrcoef(np.stack(ranks)))[0, 1])


def calibrate(world: World, clips: np.ndarray, actions: np.ndarray, seed: int = 0, quiet: bool = False) -> Calibration:
    """Of clips uint8 (b, t, H, W, 3) with the latent actions (b, t-1) between their frames, all steps of each."""
    doubts, wrongs = [], []
    for clip, taken in zip(tqdm(clips, desc="calibrating", unit=" clips", disable=quiet), actions, strict=True):
        found = drawn_from_truth(world, clip[None], taken[None], seed)
        doubts.append(found.doubt[0, 1:].cpu().numpy())
        wrongs.append((found.true.tokens != found.drawn)[0, 1:].flatten(1).float().mean(1).cpu().numpy())
    return Calibration(np.concatenate(doubts), np.concatenate(wrongs))
