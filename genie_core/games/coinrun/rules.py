"""Hand-written rules of a platform game under a camera locked to the player: which key explains a step's motion.

A code is the surprise of a step: the motion seen less the motion that the past lets one expect. Gravity, friction and a
key let go at full speed are no surprise and need no code. The rules below say which surprises no key caused, and which
keys are assumed where nothing shows them. No new world is trained by them: they are kept for the worlds that were.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genie_core.config import LatentActionConfig, Rules
from genie_core.games.coinrun.heading import Heading, turns
from genie_core.layers.norm import RMSNorm
from genie_core.layers.ranks import RankedBatchNorm
from genie_core.layers.st_block import STBlock
from genie_core.models.latent_action import LatentActionModel
from genie_core.models.motion import SHIFTS, mean_motion, motion_evidence
from genie_core.pixels import pad_to_multiple

HIT = 0.8  # pixels: a step slower by more than this met scenery, for no key brakes so hard
HALTED = 0.3  # pixels a step: less is standing still
PUSH = 0.5  # pixels: the surprise that a turn is worth, and that is assumed of a key held against a wall
SURE = 0.5  # of a turn
POLE = 2.0  # standard deviations of surprise at 45 degrees from none: less is mostly noise, and shares a code


class Motions(NamedTuple):
    """The scenery's motion in each step of a clip and the motion expected, pixels (b, t-1, 2), x right, y down."""

    seen: Tensor
    expected: Tensor


class MotionExpectation(nn.Module):
    """Expects the motion of the next step from the motions before it, and from nothing that tells the action.

    An ST-transformer with one token a frame, the evidence of all patches together: half a pixel, which is what a key is
    worth in one step, shows in no single patch.
    """

    def __init__(self, config: LatentActionConfig, layers: int) -> None:
        super().__init__()
        self.patch_size = config.patch_size
        self.motion_embed = nn.Linear(SHIFTS + 2, config.width)
        self.blocks = nn.ModuleList(
            STBlock(config.width, config.heads, config.context_frames, grid=(1, 1)) for _ in range(layers)
        )
        self.norm = RMSNorm(config.width)
        self.head = nn.Linear(config.width, 2)

    def forward(self, pixels: Tensor) -> Motions:
        """pixels (b, c, t, H, W) in [-1, 1]; `expected[:, i]` knows frames 0..i, `seen[:, i]` is of frame i to i+1."""
        evidence = motion_evidence(pad_to_multiple(pixels, self.patch_size), self.patch_size).mean(2)  # (b, t, shifts)
        evidence[:, 0] = 0  # nothing is known of how the first frame came about
        motion = mean_motion(evidence)
        x = self.motion_embed(torch.cat([evidence, motion], -1))[:, :, None]
        for block in self.blocks:
            x, _ = block(x)
        return Motions(motion[:, 1:], self.head(self.norm(x))[:, :-1, 0])


@torch.no_grad()
def key_surprise(motions: Motions, turned: Tensor | None = None) -> Tensor:
    """What of each step's motion a key may have done, pixels (b, t-1, 2): the motion seen less the expected.

    `turned` (b, t-1), in -1..1, is how surely the player has turned to where the scenery goes right, or back. A turn is
    a key's doing, whatever moves, and ends a push against a wall.

    Scenery surprises too, and no key did it. A fall or a rise that is cut short has met the ground or a ceiling. A
    player stopped at once on the way has met a wall, and is assumed to go on pushing against it until something moves:
    what a blocked key does, nothing, can be learnt from nowhere else.
    """
    seen, expected = motions
    surprise = seen - expected
    way = expected.sign()
    ahead, speed = seen * way, expected.abs()
    surprise[..., 1][(ahead[..., 1] > -HALTED) & (ahead[..., 1] < speed[..., 1])] = 0
    hits = way[..., 0] * ((ahead[..., 0] > -HALTED) & (speed[..., 0] - ahead[..., 0] > HIT))
    still = seen[..., 0].abs() < HALTED
    turned = torch.zeros_like(surprise[..., 0]) if turned is None else turned
    wall = torch.zeros_like(hits[:, 0])
    for step in range(hits.shape[1]):
        turn = turned[:, step]
        wall = torch.where(hits[:, step] != 0, hits[:, step], wall * still[:, step]) * (turn.abs() < SURE)
        surprise[:, step, 0] = torch.where(wall != 0, PUSH * wall, surprise[:, step, 0] + PUSH * turn)
    return surprise


class KeyModel(LatentActionModel):
    """A latent action model whose codes are the surprises that the rules above leave to keys.

    With `look_size` a turn of the player is worth a key's push: in the air, where a key moves next to nothing, and for
    a player who runs on the other way, its look tells the key.
    """

    codes_learn_from_pixels = False
    expectation: MotionExpectation

    @property
    def rules(self) -> Rules:
        return cast(Rules, self.config.rules)

    @property
    def reach(self) -> int:
        return self.rules.expectation_layers * self.config.context_frames + 1

    def build_evidence(self, config: LatentActionConfig) -> None:
        self.spread = RankedBatchNorm(2, affine=False)
        self.expectation = MotionExpectation(config, self.rules.expectation_layers)
        if self.rules.look_size is not None:
            self.heading = Heading(self.rules.look_size)

    def observe(self, pixels: Tensor) -> Tensor:
        """The motion seen, the motion expected and, with a look, the heading before and after each step."""
        motions = self.expectation(pixels)
        if self.rules.look_size is None:
            return torch.cat(motions, -1)
        headings = self.heading(pixels)
        return torch.cat([*motions, torch.stack([headings[:, :-1], headings[:, 1:]], -1)], -1)

    def describe(self, observed: Tensor) -> Tensor:
        return on_sphere(self.spread_out(self.surprise(observed)))

    def surprise(self, observed: Tensor) -> Tensor:
        """What keys may have done in each step: pixels (b, t-1, 2) that the scenery moves, x to the right, y down."""
        motions = Motions(observed[..., :2], observed[..., 2:4])
        if self.rules.look_size is None:
            return key_surprise(motions)
        turned = turns(torch.cat([observed[:, :1, 4], observed[..., 5]], 1))
        turned[:, 0] = 0  # how fast the player goes is worth more: the first picture does not tell it
        return key_surprise(motions, turned)


def on_sphere(surprise: Tensor) -> Tensor:
    """Surprise (…, 2) in standard deviations to unit vectors (…, 3): none is a pole, much is near the equator."""
    pole = torch.full_like(surprise[..., :1], POLE)
    return F.normalize(torch.cat([surprise, pole], -1), dim=-1)
