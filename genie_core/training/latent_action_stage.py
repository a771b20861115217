"""Stage 2: the latent action model learns which few codes explain the next frame best."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from genie_core.layers.ranks import rows_of_all_ranks
from genie_core.models.foretelling import ForetellingModel
from genie_core.models.latent_action import LatentActionModel
from genie_core.pixels import to_frames, to_model
from genie_core.training.chance import Chance
from genie_core.training.expectation import Expectation
from genie_core.training.labels import Labels
from genie_core.training.settings import LatentActionSettings
from genie_core.training.stage import Batch, Stage, batch_psnr

SURPRISE_FROM, SURPRISE_WHOLE = 0.25, 0.45  # shares of the stage


class LatentActionStage(Stage):
    """Prediction error of the next frames, plus terms that keep the encoder near its codes and all codes in use.

    Codes that foretell motion learn from how well they do so as well. `labelled` is how many steps come with their
    button, whose code they then have; a clip that has such a step is never mirrored.

    Codes come to mean something before they are to surprise, so the weight of that rises within the stage, also where
    codes of another world learn on.
    """

    name = "latent_action"
    network: LatentActionModel
    settings: LatentActionSettings

    def __init__(self, network: LatentActionModel, settings: LatentActionSettings, labelled: int = 0) -> None:
        super().__init__(network, settings)
        self.expectation = Expectation(network.config) if settings.surprise else None
        self.labels = Labels(network, labelled) if labelled and isinstance(network, ForetellingModel) else None

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """In float32 whatever the precision of the training: bfloat16 errs by half of a slow motion."""
        with torch.autocast(batch["frames"].device.type, enabled=False):
            return super().forward(batch)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        pixels, settings, buttons = to_model(batch["frames"]), self.settings, batch.get("buttons")
        if self.training:
            mirrored = mirror_some(pixels, settings.mirrored, self.chance)
            pixels = mirrored if buttons is None else torch.where(is_labelled(buttons), pixels, mirrored)
        from_pixels = self.network.codes_learn_from_pixels
        here = len(pixels)
        found = list(range(here)) if from_pixels else self.chance.some_rows(settings.drawn_clips, here)
        drawn = found or [0]  # counts for nothing, but a rank that draws no clip would leave the others waiting
        told = buttons if self.training else None
        seen = None if self.expectation is None else self.expectation.see(pixels[:, :, :-1])
        predicted, quantized, observed, errors = self.network(pixels, drawn, told, seen)
        if self.expectation is not None:
            assert isinstance(self.network, ForetellingModel)
            surprise = self.expectation.surprise(self.network.begin(observed, seen), quantized.shares, told)
            surprising = settings.surprise * self.ramp(SURPRISE_FROM, SURPRISE_WHOLE)
            errors = errors | {"guess_error": surprise.guess_error, "guessed": surprising * surprise.guessed}
        if self.training and self.labels is not None and buttons is not None:
            assert isinstance(self.network, ForetellingModel)
            self.labels.teach(self.network, *map(rows_of_all_ranks, (observed, buttons)))
        truth = pixels[drawn][:, :, 1:]
        # ranks may have drawn more or fewer of the global batch's clips; each clip weighs alike
        weight = 1.0 if from_pixels else self.chance.weight_of(len(found), settings.drawn_clips, here)
        absolute, squared = F.l1_loss(predicted, truth), F.mse_loss(predicted, truth)
        counts = torch.bincount(quantized.indices.flatten(), minlength=self.network.config.num_actions)
        shares = counts / counts.sum()
        own = (
            settings.commitment * quantized.commitment
            + settings.sample_entropy * quantized.sample_entropy
            - settings.codebook_entropy * quantized.codebook_entropy
            + sum(errors.values())
        )
        return {
            "loss": weight * (absolute + settings.squared_error * squared) + own,
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


def is_labelled(buttons: Tensor) -> Tensor:
    """Whether each clip has a known button among `buttons` (b, t-1): bool (b, 1, 1, 1, 1)."""
    return (buttons >= 0).any(-1)[:, None, None, None, None]


def mirror_some(pixels: Tensor, share: float, chance: Chance) -> Tensor:
    """(b, c, t, H, W) with about `share` of the clips mirrored."""
    mirrored = chance.uniform((len(pixels), 1, 1, 1, 1), pixels.device) < share
    return torch.where(mirrored, pixels.flip(-1), pixels)
