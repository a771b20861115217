"""One step of play, and the encoding of a prompt, as pure functions of tensors: every runtime runs these.

They know neither playthroughs nor files. `Step` takes what a playthrough remembers and gives what it is to remember;
PyTorch runs it as it is, and `graphs` writes it down for other runtimes. Each b below is a playthrough of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genie_core.models.dynamics import DynamicsModel, Prediction
from genie_core.models.tokenizer import DecoderPast, VideoTokenizer
from genie_core.sampling import reveal
from genie_core.state import Encoded, Stepped


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
        keys: Sequence[Tensor],
        values: Sequence[Tensor],
        ages: Tensor,
        stem: Tensor,
        block: Tensor,
        uniform: Tensor,
        temperature: Tensor,
    ) -> Stepped[Tensor]:
        """Plays `action` after the frame of tokens `last`. The arguments are those of `StepInputs`."""
        dynamics, mask_id = self.dynamics, self.dynamics.config.mask_id
        pasts = dynamics.pasts(keys, values, ages)
        draft = torch.where(forced < 0, mask_id, forced)
        both, into_both = torch.stack([last, draft], 1), torch.stack([into, action], 1)
        first, lasts = dynamics.play(both, into_both, pasts, None)
        pasts = [past._replace(bias=past.bias[..., 1:, :]) for past in pasts]

        def predict(later: Tensor) -> Prediction:
            return first if later is draft else dynamics.play(later[:, None], action[:, None], pasts, lasts)[0]

        tokens, doubt = reveal(predict, draft, mask_id, uniform[:, : self.unmask_steps], temperature)
        pixels, past = self.tokenizer.decode_frame(tokens, DecoderPast(stem, block))
        key, value = (self._layers(parts) for parts in zip(*lasts, strict=True))
        return Stepped(to_picture(pixels), tokens, key, value, past.stem, past.block, doubt)

    def _layers(self, parts: Sequence[Tensor]) -> Tensor:
        """Keys or values (b, n, heads, 1, e) of each layer as (b, layers, n, d)."""
        c = self.dynamics.config
        return torch.stack([part.reshape(-1, c.tokens, c.width) for part in parts], 1)


class Encode(nn.Module):
    """A prompt, uint8 frames (b, t, H, W, 3), to tokens; its first frame as the world sees it."""

    def __init__(self, tokenizer: VideoTokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def forward(self, frames: Tensor) -> Encoded[Tensor]:
        pixels = frames.permute(0, 1, 4, 2, 3).float() / 127.5 - 1
        tokens = self.tokenizer.encode_frames(pixels).to(torch.int32)
        first, past = self.tokenizer.decode_frame(tokens[:, 0], None)
        return Encoded(tokens, to_picture(first), past.stem, past.block)


def to_picture(pixels: Tensor) -> Tensor:
    """float (b, 3, H, W), clipped to [-1, 1], to uint8 (b, H, W, 3)."""
    return ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
