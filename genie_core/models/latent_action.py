"""LatentActionModel: which of a few actions happened between two frames, found without labels."""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn

from genie_core.config import LatentActionConfig
from genie_core.layers.quantize import VectorQuantized, VectorQuantizer
from genie_core.layers.st_block import STBlock


class NextFrames(NamedTuple):
    """`pixels` (b, c, t-1, H, W), the predicted frames 1..t-1, and the quantizer's view of the actions."""

    pixels: Tensor
    quantized: VectorQuantized


class LatentActionModel(nn.Module):
    """A vector-quantized ST-transformer on pixels.

    The encoder sees `context_frames` past frames and the next one; the decoder has to predict that next frame from
    the past and one of `num_actions` codes. As both know how things were moving, the code is left to say what was done.

    Source: Genie, Bruce et al. 2024 (arXiv:2402.15391), §2.1. Differs: patches overlap and see the frame before,
    so that shallow nets on a CPU find motion; the decoder predicts the change of the picture.
    """

    def __init__(self, config: LatentActionConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = FrameTransformer(config)
        self.pool = nn.Linear(config.width, 1)
        self.to_code = nn.Linear(config.width, config.code_width)
        # centred and scaled over the batch, or all inputs start out nearest to one and the same code
        self.spread = nn.BatchNorm1d(config.code_width, affine=False)
        self.quantizer = VectorQuantizer(config.num_actions, config.code_width)
        self.decoder = FrameTransformer(config)
        self.action_embed = nn.Linear(config.code_width, config.width)
        self.head = nn.Linear(config.width, 3 * config.patch_size**2)
        nn.init.zeros_(self.head.weight)

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
        """Frame i+1 from frames ..i of pixels (b, c, t, H, W) and the codes (b, t, code_width) after each."""
        x = self.decoder(pixels, self.action_embed(codes))
        p = self.config.patch_size
        change = rearrange(
            self.head(x), "b t (h w) (p q c) -> b c t (h p) (w q)", h=self.config.grid, p=p, q=p
        )  # (b, c, t, H, W)
        return pixels + change


class FrameTransformer(nn.Module):
    """Frames to (b, t, n, d), causally; `condition` (b, t, d) is added to every token of its frame."""

    def __init__(self, config: LatentActionConfig) -> None:
        super().__init__()
        size = config.patch_size
        self.patch_embed = nn.Conv2d(6, config.width, size + size // 2, stride=size, padding=size // 4)
        self.position = nn.Parameter(0.02 * torch.randn(config.grid**2, config.width))
        self.blocks = nn.ModuleList(
            STBlock(config.width, config.heads, config.context_frames, config.grid) for _ in range(config.layers)
        )
        self.norm = nn.RMSNorm(config.width)

    def forward(self, pixels: Tensor, condition: Tensor | None = None) -> Tensor:
        before = torch.cat([pixels[:, :, :1], pixels[:, :, :-1]], dim=2)
        pairs = rearrange(torch.cat([pixels, before], dim=1), "b c t H W -> (b t) c H W")
        patches = self.patch_embed(pairs.contiguous(memory_format=torch.channels_last))
        x = rearrange(patches, "(b t) d h w -> b t (h w) d", b=len(pixels)) + self.position
        if condition is not None:
            x = x + condition[:, :, None]
        for block in self.blocks:
            x, _ = block(x)
        return self.norm(x)
