"""One step of play, and the encoding of a prompt, as pure functions of tensors: every runtime runs these.

They know neither playthroughs nor files. `Step` takes what a playthrough remembers and gives what it is to remember;
PyTorch runs it as it is, and `graphs` writes it down for other runtimes. Each b below is a playthrough of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genie_core.models.dynamics import DynamicsModel, Prediction
from genie_core.models.tokenizer import DecoderPast, VideoTokenizer
from genie_core.sampling import reveal


class Stepped(NamedTuple):
    """A new frame: `picture` uint8 (b, H, W, 3) and `tokens` int32 (b, n).

    `key` and `value` (b, layers, n, d) are those of the frame before it, which is final now. `stem_out` and
    `block_out` are what the decoder remembers.
    """

    picture: Tensor
    tokens: Tensor
    key: Tensor
    value: Tensor
    stem_out: Tensor
    block_out: Tensor


class Encoded(NamedTuple):
    """A prompt as `tokens` int32 (b, t, n), and of its first frame the `picture` uint8 (b, H, W, 3), and what the
    decoder remembers of it."""

    tokens: Tensor
    picture: Tensor
    stem: Tensor
    block: Tensor


class Step(nn.Module):
    """The next frame, in `unmask_steps` passes over its tokens."""

    def __init__(self, dynamics: DynamicsModel, tokenizer: VideoTokenizer, unmask_steps: int) -> None:
        super().__init__()
        self.dynamics, self.tokenizer = dynamics, tokenizer
        self.unmask_steps = unmask_steps

    def forward(
        self,
        last: Tensor,
        into: Tensor,
        action: Tensor,
        forced: Tensor,
        keys: Tensor,
        values: Tensor,
        ages: Tensor,
        stem: Tensor,
        block: Tensor,
        uniform: Tensor,
        temperature: Tensor,
    ) -> Stepped:
        """Plays `action` int32 (b,) after the frame of tokens `last` int32 (b, n), to which action `into` (b,) led.

        `forced` int32 (b, n) are tokens of the new frame that are known already, -1 for those to be drawn.
        `keys` and `values` (b, layers, slots, n, d) are of earlier frames, `ages` int32 (b, 2, slots) says how many
        frames before the last and before the new frame each lies, `context_frames` + 1 for none. `stem` and `block`
        are what the decoder remembers. `uniform` (b, unmask_steps, n, factors, vocabulary) in [0, 1) is the noise,
        `temperature` (b,) its weight; at temperature 0 sides n and vocabulary of the noise may be 1.
        """
        dynamics, mask_id = self.dynamics, self.dynamics.config.mask_id
        pasts = dynamics.pasts(keys, values, ages)
        draft = torch.where(forced < 0, mask_id, forced)
        both, into_both = torch.stack([last, draft], 1), torch.stack([into, action], 1)
        prediction, lasts = dynamics.play_frames(both, into_both, pasts, None)
        pasts = [past._replace(bias=past.bias[:, 1:]) for past in pasts]

        def again(draft: Tensor) -> Prediction:
            return dynamics.play_frames(draft[:, None], action[:, None], pasts, lasts)[0]

        tokens = reveal(prediction, again, draft, mask_id, self.unmask_steps, uniform, temperature)
        pixels, past = self.tokenizer.decode_frame(tokens, DecoderPast(stem, block))
        key, value = (self._layers(parts) for parts in zip(*lasts, strict=True))
        return Stepped(to_picture(pixels), tokens, key, value, past.stem, past.block)

    def _layers(self, parts: Sequence[Tensor]) -> Tensor:
        """Keys or values (b, 1, n, heads, e) of each layer as (b, layers, n, d)."""
        c = self.dynamics.config
        return torch.stack([part.reshape(-1, c.tokens, c.width) for part in parts], 1)


class Encode(nn.Module):
    """A prompt, uint8 frames (b, t, H, W, 3), to tokens; its first frame as the world sees it."""

    def __init__(self, tokenizer: VideoTokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def forward(self, frames: Tensor) -> Encoded:
        pixels = frames.permute(0, 1, 4, 2, 3).float() / 127.5 - 1
        tokens = self.tokenizer.encode_frames(pixels).to(torch.int32)
        first, past = self.tokenizer.decode_frame(tokens[:, 0], None)
        return Encoded(tokens, to_picture(first), past.stem, past.block)


def to_picture(pixels: Tensor) -> Tensor:
    """float (b, 3, H, W), clipped to [-1, 1], to uint8 (b, H, W, 3)."""
    return ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
