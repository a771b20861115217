"""ReferenceTokenizer: tokens say what the last picture cannot. It knows nothing of actions or time limits."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from genie_core.config import TokenizerConfig
from genie_core.layers.causal_conv import CausalConv3d, ChannelNorm, DepthToSpace, ResidualBlock, SpaceToDepth
from genie_core.layers.norm import sides
from genie_core.layers.quantize import LookupFree, bits_to_tokens, lookup_free_quantize, tokens_to_bits
from genie_core.models.motion import MOTION_REACH, fit_of_shifts
from genie_core.models.tokenizer import Coded, through
from genie_core.pixels import pad_to_multiple, to_levels

SHIFTS = 2 * MOTION_REACH + 1  # along one axis
STILL = 4.0  # logits by which a patch is first taken to stay where it is
GATE = (4.0, -2.0)  # slope and offset of the logits of painting: at first little is painted


class Looks(NamedTuple):
    """Features (b, c, h, w) of a picture: at two pixels a cell of motion, `middle`, and at the token grid, `top`."""

    middle: Tensor
    top: Tensor


class Walk(NamedTuple):
    """`pixels` (b, 3, t, H, W) in about [-1, 1], and what the quantizer had to say of each of the t frames."""

    pixels: Tensor
    quantized: list[LookupFree]


class ReferenceTokenizer(nn.Module):
    """A frame as one token grid, given the picture before it, from which the decoder moves, paints and blends.

    The first picture of a clip is given, not coded: its tokens are 0 and mean nothing. Pictures are (b, 3, H, W) in
    [-1, 1].

    Source: the causal decoder of MagViT-2, Yu et al. 2023 (arXiv:2310.05737), and its lookup-free quantization; tokens
    for what the past does not tell, Δ-IRIS, Micheli et al. 2024 (arXiv:2406.19320); motion by mixtures of shifts,
    Finn et al. 2016 (arXiv:1605.07157). Differs: the past is the last decoded picture alone, so that what is shown is
    all that is remembered, and a start picture of any kind stays what it is.
    """

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        self.eye = Eye(config.channels)
        self.encoder = ChangeEncoder(config)
        self.decoder = ChangeDecoder(config)

    def forward(self, reference: Tensor, pixels: Tensor) -> Walk:
        """Frames (b, 3, t, H, W) after a picture, each coded after what the frame before it has become.

        No gradient passes from a picture to the one before: each step learns to mend what it is given.
        """
        looks = self.look(_as_pictures(pixels))
        pictures, words = [], []
        for step, picture in enumerate(pixels.unbind(2)):
            seen = self.look(reference)
            new = Looks(*(look.unflatten(0, (len(pixels), -1))[:, step] for look in looks))
            words.append(self.quantize(reference, seen, picture, new))
            pictures.append(self.decode_next(reference, seen, words[-1].codes.permute(0, 3, 1, 2)))
            reference = to_levels(pictures[-1].detach())
        return Walk(torch.stack(pictures, 2), words)

    def look(self, picture: Tensor) -> Looks:
        """What encoder, decoder and dynamics see of a picture."""
        return self.eye(self._padded(picture))

    def features(self, pixels: Tensor) -> Tensor:
        """The top features of each of pictures (b, 3, t, H, W): (b, t, n, d)."""
        looks = self.look(_as_pictures(pixels)).top
        return rearrange(looks, "(b t) d h w -> b t (h w) d", b=len(pixels))

    def quantize(self, reference: Tensor, seen: Looks, picture: Tensor, new: Looks) -> LookupFree:
        """`picture` after `reference`, with their looks: codes (b, h, w, code_bits) and tokens (b, h, w)."""
        bits = self.encoder(self._padded(reference), seen, self._padded(picture), new)
        return lookup_free_quantize(torch.tanh(bits).permute(0, 2, 3, 1), self.config.token_factors)

    def encode_next(self, reference: Tensor, picture: Tensor) -> Tensor:
        """Tokens (b, h, w) int64 of `picture` after `reference`."""
        return self.encode_after(reference, self.look(reference), picture)

    def encode_after(self, reference: Tensor, seen: Looks, picture: Tensor) -> Tensor:
        """The same, with the look of the reference."""
        bits = self.encoder(self._padded(reference), seen, self._padded(picture), self.look(picture))
        return bits_to_tokens(bits.permute(0, 2, 3, 1).reshape(-1, *self.config.grid, self.config.code_bits))

    def decode_next(self, reference: Tensor, seen: Looks, codes: Tensor) -> Tensor:
        """The picture that codes (b, code_bits, h, w) of -1, +1 make of `reference`, whose look is `seen`."""
        height, width = self.config.frame_size
        return self.decoder(self._padded(reference), seen, codes)[..., :height, :width]

    def decode_tokens(self, reference: Tensor, seen: Looks, tokens: Tensor) -> Tensor:
        """The same of tokens (b, n)."""
        codes = tokens_to_bits(tokens, self.config.code_bits).transpose(1, 2)
        return self.decode_next(reference, seen, codes.reshape(-1, self.config.code_bits, *self.config.grid))

    def code(self, pixels: Tensor) -> Coded:
        """A clip (b, 3, t, H, W), step by step after its first picture, each decoded as play shows it."""
        reference = pixels[:, :, 0]
        blank = torch.zeros(len(pixels), *self.config.grid, dtype=torch.int64, device=pixels.device)
        grids, pictures = [blank], [reference]
        for picture in pixels.unbind(2)[1:]:
            seen = self.look(reference)
            grids.append(self.encode_after(reference, seen, picture))
            reference = to_levels(self.decode_tokens(reference, seen, grids[-1].flatten(1)))
            pictures.append(reference)
        return Coded(torch.stack(grids, 1), torch.stack(pictures, 2))

    def decode(self, tokens: Tensor, start: Tensor) -> Tensor:
        """Tokens (b, t, h, w) and the first picture to pixels (b, 3, t, H, W), as `code` gives them."""
        pictures = [start]
        for grid in tokens.unbind(1)[1:]:
            pictures.append(to_levels(self.decode_tokens(pictures[-1], self.look(pictures[-1]), grid.flatten(1))))
        return torch.stack(pictures, 2)

    def decode_each(self, coded: Coded, tokens: Tensor) -> Tensor:
        """Each frame of `tokens` (b, t, h, w) but the first, decoded after the picture before it: (b, 3, t-1, H, W)."""
        before = _as_pictures(coded.pixels[:, :, :-1])
        pictures = self.decode_tokens(before, self.look(before), tokens[:, 1:].flatten(0, 1).flatten(1))
        return rearrange(to_levels(pictures), "(b t) c h w -> b c t h w", b=len(tokens))

    def _padded(self, picture: Tensor) -> Tensor:
        return pad_to_multiple(picture[:, :, None], self.config.stride)[:, :, 0]


def _as_pictures(pixels: Tensor) -> Tensor:
    """(b, c, t, H, W) to (b*t, c, H, W)."""
    return rearrange(pixels, "b c t h w -> (b t) c h w").contiguous(memory_format=torch.channels_last)


def move(picture: Tensor, shares: Tensor, along: int) -> Tensor:
    """Each patch of `picture` (b, c, H, W) as a mixture of what lies up to MOTION_REACH pixels along a dimension.

    `shares` (b, SHIFTS, h, w), one column a patch, sum to 1.
    """
    (h, w), length = sides(shares)[2:], int(picture.shape[along])
    size = int(picture.shape[-1]) // w
    reach = (MOTION_REACH, MOTION_REACH, 0, 0) if along == -1 else (0, 0, MOTION_REACH, MOTION_REACH)
    padded = F.pad(picture, reach, mode="replicate")
    spread = shares[:, :, :, None, :, None].expand(-1, -1, -1, size, -1, size)
    of_pixels = spread.reshape(-1, SHIFTS, h * size, w * size)
    moved = torch.zeros_like(picture)
    for shift, share in enumerate(of_pixels.split(1, 1)):  # whose way back is one copy, where slices add up
        moved = moved + share * padded.narrow(along, shift, length)
    return moved


class Eye(nn.Module):
    """A picture to features at each level, of which the last two are given."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels, inputs = nn.ModuleList(), 3
        for level, width in enumerate(channels):
            patches = CausalConv3d(4 * inputs, width, size=3 if level == 0 else 1)
            self.levels.append(nn.Sequential(SpaceToDepth(), patches, ResidualBlock(width)))
            inputs = width

    def forward(self, picture: Tensor) -> Looks:
        found = [picture]
        for level in self.levels:
            found.append(through(level, found[-1]))  # type: ignore[arg-type]
        return Looks(*found[-2:])


class ChangeEncoder(nn.Module):
    """Two pictures, and how patches of the one fit the other moved, to `code_bits` numbers a token."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        width = config.channels[-1]
        self.stride = config.stride
        self.evidence_embed = CausalConv3d(SHIFTS**2, width, size=1)
        self.join = CausalConv3d(3 * width, width, size=1)
        self.block, self.norm = ResidualBlock(width), ChannelNorm(width)
        self.head = CausalConv3d(width, config.code_bits, size=1)

    def forward(self, reference: Tensor, seen: Looks, picture: Tensor, new: Looks) -> Tensor:
        before, grey = reference.mean(1, keepdim=True), picture.mean(1, keepdim=True)
        fit = fit_of_shifts(before, grey, self.stride, (MOTION_REACH, MOTION_REACH))[:, 0].permute(0, 3, 1, 2)
        x = torch.cat([new.top, seen.top, self.evidence_embed.frame(fit)], 1)
        return self.head.frame(F.silu(self.norm.frame(self.block.frame(self.join.frame(x)))))


class ChangeDecoder(nn.Module):
    """Codes and the last picture to the next one: moved patches, blended with what is painted anew."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        *_, middle, top = widths = config.channels
        finest, count = widths[0], config.decoder_blocks
        self.code_embed = CausalConv3d(config.code_bits, top)
        self.block = ResidualBlock(top)
        self.join_top = CausalConv3d(2 * top, top, size=1)
        self.coarse = nn.Sequential(
            *(ResidualBlock(top) for _ in range(count)), CausalConv3d(top, 4 * middle, size=1), DepthToSpace()
        )
        self.join_middle = CausalConv3d(2 * middle, middle, size=1)
        self.fine = nn.Sequential(*(ResidualBlock(middle) for _ in range(count)), ChannelNorm(middle), nn.SiLU())
        self.motion_head = CausalConv3d(middle, 2 * SHIFTS)
        nn.init.zeros_(self.motion_head.weight)
        ups: list[nn.Module] = []
        for before, after in zip(widths[-2:0:-1], widths[-3::-1], strict=True):
            ups += [CausalConv3d(before, 4 * after, size=1), DepthToSpace()]
        self.ups = nn.Sequential(*ups)
        self.see_moved = nn.Sequential(SpaceToDepth(), CausalConv3d(4 * 3, finest))
        self.finest = nn.Sequential(*(ResidualBlock(finest) for _ in range(count)), ChannelNorm(finest), nn.SiLU())
        self.paint_head = CausalConv3d(finest, 4 * 4)
        nn.init.zeros_(self.paint_head.weight)
        self.unfold = nn.Sequential(DepthToSpace())

    def forward(self, reference: Tensor, seen: Looks, codes: Tensor) -> Tensor:
        x = self.block.frame(self.code_embed.frame(codes))
        x = through(self.coarse, self.join_top.frame(torch.cat([x, seen.top], 1)))
        x = through(self.fine, self.join_middle.frame(torch.cat([x, seen.middle], 1)))
        moved = self.moved(reference, self.motion_head.frame(x))
        x = through(self.finest, through(self.see_moved, moved) + through(self.ups, x))
        out = through(self.unfold, self.paint_head.frame(x))
        slope, offset = GATE
        gate = torch.sigmoid(slope * out[:, 3:] + offset)
        return (1 - gate) * moved + gate * out[:, :3]

    def moved(self, reference: Tensor, logits: Tensor) -> Tensor:
        """`reference`, each patch moved by its mixtures of shifts across and down, logits (b, 2 * SHIFTS, h, w)."""
        still = F.one_hot(torch.tensor(MOTION_REACH), SHIFTS).to(logits) * STILL
        across, down = ((part + still[:, None, None]).softmax(1) for part in logits.split(SHIFTS, 1))
        return move(move(reference, across, -1), down, -2)
