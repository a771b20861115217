"""A batch that is learnt in parts, for want of memory, teaches what it teaches as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric
from tiny import make_dynamics, make_world, random_actions, random_frames, random_tokens
from torch import Tensor

from genie_core.training.dynamics_stage import DynamicsStage
from genie_core.training.learner import Learner
from genie_core.training.settings import DynamicsSettings, TokenizerSettings
from genie_core.training.stage import Batch, Stage
from genie_core.training.tokenizer_stage import TokenizerStage

ROWS = 8


def dynamics() -> Stage:
    """Few frames are wholly masked, so that parts have many or few masked tokens; guesses stand in the context."""
    network = make_dynamics().train().requires_grad_(True)
    settings = DynamicsSettings(fully_masked=0.2, own_context_after=0, own_context=1, redrawn=1)
    stage = DynamicsStage(network, settings, make_world().tokenizer)
    stage.step, stage.trained_seconds = 1, torch.tensor(1.0, dtype=torch.float64)
    return stage


def tokenizer() -> Stage:
    network = make_world().tokenizer.train().requires_grad_(True)
    return TokenizerStage(network, TokenizerSettings(codebook_entropy=0))


def learnt(stage: Stage, batch: Batch, parts: int, folder: Path) -> tuple[Tensor, Tensor]:
    """The loss of a step on `batch`, cut into `parts`, and the gradients that it leaves."""
    learner = Learner(stage, Fabric(accelerator="cpu", devices=1), folder, seed=3)
    here = ROWS // parts
    cut = [
        ({name: value[first : first + here] for name, value in batch.items()}, first, ROWS)
        for first in range(0, ROWS, here)
    ]
    loss = learner.step(cut, stop_asked=False).losses["loss"]
    return loss, torch.cat([p.grad.flatten() for p in stage.parameters() if p.grad is not None])


@pytest.mark.parametrize("parts", [2, 8])
@pytest.mark.parametrize("kind", ["dynamics", "tokenizer"])
def test_parts_give_the_loss_and_gradient_of_the_whole(kind: str, parts: int, tmp_path: Path) -> None:
    if kind == "dynamics":
        make, batch = dynamics, {"tokens": random_tokens(ROWS), "actions": random_actions(ROWS)}
    else:
        make, batch = tokenizer, {"frames": random_frames(ROWS)}
    whole, gradients = learnt(make(), batch, 1, tmp_path)
    loss, summed = learnt(make(), batch, parts, tmp_path)
    torch.testing.assert_close(loss, whole, rtol=1e-6, atol=0)
    torch.testing.assert_close(summed, gradients, rtol=1e-4, atol=1e-6 * float(gradients.abs().max()))
