"""DynamicsModel: logits of a frame's tokens, given earlier frames and the action. It does not sample."""

from __future__ import annotations

from typing import cast

import torch
from einops import rearrange
from torch import Tensor, nn

from genie_core.config import DynamicsConfig
from genie_core.layers.quantize import tokens_to_bits
from genie_core.layers.st_block import KeyValues, STBlock

Past = tuple[KeyValues, ...]
"""Keys and values of at most `context_frames` frames gone by, a layer each."""


class DynamicsModel(nn.Module):
    """MaskGIT on a space-time transformer with additive latent actions.

    A frame to be predicted is a *draft*, some of whose tokens are `mask_id`; frames gone by are *clean* and final.
    Training runs both as two streams of the same weights, each drafted frame seeing the clean past alone. That is
    what play does with cached keys, so nothing differs between the two.

    Source: Genie, Bruce et al. 2024 (arXiv:2402.15391), §2.1; complete teacher forcing from MAGI, Zhou et al. 2025
    (arXiv:2501.12389). Differs: tokens enter as bits and leave as independent sub-tokens.
    """

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embed = nn.Linear(config.code_bits, config.width)
        self.mask_embed = nn.Parameter(0.02 * torch.randn(config.width))
        self.position = nn.Parameter(0.02 * torch.randn(config.grid**2, config.width))
        self.action_embed = nn.Embedding(config.num_actions + 1, config.width)  # the last: no action, before frame 0
        self.blocks = nn.ModuleList(
            STBlock(config.width, config.heads, config.context_frames, config.grid) for _ in range(config.layers)
        )
        self.norm = nn.RMSNorm(config.width)
        self.head = nn.Linear(config.width, config.token_factors * config.factor_vocabulary)

    def forward(self, clean: Tensor, drafts: Tensor, actions: Tensor) -> Tensor:
        """Logits for `drafts` (b, t, h, w), frame i seeing frames < i of `clean` (b, t, h, w).

        `actions` (b, t-1) lead from each frame to the next. Returns (b, t, h, w, factors, factor_vocabulary).
        """
        into = self._actions_into(actions)
        x, draft = self.embed(clean, into), self.embed(drafts, into)  # (b, t, n, d)
        for block in self._blocks[:-1]:
            x, key_values = block(x)
            draft = block.draft(draft, key_values)
        last = self._blocks[-1]
        return self._logits(last.draft(draft, last.key_values(x)))

    def predict(self, draft: Tensor, action: Tensor, past: Past | None) -> Tensor:
        """Logits (b, h, w, factors, factor_vocabulary) for `draft` (b, h, w) after `past`, led to by `action` (b,)."""
        x = self._embed_frame(draft, action)
        for i, block in enumerate(self._blocks):
            x, _ = block(x, past[i] if past is not None else None)
        return self._logits(x)[:, 0]

    def remember(self, tokens: Tensor, action: Tensor | None, past: Past | None) -> Past:
        """`past` with the final frame `tokens` (b, h, w), led to by `action` (b,), None for the first frame."""
        x = self._embed_frame(tokens, action)
        new = []
        for i, block in enumerate(self._blocks[:-1]):
            x, key_values = block(x, past[i] if past is not None else None)
            new.append(key_values)
        new.append(self._blocks[-1].key_values(x))
        if past is None:
            return tuple(new)
        keep = self.config.context_frames
        return tuple(old.then(late, keep) for old, late in zip(past, new, strict=True))

    def embed(self, tokens: Tensor, actions_into: Tensor) -> Tensor:
        """tokens (b, t, h, w) that may be `mask_id`, and the action into each frame (b, t), to (b, t, n, d)."""
        tokens = rearrange(tokens, "b t h w -> b t (h w)")
        masked = (tokens == self.config.mask_id)[..., None]
        x = torch.where(masked, self.mask_embed, self.token_embed(tokens_to_bits(tokens, self.config.code_bits)))
        return x + self.position + self.action_embed(actions_into)[:, :, None]

    def _embed_frame(self, tokens: Tensor, action: Tensor | None) -> Tensor:
        """One frame (b, h, w) and the action (b,) into it, None for the first, to (b, 1, n, d)."""
        if action is None:
            action = torch.full((len(tokens),), self.config.num_actions, device=tokens.device)
        return self.embed(tokens[:, None], action[:, None])

    @property
    def _blocks(self) -> list[STBlock]:
        return cast(list[STBlock], list(self.blocks))

    def _actions_into(self, actions: Tensor) -> Tensor:
        none = torch.full((len(actions), 1), self.config.num_actions, device=actions.device)
        return torch.cat([none, actions], dim=1)

    def _logits(self, x: Tensor) -> Tensor:
        c = self.config
        return rearrange(self.head(self.norm(x)), "b t (h w) (f v) -> b t h w f v", h=c.grid, f=c.token_factors)
