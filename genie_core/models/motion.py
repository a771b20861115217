"""What moved between two frames, what the past let one expect of it, and so what was a surprise."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from genie_core.config import LatentActionConfig
from genie_core.layers.norm import RMSNorm
from genie_core.layers.st_block import STBlock

MOTION_REACH = 8  # pixels a step that a patch can move; faster things are left to the change
SHIFTS = (2 * MOTION_REACH + 1) * (MOTION_REACH + 1)
HIT = 0.8  # pixels: slower by more than this in one step is scenery in the way, for no key brakes so hard
HALTED = 0.3  # pixels a step: less is standing still
TAKE_OFF = 2.0  # pixels: a greater surprise along y throws the player up
PUSH = 0.5  # pixels: the surprise that a turn is worth, and that is presumed of a key held in flight or against a wall
SURE = 0.5  # of a turn
SHARPNESS = 8.0  # of the evidence of a whole picture, so that only the best shifts and their neighbours count


class Motions(NamedTuple):
    """The scenery's motion in each step of a clip and what was expected of it, pixels (b, t-1, 2), x right, y down."""

    seen: Tensor
    expected: Tensor


class Presumed(NamedTuple):
    """What is presumed of keys in clips (b,), where nothing shows whether they are down.

    `held`, bool: who takes off holds the key until the rise ends. `faced`, bool: who flies and shows no key holds the
    one for the way he looks, unless he took off straight and has shown none since. `push`, along x: what stands
    still is pushed, -1 or 1 being the way its scenery would go, 0 for not.
    """

    held: Tensor
    faced: Tensor
    push: Tensor

    @classmethod
    def of(cls, keys_last: Tensor) -> Presumed:
        """All that can be held is where `keys_last`, bool (b,), elsewhere nothing."""
        return cls(keys_last, keys_last, torch.zeros(len(keys_last)))


class MotionExpectation(nn.Module):
    """Expects the motion of the next step from the motions before it, and from nothing that tells the action.

    An ST-transformer with one token a frame: the evidence of all patches together, for half a pixel, which is what a
    key is worth in one step, shows in no single patch.
    """

    def __init__(self, config: LatentActionConfig, layers: int) -> None:
        super().__init__()
        self.patch_size = config.patch_size
        self.motion_embed = nn.Linear(SHIFTS + 2, config.width)
        self.blocks = nn.ModuleList(
            STBlock(config.width, config.heads, config.context_frames, grid=1) for _ in range(layers)
        )
        self.norm = RMSNorm(config.width)
        self.head = nn.Linear(config.width, 2)

    def forward(self, pixels: Tensor) -> Motions:
        """pixels (b, c, t, H, W) in [-1, 1]; `expected[:, i]` knows frames 0..i, `seen[:, i]` is of frame i to i+1."""
        evidence = motion_evidence(pixels, self.patch_size).mean(2)  # (b, t, shifts)
        evidence[:, 0] = 0  # nothing is known of how the first frame came about
        motion = mean_motion(evidence)
        x = self.motion_embed(torch.cat([evidence, motion], -1))[:, :, None]
        for block in self.blocks:
            x, _ = block(x)
        return Motions(motion[:, 1:], self.head(self.norm(x))[:, :-1, 0])


@torch.no_grad()
def key_surprise(
    motions: Motions, presumed: Presumed | None = None, turned: Tensor | None = None, facing: Tensor | None = None
) -> Tensor:
    """What of each step's motion a key may have done, pixels (b, t-1, 2): the motion seen less the expected.

    `turned` (b, t-1), in -1..1, is how surely the player has turned to where the scenery goes right, or back. A turn is
    a key's doing, whatever moves, and who turns no longer pushes against a wall. `facing` (b, t-1) has the sign of the
    way he then looks, and nothing is `faced` without.

    Scenery surprises too, and no key did it. A fall or a rise that is cut short has met the ground or a ceiling. Who is
    stopped at once on the way has met a wall, and is presumed to go on pushing against it until something moves: what a
    blocked key does, nothing, can be learnt from nowhere else.
    """
    seen, expected = motions
    surprise = seen - expected
    way = expected.sign()
    ahead, speed = seen * way, expected.abs()
    surprise[..., 1][(ahead[..., 1] > -HALTED) & (ahead[..., 1] < speed[..., 1])] = 0
    hits = way[..., 0] * ((ahead[..., 0] > -HALTED) & (speed[..., 0] - ahead[..., 0] > HIT))
    still = seen[..., 0].abs() < HALTED
    nowhere = torch.zeros_like(surprise[..., 0])
    turned = nowhere if turned is None else turned
    held, faced, push = (each.to(seen.device) for each in presumed or Presumed.of(seen.new_zeros(len(seen)).bool()))
    takes_off = surprise[..., 1].abs() > TAKE_OFF
    flies = aloft(seen)
    looks = (nowhere if facing is None else facing).sign() * (faced[:, None] & flies)
    wall = rise = torch.zeros_like(hits[:, 0])
    straight = torch.zeros_like(held)
    for step in range(hits.shape[1]):
        x, y = surprise[:, step].unbind(-1)
        turn = turned[:, step]
        steady = turn.abs() < SURE
        wall = torch.where(hits[:, step] != 0, hits[:, step], wall * still[:, step]) * steady
        blocked = torch.where(wall != 0, wall, push * still[:, step]) * steady
        rise = torch.where(takes_off[:, step] & held, y, rise * (seen[:, step, 1] * rise > 0))
        x = x + PUSH * turn
        shows = x.abs() > PUSH / 2
        straight = ~shows & (takes_off[:, step] | straight & flies[:, step])
        side = torch.where(blocked != 0, blocked, looks[:, step] * ~(straight | shows))
        surprise[:, step] = torch.stack([torch.where(side != 0, PUSH * side, x), torch.where(rise != 0, rise, y)], -1)
    return surprise


def aloft(seen: Tensor) -> Tensor:
    """Whether the player is in the air in each step of the motion `seen` (b, t-1, 2): bool (b, t-1)."""
    rose = F.pad(seen[:, :-1, 1] > HALTED, (1, 0))
    return (seen[..., 1].abs() > HALTED) | rose  # the highest step of a jump is still


def mean_motion(evidence: Tensor) -> Tensor:
    """Evidence (…, shifts) of whole pixels to a motion in fractions of one, (…, 2), x right, y down."""
    reach = torch.arange(-MOTION_REACH, MOTION_REACH + 1, device=evidence.device)
    y, x = torch.meshgrid(reach, reach[MOTION_REACH // 2 : -MOTION_REACH // 2], indexing="ij")
    # a patch that fits what lay to its right has moved left
    return -(SHARPNESS * evidence).softmax(-1) @ torch.stack([x.flatten(), y.flatten()], -1).to(evidence)


@torch.no_grad()
def motion_evidence(pixels: Tensor, patch_size: int) -> Tensor:
    """How well each patch of a frame fits the frame before, moved by each shift: (b, t, n, shifts).

    Shifts are every whole pixel up to MOTION_REACH along y and every one up to half of it along x. Standardised over
    the shifts, higher meaning a better fit; a patch without texture tells nothing and reads 0.

    Source: the cost volume of PWC-Net, Sun et al. 2018 (arXiv:1709.02371), §3. Differs: on grey pixels.
    """
    height, width = pixels.shape[-2:]
    grey = pixels.mean(1)
    before = torch.cat([grey[:, :1], grey[:, :-1]], dim=1)
    padded = F.pad(before, (MOTION_REACH // 2, MOTION_REACH // 2, MOTION_REACH, MOTION_REACH), mode="replicate")
    costs = []
    for dy in range(2 * MOTION_REACH + 1):
        for dx in range(MOTION_REACH + 1):
            difference = (grey - padded[:, :, dy : dy + height, dx : dx + width]).abs()
            costs.append(F.avg_pool2d(difference, patch_size))
    cost = rearrange(torch.stack(costs, -1), "b t h w shifts -> b t (h w) shifts")
    return (cost.mean(-1, keepdim=True) - cost) / (cost.std(-1, keepdim=True) + 0.02)
