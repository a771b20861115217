"""Few labels, as an option: buttons of some steps say which surprise counts, and which code stands for which button.

Source: LAOM, Nikulin et al. 2025 (arXiv:2502.00379): labels while codes are learnt, not after. Differs: no gradient
reaches these codes, so labels choose the directions of surprise by Fisher's discriminant.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genie_core import games
from genie_core.data.dataset import VideoDataset
from genie_core.errors import DataError
from genie_core.limits import require
from genie_core.models.surprise import SurpriseModel

DECAY = 0.995  # of what earlier batches have shown, for the expectation still learns
RIDGE = 0.01  # share of the mean variance that is added to each, for few labels


def labelled_buttons(dataset: VideoDataset, starts: np.ndarray, share: float, codes: int, seed: int) -> np.ndarray:
    """The button after each frame of `dataset`, int8 (frames,), -1 for all but a share of the steps at `starts`."""
    if not dataset.has_true_actions:
        raise DataError(f"{dataset.path} has no key log, true_actions.npy, to take labels from; leave --labels out")
    game = games.find(dataset.info.source.get("game"))
    chosen = np.random.default_rng(seed).permutation(starts)[: max(1, round(share * len(starts)))]
    true = np.concatenate([dataset.true_actions(int(start), 2) for start in chosen])
    buttons = np.full(len(dataset), -1, np.int8)
    buttons[chosen] = game.buttons(true.astype(np.int64))
    most = int(buttons.max()) + 1
    require(most <= codes, f"num_actions {codes} has no code for each of {most} buttons; raise it, or omit --labels")
    return buttons


class Labels(nn.Module):
    """What labelled steps have shown of late: how often each button, and the first two moments of its surprise."""

    def __init__(self, network: SurpriseModel, steps: int) -> None:
        super().__init__()
        buttons, features = network.config.num_actions, len(network.mean)
        self.register_buffer("steps", torch.tensor(steps))  # that are labelled in all
        self.register_buffer("counts", torch.zeros(buttons))
        self.register_buffer("sums", torch.zeros(buttons, features))
        self.register_buffer("squares", torch.zeros(features, features))
        self.counts: Tensor
        self.sums: Tensor
        self.squares: Tensor
        network.follows_variance = False

    @torch.no_grad()
    def teach(self, network: SurpriseModel, surprise: Tensor, buttons: Tensor) -> None:
        """Take in surprise (…, features) and its buttons (…), -1 where unknown; set directions and codes by them."""
        seen, one_hot = surprise[buttons >= 0], F.one_hot(buttons[buttons >= 0], len(self.counts)).float()
        for moments, new in (
            (self.counts, one_hot.sum(0)),
            (self.sums, one_hot.T @ seen),
            (self.squares, seen.T @ seen),
        ):
            moments.mul_(DECAY).add_(new)
        known = self.counts > 0.5
        if known.sum() < 2:
            return  # nothing to tell apart yet
        means, shares = self.sums[known] / self.counts[known, None], self.counts[known] / self.counts[known].sum()
        within = self.squares / self.counts.sum() - means.T @ (shares[:, None] * means)
        within += RIDGE * within.diagonal().mean() * torch.eye(len(within), device=within.device)
        network.covariance.copy_(discriminant(means, shares, within, network.config.code_width - 1))
        network.quantizer.codebook[known] = network.on_sphere(means)


def discriminant(means: Tensor, shares: Tensor, within: Tensor, directions: int) -> Tensor:
    """A covariance (features, features) whose widest `directions`, whitened, tell classes apart best.

    `means` (classes, features) have `shares` and `within`, the covariance inside a class.
    """
    values, axes = torch.linalg.eigh(within)
    white = axes * values.clamp_min(1e-8).rsqrt() @ axes.T
    apart = (means - shares @ means) @ white
    best = torch.linalg.eigh(apart.T @ (shares[:, None] * apart))[1][:, -directions:]
    wide, lengths, _ = torch.linalg.svd(white @ best, full_matrices=False)
    return wide * lengths**-2 @ wide.T
