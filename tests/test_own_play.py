"""Clips that the model has played in part: what is shown follows from what was taken, and targets lead back."""

import pytest
import torch
from tiny import changed_frames, make_reference_world, random_actions, random_tokens
from torch import Tensor

from genie_core.models.reference_tokenizer import ReferenceTokenizer
from genie_core.models.tokenizer import Coded
from genie_core.pixels import to_levels
from genie_core.training import own_play as module
from genie_core.training.dynamics_stage import DynamicsStage
from genie_core.training.own_play import alike, own_play
from genie_core.training.settings import DynamicsSettings

T = 6
START = to_levels(torch.full((3, 3, 16, 16), 0.25))


@pytest.fixture
def tokenizer(monkeypatch: pytest.MonkeyPatch) -> ReferenceTokenizer:
    """One for which nothing is lost."""
    monkeypatch.setattr(module, "LOST", -100.0)
    made = make_reference_world().tokenizer
    assert isinstance(made, ReferenceTokenizer)
    return made


def clip(tokenizer: ReferenceTokenizer) -> Coded:
    tokens = random_tokens(b=3, t=T)
    tokens[:, 0] = 0
    return Coded(tokens, tokenizer.decode(tokens, START))


def where(*places: tuple[int, int]) -> Tensor:
    own = torch.zeros(3, T, dtype=torch.bool)
    for place in places:
        own[place] = True
    return own


def test_what_is_shown_follows_from_the_tokens_taken_and_targets_from_what_is_shown(
    tokenizer: ReferenceTokenizer,
) -> None:
    true, guesses = clip(tokenizer), random_tokens(b=3, t=T, seed=5)
    own = where((0, 2), (0, 3), (1, 5), (2, 0))
    played, targets, _ = own_play(tokenizer, true, guesses, own)
    assert torch.equal(played.pixels, tokenizer.decode(played.tokens, START))
    for step in range(1, T):
        again = tokenizer.encode_next(played.pixels[:, :, step - 1], true.pixels[:, :, step])
        assert torch.equal(targets[:, step], again)
        taken = torch.where(own[:, step, None, None], guesses[:, step], targets[:, step])
        assert torch.equal(played.tokens[:, step], taken)


def test_a_clip_without_own_steps_is_the_teachers_and_one_step_changes_no_other_clip(
    tokenizer: ReferenceTokenizer,
) -> None:
    true, guesses = clip(tokenizer), random_tokens(b=3, t=T, seed=5)
    nothing, one = (own_play(tokenizer, true, guesses, own).played.pixels for own in (where(), where((1, 3))))
    assert changed_frames(nothing[1:2], one[1:2], dim=2)[0] == 3
    assert torch.equal(nothing[::2], one[::2])


def test_a_step_that_would_be_lost_is_the_teachers(
    tokenizer: ReferenceTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOST", 100.0)
    true, guesses = clip(tokenizer), random_tokens(b=3, t=T, seed=5)
    everywhere = torch.ones(3, T, dtype=torch.bool)
    lost, taught = (own_play(tokenizer, true, guesses, own) for own in (everywhere, where()))
    assert torch.equal(lost.played.tokens, taught.played.tokens)
    assert torch.equal(lost.played.pixels, taught.played.pixels)


def test_the_stage_learns_what_leads_back_from_its_own_steps(tokenizer: ReferenceTokenizer) -> None:
    world, true = make_reference_world(), clip(tokenizer)
    settings = DynamicsSettings(minutes=1, own_context=1.0, own_context_after=0.4, flipped_bits=0.0, blind=0.0)
    stage = DynamicsStage(world.dynamics, settings, world.tokenizer).train()
    given: list[tuple[Tensor, ...]] = []
    targets: list[Tensor] = []
    world.dynamics.register_forward_pre_hook(lambda network, inputs: given.append(inputs))
    errors = stage.errors
    stage.errors = lambda prediction, tokens: targets.append(tokens) or errors(prediction, tokens)  # type: ignore[method-assign, func-returns-value]
    frames = ((true.pixels + 1) * 127.5).round().byte().permute(0, 2, 3, 4, 1)
    batch = {"tokens": true.tokens.int(), "actions": random_actions(3, T), "pictures": frames}
    for seconds, own in ((0.0, False), (60.0, True)):
        stage.trained_seconds.fill_(seconds)
        given.clear()
        stage.losses(batch)
        context, _, _, seen = given[-1]
        pictures = tokenizer.decode(context, START)
        assert torch.equal(tokenizer.features(pictures), seen), "the network sees what its context shows"
        assert torch.equal(context, true.tokens) != own
        for step in range(1, T) if own else ():
            back = tokenizer.encode_next(pictures[:, :, step - 1], true.pixels[:, :, step])
            assert torch.equal(targets[-1][:, step], back)


def test_only_what_the_teacher_could_tell_is_known(
    tokenizer: ReferenceTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, guesses = clip(tokenizer), random_tokens(b=3, t=T, seed=5)
    assert own_play(tokenizer, true, guesses, where((0, 2))).known.all(), "nothing is lost here"
    monkeypatch.setattr(module, "LOST", 19.0)
    other = true.pixels[:, :, 0].clone()
    other[0, :, :4, :4] = -1  # one token of sixteen shows something else
    found = alike(other, true.pixels[:, :, 0], 4)
    expected = torch.ones(3, 4, 4, dtype=torch.bool)
    expected[0, :2, :2] = False
    assert torch.equal(found, expected)


def test_what_is_not_known_is_not_learnt(tokenizer: ReferenceTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    world, true = make_reference_world(), clip(tokenizer)
    settings = DynamicsSettings(minutes=1, own_context=1.0, own_context_after=0.0, flipped_bits=0.0, blind=0.0)
    stage = DynamicsStage(world.dynamics, settings, world.tokenizer).train()
    stage.trained_seconds.fill_(60)
    frames = ((true.pixels + 1) * 127.5).round().byte().permute(0, 2, 3, 4, 1)
    batch = {"tokens": true.tokens.int(), "actions": random_actions(3, T), "pictures": frames}
    losses = {}
    for name, lost in (("all", -100.0), ("nothing", 1000.0)):
        monkeypatch.setattr(module, "LOST", lost)
        losses[name] = float(stage.losses(batch)["loss"])
    assert losses["all"] > 0 and losses["nothing"] == 0
