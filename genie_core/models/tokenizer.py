"""VideoTokenizer: frames to token grids and back. It knows nothing of actions or time limits."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from genie_core.config import TokenizerConfig
from genie_core.layers.causal_conv import LAYOUT, CausalConv3d, ChannelNorm, DepthToSpace, ResidualBlock, SpaceToDepth
from genie_core.layers.quantize import LookupFree, bits_to_tokens, lookup_free_quantize, tokens_to_bits
from genie_core.pixels import pad_to_multiple

TEMPORAL_FRAMES = 3
DECODER_REACH = 2 * (TEMPORAL_FRAMES - 1)  # earlier frames that a decoded picture depends on: two such convolutions


class DecoderPast(NamedTuple):
    """What the decoder remembers of earlier frames: the last inputs of its two temporal convolutions."""

    stem: Tensor
    block: Tensor


class Reconstruction(NamedTuple):
    """`pixels` (b, c, t, H, W) in about [-1, 1] and what the quantizer had to say."""

    pixels: Tensor
    quantized: LookupFree


class VideoTokenizer(nn.Module):
    """MagViT-2: causal 3-D convolutions, residual blocks, lookup-free quantization; one token grid a frame.

    Source: MagViT-2, Yu et al. 2023 (arXiv:2310.05737). Differs: no temporal stride, because an action acts on every
    frame; space-to-depth for strided convolutions and time mixed at the token grid only, because a CPU has to keep up.
    """

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def forward(self, pixels: Tensor) -> Reconstruction:
        """pixels (b, c, t, H, W) in [-1, 1]."""
        quantized = self.quantize(pixels)
        codes = rearrange(quantized.codes, "b t h w k -> b k t h w")
        return Reconstruction(self.decoder(codes), quantized)

    def quantize(self, pixels: Tensor) -> LookupFree:
        """pixels (b, c, t, H, W) to codes (b, t, h, w, code_bits) and tokens (b, t, h, w)."""
        z = torch.tanh(self.encoder(pixels))
        return lookup_free_quantize(rearrange(z, "b k t h w -> b t h w k"), self.config.token_factors)

    def encode(self, pixels: Tensor) -> Tensor:
        """pixels (b, c, t, H, W) to tokens (b, t, h, w) int64."""
        return bits_to_tokens(rearrange(self.encoder(pixels), "b k t h w -> b t h w k"))

    def decode(self, tokens: Tensor) -> Tensor:
        """tokens (b, t, h, w) to pixels (b, c, t, H, W)."""
        return self.decoder(self._codes(tokens))

    def decode_next(self, tokens: Tensor, past: DecoderPast | None) -> tuple[Tensor, DecoderPast]:
        """Goes on decoding after `past`: the pixels that `decode` of the whole clip would give for these frames."""
        return self.decoder.resume(self._codes(tokens), past)

    def _codes(self, tokens: Tensor) -> Tensor:
        return rearrange(tokens_to_bits(tokens, self.config.code_bits), "b t h w k -> b k t h w")


class Encoder(nn.Module):
    """Pixels to one vector of `code_bits` numbers a token."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for level, channels in enumerate(config.channels):
            layers += [SpaceToDepth(), CausalConv3d(4 * inputs, channels, size=3 if level == 0 else 1)]
            layers += [ResidualBlock(channels)]
            inputs = channels
        layers += [ResidualBlock(inputs, frames=TEMPORAL_FRAMES), ChannelNorm(inputs)]
        self.layers = nn.Sequential(*layers)
        self.head = CausalConv3d(inputs, config.code_bits, size=1)
        self.stride = config.stride

    def forward(self, pixels: Tensor) -> Tensor:
        pixels = pad_to_multiple(pixels, self.stride)
        return self.head(F.silu(self.layers(pixels.contiguous(memory_format=LAYOUT))))


class Decoder(nn.Module):
    """Code bits to pixels; all that looks back in time comes first, so that its memory is small."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.height, self.width = config.frame_size
        widths = config.channels[::-1]
        self.stem = CausalConv3d(config.code_bits, widths[0], TEMPORAL_FRAMES)
        self.block = ResidualBlock(widths[0], TEMPORAL_FRAMES)
        layers: list[nn.Module] = [ResidualBlock(widths[0])]
        for before, after in pairwise(widths):
            layers += [CausalConv3d(before, 4 * after, size=1), DepthToSpace()]
            layers += [ResidualBlock(after) for _ in range(config.decoder_blocks)]
        layers += [ChannelNorm(widths[-1]), nn.SiLU(), CausalConv3d(widths[-1], 4 * 3), DepthToSpace()]
        self.layers = nn.Sequential(*layers)

    def forward(self, codes: Tensor) -> Tensor:
        return self.resume(codes, None)[0]

    def resume(self, codes: Tensor, past: DecoderPast | None) -> tuple[Tensor, DecoderPast]:
        stem_past, block_past = past if past is not None else (None, None)
        codes = codes.contiguous(memory_format=LAYOUT)
        x = self.stem(codes, stem_past)
        block_input = self.block.first_input(x)
        following = DecoderPast(
            self.stem.next_past(codes, stem_past), self.block.conv1.next_past(block_input, block_past)
        )
        pixels = self.layers(self.block(x, block_past))
        return pixels[..., : self.height, : self.width], following
