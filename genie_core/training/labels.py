"""Few labels, as an option: the buttons of some steps say which motion counts, and which code stands for which button.

Source: LAOM, Nikulin et al. 2025 (arXiv:2502.00379): labels while codes are learnt, not after. Differs: besides
having the code of its button, a labelled step helps to choose the directions of motion, by Fisher's discriminant.
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
from genie_core.models.foretelling import AHEAD, DIRECTIONS, SETTLING, ForetellingModel, repeat_last

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
    """What labelled steps have shown: how often each button, and two moments of the motion that follows it."""

    def __init__(self, network: ForetellingModel, steps: int) -> None:
        super().__init__()
        buttons, features = network.config.num_actions, len(network.mean)
        self.register_buffer("steps", torch.tensor(steps))  # that are labelled in all
        self.register_buffer("counts", torch.zeros(buttons))
        self.register_buffer("sums", torch.zeros(buttons, features))
        self.register_buffer("squares", torch.zeros(features, features))
        self.register_buffer("batches", torch.zeros(()))
        self.counts: Tensor
        self.sums: Tensor
        self.squares: Tensor
        self.batches: Tensor
        network.follows_variance = False

    @torch.no_grad()
    def teach(self, network: ForetellingModel, observed: Tensor, buttons: Tensor) -> None:
        """Take in motions (b, t-1, features) and their buttons (b, t-1), -1 where unknown; set the directions by them.

        After SETTLING batches the directions stay, as they do without labels.
        """
        if self.batches >= SETTLING:
            return
        self.batches += 1
        following = repeat_last(observed, AHEAD).unfold(1, 1 + AHEAD, 1).mean(-1)
        seen, one_hot = following[buttons >= 0], F.one_hot(buttons[buttons >= 0], len(self.counts)).float()
        self.counts += one_hot.sum(0)
        self.sums += one_hot.T @ seen
        self.squares += seen.T @ seen
        known = self.counts > 0
        if known.sum() < 2:
            return  # nothing to tell apart yet
        means, shares = self.sums[known] / self.counts[known, None], self.counts[known] / self.counts[known].sum()
        within = self.squares / self.counts.sum() - means.T @ (shares[:, None] * means)
        within += RIDGE * within.diagonal().mean() * torch.eye(len(within), device=within.device)
        network.mean.copy_(shares @ means)
        network.whiten_along(discriminant(means, shares, within, DIRECTIONS))


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
