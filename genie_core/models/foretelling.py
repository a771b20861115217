"""ForetellingModel: a latent action is what one must be told, step by step, to foretell how a scene will move."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from genie_core.config import LatentActionConfig
from genie_core.layers.ranks import RankedBatchNorm, rows_of_all_ranks
from genie_core.models.latent_action import LatentActionModel
from genie_core.models.motion import mean_motion, motion_evidence
from genie_core.pixels import pad_to_multiple

LEVELS = (1, 2, 4, 8)  # cells along a side: the whole picture, quarters, and so on, down to single patches
DIRECTIONS = 2  # of all motions, along which they vary most: a code has to tell these
PAST_STEPS = 3  # whose motions are known when foretelling begins
AHEAD = 2  # steps after its own that a code is found from: an action shows better when it has had time to act
NOISE = 0.0235  # grey levels in [-1, 1]: a patch that changes by less, 3 of 255, has not changed
HALF = 1.0  # pixels: a motion that counts half as much as the fastest
NARROWEST = 0.02  # of the widest direction's variance: what varies less than that is noise, and counts less
SETTLING = 100  # batches after which the directions stay as they are


class ForetellingModel(LatentActionModel):
    """A latent action model whose codes foretell the motion of `horizon` steps, without a look at what came of them.

    Motions are read from cost volumes of the picture, its quarters, sixteenths and so on, and once more of the picture
    where it changes, so a camera that moves and a small thing anywhere under a still camera both count; the directions
    along which they vary most are whitened, so that a slow motion counts as much as a fast one. A recurrent network
    starts from three past motions, and in training from what is seen in the frame there, and foretells the motions of
    the next `horizon` steps. Of these it is given the codes, and nothing else. What goes on by itself it learns to
    foretell untold. What somebody does has to be told at the step where it begins, for it bears on every later one. So
    a code means what one does, not what one sees.

    The encoder, which is not used in play, finds a step's code from the motions around it, up to two steps later.
    Pixels do not teach the codes, because a motion of half a pixel is worth next to nothing in them; the decoder learns
    to draw what the codes mean.

    Source: the codebook and the decoder of Genie (arXiv:2402.15391), §2.1. Differs: what is predicted from the codes is
    motion, over several steps on end (latent overshooting: Hafner et al. 2019, arXiv:1811.04551, §4).
    """

    codes_learn_from_pixels = False
    follows_variance = True
    """Whether training sets the directions by their variance; otherwise labels do."""

    def build_evidence(self, config: LatentActionConfig) -> None:
        h, w = config.grid
        self.cells = list(dict.fromkeys((min(side, h), min(side, w)) for side in LEVELS))
        features, width = 2 * (1 + sum(h * w for h, w in self.cells)), config.width
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("covariance", torch.eye(features))
        self.register_buffer("whitening", torch.eye(features, DIRECTIONS))
        self.register_buffer("batches", torch.zeros(()))
        self.mean: Tensor
        self.covariance: Tensor
        self.whitening: Tensor
        self.batches: Tensor
        around = DIRECTIONS * (PAST_STEPS + 1 + AHEAD)
        self.inference = nn.Sequential(
            nn.Linear(around, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, config.code_width, bias=False),  # the norm after it takes any mean away
        )
        self.spread = RankedBatchNorm(config.code_width, affine=False)
        self.start = nn.Sequential(nn.Linear(DIRECTIONS * PAST_STEPS, width), nn.GELU(), nn.Linear(width, width))
        self.told_embed = nn.Linear(config.code_width, width)
        self.recurrence = nn.GRU(width, width, batch_first=True)
        self.motion_out = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, DIRECTIONS))

    @property
    def horizon(self) -> int:
        assert self.config.horizon is not None
        return self.config.horizon

    @property
    def reach(self) -> int:
        return PAST_STEPS

    @property
    def ahead(self) -> int:
        return AHEAD

    def observe(self, pixels: Tensor) -> Tensor:
        """The motions of all cells in each step, (b, t-1, 2 * cells), squashed into -1..1; x right, y down."""
        size = self.config.patch_size
        pixels = pad_to_multiple(pixels, size)
        evidence = motion_evidence(pixels, size, equal=True)[:, 1:]
        grid = rearrange(evidence, "b t (h w) s -> (b t) s h w", h=self.config.grid[0])
        changes = patch_changes(pixels, size)
        levels = [(evidence * changes[..., None]).sum(2, keepdim=True).flatten(0, 1)]
        levels += [rearrange(F.adaptive_avg_pool2d(grid, cells), "n s h w -> n (h w) s") for cells in self.cells]
        motions = [mean_motion(level, equal=True) for level in levels]
        # a level counts as much as any other, however many cells it has
        squashed = [motion / (motion.abs() + HALF) / motion.shape[1] ** 0.5 for motion in motions]
        return torch.cat(squashed, 1).flatten(1).unflatten(0, (len(pixels), -1))

    def describe(self, observed: Tensor) -> Tensor:
        if self.training:
            self._follow(rows_of_all_ranks(observed.flatten(0, 1)))
        around = repeat_last(self.after_rest(self.whiten(observed)), AHEAD).unfold(1, PAST_STEPS + 1 + AHEAD, 1)
        return self.spread_out(self.inference(around.flatten(2)))

    def whiten(self, observed: Tensor) -> Tensor:
        """Motions of cells (…, 2 * cells) to those directions along which they vary most, (…, DIRECTIONS)."""
        return (observed - self.mean) @ self.whitening

    def errors(self, observed: Tensor, codes: Tensor, seen: Tensor | None = None) -> dict[str, Tensor]:
        """How wrong the motions of `horizon` steps from each step on are foretold, from their codes and the past, and
        from what is `seen` (b, t-1, width) in the frame that they begin with."""
        motions = self.whiten(observed)
        steps = min(self.horizon, motions.shape[1])
        told = codes.unfold(1, steps, 1).flatten(0, 1).transpose(1, 2)
        truth = motions.unfold(1, steps, 1).flatten(0, 1).transpose(1, 2)
        begun = self.begin(observed, seen)[:, : motions.shape[1] - steps + 1]
        return {"foretelling_error": 2 * F.huber_loss(self.foretell(begun.flatten(0, 1), told), truth)}

    def begin(self, observed: Tensor, seen: Tensor | None = None) -> Tensor:
        """What foretelling begins with in each step, (b, t-1, width): the motions before it, and what is `seen`."""
        before = self.after_rest(self.whiten(observed))[:, :-1].unfold(1, PAST_STEPS, 1).transpose(2, 3)
        begun: Tensor = self.start(before.flatten(2))
        return begun if seen is None else begun + seen

    def after_rest(self, motions: Tensor) -> Tensor:
        """Whitened motions (b, t, DIRECTIONS) with PAST_STEPS of rest in front.

        A clip shows nothing of what was before it, and play starts from a picture that stands still. So the first codes
        of a clip tell how fast everything goes in it, which a dynamics that sees one picture could not know.
        """
        rest = self.whiten(torch.zeros_like(self.mean)).expand(len(motions), PAST_STEPS, -1)
        return torch.cat([rest, motions], dim=1)

    def foretell(self, begun: Tensor, codes: Tensor) -> Tensor:
        """Whitened motions of steps with `codes` (b, t, code_width), from what they begin with, `begun` (b, width)."""
        states, _ = self.recurrence(self.told_embed(codes), begun[None])
        foretold: Tensor = self.motion_out(states)
        return foretold

    @torch.no_grad()
    def _follow(self, observed: Tensor) -> None:
        """Moves the moments towards those of motions (n, features), until the directions are settled."""
        if self.batches >= SETTLING or not self.follows_variance:
            return
        self.batches += 1
        share = 1 / self.batches
        self.mean.lerp_(observed.mean(0), share)
        centred = observed - self.mean
        self.covariance.lerp_(centred.T @ centred / len(observed), share)
        self.whiten_along(self.covariance)

    @torch.no_grad()
    def whiten_along(self, covariance: Tensor) -> None:
        """Takes the directions in which `covariance` (2 * cells, 2 * cells) is widest, each scaled by its spread.

        Eigenvectors come in any order and with any sign; turned to lie as near as they can to the directions before,
        they do not leap under the networks that learn from them.
        """
        # in double precision: in single, where most directions hardly vary, LAPACK may give no numbers at all
        found = torch.linalg.eigh(covariance.cpu().double())
        variances, directions = (each.to(covariance) for each in found)
        floor = (NARROWEST * variances[-1]).clamp_min(1e-8)
        white = directions[:, -DIRECTIONS:] * variances[-DIRECTIONS:].maximum(floor).rsqrt()
        u, _, v = torch.linalg.svd(white.T @ self.whitening)
        self.whitening.copy_(white @ u @ v)


def patch_changes(pixels: Tensor, size: int) -> Tensor:
    """The share of each patch in what changes from frame to frame of pixels (b, c, t, H, W): (b, t-1, patches)."""
    grey = pixels.mean(1)
    changes = F.relu(F.avg_pool2d((grey[:, 1:] - grey[:, :-1]).abs(), size).flatten(2) - NOISE)
    return changes / (changes.sum(-1, keepdim=True) + 1e-3)


def repeat_last(steps: Tensor, times: int) -> Tensor:
    """(b, t, d) with the last step repeated `times` times behind."""
    return F.pad(steps.transpose(1, 2), (0, times), mode="replicate").transpose(1, 2)
