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
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.pixels import to_frames
from genie_core.sampling import choose
from genie_core.training.chance import Chance
from genie_core.training.probes import Probe, probe
from genie_core.training.settings import DynamicsSettings
from genie_core.training.stage import Batch, Stage
from genie_core.world import World


class DynamicsStage(Stage):
    """Cross-entropy of the masked tokens' factors. Some context tokens are made wrong, as they are in play."""

    name = "dynamics"
    network: DynamicsModel
    settings: DynamicsSettings

    def __init__(
        self,
        network: DynamicsModel,
        settings: DynamicsSettings,
        tokenizer: VideoTokenizer,
        world: World | None = None,
        clips: np.ndarray | None = None,
    ) -> None:
        super().__init__(network, settings)
        self._tokenizer = [tokenizer]  # in a list, so that it is neither trained nor saved here
        self._world, self._clips = world, clips

    def probe(self) -> Probe | None:
        if self._world is None or self._clips is None:
            return None
        self._world.dynamics.load_state_dict(self.network.state_dict())
        return probe(self._world, self._clips)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        tokens, actions = batch["tokens"].long(), batch["actions"].long()
        config, settings = self.network.config, self.settings
        if self.training:
            actions = self.relabel(tokens, actions)
        context = tokens
        if self.training and self.late and self.chance.once() < settings.own_context:
            context = self.own_guesses(tokens, actions)
        if self.training:
            context = flip_bits(context, config.code_bits, settings.flipped_bits, self.chance)
        masked = random_masks(tokens, settings.fully_masked, self.chance)
        prediction = self.network(context, tokens.masked_fill(masked, config.mask_id), actions)
        errors = self.errors(prediction, tokens).mean(-1)
        masked = masked[:, 1:]
        whole = masked.all(-1).all(-1)
        # of all ranks, and in the weight of all parts, so that each token of the global batch counts alike
        count = self.weight = mean_over_ranks(masked.sum().float()).clamp_min(1)
        loss = errors[masked].sum() / count  # the mean, or nothing where nothing is masked
        return {"loss": loss, "next_frame_loss": errors[whole].mean().detach()}

    def relabel(self, tokens: Tensor, actions: Tensor) -> Tensor:
        """`actions` (b, t-1) as the dynamics is told them: some drawn anew, some replaced blindly."""
        settings, codes = self.settings, self.network.config.num_actions
        if settings.redrawn and self.late and self.chance.once() < settings.redrawn:
            actions = self.redraw(tokens, actions)
        blind = self.chance.uniform(tuple(actions.shape), actions.device) < settings.blind
        return torch.where(blind, self.chance.integers_like(actions, codes), actions)

    @property
    def late(self) -> bool:
        """Whether the network is good enough for its own guesses to be of use."""
        return self.progress > self.settings.own_context_after

    @torch.no_grad()
    def redraw(self, tokens: Tensor, actions: Tensor) -> Tensor:
        """Actions (b, t-1) after a step of Metropolis-Hastings towards their posterior given the frames of `tokens`.

        A random code takes the place of one that explains the next frame worse, and of a better one by the ratio of
        their likelihoods. So codes between which the frame does not decide come to stand beside it equally often.
        """
        proposed = self.chance.integers_like(actions, self.network.config.num_actions)
        gain = self.log_likelihoods(tokens, proposed) - self.log_likelihoods(tokens, actions)
        return torch.where(self.chance.uniform(tuple(gain.shape), gain.device).log() < gain, proposed, actions)

    def log_likelihoods(self, tokens: Tensor, actions: Tensor) -> Tensor:
        """Of each next frame of `tokens` (b, t, h, w), nothing of it shown, under its action: (b, t-1), in nats."""
        blank = torch.full_like(tokens, self.network.config.mask_id)
        return -self.errors(self.network(tokens, blank, actions), tokens).sum((2, 3, 4))

    def errors(self, prediction: Prediction, tokens: Tensor) -> Tensor:
        """Cross-entropy of the sub-tokens of all frames after the first, (b, t-1, h, w, factors), in nats."""
        config, logits = self.network.config, prediction.logits(tokens)[:, 1:]
        targets = split_tokens(tokens[:, 1:], config.token_factors, config.factor_vocabulary)
        return F.cross_entropy(logits.flatten(0, -2), targets.flatten(), reduction="none").view(targets.shape)

    @torch.no_grad()
    def own_guesses(self, tokens: Tensor, actions: Tensor) -> Tensor:
        """`tokens` with some later frames replaced by the model's own guesses of them."""
        blank = torch.full_like(tokens, self.network.config.mask_id)
        guesses, _ = choose(self.network(tokens, blank, actions), None)
        b, t = tokens.shape[:2]
        share = self.chance.uniform((b, 1), tokens.device)
        replaced = self.chance.uniform((b, t), tokens.device) < share
        replaced[:, 0] = False
        return torch.where(replaced[..., None, None], guesses, tokens)

    def picture(self, batch: Batch) -> Tensor:
        """Held-out clips as the tokenizer decodes them, each above the frames predicted one step ahead."""
        tokens, actions = batch["tokens"][:3].long(), batch["actions"][:3].long()
        blank = torch.full_like(tokens, self.network.config.mask_id)
        guesses, _ = choose(self.network(tokens, blank, actions), None)
        guesses[:, 0] = tokens[:, 0]
        return torch.stack([to_frames(self._tokenizer[0].decode(rows.cpu())) for rows in (tokens, guesses)], 1).flatten(
            0, 1
        )


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
