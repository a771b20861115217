"""What can be expected takes no code: a picture tells the foreteller, and codes that can be guessed even out."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import CONFIG, random_frames
from torch import Tensor

from genie_core.models.foretelling import ForetellingModel
from genie_core.training.expectation import Expectation
from genie_core.training.latent_action_stage import LatentActionStage
from genie_core.training.settings import LatentActionSettings

SMALL = dataclasses.replace(CONFIG.latent_action, horizon=3, num_actions=2)
WIDTH = SMALL.width


def evened_out(weight: float) -> Tensor:
    """Shares of two codes in each of two states, after 200 steps with `surprise` at `weight`; each begins with its own
    code, so over both states the codes are even from the start."""
    torch.manual_seed(0)
    expectation = Expectation(SMALL)
    states = torch.randn(2, WIDTH)
    logits = torch.tensor([[2.0, -2.0], [-2.0, 2.0]], requires_grad=True)
    optimizer = torch.optim.Adam([logits, *expectation.parameters()], 0.02)
    for _ in range(200):
        found = expectation.surprise(states[:, None], logits.softmax(-1)[:, None])
        optimizer.zero_grad()
        (found.guess_error + weight * found.guessed).backward()
        optimizer.step()
    return logits.detach().softmax(-1)


def test_codes_that_can_be_guessed_become_even_where_the_past_is_known() -> None:
    plain, even = evened_out(0.0), evened_out(1.0)
    assert plain.diagonal().min() > 0.95, "nothing else moves them here"
    assert even.diagonal().max() < 0.75, even


def test_the_guess_does_not_bend_what_it_guesses_from() -> None:
    expectation, begun = Expectation(SMALL), torch.randn(2, 3, WIDTH, requires_grad=True)
    shares = torch.rand(2, 3, 2, requires_grad=True)
    found = expectation.surprise(begun, shares)
    found.guess_error.backward(retain_graph=True)
    assert begun.grad is None and shares.grad is None
    found.guessed.backward()
    assert begun.grad is None and shares.grad is not None


@pytest.mark.parametrize("sees", [True, False])
def test_a_picture_that_tells_what_comes_makes_it_expected(sees: bool) -> None:
    """A dark picture goes left and a bright one right, from rest, and the one code there is says nothing."""
    torch.manual_seed(0)
    network, expectation = ForetellingModel(SMALL), Expectation(SMALL)
    network.whitening.zero_().fill_diagonal_(1)
    optimizer = torch.optim.Adam([*network.parameters(), *expectation.parameters()], 5e-3)
    features, errors = len(network.mean), []
    for _ in range(80):
        way = torch.randint(0, 2, (16,)) * 2.0 - 1
        pixels = way[:, None, None, None, None].expand(-1, 3, 5, 16, 16) * 0.5
        observed = torch.zeros(16, 4, features)
        observed[..., 0] = way[:, None]
        codes = network.quantizer.codebook[0].expand(16, 4, -1)
        seen = expectation.see(pixels) if sees else None
        (error,) = network.errors(observed[:, :3], codes[:, :3], seen).values()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(float(error.detach()))
    assert (errors[-1] < 0.1 * errors[0]) is sees, errors[-1] / errors[0]


def test_it_learns_with_the_codes_and_stays_out_of_the_world() -> None:
    network = ForetellingModel(SMALL)
    stage = LatentActionStage(network, LatentActionSettings(surprise=0.1, clip_frames=6)).train()
    assert stage.expectation is not None
    before = {name: p.detach().clone() for name, p in stage.expectation.named_parameters()}
    optimizer = stage.configure_optimizers()
    for seed in range(3):
        stage.set_rates(optimizer)
        optimizer.zero_grad()
        stage.losses({"frames": random_frames(b=4, t=6, seed=seed)})["loss"].backward()
        optimizer.step()
        stage.step += 1
    assert all((p != before[name]).any() for name, p in stage.expectation.named_parameters())
    assert not any("expectation" in name or "eye" in name for name in network.state_dict())
