"""What the dynamics is told of the actions: some codes are replaced blindly, some drawn from their posterior."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import CONFIG, make_dynamics, make_world, random_actions, random_tokens
from torch import Tensor

from genie_core.training.dynamics_stage import DynamicsStage
from genie_core.training.settings import DynamicsSettings

CODES = CONFIG.dynamics.num_actions


def make_stage(train: bool = True, progress: float = 1.0, **settings: float) -> DynamicsStage:
    stage = DynamicsStage(make_dynamics(), DynamicsSettings(minutes=1, **settings), make_world().tokenizer)  # type: ignore[arg-type]
    stage.trained_seconds.fill_(60 * progress)
    return stage.train(train)


class Known(DynamicsStage):
    """A stage that knows how likely the next frame is under each code, whatever the frames: `logits` (codes,)."""

    logits: Tensor

    def log_likelihoods(self, tokens: Tensor, actions: Tensor, seen: Tensor | None = None) -> Tensor:
        return self.logits[actions]


def known(logits: list[float], **settings: float) -> Known:
    stage = Known(make_dynamics(), DynamicsSettings(minutes=1, **settings), make_world().tokenizer)  # type: ignore[arg-type]
    stage.trained_seconds.fill_(60.0)
    stage.logits = torch.tensor(logits)
    return stage.train()


@pytest.mark.parametrize("blind", [0.0, 0.1, 0.5, 1.0])
def test_a_share_of_the_codes_is_replaced_blindly(blind: float) -> None:
    """By any code, the own one too, so that fewer than that share differ."""
    torch.manual_seed(0)
    actions = torch.full((4000, 4), 2)
    before = actions.clone()
    told = make_stage(blind=blind).blinded(actions)
    shares = torch.bincount(told.flatten(), minlength=CODES) / told.numel()
    expected = torch.full((CODES,), blind / CODES)
    expected[2] += 1 - blind
    torch.testing.assert_close(shares, expected, atol=0.02, rtol=0)
    assert torch.equal(actions, before) and told.shape == actions.shape and told.dtype == actions.dtype


def test_each_step_is_replaced_by_itself() -> None:
    torch.manual_seed(0)
    told = make_stage(blind=0.5).blinded(torch.zeros(4000, 2, dtype=torch.long))
    changed = (told != 0).float()
    assert float((changed[:, 0] * changed[:, 1]).mean()) == pytest.approx(float(changed.mean()) ** 2, abs=0.02)


def told_in_losses(stage: DynamicsStage) -> list[Tensor]:
    """The actions with which the network was called."""
    given: list[Tensor] = []
    stage.network.register_forward_pre_hook(lambda network, inputs: given.append(inputs[2]))
    stage.losses({"tokens": random_tokens(b=8), "actions": random_actions(b=8)})
    return given


def test_training_relabels_and_an_evaluation_never_does() -> None:
    torch.manual_seed(0)
    true = random_actions(b=8)
    assert not torch.equal(told_in_losses(make_stage(blind=1.0, own_context=0.0))[-1], true)
    for settings in ({"blind": 1.0}, {"redrawn": 1.0}):
        assert all(torch.equal(each, true) for each in told_in_losses(make_stage(train=False, **settings)))
    assert all(torch.equal(each, true) for each in told_in_losses(make_stage(blind=0.0)))


def test_own_guesses_are_made_under_the_codes_that_the_targets_show() -> None:
    """Not under those that replace them, or a guess that obeys would stand before a target that takes it back."""
    torch.manual_seed(0)
    guessed, learnt = told_in_losses(make_stage(blind=1.0, own_context=1.0))
    assert torch.equal(guessed, random_actions(b=8)) and not torch.equal(learnt, guessed)


@pytest.mark.parametrize("seed", range(3))
def test_drawing_anew_comes_to_the_posterior(seed: int) -> None:
    """Whatever code one begins with, many steps end with each as often as it explains the frame."""
    torch.manual_seed(seed)
    logits = (2 * torch.randn(CODES)).tolist()
    stage = known(logits)
    actions, tokens = torch.full((4000, 1), seed), random_tokens(b=1)
    for _ in range(60):
        actions = stage.redraw(tokens, actions)
    shares = torch.bincount(actions.flatten(), minlength=CODES) / len(actions)
    torch.testing.assert_close(shares, torch.tensor(logits).softmax(0), atol=0.03, rtol=0)


def test_the_posterior_stays_once_it_is_there_and_flows_balance() -> None:
    """One step from the posterior gives the posterior, and as many go from one code to another as come back."""
    torch.manual_seed(0)
    logits = [0.0, 1.0, -1.0, 2.0]
    posterior = torch.tensor(logits).softmax(0)
    before = torch.multinomial(posterior, 40_000, replacement=True)[:, None]
    after = known(logits).redraw(random_tokens(b=1), before)
    flows = torch.bincount(CODES * before.flatten() + after.flatten(), minlength=CODES**2).view(CODES, CODES) / 40_000
    torch.testing.assert_close(flows.sum(0), posterior, atol=0.01, rtol=0)
    torch.testing.assert_close(flows, flows.T, atol=0.006, rtol=0)
    assert (flows > 0).sum() > CODES  # and codes do change


def test_codes_that_the_frames_tell_apart_stay() -> None:
    stage = known([0.0, -1e6, -1e6, -1e6])
    assert not stage.redraw(random_tokens(b=1), torch.zeros(100, 3, dtype=torch.long)).any()


def test_likelihoods_are_those_of_whole_next_frames() -> None:
    """The sum of all sub-tokens' log-probabilities, with nothing of the frame revealed, and no gradient."""
    stage, tokens, actions = make_stage(), random_tokens(b=3), random_actions(b=3)
    blank = torch.full_like(tokens, CONFIG.dynamics.mask_id)
    found = stage.log_likelihoods(tokens, actions)
    logits = stage.network(tokens, blank, actions).logits(tokens)[:, 1:].log_softmax(-1)
    parts = torch.stack([tokens[:, 1:] // 8, tokens[:, 1:] % 8], -1)  # six bits in two
    expected = logits.gather(-1, parts[..., None])[..., 0].sum((2, 3, 4))
    torch.testing.assert_close(found, expected)
    other = actions.clone()
    other[:, 2] = (other[:, 2] + 1) % CODES
    changed = (stage.log_likelihoods(tokens, other) - found).abs().amax(0) > 1e-6
    assert changed[:2].tolist() == [False, False] and changed[2]


def test_drawing_anew_needs_no_gradient() -> None:
    stage = make_stage(redrawn=1.0, blind=0.0)
    stage.network.requires_grad_(True)
    told = stage.redrawn(random_tokens(), random_actions())
    assert not told.requires_grad and all(p.grad is None for p in stage.network.parameters())


def test_codes_are_drawn_anew_once_the_network_knows_them() -> None:
    """Not at first, when all codes explain a frame alike."""
    early = dataclasses.replace(DynamicsSettings(), blind=0.0, redrawn=1.0)
    for progress, drawn in ((0.1, False), (0.9, True)):
        stage = known([0.0] * CODES, **{"blind": early.blind, "redrawn": early.redrawn})
        stage.trained_seconds.fill_(60 * progress)
        actions = torch.zeros(50, 4, dtype=torch.long)
        assert bool(stage.redrawn(random_tokens(b=1), actions).any()) is drawn
