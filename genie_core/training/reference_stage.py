"""Stage 1 of a tokenizer that is given the last picture: it learns to code what follows its own pictures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genie_core.layers.quantize import codebook_usage
from genie_core.layers.ranks import mean_over_ranks
from genie_core.models.foretelling import NOISE
from genie_core.models.reference_tokenizer import ReferenceTokenizer, Walk
from genie_core.pixels import to_frames, to_levels, to_model
from genie_core.training.own_play import LOST, psnr_of_each
from genie_core.training.settings import TokenizerSettings
from genie_core.training.stage import Batch, Stage, batch_psnr
from genie_core.training.tokenizer_stage import texture

SHALLOW, DEEP = 3, 63  # frames that a film goes at most before it is set back to the truth, at first and at last
DEEPER, DEEPEST = 0.1, 0.4  # the shares of the stage between which that rises
LEAST_SHARE = 0.02  # of the pixels, that change or that do not: fewer do not count for more
GIVEN_UP = 0.7  # of the films that are lost, the share that is set back at once


class ReferenceTokenizerStage(Stage):
    """Reconstruction along films, whose last pictures are carried on from batch to batch as play carries them.

    A batch begins each row's window with the picture that the row's last window ended with, without gradient. Where a
    film begins, and after a length drawn for it anew, that picture is the truth. The loss is absolute and squared
    error, in which what changes counts as much as what does not, that of the error's own gradients, so that edges
    count, and the two entropy terms of the quantizer.
    """

    name = "tokenizer"
    network: ReferenceTokenizer
    settings: TokenizerSettings

    def __init__(self, network: ReferenceTokenizer, settings: TokenizerSettings) -> None:
        super().__init__(network, settings)
        rows = settings.batch_size
        self.worn: dict[str, Tensor] = {  # by row of the global batch
            "pictures": torch.zeros(rows, 3, *network.config.frame_size),
            "depths": torch.zeros(rows),  # frames since the truth
            "limits": torch.zeros(rows),  # of the depths; with 0, a row begins with the truth
        }

    def get_extra_state(self) -> dict[str, Tensor]:
        """What is saved beside the weights: the last pictures, of the first rank's rows."""
        return self.worn

    def set_extra_state(self, state: Any) -> None:
        """Go on from these pictures; in a batch of another size, all films begin anew."""
        if all(value.shape == self.worn[name].shape for name, value in state.items()):
            self.worn = {name: value.clone() for name, value in state.items()}

    @property
    def deepest(self) -> float:
        """How many frames a film may go by now before it is set back to the truth."""
        return SHALLOW + (DEEP - SHALLOW) * self.ramp(DEEPER, DEEPEST)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        pixels = to_model(batch["frames"])
        if not self.training:
            return self.judged(self.network(pixels[:, :, 0], pixels[:, :, 1:]), pixels)
        self.worn = {name: value.to(pixels.device) for name, value in self.worn.items()}
        rows = torch.arange(len(pixels), device=pixels.device) + self.chance.first_row
        drawn = self.chance.uniform((len(pixels), 2), pixels.device)
        pictures, depths, limits = (value[rows] for value in self.worn.values())
        fresh = batch["begins"] | (depths >= limits)
        pictures = torch.where(fresh[:, None, None, None], pixels[:, :, 0], pictures)
        depths, limits = depths.masked_fill(fresh, 0), torch.where(fresh, drawn[:, 0] * self.deepest, limits)
        walk, truth = self.network(pictures, pixels[:, :, 1:]), pixels[:, :, 1:]
        last = to_levels(walk.pixels[:, :, -1].detach().float())
        lost = psnr_of_each(last, truth[:, :, -1]) < LOST
        limits = limits.masked_fill(lost & (drawn[:, 1] < GIVEN_UP), 0)
        for name, value in (("pictures", last), ("depths", depths + truth.shape[2]), ("limits", limits)):
            self.worn[name][rows] = value
        return {**self.judged(walk, pixels), "depth": depths.mean()}

    def judged(self, walk: Walk, pixels: Tensor) -> dict[str, Tensor]:
        """The losses of pictures that should be those of `pixels` (b, 3, t, H, W) after the first."""
        truth, weight = pixels[:, :, 1:], weights_of_change(pixels)
        settings, config, error = self.settings, self.network.config, walk.pixels - truth
        absolute, squared = ((weight * each).mean() for each in (error.abs(), error.square()))
        edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
        entropies = [
            settings.sample_entropy * each.sample_entropy - settings.codebook_entropy * each.codebook_entropy
            for each in walk.quantized
        ]
        entropy = torch.stack(entropies).mean() / config.code_bits
        tokens = torch.stack([each.tokens for each in walk.quantized])
        seen, real = (texture(each.detach(), settings.texture_window)[[0, 2]] for each in (walk.pixels, truth))
        return {
            "loss": absolute + settings.squared_error * squared + settings.gradients * edges + entropy,
            "psnr": batch_psnr(error.square().mean()),
            "sharpness": seen.square().mean() / real.square().mean(),
            "codebook_usage": torch.tensor(codebook_usage(tokens, config.token_factors, config.factor_vocabulary)),
        }

    def picture(self, batch: Batch) -> Tensor:
        """Held-out clips, each above what its tokens make of it after its first picture."""
        frames = batch["frames"][:4]
        return torch.stack([frames, to_frames(self.network.code(to_model(frames)).pixels)], 1).flatten(0, 1)


def weights_of_change(pixels: Tensor) -> Tensor:
    """What each pixel of clips (b, 3, t, H, W) after their first frames counts, (b, 1, t-1, H, W).

    All that changes counts as much as all that does not, or a small thing that moves under a still camera would be
    worth nothing beside a still picture well copied.
    """
    changed = (pixels[:, :, 1:] - pixels[:, :, :-1]).abs().amax(1, keepdim=True) > NOISE
    share = mean_over_ranks(changed.float().mean()).clamp(LEAST_SHARE, 1 - LEAST_SHARE)
    return torch.where(changed, 0.5 / share, 0.5 / (1 - share))
