"""Stage 1: the tokenizer learns to give back what it saw."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from genie_core.models.tokenizer import VideoTokenizer
from genie_core.pixels import to_frames, to_model
from genie_core.training.stage import Batch, Stage

# In nats a bit. Evenly used codes matter from the start; decided ones come by themselves, so that part is kept small.
CODEBOOK_ENTROPY_WEIGHT = 0.02
SAMPLE_ENTROPY_WEIGHT = 0.002


class TokenizerStage(Stage):
    """Reconstruction in the mean of absolute and squared error, plus the two entropy terms of the quantizer."""

    name = "tokenizer"
    network: VideoTokenizer

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        pixels = to_model(batch["frames"])
        reconstruction = self.network(pixels)
        absolute = F.l1_loss(reconstruction.pixels, pixels)
        squared = F.mse_loss(reconstruction.pixels, pixels)
        quantized = reconstruction.quantized
        bits = self.network.config.code_bits
        entropy = (
            SAMPLE_ENTROPY_WEIGHT * quantized.sample_entropy - CODEBOOK_ENTROPY_WEIGHT * quantized.codebook_entropy
        )
        return {
            "loss": absolute + 2 * squared + entropy / bits,
            "psnr": 10 * torch.log10(4 / squared.detach()),
            "codebook_usage": code_usage(quantized.tokens, bits // self.network.config.token_factors),
        }

    def picture(self, batch: Batch) -> Tensor:
        """Held-out clips, each above its reconstruction."""
        frames = batch["frames"][:4]
        rebuilt = to_frames(self.network(to_model(frames)).pixels)
        return torch.stack([frames, rebuilt], 1).flatten(0, 1)


def code_usage(tokens: Tensor, factor_bits: int) -> Tensor:
    """Share of the values of a token's last factor that occur among `tokens`."""
    return torch.tensor(len((tokens % 2**factor_bits).unique()) / 2**factor_bits)
