"""SurpriseModel: a latent action is what moves in a step that the past did not lead one to expect."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from genie_core.config import LatentActionConfig
from genie_core.layers.ranks import rows_of_all_ranks
from genie_core.models.latent_action import LatentActionModel, Steps
from genie_core.models.motion import mean_motion, motion_evidence
from genie_core.pixels import pad_to_multiple

LEVELS = (1, 2, 4)  # cells along a side: the whole picture, quarters, sixteenths; after them single patches
PAST_STEPS = 3  # how many steps the expectation is made from
HALF = 1.0  # pixels: a surprise that counts half as much as the largest
POLE = 3.0  # standard deviations of surprise at 45 degrees from none: less is mostly noise, and shares a code
SLOWEST = 0.01  # share of the newest batch in the moments of the surprise


class SurpriseModel(LatentActionModel):
    """A latent action model whose codes are kinds of surprise: the motion seen less the motion expected.

    Motions are read from cost volumes of the picture, of its quarters, its sixteenths and its patches, so a camera that
    moves and a small thing under a still camera both count. The expectation knows the motions up to
    `horizon` steps before the step's end and nothing that tells the action. What goes on by itself is expected
    and needs no code. What an action has changed for `horizon` steps is not expected yet, and over so many steps even a
    slow change shows.

    The surprise, averaged over the cells of each level, is whitened along its `code_width - 1` widest directions, so
    that a small surprise counts as much as a large one. Its direction on a sphere is quantized; none at all is a pole.
    Pixels do not teach the codes, because a motion of half a pixel is worth next to nothing in them; the decoder learns
    to draw what the codes mean.

    Source: the codebook and the decoder of Genie (arXiv:2402.15391), §2.1; surprise as the trace of an action after
    ICM, Pathak et al. 2017 (arXiv:1705.05363). Differs from both: what is predicted, and then missed, is motion.
    """

    codes_learn_from_pixels = False
    follows_variance = True
    """Whether training sets the directions by their variance; otherwise labels do."""
    latest: Tensor
    """The surprise of the latest batch in training, (b, t-1, 2 * levels)."""
    covariance: Tensor
    mean: Tensor
    batches: Tensor

    def build_evidence(self, config: LatentActionConfig) -> None:
        h, w = config.grid
        self.cells = [(min(side, h), min(side, w)) for side in LEVELS] + [(h, w)]
        self.expectation = Expectation(sum(rows * columns for rows, columns in self.cells), config.width)
        features = 2 * len(self.cells)
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("covariance", torch.eye(features))
        self.register_buffer("batches", torch.zeros(()))

    @property
    def horizon(self) -> int:
        assert self.config.horizon is not None
        return self.config.horizon

    @property
    def reach(self) -> int:
        return self.horizon + PAST_STEPS - 1

    def observe(self, pixels: Tensor) -> Tensor:
        """Motions seen and expected of all cells in each step, (b, t-1, 4 * cells), pixels, x right, y down."""
        pixels = pad_to_multiple(pixels, self.config.patch_size)
        seen = self.motions(motion_evidence(pixels, self.config.patch_size))
        seen[:, 0] = 0  # nothing is known of how the first frame came about
        return torch.cat([seen[:, 1:], self.expectation(seen, self.horizon)[:, :-1]], -1)

    def motions(self, evidence: Tensor) -> Tensor:
        """Evidence of patches (b, t, n, shifts) to the motions of all cells, (b, t, 2 * cells)."""
        grid = rearrange(evidence, "b t (h w) s -> (b t) s h w", h=self.config.grid[0])
        levels = [rearrange(F.adaptive_avg_pool2d(grid, cells), "n s h w -> n (h w) s") for cells in self.cells]
        return mean_motion(torch.cat(levels, 1)).flatten(1).unflatten(0, evidence.shape[:2])

    def describe(self, observed: Tensor) -> Steps:
        seen, expected = observed.chunk(2, -1)
        errors = F.huber_loss(expected, seen, reduction="none").mean((0, 1))
        surprise = self.per_level((seen - expected).detach())
        if self.training:
            self.latest = surprise
            self._follow(rows_of_all_ranks(surprise.flatten(0, 1)))
        return Steps(self.on_sphere(surprise), {"expectation_error": self._levels(errors).mean()})

    def per_level(self, surprise: Tensor) -> Tensor:
        """Surprise of cells (b, t, 2 * cells) to (b, t, 2 * levels): means of values squashed into -1..1."""
        return self._levels(surprise / (surprise.abs() + HALF)).flatten(-2)

    def _levels(self, values: Tensor) -> Tensor:
        """Values of cells (…, 2 * cells) to their means over each level, (…, levels, 2)."""
        cells = values.unflatten(-1, (-1, 2)).split([h * w for h, w in self.cells], dim=-2)
        return torch.stack([level.mean(-2) for level in cells], -2)

    def on_sphere(self, surprise: Tensor) -> Tensor:
        """Surprise (…, 2 * levels) to unit vectors (…, code_width): the widest directions, whitened, and the pole."""
        variances, directions = torch.linalg.eigh(self.covariance)
        widest = slice(-(self.config.code_width - 1), None)
        directions = directions[:, widest] * directions[:, widest].sum(0).sign()  # eigh leaves the sign to chance
        white = (surprise - self.mean) @ directions * variances[widest].clamp_min(1e-8).rsqrt()
        return F.normalize(torch.cat([white, torch.full_like(white[..., :1], POLE)], -1), dim=-1)

    @torch.no_grad()
    def _follow(self, surprise: Tensor) -> None:
        """Moves the moments towards those of surprise (n, features): their plain mean at first, a slow one later."""
        self.batches += 1
        share = (1 / self.batches).clamp_min(SLOWEST)
        self.mean.lerp_(surprise.mean(0), share)
        centred = surprise - self.mean
        if self.follows_variance:
            self.covariance.lerp_(centred.T @ centred / len(surprise), share)


class Expectation(nn.Module):
    """Expects the motion of each cell in the next step, from motions of some time ago."""

    def __init__(self, cells: int, width: int) -> None:
        super().__init__()
        self.motion_embed = nn.Linear(2 * cells * PAST_STEPS, 2 * width)
        self.hidden = nn.Linear(2 * width, 2 * width)
        self.head = nn.Linear(2 * width, 2 * cells)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, motions: Tensor, horizon: int) -> Tensor:
        """Motions (b, t, d) that led to each frame to those expected to follow it, without the last `horizon - 1`."""
        t = motions.shape[1]
        past = [F.pad(motions, (0, 0, back, 0))[:, :t] for back in range(horizon - 1, horizon - 1 + PAST_STEPS)]
        x = F.gelu(self.motion_embed(torch.cat(past, -1)))
        expected: Tensor = self.head(F.gelu(self.hidden(x)))
        return expected
