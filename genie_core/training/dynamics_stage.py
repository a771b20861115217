"""Stage 3: the dynamics learns to fill in masked frames after a clean past."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from genie_core.layers.quantize import split_tokens
from genie_core.layers.ranks import mean_over_ranks
from genie_core.models.dynamics import DynamicsModel, Prediction
from genie_core.models.reference_tokenizer import ReferenceTokenizer
from genie_core.models.tokenizer import Coded, VideoTokenizer
from genie_core.models.tokenizers import Tokenizer
from genie_core.pixels import to_frames, to_model
from genie_core.sampling import choose
from genie_core.training.chance import Chance
from genie_core.training.own_play import own_play
from genie_core.training.probes import Probe, probe
from genie_core.training.settings import DynamicsSettings
from genie_core.training.stage import Batch, Stage
from genie_core.world import World


class DynamicsStage(Stage):
    """Cross-entropy of the masked tokens' factors. Some context tokens are made wrong, as they are in play.

    A dynamics that sees the last picture is given its features by the tokenizer, which does not learn here.
    """

    name = "dynamics"
    network: DynamicsModel
    settings: DynamicsSettings

    def __init__(
        self,
        network: DynamicsModel,
        settings: DynamicsSettings,
        tokenizer: Tokenizer,
        world: World | None = None,
        clips: np.ndarray | None = None,
    ) -> None:
        super().__init__(network, settings)
        self._tokenizer = [tokenizer]  # in a list, so that it is neither trained nor saved here
        self._world, self._clips = world, clips

    def probe(self) -> Probe | None:
        if self._world is None or self._clips is None:
            return None
        self._world.to(next(self.network.parameters()).device)  # where the tokenizer is, which they share
        self._world.dynamics.load_state_dict(self.network.state_dict())
        return probe(self._world, self._clips)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        tokens, actions = batch["tokens"].long(), batch["actions"].long()
        config, settings = self.network.config, self.settings
        pictures = to_model(batch["pictures"]) if "pictures" in batch else None
        seen = self.features(pictures)
        if self.training:
            actions = self.redrawn(tokens, actions, seen)
        context, known = tokens, torch.ones_like(tokens, dtype=torch.bool)
        if self.training and self.late and self.chance.once() < settings.own_context:
            if pictures is not None and isinstance(self.tokenizer, ReferenceTokenizer):
                guesses = self.guesses(tokens, actions, seen)
                played = own_play(self.tokenizer, Coded(tokens, pictures), guesses, self.own_steps(tokens))
                (context, pictures), tokens, known = played
                seen = self.features(pictures)
            else:
                context = self.own_guesses(tokens, actions)
        if self.training:  # after the guesses, or they would obey codes that no target obeys
            actions = self.blinded(actions)
            context = flip_bits(context, config.code_bits, settings.flipped_bits, self.chance)
        masked = random_masks(tokens, settings.fully_masked, self.chance)
        prediction = self.network(context, tokens.masked_fill(masked, config.mask_id), actions, seen)
        errors = self.errors(prediction, tokens).mean(-1)
        whole = masked[:, 1:].all(-1).all(-1)
        masked = (masked & known)[:, 1:]
        # of all ranks, and in the weight of all parts, so that each token of the global batch counts alike
        count = self.weight = mean_over_ranks(masked.sum().float()).clamp_min(1)
        loss = errors[masked].sum() / count  # the mean, or nothing where nothing is masked
        return {"loss": loss, "next_frame_loss": errors[whole].mean().detach()}

    @property
    def tokenizer(self) -> Tokenizer:
        """On the device of the network."""
        return self._tokenizer[0].to(self.network.position.device)

    @torch.no_grad()
    def features(self, pictures: Tensor | None) -> Tensor | None:
        """What the network sees of `pictures` (b, 3, t, H, W); nothing where there are none."""
        return None if pictures is None else self.tokenizer.features(pictures)

    @torch.no_grad()
    def shown(self, pictures: Tensor | None, tokens: Tensor, context: Tensor) -> Tensor | None:
        """`pictures` (b, 3, t, H, W), which `tokens` (b, t, h, w) make, as `context` makes each after the true one."""
        if pictures is None:
            return None
        each = self.tokenizer.decode_each(Coded(tokens, pictures), context)
        return torch.cat([pictures[:, :, :1], each], 2)

    def redrawn(self, tokens: Tensor, actions: Tensor, seen: Tensor | None = None) -> Tensor:
        """`actions` (b, t-1), in some batches drawn anew."""
        share = self.settings.redrawn
        return self.redraw(tokens, actions, seen) if share and self.late and self.chance.once() < share else actions

    def blinded(self, actions: Tensor) -> Tensor:
        """`actions` (b, t-1), some of them replaced by any code."""
        blind = self.chance.uniform(tuple(actions.shape), actions.device) < self.settings.blind
        return torch.where(blind, self.chance.integers_like(actions, self.network.config.num_actions), actions)

    @property
    def late(self) -> bool:
        """Whether the network is good enough for its own guesses to be of use."""
        return self.progress > self.settings.own_context_after

    @torch.no_grad()
    def redraw(self, tokens: Tensor, actions: Tensor, seen: Tensor | None = None) -> Tensor:
        """Actions (b, t-1) after a step of Metropolis-Hastings towards their posterior given the frames of `tokens`.

        A random code takes the place of one that explains the next frame worse, and of a better one by the ratio of
        their likelihoods. So codes between which the frame does not decide come to stand beside it equally often.
        """
        proposed = self.chance.integers_like(actions, self.network.config.num_actions)
        gain = self.log_likelihoods(tokens, proposed, seen) - self.log_likelihoods(tokens, actions, seen)
        return torch.where(self.chance.uniform(tuple(gain.shape), gain.device).log() < gain, proposed, actions)

    def log_likelihoods(self, tokens: Tensor, actions: Tensor, seen: Tensor | None = None) -> Tensor:
        """Of each next frame of `tokens` (b, t, h, w), nothing of it shown, under its action: (b, t-1), in nats."""
        blank = torch.full_like(tokens, self.network.config.mask_id)
        return -self.errors(self.network(tokens, blank, actions, seen), tokens).sum((2, 3, 4))

    def errors(self, prediction: Prediction, tokens: Tensor) -> Tensor:
        """Cross-entropy of the sub-tokens of all frames after the first, (b, t-1, h, w, factors), in nats."""
        config, logits = self.network.config, prediction.logits(tokens)[:, 1:]
        targets = split_tokens(tokens[:, 1:], config.token_factors, config.factor_vocabulary)
        return F.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="none").view(targets.shape)

    @torch.no_grad()
    def guesses(self, tokens: Tensor, actions: Tensor, seen: Tensor | None) -> Tensor:
        """The likeliest tokens of each frame, (b, t, h, w), after the true ones before it."""
        blank = torch.full_like(tokens, self.network.config.mask_id)
        return choose(self.network(tokens, blank, actions, seen), None)[0]

    @torch.no_grad()
    def own_guesses(self, tokens: Tensor, actions: Tensor) -> Tensor:
        """`tokens` with some later frames replaced by the model's own guesses of them."""
        return torch.where(self.own_steps(tokens)[..., None, None], self.guesses(tokens, actions, None), tokens)

    def own_steps(self, tokens: Tensor) -> Tensor:
        """Which frames after the first of `tokens` (b, t, h, w) are to be the model's own guesses: a share drawn for
        each clip, (b, t)."""
        b, t = tokens.shape[:2]
        share = self.chance.uniform((b, 1), tokens.device)
        own = self.chance.uniform((b, t), tokens.device) < share
        own[:, 0] = False
        return own

    def picture(self, batch: Batch) -> Tensor:
        """Held-out clips as the tokenizer decodes them, each above the frames predicted one step ahead."""
        tokens, actions, tokenizer = batch["tokens"][:3].long(), batch["actions"][:3].long(), self.tokenizer
        if isinstance(tokenizer, VideoTokenizer):
            decoded = tokenizer.decode(tokens)
        else:
            decoded = to_model(batch["pictures"][:3])
        guessed = self.shown(decoded, tokens, self.guesses(tokens, actions, tokenizer.features(decoded)))
        assert guessed is not None
        return torch.stack([to_frames(decoded), to_frames(guessed)], 1).flatten(0, 1)


def random_masks(tokens: Tensor, fully_masked: float, chance: Chance) -> Tensor:
    """The tokens to hide of (b, t, h, w): all of a frame, or a share by MaskGIT's cosine of a random step."""
    device, (b, t, *grid) = tokens.device, tokens.shape
    share = torch.cos(chance.uniform((b, t), device) * math.pi / 2)
    share = torch.where(chance.uniform((b, t), device) < fully_masked, 1.0, share)
    return chance.uniform((b, t, *grid), device) < share[..., None, None]


def flip_bits(tokens: Tensor, code_bits: int, most: float, chance: Chance) -> Tensor:
    """`tokens` (b, t, h, w) with a share of each frame's bits turned over, drawn anew for each from 0 to `most`."""
    share = most * chance.uniform((*tokens.shape[:2], 1, 1, 1), tokens.device)
    flipped = chance.uniform((*tokens.shape, code_bits), tokens.device) < share
    return tokens ^ (flipped * 2 ** torch.arange(code_bits, device=tokens.device)).sum(-1)
