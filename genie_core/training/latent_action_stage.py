"""Stage 2: the latent action model learns which few codes explain the next frame best."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from genie_core.models.latent_action import LatentActionModel
from genie_core.pixels import to_frames, to_model
from genie_core.training.settings import LatentActionSettings
from genie_core.training.stage import Batch, Stage, batch_psnr


class LatentActionStage(Stage):
    """Prediction error of the next frames, plus terms that keep the encoder near its codes and all codes in use.

    Where a game's rules find the codes, the rules' own errors take the place of these terms.
    """

    name = "latent_action"
    network: LatentActionModel
    settings: LatentActionSettings

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        pixels, settings = to_model(batch["frames"]), self.settings
        if self.training:
            pixels = mirror_some(pixels, settings.mirrored)
        from_pixels = self.network.codes_learn_from_pixels
        drawn = len(pixels) if from_pixels else min(settings.drawn_clips, len(pixels))
        predicted, quantized, errors = self.network(pixels, drawn)
        truth = pixels[:drawn, :, 1:]
        squared = F.mse_loss(predicted, truth)
        counts = torch.bincount(quantized.indices.flatten(), minlength=self.network.config.num_actions)
        shares = counts / counts.sum()
        own = (
            settings.commitment * quantized.commitment
            + settings.sample_entropy * quantized.sample_entropy
            - settings.codebook_entropy * quantized.codebook_entropy
            if from_pixels
            else torch.stack([*errors.values()]).sum()
        )
        return {
            "loss": F.l1_loss(predicted, truth) + settings.squared_error * squared + own,
            "psnr": batch_psnr(squared),
            **{name: error.detach() for name, error in errors.items()},
            **{f"code_{code}": share for code, share in enumerate(shares)},
        }

    def picture(self, batch: Batch) -> Tensor:
        """Held-out clips, each above what was predicted with its own codes and with random ones."""
        frames = batch["frames"][:3]
        pixels = to_model(frames)
        quantized = self.network.infer(pixels)
        random = torch.randint_like(quantized.indices, self.network.config.num_actions)
        rows = [frames[:, 1:]]
        for codes in (quantized.codes, self.network.quantizer.lookup(random)):
            rows.append(to_frames(self.network.predict(pixels[:, :, :-1], codes)))
        return torch.stack(rows, 1).flatten(0, 1)


def mirror_some(pixels: Tensor, share: float) -> Tensor:
    """(b, c, t, H, W) with about `share` of the clips mirrored."""
    mirrored = torch.rand(len(pixels), 1, 1, 1, 1, device=pixels.device) < share
    return torch.where(mirrored, pixels.flip(-1), pixels)
