"""LatentActionModel: which of a few actions happened between two frames, found without labels."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from genie_core.config import LatentActionConfig
from genie_core.games.coinrun.heading import Heading, heading_error, turns
from genie_core.layers.norm import RMSNorm
from genie_core.layers.quantize import VectorQuantized, VectorQuantizer
from genie_core.layers.st_block import STBlock
from genie_core.models.motion import (
    MOTION_REACH,
    PUSH,
    SHIFTS,
    MotionExpectation,
    Presumed,
    aloft,
    key_surprise,
    motion_evidence,
)

CLIPS_AT_ONCE = 16
POLE = 2.0  # standard deviations of surprise at 45 degrees from none: less is mostly noise, and shares a code


class NextFrames(NamedTuple):
    """`pixels` (b, c, t-1, H, W), the predicted frames 1..t-1, and the quantizer's view of the actions.

    `errors` are scalars for the loss: how far off the expectation was, and the headings; a model without has none.
    """

    pixels: Tensor
    quantized: VectorQuantized
    errors: dict[str, Tensor]


class LatentActionModel(nn.Module):
    """A vector-quantized ST-transformer on pixels.

    The encoder sees `context_frames` past frames and the next one; the decoder has to predict that next frame from
    the one before it and one of `num_actions` codes.

    Source: Genie, Bruce et al. 2024 (arXiv:2402.15391), §2.1. Differs: frames come with the evidence of what moved, and
    the decoder says how patches move and what else changes (as CDNA, Finn et al. 2016, arXiv:1605.07157), so that
    shallow nets on a CPU find motion. The decoder knows no more of the past than one frame, or a code comes to mean
    "on, the way it goes", and left and right share it.

    With `expectation_layers` a code says which key is down instead of how far things moved: it is the surprise of a
    step, the motion seen less the motion that the past let one expect. Gravity, friction and a key let go at full speed
    are no surprise and need no code. That holds if the expectation learns from a player whose next key cannot be
    guessed; the codes then hold for any player's videos. They are not learnt by predicting pixels, for which half a
    pixel is worth next to nothing; the decoder learns to draw what they mean.

    With `look_size` a turn of the player is worth a key's push: in the air, where a key moves next to nothing, and for
    who runs on the other way, its look tells the key.
    """

    def __init__(self, config: LatentActionConfig) -> None:
        super().__init__()
        self.config = config
        if config.expectation_layers is None:
            self.encoder = FrameTransformer(config, config.context_frames)
            self.pool = nn.Linear(config.width, 1)
            self.to_code = nn.Linear(config.width, config.code_width)
        else:
            self.expectation = MotionExpectation(config, config.expectation_layers)
        if config.look_size is not None:
            self.heading = Heading(config.look_size)
        # centred and scaled over the batch, or all inputs start out nearest to one and the same code
        inputs = config.code_width if config.expectation_layers is None else 2
        self.spread = nn.BatchNorm1d(inputs, affine=False)
        self.quantizer = VectorQuantizer(config.num_actions, config.code_width)
        self.decoder = FrameTransformer(config, context_frames=0)
        self.action_embed = nn.Linear(config.code_width, config.width)
        self.change_head = nn.Linear(config.width, 3 * config.patch_size**2)
        self.motion_head = nn.Linear(config.width, 2 * (2 * MOTION_REACH + 1))
        for head in (self.change_head, self.motion_head):
            nn.init.zeros_(head.weight)

    def forward(self, pixels: Tensor, drawn: int | None = None) -> NextFrames:
        """pixels (b, c, t, H, W) in [-1, 1], at least two frames; of `drawn` clips alone the next frames are drawn."""
        z, errors = self._what_happened(pixels)
        quantized = self.quantizer(z)
        predicted = self.predict(pixels[:drawn, :, :-1], quantized.codes[:drawn])
        return NextFrames(predicted, quantized, errors)

    def infer(self, pixels: Tensor, presumed: Presumed | None = None) -> VectorQuantized:
        """The actions between frames of pixels (b, c, t, H, W): codes (b, t-1, code_width), indices (b, t-1).

        A model without expectation presumes nothing.
        """
        return self.quantizer(self._what_happened(pixels, presumed)[0])

    def _what_happened(self, pixels: Tensor, presumed: Presumed | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Each step of a clip as a vector to be quantized, (b, t-1, code_width), and errors to be learnt from."""
        if self.config.expectation_layers is None:
            x = self.encoder(pixels)[:, 1:]  # (b, t-1, n, d): frame i+1 has seen frame i
            x = (x * self.pool(x).softmax(dim=2)).sum(2)  # (b, t-1, d)
            return self._spread_out(self.to_code(x)), {}
        surprise, errors = self.surprise(pixels, presumed)
        return on_sphere(self._spread_out(surprise)), errors

    def surprise(self, pixels: Tensor, presumed: Presumed | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """What keys may have done in each step of frames (b, c, t, H, W): pixels (b, t-1, 2) that the scenery moves.

        x is to the right, y down. Also errors to be learnt from. Only for a model with expectation.
        """
        motions = self.expectation(pixels)
        errors = {"expectation_error": F.huber_loss(motions.expected, motions.seen)}
        turned = facing = None
        if self.config.look_size is not None:
            headings = self.heading(pixels)
            errors["heading_error"] = heading_error(headings, key_surprise(motions), motions.seen)
            turned, facing = turns(headings), headings[:, 1:].clone()
            turned[:, 0] = facing[:, 0] = (
                0  # how fast the player goes is worth more: the first picture does not tell it
            )
        return key_surprise(motions, presumed, turned, facing), errors

    @torch.no_grad()
    def keys_last(self, pixels: Tensor) -> bool:
        """Whether whoever plays in clips (b, c, t, H, W) holds keys on.

        If so, most of the keys along x that show on the ground show again in the next step. Never so without
        `look_size`: what is held in flight would still not be known.
        """
        if self.config.look_size is None or pixels.shape[2] < 2:
            return False
        again = asked = 0
        for clips in pixels.split(CLIPS_AT_ONCE):
            motions = self.expectation(clips)
            flies = aloft(motions.seen)
            side = (motions.seen - motions.expected)[..., 0] + PUSH * turns(self.heading(clips))
            shown = side.sign() * (side.abs() > PUSH / 2) * ~flies
            follows = (shown[:, :-1] != 0) & ~flies[:, 1:]
            again += int((follows & (shown[:, 1:] == shown[:, :-1])).sum())
            asked += int(follows.sum())
        return again > asked / 2

    def _spread_out(self, x: Tensor) -> Tensor:
        return rearrange(self.spread(rearrange(x, "b t d -> (b t) d")), "(b t) d -> b t d", b=len(x))

    def predict(self, pixels: Tensor, codes: Tensor) -> Tensor:
        """Frame i+1 from frame i of pixels (b, c, t, H, W) and the code (b, t, code_width) after it."""
        x = self.decoder(pixels, self.action_embed(codes))
        h, p = self.config.grid, self.config.patch_size
        change = rearrange(self.change_head(x), "b t (h w) (p q c) -> b c t (h p) (w q)", h=h, p=p, q=p)
        frames = rearrange(pixels, "b c t H W -> (b t) c H W")
        motion = rearrange(self.motion_head(x), "b t (h w) (two k) -> two (b t) k h w", h=h, two=2)
        moved = move(move(frames, motion[0], dim=-1), motion[1], dim=-2)
        return rearrange(moved, "(b t) c H W -> b c t H W", b=len(pixels)) + change


def on_sphere(surprise: Tensor) -> Tensor:
    """Surprise (…, 2) in standard deviations to unit vectors (…, 3): none is a pole, much is near the equator."""
    pole = torch.full_like(surprise[..., :1], POLE)
    return F.normalize(torch.cat([surprise, pole], -1), dim=-1)


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
