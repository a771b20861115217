"""Which way the patches of a frame moved since the frame before: a cost volume over whole-pixel shifts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from genie_core.layers.norm import sides

MOTION_REACH = 8  # pixels a step that a patch can move; anything faster counts as change
SHIFTS = (2 * MOTION_REACH + 1) * (MOTION_REACH + 1)
FRAMES_AT_ONCE = 8
SHARPNESS = 8.0  # of the evidence of a whole picture, so that only the best shifts and their neighbours count


def mean_motion(evidence: Tensor, equal: bool = False) -> Tensor:
    """Evidence (…, shifts) of whole pixels to a motion in fractions of one, (…, 2), x right, y down."""
    reach = torch.arange(-MOTION_REACH, MOTION_REACH + 1, device=evidence.device)
    y, x = torch.meshgrid(reach, reach if equal else reach[MOTION_REACH // 2 : -MOTION_REACH // 2], indexing="ij")
    # a patch that fits what lay a pixel further along an axis has moved a pixel back
    return -(SHARPNESS * evidence).softmax(-1) @ torch.stack([x.flatten(), y.flatten()], -1).to(evidence)


@torch.no_grad()
def motion_evidence(pixels: Tensor, patch_size: int, equal: bool = False) -> Tensor:
    """How well each patch of a frame fits the frame before, moved by each shift: (b, t, n, shifts).

    Shifts are every whole pixel up to MOTION_REACH along y and, unless `equal`, up to half of it along x, as older
    worlds have it. Standardised over the shifts, higher meaning a better fit; a patch without texture tells nothing and
    reads 0.

    Source: the cost volume of PWC-Net, Sun et al. 2018 (arXiv:1709.02371), §3. Differs: on grey pixels.
    """
    grey = pixels.mean(1)
    before = torch.cat([grey[:, :1], grey[:, :-1]], dim=1)
    reach = MOTION_REACH, MOTION_REACH if equal else MOTION_REACH // 2
    return rearrange(fit_of_shifts(before, grey, patch_size, reach), "b t h w shifts -> b t (h w) shifts")


@torch.no_grad()
def fit_of_shifts(before: Tensor, grey: Tensor, patch_size: int, reach: tuple[int, int]) -> Tensor:
    """The same of grey frames (b, t, H, W) after frames `before`, for shifts of up to `reach` pixels along y and x:
    (b, t, h, w, shifts)."""
    (t, height, width), (down, across) = sides(grey)[1:], (2 * side + 1 for side in reach)
    columns = torch.arange(across)[:, None] + torch.arange(width)  # of each shift along x
    frames, costs = int(grey.shape[0]) * t, []
    for first in range(0, frames, FRAMES_AT_ONCE):  # so few that what is in between stays in the processor's cache
        part = slice(first, first + FRAMES_AT_ONCE) if frames > FRAMES_AT_ONCE else slice(None)
        padded = F.pad(before.flatten(0, 1)[part, None], (reach[1], reach[1], reach[0], reach[0]), mode="replicate")
        moved = padded[:, 0, :, columns.flatten().to(grey.device)].unflatten(-1, (across, width))
        moved, seen = moved.transpose(1, 2).contiguous(), grey.flatten(0, 1)[part, None]
        fits = [F.avg_pool2d((seen - moved[:, :, dy : dy + height]).abs(), patch_size) for dy in range(down)]
        costs.append(torch.cat(fits, 1))
    cost = torch.cat(costs).reshape(-1, t, down * across, height // patch_size, width // patch_size)
    cost = cost.permute(0, 1, 3, 4, 2).contiguous()
    return (cost.mean(-1, keepdim=True) - cost) / (cost.std(-1, keepdim=True) + 0.02)
