"""Stage 1: the tokenizer learns to reconstruct frames."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from genie_core.layers.quantize import codebook_usage
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.pixels import to_frames, to_model
from genie_core.training.settings import TokenizerSettings
from genie_core.training.stage import Batch, Stage, batch_psnr


class TokenizerStage(Stage):
    """Reconstruction in the mean of absolute and squared error, plus the two entropy terms of the quantizer.

    Squared error alone blurs, because the mean is the nearest picture to all that the tokens leave open. The texture
    term asks that neighbouring pixels differ as much as in the real picture, window by window, in either direction.
    """

    name = "tokenizer"
    network: VideoTokenizer
    settings: TokenizerSettings

    def __init__(self, network: VideoTokenizer, settings: TokenizerSettings) -> None:
        super().__init__(network, settings)
        network.encoder.requires_grad_(not settings.decoder_only)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        pixels, settings, config = to_model(batch["frames"]), self.settings, self.network.config
        rebuilt, quantized = self.network(pixels)
        absolute, squared = F.l1_loss(rebuilt, pixels), F.mse_loss(rebuilt, pixels)
        entropy = (
            settings.sample_entropy * quantized.sample_entropy - settings.codebook_entropy * quantized.codebook_entropy
        )
        usage = codebook_usage(quantized.tokens, config.token_factors, config.factor_vocabulary)
        seen, real = (texture(each, settings.texture_window) for each in (rebuilt, pixels))
        rough = settings.texture * F.l1_loss(seen, real)
        return {
            "loss": absolute + settings.squared_error * squared + entropy / config.code_bits + rough,
            "psnr": batch_psnr(squared),
            "sharpness": seen[[0, 2]].detach().square().mean() / real[[0, 2]].square().mean(),
            "codebook_usage": torch.tensor(usage),
        }

    def picture(self, batch: Batch) -> Tensor:
        """Held-out clips, each above its reconstruction."""
        frames = batch["frames"][:4]
        rebuilt = to_frames(self.network(to_model(frames)).pixels)
        return torch.stack([frames, rebuilt], 1).flatten(0, 1)


def texture(pixels: Tensor, window: int) -> Tensor:
    """Root mean squares of differences in each window of (b, c, t, H, W): (kinds, b*t, c, h, w).

    A window is `window` pixels wide and high, or as much as there is.

    The differences are between neighbours and between next neighbours, across and down, and between the two diagonals
    of each square of four pixels. A mesh is the cheapest way to be rough: next neighbours do not count it, diagonals
    count it most.
    """
    x = rearrange(pixels, "b c t h w -> (b t) c h w")
    cell = [min(window, side) for side in x.shape[-2:]]
    steps = [F.pad(x[..., by:] - x[..., :-by], (0, by)) for by in (1, 2)]
    steps += [F.pad(x[..., by:, :] - x[..., :-by, :], (0, 0, 0, by)) for by in (1, 2)]
    steps.append(F.pad(steps[0].diff(dim=-2), (0, 0, 0, 1)))
    return torch.stack([(F.avg_pool2d(step.square(), cell) + 1e-4).sqrt() for step in steps])
