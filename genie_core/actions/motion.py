"""How things move in any video: which patches of a picture moved, which stayed, and whether the whole picture scrolls.

Nothing is known of a game here. Under a camera that follows the player the scenery moves, and the player's motion is
that motion reversed. Where the camera turns too, the scenery swings about the player, and what is ahead of a driver who
turns to the left goes to the right. Under a fixed camera the scenery stays, and what moves is the player or another
thing. A step that looks like neither tells nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from genie_core.actions.alignment import align, mean_length, moved_by

PATCHES = 8  # along the shorter side of a frame
FINE = 8  # pixels of a patch's side: a larger frame is looked at from farther away
REACH = 1 / 8  # of the shorter side: the farthest motion looked for in one step
OUTLIER = 40.0  # grey levels from which on a wrong pixel counts no more: something appeared or vanished
CHANGED = 3.0  # grey levels by which a patch must differ on average to have changed
TEXTURE = 6.0  # grey levels by which a patch must differ from its surroundings, or no motion shows in it
EXPLAINED = 0.5  # of its difference to the surroundings: a patch that fits worse than that is new
PART_MOVED = 0.25  # of the difference that the whole shift would make: less, and a patch stayed
MOVED = 0.25  # pixels: less is no motion
NEAR = 2.0  # pixels: a shift so near to another is much the same
MOST, FEW = (
    2 / 3,
    1 / 3,
)  # of the patches that can tell: from MOST on the picture scrolls. Of the steps: up to FEW scroll
# under a fixed camera, and from MOST on under one that follows
SCENERY = 1 / 4  # of all patches must be able to tell, or it may be a single thing before a flat background
LITTLE = 1 / 8  # of the patches may change while the scenery stays
A_FEW = 1 / 16  # of all patches must be able to tell, or nothing is told
TOGETHER = 64  # steps looked at together, few enough to stay in memory


class Motion(NamedTuple):
    """What moved in each step of clips, in pixels, x right, y down.

    `scenery` (b, t-1, 2) is the shift of the picture's middle as all of it shifts, turns and grows, `things`
    (b, t-1, 2) the mean shift of the patches that moved by themselves. `scrolls` bool (b, t-1) says that the scenery
    moved, `changed` (b, t-1) which share of the patches changed. `flow` (b, t-1, 2) is as `scenery`, also where so
    little of the picture can tell that it may be a thing.
    """

    scenery: np.ndarray
    things: np.ndarray
    scrolls: np.ndarray
    changed: np.ndarray
    flow: np.ndarray


def picture_motion(frames: np.ndarray) -> Motion:
    """The motion in uint8 frames (b, t, H, W, 3)."""
    grey = torch.from_numpy(frames).float().mean(-1)
    away = max(1, min(frames.shape[2:4]) // (PATCHES * FINE))
    grey = F.avg_pool2d(grey, away)
    before, after = (rearrange(each, "b t H W -> (b t) H W") for each in (grey[:, :-1], grey[:, 1:]))
    parts = [_steps(*pair) for pair in zip(before.split(TOGETHER), after.split(TOGETHER), strict=True)]
    found = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    scenery, things, scrolls, changed, flow = (each.reshape(len(frames), -1, *each.shape[1:]) for each in found)
    return Motion(away * scenery, away * things, scrolls, changed, away * flow)


def player_motion(motion: Motion) -> np.ndarray:
    """The player's motion relative to the scenery in each step, (b, t-1, 2), NaN where nothing tells it.

    The camera is taken for one that follows the player if most of the steps in which much changed scroll, and for a
    fixed one if few of them do. Otherwise the two cannot be told apart, and no motion is told.
    """
    much = motion.changed > LITTLE
    following = float(motion.scrolls[much].mean()) if much.any() else 0.0
    if FEW < following < MOST:
        return np.full_like(motion.things, np.nan)
    if following <= FEW:
        return np.where(motion.scrolls[..., None], np.nan, motion.things)
    told = motion.scrolls | motion.flow.any(-1)  # under such a camera, what little tells is scenery too
    return np.where(told[..., None], -motion.flow, np.where(much, np.nan, 0.0)[..., None])


def _steps(before: Tensor, after: Tensor) -> tuple[Tensor, ...]:
    """The fields of Motion for n steps, of grey frames (n, H, W) in grey levels."""
    side = min(before.shape[1:])
    size, reach = max(2, side // PATCHES), max(2, round(REACH * side))
    cost = _costs(before, after, size, reach)  # (n, patches, y, x)
    changed = cost[:, :, reach, reach] > CHANGED
    flow, tells = _flow(cost, before, after, size)
    scrolls, still = flow.any(-1) & (tells >= SCENERY), torch.zeros(())
    return (
        torch.where(scrolls[:, None], flow, still),
        torch.where(scrolls[:, None], still, _things(cost, changed)),
        scrolls,
        changed.float().mean(1),
        flow,
    )


def _flow(cost: Tensor, before: Tensor, after: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The shift (n, 2) of the picture's middle, and the share of the patches that can tell.

    These are those that would change if all of the picture moved as fits it best. 0 if MOST of them did not.
    """
    reach = cost.shape[-1] // 2
    shift, _ = _best_shift(cost.mean(1, keepdim=True))
    motion = align(before, after, shift[:, 0])
    far = mean_length(motion, (after.shape[1], after.shape[2]))[:, None]
    whole = torch.where(far < MOVED, 0, motion / far.clamp(MOVED, 1))  # for less than a pixel moves no grid
    would, fit = (_apart(after, each, size) for each in (moved_by(after, -whole), moved_by(before, motion)))
    stayed = cost[:, :, reach, reach]
    telling = would > CHANGED
    did = telling & (fit <= stayed) & (stayed > PART_MOVED * would)
    tells, share = telling.float().mean(1), did.sum(1) / telling.sum(1).clamp(min=1)
    return torch.where(((share >= MOST) & (tells >= A_FEW))[:, None], motion[:, :2], 0.0), tells


def _apart(one: Tensor, other: Tensor, size: int) -> Tensor:
    """How much each patch of grey pictures (n, H, W) differs: (n, patches)."""
    return rearrange(F.avg_pool2d((one - other).abs().clamp(max=OUTLIER), size), "n h w -> n (h w)")


def _things(cost: Tensor, changed: Tensor) -> Tensor:
    """The mean shift (n, 2) of the patches that moved by themselves, 0 where none did.

    A patch that another shift explains as well tells nothing: a field of a board that a piece has left looks like every
    other field.
    """
    shift, fit = _best_shift(cost)
    around = cost.mean((-2, -1))
    moved = changed & (around > TEXTURE) & (fit < EXPLAINED * around) & (shift.abs().amax(-1) >= MOVED)
    moved &= _best_elsewhere(cost, shift) > fit + CHANGED
    return (shift * moved[..., None]).sum(1) / moved.sum(1).clamp(min=1)[:, None]


def _costs(before: Tensor, after: Tensor, size: int, reach: int) -> Tensor:
    """How much each patch of `after` differs from `before` moved by each shift: (n, patches, 2 reach + 1, the same)."""
    padded = F.pad(before[:, None], (reach,) * 4, mode="replicate")[:, 0]
    height, width = after.shape[1:]
    shifts = [(dy, dx) for dy in range(2 * reach, -1, -1) for dx in range(2 * reach, -1, -1)]
    apart = ((after - padded[:, y : y + height, x : x + width]).abs().clamp(max=OUTLIER) for y, x in shifts)
    pooled = [F.avg_pool2d(each, size) for each in apart]
    return rearrange(torch.stack(pooled, -1), "n h w (y x) -> n (h w) y x", y=2 * reach + 1)


def _best_shift(cost: Tensor) -> tuple[Tensor, Tensor]:
    """The shift (n, patches, 2), x right, y down, that fits each patch best, between whole pixels too, and its cost."""
    reach = cost.shape[-1] // 2
    steps = torch.arange(-reach, reach + 1.0)
    # of equally good shifts the shortest: a regular texture fits many
    distance = steps[:, None].abs() + steps.abs()
    flat = (cost + 1e-3 * distance).flatten(-2)
    best = flat.argmin(-1)
    y, x = best // cost.shape[-1], best % cost.shape[-1]
    rows = torch.take_along_dim(cost, y[..., None, None], -2)[..., 0, :]
    columns = torch.take_along_dim(cost, x[..., None, None], -1)[..., 0]
    shift = torch.stack([x - reach + _vertex(rows, x), y - reach + _vertex(columns, y)], -1)
    return shift, torch.take_along_dim(rows, x[..., None], -1)[..., 0]


def _best_elsewhere(cost: Tensor, shift: Tensor) -> Tensor:
    """The cost (n, patches) of the best shift that is more than NEAR pixels away from `shift` (n, patches, 2)."""
    reach = cost.shape[-1] // 2
    steps = torch.arange(-reach, reach + 1.0)
    x, y = ((steps - along[..., None]).abs() > NEAR for along in shift.unbind(-1))
    return cost.where(y[..., :, None] | x[..., None, :], torch.inf).amin((-2, -1))


def _vertex(cost: Tensor, best: Tensor) -> Tensor:
    """How far from the best of `cost` (…, shifts) the parabola through it and its neighbours is lowest."""
    inside = best.clamp(1, cost.shape[-1] - 2)[..., None]
    left, middle, right = (torch.take_along_dim(cost, inside + side, -1)[..., 0] for side in (-1, 0, 1))
    bend = left + right - 2 * middle
    off = 0.5 * (left - right) / bend.clamp(min=1e-6)
    return torch.where(inside[..., 0] == best, off.clamp(-0.5, 0.5), torch.zeros(()))
