"""LatentActionModel: which of a few actions happened between two frames, found without labels."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from genie_core.config import LatentActionConfig
from genie_core.layers.norm import RMSNorm
from genie_core.layers.quantize import VectorQuantized, VectorQuantizer
from genie_core.layers.st_block import STBlock

MOTION_REACH = 8  # pixels a step that a patch can move; faster things are left to the change


class NextFrames(NamedTuple):
    """`pixels` (b, c, t-1, H, W), the predicted frames 1..t-1, and the quantizer's view of the actions."""

    pixels: Tensor
    quantized: VectorQuantized


class LatentActionModel(nn.Module):
    """A vector-quantized ST-transformer on pixels.

    The encoder sees `context_frames` past frames and the next one; the decoder has to predict that next frame from
    the one before it and one of `num_actions` codes.

    Source: Genie, Bruce et al. 2024 (arXiv:2402.15391), §2.1. Differs: frames come with the evidence of what moved, and
    the decoder says how patches move and what else changes (as CDNA, Finn et al. 2016, arXiv:1605.07157), so that
    shallow nets on a CPU find motion. The decoder knows no more of the past than one frame, or a code comes to mean
    "on, the way it goes", and left and right share it.
    """

    def __init__(self, config: LatentActionConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = FrameTransformer(config, config.context_frames)
        self.pool = nn.Linear(config.width, 1)
        self.to_code = nn.Linear(config.width, config.code_width)
        # centred and scaled over the batch, or all inputs start out nearest to one and the same code
        self.spread = nn.BatchNorm1d(config.code_width, affine=False)
        self.quantizer = VectorQuantizer(config.num_actions, config.code_width)
        self.decoder = FrameTransformer(config, context_frames=0)
        self.action_embed = nn.Linear(config.code_width, config.width)
        self.change_head = nn.Linear(config.width, 3 * config.patch_size**2)
        self.motion_head = nn.Linear(config.width, 2 * (2 * MOTION_REACH + 1))
        for head in (self.change_head, self.motion_head):
            nn.init.zeros_(head.weight)

    def forward(self, pixels: Tensor) -> NextFrames:
        """pixels (b, c, t, H, W) in [-1, 1], at least two frames."""
        quantized = self.infer(pixels)
        return NextFrames(self.predict(pixels[:, :, :-1], quantized.codes), quantized)

    def infer(self, pixels: Tensor) -> VectorQuantized:
        """The actions between frames of pixels (b, c, t, H, W): codes (b, t-1, code_width), indices (b, t-1)."""
        x = self.encoder(pixels)[:, 1:]  # (b, t-1, n, d): frame i+1 has seen frame i
        x = (x * self.pool(x).softmax(dim=2)).sum(2)  # (b, t-1, d)
        z = rearrange(self.spread(rearrange(self.to_code(x), "b t d -> (b t) d")), "(b t) d -> b t d", b=len(x))
        return self.quantizer(z)

    def predict(self, pixels: Tensor, codes: Tensor) -> Tensor:
        """Frame i+1 from frame i of pixels (b, c, t, H, W) and the code (b, t, code_width) after it."""
        x = self.decoder(pixels, self.action_embed(codes))
        h, p = self.config.grid, self.config.patch_size
        change = rearrange(self.change_head(x), "b t (h w) (p q c) -> b c t (h p) (w q)", h=h, p=p, q=p)
        frames = rearrange(pixels, "b c t H W -> (b t) c H W")
        motion = rearrange(self.motion_head(x), "b t (h w) (two k) -> two (b t) k h w", h=h, two=2)
        moved = move(move(frames, motion[0], dim=-1), motion[1], dim=-2)
        return rearrange(moved, "(b t) c H W -> b c t H W", b=len(pixels)) + change


def move(frames: Tensor, logits: Tensor, dim: int) -> Tensor:
    """Shifts each patch of frames (n, c, H, W) along `dim` by a softmax mixture of whole pixels.

    `logits` (n, 2 * reach + 1, h, w), a patch each, are those of shifts -reach..reach; staying is favoured.
    """
    reach = logits.shape[1] // 2
    favour = torch.zeros(logits.shape[1], device=logits.device)
    favour[reach] = 4.0
    size = frames.shape[-1] // logits.shape[-1]
    weights = (logits + favour[:, None, None]).softmax(1)
    weights = weights.repeat_interleave(size, -1).repeat_interleave(size, -2)  # (n, shifts, H, W)
    margin = (reach, reach, 0, 0) if dim == -1 else (0, 0, reach, reach)
    padded = F.pad(frames, margin, mode="replicate")
    shifts = range(logits.shape[1])
    return sum(weights[:, k : k + 1] * padded.narrow(dim, k, frames.shape[dim]) for k in shifts)  # type: ignore[return-value]


class FrameTransformer(nn.Module):
    """Frames to (b, t, n, d), causally; `condition` (b, t, d) is added to every token of its frame."""

    def __init__(self, config: LatentActionConfig, context_frames: int) -> None:
        super().__init__()
        size = config.patch_size
        self.patch_embed = nn.Conv2d(3, config.width, size + size // 2, stride=size, padding=size // 4)
        shifts = (2 * MOTION_REACH + 1) * (MOTION_REACH + 1)
        self.motion_embed = nn.Linear(shifts, config.width) if context_frames else None
        self.position = nn.Parameter(0.02 * torch.randn(config.grid**2, config.width))
        self.blocks = nn.ModuleList(
            STBlock(config.width, config.heads, context_frames, config.grid) for _ in range(config.layers)
        )
        self.norm = RMSNorm(config.width)
        self.patch_size = size

    def forward(self, pixels: Tensor, condition: Tensor | None = None) -> Tensor:
        images = rearrange(pixels, "b c t H W -> (b t) c H W").contiguous(memory_format=torch.channels_last)
        patches = rearrange(self.patch_embed(images), "(b t) d h w -> b t (h w) d", b=len(pixels))
        x = patches + self.position
        if self.motion_embed is not None:
            x = x + self.motion_embed(motion_evidence(pixels, self.patch_size))
        if condition is not None:
            x = x + condition[:, :, None]
        for block in self.blocks:
            x, _ = block(x)
        return self.norm(x)


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
