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
from genie_core.layers.ranks import RankedBatchNorm
from genie_core.layers.st_block import STBlock
from genie_core.models.motion import MOTION_REACH, SHIFTS, motion_evidence
from genie_core.pixels import pad_to_multiple


class NextFrames(NamedTuple):
    """`pixels` (b, c, t-1, H, W), the predicted frames 1..t-1, and the quantizer's view of the actions.

    `observed` (b, t-1, any width) is what the actions were found from. `errors` are scalars for the loss, by name; a
    model that learns its codes from pixels has none.
    """

    pixels: Tensor
    quantized: VectorQuantized
    observed: Tensor
    errors: dict[str, Tensor]


class LatentActionModel(nn.Module):
    """A vector-quantized ST-transformer on pixels.

    The encoder sees `context_frames` past frames and the next one; the decoder has to predict that next frame from
    the one before it and one of `num_actions` codes. A subclass may find the codes by other means: it overrides
    `build_evidence`, `observe`, `describe`, `errors`, `reach` and `ahead`.

    Source: Genie, Bruce et al. 2024 (arXiv:2402.15391), §2.1. Differs: frames come with the evidence of what moved, and
    the decoder says how patches move and what else changes (as CDNA, Finn et al. 2016, arXiv:1605.07157), so that
    shallow networks on a CPU find motion. The decoder sees one past frame only: with more, a code comes to mean "on,
    the way it goes", and opposite ways share a code.
    """

    codes_learn_from_pixels = True
    """Whether the error of the predicted frames trains the codes; else `errors` do, and they alone."""

    def __init__(self, config: LatentActionConfig) -> None:
        super().__init__()
        self.config = config
        self.build_evidence(config)
        self.quantizer = VectorQuantizer(config.num_actions, config.code_width)
        self.decoder = FrameTransformer(config, context_frames=0)
        self.action_embed = nn.Linear(config.code_width, config.width)
        self.change_head = nn.Linear(config.width, 3 * config.patch_size**2)
        self.motion_head = nn.Linear(config.width, 2 * (2 * MOTION_REACH + 1))
        for head in (self.change_head, self.motion_head):
            nn.init.zeros_(head.weight)

    def forward(
        self,
        pixels: Tensor,
        drawn: list[int] | None = None,
        told: Tensor | None = None,
        seen: Tensor | None = None,
    ) -> NextFrames:
        """pixels (b, c, t, H, W) in [-1, 1], two frames or more; next frames are drawn of the rows `drawn` alone.

        `told` (b, t-1) are ids of actions that are known, -1 where none is. `seen` (b, t-1, width) is what another
        network sees in each frame but the last, for models that foretell.
        """
        observed = self.observe(pixels)
        quantized = self.quantizer(self.describe(observed), told)
        codes = quantized.codes if self.codes_learn_from_pixels else quantized.codes.detach()
        rows = slice(None) if drawn is None else drawn
        predicted = self.predict(pixels[rows][:, :, :-1], codes[rows])
        return NextFrames(predicted, quantized, observed, self.errors(observed, quantized.codes, seen))

    def infer(self, pixels: Tensor) -> VectorQuantized:
        """The actions between frames of pixels (b, c, t, H, W): codes (b, t-1, code_width), indices (b, t-1)."""
        return self.infer_observed(self.observe(pixels))

    def infer_observed(self, observed: Tensor) -> VectorQuantized:
        """The same from what `observe` gave, of a whole clip."""
        quantized: VectorQuantized = self.quantizer(self.describe(observed))
        return quantized

    # ---- what happened in each step: a subclass may find out by other means

    @property
    def reach(self) -> int:
        """How many frames before a step's first one its code depends on."""
        return self.config.layers * self.config.context_frames

    @property
    def ahead(self) -> int:
        """How many frames after a step's second one its code depends on, where a clip has them."""
        return 0

    def build_evidence(self, config: LatentActionConfig) -> None:
        """Makes the networks that `observe` and `describe` need."""
        # centred and scaled over the batch, or all inputs start out nearest to one and the same code
        self.spread = RankedBatchNorm(config.code_width, affine=False)
        self.encoder = FrameTransformer(config, config.context_frames)
        self.pool = nn.Linear(config.width, 1)
        self.to_code = nn.Linear(config.width, config.code_width)

    def observe(self, pixels: Tensor) -> Tensor:
        """What pixels (b, c, t, H, W) show of each step, (b, t-1, any width). A step depends on `reach` frames."""
        x = self.encoder(pixels)[:, 1:]  # (b, t-1, n, d): frame i+1 has seen frame i
        return self.to_code((x * self.pool(x).softmax(dim=2)).sum(2))

    def describe(self, observed: Tensor) -> Tensor:
        """All steps of a clip as vectors to be quantized, (b, t-1, code_width), from what was observed of each."""
        return self.spread_out(observed)

    def errors(self, observed: Tensor, codes: Tensor, seen: Tensor | None = None) -> dict[str, Tensor]:
        """What besides pixels teaches the codes (b, t-1, code_width): scalars to be made small, by name."""
        return {}

    def spread_out(self, x: Tensor) -> Tensor:
        return rearrange(self.spread(rearrange(x, "b t d -> (b t) d")), "(b t) d -> b t d", b=len(x))

    # ----

    def predict(self, pixels: Tensor, codes: Tensor) -> Tensor:
        """Frame i+1 from frame i of pixels (b, c, t, H, W) and the code (b, t, code_width) after it."""
        height, width = pixels.shape[-2:]
        pixels = pad_to_multiple(pixels, self.config.patch_size)
        x = self.decoder(pixels, self.action_embed(codes))
        h, p = self.config.grid[0], self.config.patch_size
        change = rearrange(self.change_head(x), "b t (h w) (p q c) -> b c t (h p) (w q)", h=h, p=p, q=p)
        frames = rearrange(pixels, "b c t H W -> (b t) c H W")
        motion = rearrange(self.motion_head(x), "b t (h w) (two k) -> two (b t) k h w", h=h, two=2)
        moved = move(move(frames, motion[0], dim=-1), motion[1], dim=-2)
        following = rearrange(moved, "(b t) c H W -> b c t H W", b=len(pixels)) + change
        return following[..., :height, :width]


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
        self.motion_embed = nn.Linear(SHIFTS, config.width) if context_frames else None
        self.position = nn.Parameter(0.02 * torch.randn(config.grid[0] * config.grid[1], config.width))
        self.blocks = nn.ModuleList(
            STBlock(config.width, config.heads, context_frames, config.grid) for _ in range(config.layers)
        )
        self.norm = RMSNorm(config.width)
        self.patch_size = size

    def forward(self, pixels: Tensor, condition: Tensor | None = None) -> Tensor:
        pixels = pad_to_multiple(pixels, self.patch_size)
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
