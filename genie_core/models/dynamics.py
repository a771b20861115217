"""DynamicsModel: logits of a frame's tokens, given earlier frames and the action. It does not sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from genie_core.config import DynamicsConfig
from genie_core.layers.norm import RMSNorm, sides
from genie_core.layers.quantize import split_tokens, tokens_to_bits
from genie_core.layers.st_block import NEVER, KeyValues, Past, STBlock


class DynamicsModel(nn.Module):
    """MaskGIT on a space-time transformer with additive latent actions.

    A frame to be predicted is a *draft*, some of whose tokens are `mask_id`; frames gone by are *clean* and final.
    Training runs both as two streams of the same weights, each drafted frame seeing the clean past alone. That is
    what play does with cached keys, so nothing differs between the two.

    Source: Genie, Bruce et al. 2024 (arXiv:2402.15391), §2.1; complete teacher forcing from MAGI, Zhou et al. 2025
    (arXiv:2501.12389); sub-tokens given those before them from Open-MAGVIT2, Luo et al. 2024 (arXiv:2409.04410).
    Differs: tokens enter as bits and leave as sub-tokens, linked by a small MLP instead of a transformer.
    """

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embed = nn.Linear(config.code_bits, config.width)
        self.mask_embed = nn.Parameter(0.02 * torch.randn(config.width))
        self.position = nn.Parameter(0.02 * torch.randn(config.tokens, config.width))
        self.action_embed = nn.Embedding(config.num_actions + 1, config.width)  # the last: no action, before frame 0
        self.blocks = nn.ModuleList(
            STBlock(config.width, config.heads, config.context_frames, config.grid) for _ in range(config.layers)
        )
        if config.seen_width is not None:
            self.seen_norm = RMSNorm(config.seen_width)
            self.seen_embed_clean = nn.Linear(config.seen_width, config.width)
            self.seen_embed_draft = nn.Linear(config.seen_width, config.width)
        self.norm = RMSNorm(config.width)
        self.head = nn.Linear(config.width, config.token_factors * config.factor_vocabulary)
        self.links = nn.ModuleList()
        if config.link_width is not None:
            bits = config.code_bits // config.token_factors
            self.links.extend(
                Link(config.width, known * bits, config.link_width) for known in range(1, config.token_factors)
            )

    def forward(self, clean: Tensor, drafts: Tensor, actions: Tensor, seen: Tensor | None = None) -> Prediction:
        """Predicts `drafts` (b, t, h, w), frame i seeing frames < i of `clean` (b, t, h, w).

        `actions` (b, t-1) lead from each frame to the next. `seen` (b, t, n, seen_width) are features of the pictures
        after each clean frame, for a tokenizer that gives them. Predicts (b, t, h, w) tokens.
        """
        into = self._actions_into(actions)
        x, draft = self.embed(clean, into), self.embed(drafts, into)  # (b, t, n, d)
        if seen is not None:
            seen = self.seen_norm(seen)
            before = torch.cat([seen[:, :1], seen[:, :-1]], 1)
            x, draft = x + self.seen_embed_clean(seen), draft + self.seen_embed_draft(before)
        for block in self._blocks[:-1]:
            x, key_values = block(x)
            draft = block.draft(draft, key_values)
        last = self._blocks[-1]
        return self._predict(last.draft(draft, last.key_values(x)))

    def play(
        self,
        tokens: Tensor,
        actions_into: Tensor,
        pasts: list[Past],
        lasts: list[KeyValues] | None,
        seen: Tensor | None = None,
    ) -> tuple[Prediction, list[KeyValues]]:
        """Predicts the new frame: (b, n) tokens. Also returns the keys and values of the last frame, by layer.

        `tokens` (b, f, n) are those of the last frame, final by now, and of the new one, a draft; or, with the `lasts`
        returned before, of the new one alone. `actions_into` (b, f) lead to these frames. `pasts` is what they see of
        earlier ones in each layer. `seen` (b, n, seen_width) are features of the last frame's picture.
        """
        x = self.embed_flat(tokens, actions_into)  # (b, f, n, d)
        if seen is not None:
            seen = self.seen_norm(seen)
            clean, draft = self.seen_embed_clean(seen), self.seen_embed_draft(seen)
            x = x + (torch.stack([clean, draft], 1) if lasts is None else draft[:, None])
        following = []
        for index, (block, past) in enumerate(zip(self._blocks, pasts, strict=True)):
            keep = 1 if index == len(self.blocks) - 1 else int(x.shape[1])
            x, last = block.play(x, past, None if lasts is None else lasts[index], keep)
            following.append(last)
        return Prediction(self.norm(x[:, 0]), self), following

    def pasts(self, keys: Sequence[Tensor], values: Sequence[Tensor], ages: Tensor) -> list[Past]:
        """What two newest frames see, by layer, of a ring's `keys` and `values` (b, n, heads, slots, e) of each layer.

        `ages` (b, 2, slots + 2) say how many frames before each of the two the frames in the slots and the two lie.
        """
        biases = (F.pad(block.temporal.time_bias, (0, 1), value=NEVER)[:, ages] for block in self._blocks)
        bias = (bias.transpose(0, 1)[:, None] for bias in biases)  # (b, 1, heads, 2, slots + 2)
        return [Past(*parts) for parts in zip(keys, values, bias, strict=True)]

    def embed(self, tokens: Tensor, actions_into: Tensor) -> Tensor:
        """tokens (b, t, h, w) that may be `mask_id`, and the action into each frame (b, t), to (b, t, n, d)."""
        return self.embed_flat(rearrange(tokens, "b t h w -> b t (h w)"), actions_into)

    def embed_flat(self, tokens: Tensor, actions_into: Tensor) -> Tensor:
        """The same of tokens (b, t, n)."""
        masked = tokens == self.config.mask_id
        if self.config.seen_width is not None:  # a first frame is a picture, and has no tokens
            masked = masked | (actions_into == self.config.num_actions)[..., None]
        masked = masked[..., None]
        x = torch.where(masked, self.mask_embed, self.token_embed(tokens_to_bits(tokens, self.config.code_bits)))
        return x + self.position + self.action_embed(actions_into)[:, :, None]

    @property
    def _blocks(self) -> list[STBlock]:
        return cast(list[STBlock], list(self.blocks))

    def _actions_into(self, actions: Tensor) -> Tensor:
        none = torch.full((len(actions), 1), self.config.num_actions, device=actions.device)
        return torch.cat([none, actions], dim=1)

    def _predict(self, x: Tensor) -> Prediction:
        return Prediction(rearrange(self.norm(x), "b t (h w) d -> b t h w d", h=self.config.grid[0]), self)

    def next_logits(self, features: Tensor, parts: Tensor) -> Tensor:
        """Of tokens with `features` (…, width) and first sub-tokens `parts` (…, k), the next one's logits.

        Returns (…, factor_vocabulary).
        """
        c, known = self.config, int(parts.shape[-1])
        if known and self.links:
            bits = tokens_to_bits(parts, c.code_bits // c.token_factors)
            bits = bits.reshape(*sides(features)[:-1], known * int(bits.shape[-1]))
            features = self.links[known - 1](features, bits)
        own = slice(known * c.factor_vocabulary, (known + 1) * c.factor_vocabulary)
        return F.linear(features, self.head.weight[own], self.head.bias[own])


class Link(nn.Module):
    """Adds to a token's features what its known sub-tokens say about the next one."""

    def __init__(self, width: int, bits: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(bits + width, hidden)
        self.down = nn.Linear(hidden, width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, features: Tensor, bits: Tensor) -> Tensor:
        """features (…, width) and bits (…, bits) of -1, +1 to features (…, width)."""
        update: Tensor = self.down(F.gelu(self.up(torch.cat([bits, features], -1))))
        return features + update


class Prediction(NamedTuple):
    """A prediction of tokens of `shape` (…): the logits of their sub-tokens, one after the other."""

    features: Tensor  # (…, width)
    network: DynamicsModel

    @property
    def shape(self) -> torch.Size:
        return self.features.shape[:-1]

    @property
    def factors(self) -> int:
        return self.network.config.token_factors

    @property
    def vocabulary(self) -> int:
        return self.network.config.factor_vocabulary

    def next_logits(self, parts: Tensor) -> Tensor:
        """(…, vocabulary) of the sub-token after the first ones, `parts` (…, k)."""
        return self.network.next_logits(self.features, parts)

    def logits(self, tokens: Tensor) -> Tensor:
        """(…, factors, vocabulary) of all sub-tokens, each given those before it in `tokens` (…)."""
        parts = split_tokens(tokens, self.factors, self.vocabulary)
        return torch.stack([self.next_logits(parts[..., :known]) for known in range(self.factors)], -2)

    def frame(self, index: int) -> Prediction:
        """That of frame `index` alone, of a prediction (b, t, …): (b, …)."""
        return Prediction(self.features[:, index], self.network)

    def as_batch(self) -> Prediction:
        """That of (b, t, h, w) tokens as one of (b*t, n)."""
        return Prediction(self.features.flatten(2, 3).flatten(0, 1), self.network)
