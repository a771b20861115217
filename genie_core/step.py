"""One step of play, and the encoding of a prompt, as pure functions of tensors: every runtime runs these.

They know neither playthroughs nor files. `Step` takes what a playthrough remembers and gives what it is to remember;
PyTorch runs it as it is, and `graphs` writes it down for other runtimes. Each b below is a playthrough of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genie_core.models.dynamics import DynamicsModel, Prediction
from genie_core.models.reference_tokenizer import ReferenceTokenizer
from genie_core.models.tokenizer import DecoderPast, VideoTokenizer
from genie_core.models.tokenizers import Tokenizer
from genie_core.sampling import reveal
from genie_core.state import Encoded, Stepped


class Step(nn.Module):
    """The next frame, in `unmask_steps` passes over its tokens."""

    def __init__(self, dynamics: DynamicsModel, tokenizer: Tokenizer, unmask_steps: int) -> None:
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
        memory: Sequence[Tensor],
        uniform: Tensor,
        temperature: Tensor,
    ) -> Stepped[Tensor]:
        """Plays `action` after the frame of tokens `last`. The arguments are those of `StepInputs`."""
        dynamics, mask_id = self.dynamics, self.dynamics.config.mask_id
        pasts = dynamics.pasts(keys, values, ages)
        draft = torch.where(forced < 0, mask_id, forced)
        both, into_both = torch.stack([last, draft], 1), torch.stack([into, action], 1)
        screen = Screen(self.tokenizer, memory)
        first, lasts = dynamics.play(both, into_both, pasts, None, screen.seen)
        pasts = [past._replace(bias=past.bias[..., 1:, :]) for past in pasts]

        def predict(later: Tensor) -> Prediction:
            if later is draft:
                return first
            return dynamics.play(later[:, None], action[:, None], pasts, lasts, screen.seen)[0]

        tokens, doubt = reveal(predict, draft, mask_id, uniform[:, : self.unmask_steps], temperature)
        pixels, following = screen.show(tokens)
        key, value = (self._layers(parts) for parts in zip(*lasts, strict=True))
        return Stepped(to_picture(pixels), tokens, key, value, following, doubt)

    def _layers(self, parts: Sequence[Tensor]) -> Tensor:
        """Keys or values (b, n, heads, 1, e) of each layer as (b, layers, n, d)."""
        c = self.dynamics.config
        return torch.stack([part.reshape(-1, c.tokens, c.width) for part in parts], 1)


class Screen:
    """What a step needs of the last picture, `memory` of `StepInputs`: features for the dynamics, and the next one."""

    def __init__(self, tokenizer: Tokenizer, memory: Sequence[Tensor]) -> None:
        self.tokenizer, self.memory = tokenizer, memory
        self.seen: Tensor | None = None  # (b, n, seen_width)
        if isinstance(tokenizer, ReferenceTokenizer):
            self.reference = from_picture(memory[0])
            self.look = tokenizer.look(self.reference)
            self.seen = self.look.top.flatten(2).transpose(1, 2)

    def show(self, tokens: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The picture of tokens (b, n), (b, 3, H, W), and what is to be remembered beside it."""
        if isinstance(self.tokenizer, ReferenceTokenizer):
            return self.tokenizer.decode_tokens(self.reference, self.look, tokens), ()
        return self.tokenizer.decode_frame(tokens, DecoderPast(*self.memory))


class Encode(nn.Module):
    """A prompt, uint8 frames (b, t, H, W, 3), to tokens; its first frame as the world sees it."""

    def __init__(self, tokenizer: VideoTokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def forward(self, frames: Tensor) -> Encoded[Tensor]:
        pixels = frames.permute(0, 1, 4, 2, 3).float() / 127.5 - 1
        tokens = self.tokenizer.encode_frames(pixels).to(torch.int32)
        first, past = self.tokenizer.decode_frame(tokens[:, 0], None)
        return Encoded(tokens, to_picture(first), past)


class EncodeNext(nn.Module):
    """A uint8 frame (b, H, W, 3) after another, `reference`, to tokens (b, n), and as the world then sees it."""

    def __init__(self, tokenizer: ReferenceTokenizer) -> None:
        super().__init__()
        self.tokenizer = tokenizer

    def forward(self, reference: Tensor, frame: Tensor) -> Encoded[Tensor]:
        last = from_picture(reference)
        tokens = self.tokenizer.encode_next(last, from_picture(frame)).flatten(1).to(torch.int32)
        pixels = self.tokenizer.decode_tokens(last, self.tokenizer.look(last), tokens)
        return Encoded(tokens, to_picture(pixels), ())


def from_picture(picture: Tensor) -> Tensor:
    """uint8 (b, H, W, 3) to float (b, 3, H, W) in [-1, 1]."""
    return picture.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_picture(pixels: Tensor) -> Tensor:
    """float (b, 3, H, W), clipped to [-1, 1], to uint8 (b, H, W, 3)."""
    return ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
