"""Stage 1: the tokenizer learns to give back what it saw."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from genie_core.layers.quantize import codebook_usage
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.pixels import to_frames, to_model
from genie_core.training.settings import StageSettings
from genie_core.training.stage import Batch, Stage

# In nats a bit. Evenly used codes matter from the start; decided ones come by themselves, so that part is kept small.
CODEBOOK_ENTROPY_WEIGHT = 0.02
SAMPLE_ENTROPY_WEIGHT = 0.002
TEXTURE_WINDOW = 8  # pixels


class TokenizerStage(Stage):
    """Reconstruction in the mean of absolute and squared error, plus the two entropy terms of the quantizer.

    Squared error alone blurs: of what the tokens do not tell, the mean is the nearest. The term for texture asks that
    neighbouring pixels differ as much as in the real picture, window by window, whichever way they differ.
    """

    name = "tokenizer"
    network: VideoTokenizer

    def __init__(self, network: VideoTokenizer, settings: StageSettings) -> None:
        super().__init__(network, settings)
        network.encoder.requires_grad_(not settings.decoder_only)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        pixels = to_model(batch["frames"])
        reconstruction = self.network(pixels)
        absolute = F.l1_loss(reconstruction.pixels, pixels)
        squared = F.mse_loss(reconstruction.pixels, pixels)
        quantized = reconstruction.quantized
        config = self.network.config
        entropy = (
            SAMPLE_ENTROPY_WEIGHT * quantized.sample_entropy - CODEBOOK_ENTROPY_WEIGHT * quantized.codebook_entropy
        )
        usage = codebook_usage(quantized.tokens, config.token_factors, config.factor_vocabulary)
        seen, real = texture(reconstruction.pixels), texture(pixels)
        rough = self.settings.texture * F.l1_loss(seen, real)
        return {
            "loss": absolute + 2 * squared + entropy / config.code_bits + rough,
            "psnr": 10 * torch.log10(4 / squared.detach()),
            "sharpness": seen[[0, 2]].detach().square().mean() / real[[0, 2]].square().mean(),
            "codebook_usage": torch.tensor(usage),
        }

    def picture(self, batch: Batch) -> Tensor:
        """Held-out clips, each above its reconstruction."""
        frames = batch["frames"][:4]
        rebuilt = to_frames(self.network(to_model(frames)).pixels)
        return torch.stack([frames, rebuilt], 1).flatten(0, 1)


def texture(pixels: Tensor) -> Tensor:
    """Root mean squares of differences in each window of (b, c, t, H, W): (kinds, b*t, c, h, w).

    Between neighbours and next but one, across and down, and of a pixel and the one across its corner against the other
    two: a mesh, the cheapest way to be rough, is nothing to the second kind and most of all to the last.
    """
    x = rearrange(pixels, "b c t h w -> (b t) c h w")
    steps = [F.pad(x[..., by:] - x[..., :-by], (0, by)) for by in (1, 2)]
    steps += [F.pad(x[..., by:, :] - x[..., :-by, :], (0, 0, 0, by)) for by in (1, 2)]
    steps.append(F.pad(steps[0].diff(dim=-2), (0, 0, 0, 1)))
    return torch.stack([(F.avg_pool2d(step.square(), TEXTURE_WINDOW) + 1e-4).sqrt() for step in steps])
