"""What can be expected takes no code: a picture tells the foreteller, and codes that can be guessed even out."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from test_training import SETTINGS
from tiny import CONFIG, random_frames, random_pixels
from torch import Tensor

from genie_core.errors import ConfigError
from genie_core.models.foretelling import ForetellingModel
from genie_core.training.cost import cost
from genie_core.training.expectation import Expectation
from genie_core.training.latent_action_stage import LatentActionStage
from genie_core.training.settings import LatentActionSettings, parse_settings

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
        pixels = way[:, None, None, None, None].expand(-1, 3, 3, 16, 16) * 0.5
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


def test_what_is_seen_of_a_frame_counts_from_the_step_after_it() -> None:
    """Never before, or the foreteller and the guess would know what came of a code."""
    torch.manual_seed(0)
    network, expectation = ForetellingModel(SMALL), Expectation(SMALL)
    torch.nn.init.normal_(expectation.seen.weight)
    observed, pixels = torch.zeros(1, 4, len(network.mean)), random_pixels(b=1, t=5, size=(16, 16))
    other = pixels.clone()
    other[:, :, 2] = random_pixels(b=1, t=1, seed=1, size=(16, 16))[:, :, 0]
    begun, changed = (network.begin(observed, expectation.see(each[:, :, :-1])) for each in (pixels, other))
    assert (begun != changed).any(-1).tolist() == [[False, False, True, False]]


def test_a_step_whose_code_is_told_is_no_matter_of_choice() -> None:
    expectation, begun = Expectation(SMALL), torch.randn(2, 3, WIDTH)
    shares = torch.rand(2, 3, 2, requires_grad=True)
    told = torch.tensor([[-1, 0, -1], [1, -1, -1]])
    sum(expectation.surprise(begun, shares, told)).backward()  # type: ignore[arg-type]
    assert shares.grad is not None
    assert torch.equal(shares.grad.abs().sum(-1) > 0, told < 0)


def stage_of(surprise: float) -> LatentActionStage:
    torch.manual_seed(0)
    settings = LatentActionSettings(surprise=surprise, clip_frames=6, mirrored=0.0, steps=100)
    return LatentActionStage(ForetellingModel(SMALL), settings).train()


def taught(surprise: float, step: int) -> Tensor:
    """What teaches the codes in step `step` of 100."""
    stage = stage_of(surprise)
    stage.step = step
    stage.losses({"frames": random_frames(b=4, t=6)})["loss"].backward()
    return torch.cat([p.grad.flatten() for p in stage.network.inference.parameters()])  # type: ignore[union-attr, operator]


def test_the_setting_weighs_it_in_what_teaches_the_codes() -> None:
    first, second, third = (taught(surprise, 45) for surprise in (0.1, 0.2, 0.4))
    assert (second - first).norm() > 1e-6
    torch.testing.assert_close(third - second, 2 * (second - first), atol=1e-6, rtol=1e-3)


def test_codes_come_to_mean_something_before_they_are_to_surprise() -> None:
    plain = taught(0.1, 0)
    torch.testing.assert_close(taught(0.2, 0), plain)
    torch.testing.assert_close(taught(0.2, 25), plain)
    half, whole = (taught(0.2, step) - plain for step in (35, 45))
    assert whole.abs().max() > 1e-4
    torch.testing.assert_close(whole, 2 * half, atol=1e-6, rtol=1e-3)
    torch.testing.assert_close(taught(0.2, 90), plain + whole, atol=1e-6, rtol=1e-3)


def test_without_it_a_stage_has_the_state_it_always_had() -> None:
    assert not [name for name in stage_of(0.0).state_dict() if not name.startswith("network.")]


def test_codes_that_do_not_foretell_cannot_be_surprising() -> None:
    with pytest.raises(ConfigError, match=r"surprise 0\.1 is for codes that foretell; write `horizon"):
        parse_settings(SETTINGS.replace("[train.latent_action]\n", "[train.latent_action]\nsurprise = 0.1\n"), "here")


def test_the_plan_counts_it() -> None:
    text = SETTINGS.replace("code_width = 4\n", "code_width = 4\nhorizon = 2\n")
    plain, seeing = (
        cost("latent_action", parse_settings(part, "here"))
        for part in (text, text.replace("[train.latent_action]\n", "[train.latent_action]\nsurprise = 0.1\n"))
    )
    assert seeing.parameters > plain.parameters and seeing.step_flop > plain.step_flop and seeing.memory > plain.memory


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
    assert not any("expectation" in name for name in network.state_dict())
