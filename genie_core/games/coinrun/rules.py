"""Hand-written rules of a platform game under a camera locked to the player: which key explains a step's motion.

A code is the surprise of a step: the motion seen less the motion that the past lets one expect. Gravity, friction and a
key let go at full speed are no surprise and need no code. The rules below say which surprises no key caused, and which
keys are assumed where nothing shows them.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genie_core.config import LatentActionConfig, Rules
from genie_core.games.coinrun.heading import Heading, heading_error, turns
from genie_core.layers.norm import RMSNorm
from genie_core.layers.quantize import VectorQuantized
from genie_core.layers.st_block import STBlock
from genie_core.models.latent_action import LatentActionModel, Steps
from genie_core.models.motion import SHIFTS, mean_motion, motion_evidence
from genie_core.pixels import pad_to_multiple

HIT = 0.8  # pixels: a step slower by more than this met scenery, for no key brakes so hard
HALTED = 0.3  # pixels a step: less is standing still
TAKE_OFF = 2.0  # pixels: a greater surprise along y throws the player up
PUSH = 0.5  # pixels: the surprise that a turn is worth, and that is assumed of a key held against a wall
SURE = 0.5  # of a turn
POLE = 2.0  # standard deviations of surprise at 45 degrees from none: less is mostly noise, and shares a code
PUSHED_EVERY = 32  # clips to learn from: two of so many are pushed, by turns to the left and to the right


class Motions(NamedTuple):
    """The scenery's motion in each step of a clip and the motion expected, pixels (b, t-1, 2), x right, y down."""

    seen: Tensor
    expected: Tensor


class Presumed(NamedTuple):
    """Keys assumed to be down in clips (b,) where nothing shows whether they are.

    `held`, bool: the key of a take-off stays down until the rise ends. `push`, along x: a player at rest is pushed, -1
    or 1 being the way the scenery would go, 0 for not.
    """

    held: Tensor
    push: Tensor

    @classmethod
    def nothing(cls, clips: int) -> Presumed:
        return cls(torch.zeros(clips, dtype=torch.bool), torch.zeros(clips))

    @classmethod
    def for_training(cls, first_clip: int, clips: int) -> Presumed:
        """What is assumed of clips `first_clip` and following, which the dynamics learns from.

        A key that does nothing, in flight or at a wall, shows in no clip, so some clips are written as if one were
        down: half of them with the key of a take-off held, and a few with one pushed where the player stands still.
        """
        number = torch.arange(first_clip, first_clip + clips)
        push = ((number % PUSHED_EVERY < 2) * (1 - number // PUSHED_EVERY % 2 * 2)).float()  # mirrored ones alike
        return cls(number % 4 > 1, push)


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
def key_surprise(motions: Motions, presumed: Presumed | None = None, turned: Tensor | None = None) -> Tensor:
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
    held, push = (each.to(seen.device) for each in presumed or Presumed.nothing(len(seen)))
    takes_off = surprise[..., 1].abs() > TAKE_OFF
    wall = rise = torch.zeros_like(hits[:, 0])
    for step in range(hits.shape[1]):
        x, y = surprise[:, step].unbind(-1)
        turn = turned[:, step]
        steady = turn.abs() < SURE
        wall = torch.where(hits[:, step] != 0, hits[:, step], wall * still[:, step]) * steady
        blocked = torch.where(wall != 0, wall, push * still[:, step]) * steady
        rise = torch.where(takes_off[:, step] & held, y, rise * (seen[:, step, 1] * rise > 0))
        across = torch.where(blocked != 0, PUSH * blocked, x + PUSH * turn)
        surprise[:, step] = torch.stack([across, torch.where(rise != 0, rise, y)], -1)
    return surprise


class KeyModel(LatentActionModel):
    """A latent action model whose codes are the surprises that the rules above leave to keys.

    That holds if the expectation learns from a player whose next key cannot be guessed; the codes then hold for any
    player's videos. They are not learnt by predicting pixels, for which half a pixel is worth next to nothing; the
    decoder learns to draw what they mean.

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

    def build_evidence(self, config: LatentActionConfig) -> int:
        self.expectation = MotionExpectation(config, self.rules.expectation_layers)
        if self.rules.look_size is not None:
            self.heading = Heading(self.rules.look_size)
        return 2

    def observe(self, pixels: Tensor) -> Tensor:
        """The motion seen, the motion expected and, with a look, the heading before and after each step."""
        motions = self.expectation(pixels)
        if self.rules.look_size is None:
            return torch.cat(motions, -1)
        headings = self.heading(pixels)
        return torch.cat([*motions, torch.stack([headings[:, :-1], headings[:, 1:]], -1)], -1)

    def describe(self, observed: Tensor, presumed: Presumed | None = None) -> Steps:
        surprise, errors = self.surprise(observed, presumed)
        return Steps(on_sphere(self.spread_out(surprise)), errors)

    def surprise(self, observed: Tensor, presumed: Presumed | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """What keys may have done in each step: pixels (b, t-1, 2) that the scenery moves, x to the right, y down.

        Also the errors to be learnt from: how far off the expectation was, and the headings.
        """
        motions = Motions(observed[..., :2], observed[..., 2:4])
        errors = {"expectation_error": F.huber_loss(motions.expected, motions.seen)}
        if self.rules.look_size is None:
            return key_surprise(motions, presumed), errors
        headings = torch.cat([observed[:, :1, 4], observed[..., 5]], 1)
        errors["heading_error"] = heading_error(headings, key_surprise(motions), motions.seen)
        turned = turns(headings)
        turned[:, 0] = 0  # how fast the player goes is worth more: the first picture does not tell it
        return key_surprise(motions, presumed, turned), errors

    def infer_for_training(self, pixels: Tensor, first_clip: int) -> VectorQuantized:
        presumed = Presumed.for_training(first_clip, len(pixels))
        quantized: VectorQuantized = self.quantizer(self.describe(self.observe(pixels), presumed).vectors)
        return quantized


def on_sphere(surprise: Tensor) -> Tensor:
    """Surprise (…, 2) in standard deviations to unit vectors (…, 3): none is a pole, much is near the equator."""
    pole = torch.full_like(surprise[..., :1], POLE)
    return F.normalize(torch.cat([surprise, pole], -1), dim=-1)


def in_words(rules: Rules) -> tuple[str, ...]:
    """The rules of this wing, and its names, as sentences for the model card of a world trained with them."""
    size = rules.look_size
    told = [
        "a code stands for a surprise, which is the motion seen minus the motion expected from the past.",
        "the player's motion is the scenery's motion reversed, because the camera follows the player.",
        "where the ground or a ceiling cuts a fall or a rise short, no key counts as pressed.",
        f"a player whose speed falls by more than {HIT} pixels in one step has hit a wall. From then on, the key "
        "towards it counts as held until something moves.",
        "in half of the clips for the dynamics, the key of a take-off counts as held until the rise ends.",
        f"in 2 of {PUSHED_EVERY} clips for the dynamics, a key to the left or right counts as held wherever the player "
        "stands still.",
        "the names and keys. Each code was held from many pictures, and the player's motion chose among given names.",
    ]
    if size is not None:
        told.append(f"a turn of what the middle {size}x{size} pixels show counts as a surprise of {PUSH} pixels.")
    return tuple(f"By hand: {sentence}" for sentence in told)
