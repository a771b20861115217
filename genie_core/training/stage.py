"""What the three stages share: the losses' interface, how far a stage is, and the rates of its optimizer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genie_core.training.chance import Chance
from genie_core.training.optimizer import MuonAdamW, build_optimizer
from genie_core.training.probes import Probe
from genie_core.training.settings import StageSettings

Batch = dict[str, Tensor]


class Stage(nn.Module):
    """Trains one network, and what serves its training alone. A subclass gives `losses(batch)`, whose entry `loss` is
    minimised and all are logged.

    `chance` is where the losses draw their random numbers: it is set anew for each step. `weight` is what the loss of
    the last batch counts beside those of other parts of a global batch. `step` and `trained_seconds` say how much was
    learnt, over all resumed runs; `rate` is 1, or less after a loss that exploded. `learnt_from` are hashes of the
    networks that made what it learns from.
    """

    name: str
    settings: StageSettings

    def __init__(self, network: nn.Module, settings: StageSettings) -> None:
        super().__init__()
        self.network = network
        self.settings = settings
        self.chance = Chance()
        self.weight = torch.ones(())
        self.step = 0
        self.trained_seconds = torch.zeros((), dtype=torch.float64)
        self.rate = 1.0
        self.learnt_from: dict[str, str] = {}

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        raise NotImplementedError(f"{type(self).__name__} must say what it minimises")

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """`losses`, through which the ranks of a training share their gradients."""
        return self.losses(batch)

    def picture(self, batch: Batch) -> Tensor:
        """What the network makes of a held-out batch, as uint8 (rows, t, H, W, 3)."""
        raise NotImplementedError(f"{type(self).__name__} must show what it learnt")

    def probe(self) -> Probe | None:
        """What a world with this network does so far; None for a stage that cannot play."""
        return None

    @property
    def progress(self) -> float:
        """Share of this stage already trained, over all resumed runs."""
        settings = self.settings
        if settings.steps is not None:
            return self.step / settings.steps
        return float(self.trained_seconds) / (60 * settings.minutes)

    def ramp(self, first: float, last: float) -> float:
        """0 up to the share `first` of this stage, 1 from `last` on, and straight between."""
        return min(max((self.progress - first) / (last - first), 0.0), 1.0)

    def configure_optimizers(self) -> MuonAdamW:
        return build_optimizer(self, self.settings)

    def set_rates(self, optimizer: torch.optim.Optimizer) -> None:
        """Give the two groups of `optimizer` the rates of this step."""
        share = self.rate * rate_share(self.step, self.progress, self.settings)
        muon, adamw = optimizer.param_groups
        muon["lr"] = share * self.settings.muon_learning_rate
        adamw["lr"] = share * self.settings.learning_rate


def batch_psnr(squared_error: Tensor) -> Tensor:
    """PSNR in dB of a whole batch, to log, from its mean squared error on pixels in [-1, 1]."""
    return 10 * torch.log10(4 / squared_error.detach().clamp_min(1e-10))


def rate_share(step: int, progress: float, settings: StageSettings) -> float:
    """Share of the peak learning rate: a short rise, a plateau, a straight fall over the last `decay` of the stage."""
    rise, decay = min(1.0, (step + 1) / settings.warmup_steps), settings.decay
    return rise * (min(1.0, max(0.0, (1 - progress) / decay)) if decay else 1.0)
