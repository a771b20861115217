"""Stage 2: the latent action model learns which few codes explain the next frame best."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from genie_core.models.latent_action import LatentActionModel
from genie_core.pixels import to_frames, to_model
from genie_core.training.stage import Batch, Stage

COMMITMENT_WEIGHT = 0.1
# Without these, one code took 70 % of the steps and two took none; ten times as much made them even and meaningless.
CODEBOOK_ENTROPY_WEIGHT = 0.005
SAMPLE_ENTROPY_WEIGHT = 0.001
DRAWN = 2  # clips of a batch whose next frames a model with an expectation draws: its codes do not learn from them


class LatentActionStage(Stage):
    """Prediction error of the next frames, and what keeps the encoder near its codes and all codes in use."""

    name = "latent_action"
    network: LatentActionModel

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        pixels = to_model(batch["frames"])
        if self.training:
            pixels = mirror_some(pixels)
        expects = self.network.config.expectation_layers is not None
        drawn = min(DRAWN, len(pixels)) if expects else len(pixels)
        predicted, quantized, errors = self.network(pixels, drawn)
        truth = pixels[:drawn, :, 1:]
        squared = F.mse_loss(predicted, truth)
        counts = torch.bincount(quantized.indices.flatten(), minlength=self.network.config.num_actions)
        shares = counts / counts.sum()
        if not expects:
            own = (
                COMMITMENT_WEIGHT * quantized.commitment
                + SAMPLE_ENTROPY_WEIGHT * quantized.sample_entropy
                - CODEBOOK_ENTROPY_WEIGHT * quantized.codebook_entropy
            )
        else:
            own = torch.stack([*errors.values()]).sum()
        return {
            "loss": F.l1_loss(predicted, truth) + 2 * squared + own,
            "psnr": 10 * torch.log10(4 / squared.detach()),
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


def mirror_some(pixels: Tensor) -> Tensor:
    """(b, c, t, H, W) with about half of the clips mirrored, so that the way most players go gets no more codes."""
    mirrored = torch.rand(len(pixels), 1, 1, 1, 1, device=pixels.device) < 0.5
    return torch.where(mirrored, pixels.flip(-1), pixels)
