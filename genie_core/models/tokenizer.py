"""VideoTokenizer: frames to token grids and back. It knows nothing of actions or time limits."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from genie_core.config import TEMPORAL_FRAMES, TokenizerConfig
from genie_core.layers.causal_conv import LAYOUT, CausalConv3d, ChannelNorm, DepthToSpace, ResidualBlock, SpaceToDepth
from genie_core.layers.norm import sides
from genie_core.layers.quantize import LookupFree, bits_to_tokens, lookup_free_quantize, tokens_to_bits
from genie_core.pixels import pad_to_multiple


class DecoderPast(NamedTuple):
    """What the decoder remembers of earlier frames: the last inputs of its two temporal convolutions."""

    stem: Tensor
    block: Tensor


class Coded(NamedTuple):
    """A clip as `tokens` (b, t, h, w) int64, and as one sees it afterwards: `pixels` (b, 3, t, H, W)."""

    tokens: Tensor
    pixels: Tensor


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

    def code(self, pixels: Tensor) -> Coded:
        """A clip (b, 3, t, H, W) as tokens, and what they make of it."""
        tokens = self.encode(pixels)
        return Coded(tokens, self.decode(tokens))

    def decode_each(self, coded: Coded, tokens: Tensor) -> Tensor:
        """Each frame of `tokens` (b, t, h, w) but the first, decoded after those of `coded` before it."""
        frames, past = [], None
        for before, after in pairwise(range(tokens.shape[1])):
            _, past = self.decode_next(coded.tokens[:, before : before + 1], past)
            frames.append(self.decode_next(tokens[:, after : after + 1], DecoderPast(*past))[0])
        return torch.cat(frames, 2)

    def features(self, pixels: Tensor) -> None:
        """A dynamics sees nothing of the pictures but their tokens."""
        return

    def decode_next(self, tokens: Tensor, past: DecoderPast | None) -> tuple[Tensor, DecoderPast]:
        """Goes on decoding after `past`: the pixels that `decode` of the whole clip would give for these frames."""
        return self.decoder.resume(self._codes(tokens), past)

    def encode_frames(self, pixels: Tensor) -> Tensor:
        """The same as `encode`, of pixels (b, t, 3, H, W) to tokens (b, t, n) int64."""
        bits = self.encoder.clip(pixels)  # (b, t, h, w, code_bits)
        return bits_to_tokens(bits.reshape(-1, pixels.shape[1], self.config.tokens, self.config.code_bits))

    def decode_frame(self, tokens: Tensor, past: DecoderPast | None) -> tuple[Tensor, DecoderPast]:
        """The same as `decode_next`, of one frame of tokens (b, n) to pixels (b, 3, H, W)."""
        codes = tokens_to_bits(tokens, self.config.code_bits).transpose(1, 2)
        return self.decoder.frame(codes.reshape(-1, self.config.code_bits, *self.config.grid), past)

    def _codes(self, tokens: Tensor) -> Tensor:
        return rearrange(tokens_to_bits(tokens, self.config.code_bits), "b t h w k -> b k t h w")


def _with_past(x: Tensor, past: Tensor | None) -> Tensor:
    """A frame (b, c, h, w) after `past` (b, c, frames, h, w), or after blank ones: (b, c, frames + 1, h, w)."""
    x = x[:, :, None]
    return torch.cat([torch.zeros_like(x)] * (TEMPORAL_FRAMES - 1) + [x] if past is None else [past, x], 2)


def _as_channels(x: Tensor) -> Tensor:
    """(b, c, frames, h, w) to (b, c * frames, h, w)."""
    c, frames, h, w = sides(x)[1:]
    return x.reshape(-1, c * frames, h, w)


def through(layers: nn.Sequential, x: Tensor) -> Tensor:
    """A frame (b, c, h, w) through layers that look at no other frame."""
    ahead = [*layers]
    while ahead:
        layer = ahead.pop(0)
        if isinstance(layer, nn.SiLU):
            x = F.silu(x)
        elif ahead and isinstance(ahead[0], DepthToSpace) and layer.kernel_size == (1, 1, 1):
            ahead.pop(0)
            x = cast(CausalConv3d, layer).upsampled(x)
        else:
            x = layer.frame(x)
    return x


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

    def clip(self, pixels: Tensor) -> Tensor:
        """The same as `forward`, frame by frame: pixels (b, t, 3, H, W) to (b, t, h, w, code_bits)."""
        *spatial, temporal, norm = self.layers
        frames = pixels.shape[1]
        images = pad_to_multiple(pixels, self.stride)
        x = through(nn.Sequential(*spatial), images.reshape(-1, *sides(images)[2:]))
        first = temporal.first_of_frame(x)  # type: ignore[operator]
        first = first.reshape(-1, frames, *sides(first)[1:])
        blank = torch.zeros_like(first[:, :1])
        long = torch.cat([blank] * (TEMPORAL_FRAMES - 1) + [first], 1)
        ends = [-back or None for back in range(TEMPORAL_FRAMES - 1, -1, -1)]
        seen = torch.stack([long[:, start:end] for start, end in enumerate(ends)], 3)  # (b, t, c, frames, h, w)
        seen = seen.reshape(-1, *sides(seen)[2:])
        x = F.silu(norm.frame(temporal.frame(x, _as_channels(seen))))  # type: ignore[operator]
        x = self.head.frame(x).permute(0, 2, 3, 1)
        return x.reshape(-1, frames, *sides(x)[1:])


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

    def frame(self, codes: Tensor, past: DecoderPast | None) -> tuple[Tensor, DecoderPast]:
        """The next frame alone: codes (b, code_bits, h, w) to pixels (b, 3, H, W), and what it leaves behind."""
        seen = _with_past(codes, past and past.stem)
        x = self.stem.frame(_as_channels(seen))
        first = _with_past(self.block.first_of_frame(x), past and past.block)
        pixels = through(self.layers, self.block.frame(x, _as_channels(first)))
        return pixels[..., : self.height, : self.width], DecoderPast(seen[:, :, 1:], first[:, :, 1:])
