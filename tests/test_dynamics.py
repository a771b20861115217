"""The dynamics: who sees whom, cached play against one pass over the clip, and what training asks of it."""

import math

import pytest
import torch
import torch.nn.functional as F
from tiny import CONFIG, CONTEXT, changed_frames, make_dynamics, make_world, play_on, random_actions, random_tokens
from torch import Tensor

from genie_core.key_ring import KeyRing
from genie_core.layers.quantize import join_tokens, split_tokens, tokens_to_bits
from genie_core.models.dynamics import DynamicsModel, Prediction
from genie_core.sampling import choose, gumbel
from genie_core.training import dynamics_stage
from genie_core.training.chance import Chance
from genie_core.training.dynamics_stage import DynamicsStage, flip_bits, random_masks
from genie_core.training.settings import DynamicsSettings

T = 6
LONG = 3 * CONTEXT + 2
MASK = CONFIG.dynamics.mask_id
GIVEN = 27  # a token whose sub-tokens the later ones are told


@pytest.fixture(params=[None, 8], ids=["independent", "linked"])
def network(request: pytest.FixtureRequest) -> DynamicsModel:
    return make_dynamics(link_width=request.param)


def half_masked(tokens: Tensor, seed: int = 0) -> Tensor:
    hidden = torch.rand(tokens.shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    return tokens.masked_fill(hidden, MASK)


class Clip:
    """Clean frames, drafts and actions of t frames, of which one part may be changed."""

    def __init__(self, t: int = T) -> None:
        self.clean = random_tokens(t=t)
        self.drafts = half_masked(self.clean)
        self.actions = random_actions(t=t)

    def change(self, part: str, position: int) -> "Clip":
        other = Clip(self.clean.shape[1])
        values = getattr(other, part)
        if part == "actions":
            values[:, position] = (values[:, position] + 1) % CONFIG.dynamics.num_actions
        else:
            values[:, position] = random_tokens(t=1, seed=7)[:, 0]
        return other

    def logits(self, network: DynamicsModel) -> Tensor:
        return at(network(self.clean, self.drafts, self.actions))


def at(prediction: Prediction) -> Tensor:
    """The logits, where the sub-tokens before are GIVEN's."""
    return prediction.logits(torch.full(prediction.shape, GIVEN))


@pytest.mark.parametrize("k", range(T))
def test_a_frame_sees_strictly_earlier_clean_frames(network: DynamicsModel, k: int) -> None:
    changed = changed_frames(Clip().logits(network), Clip().change("clean", k).logits(network))
    assert changed == list(range(k + 1, T))


@pytest.mark.parametrize("k", range(T))
def test_a_frame_sees_no_draft_but_its_own(network: DynamicsModel, k: int) -> None:
    assert changed_frames(Clip().logits(network), Clip().change("drafts", k).logits(network)) == [k]


@pytest.mark.parametrize("i", range(T - 1))
def test_action_i_leads_from_frame_i_to_the_next(network: DynamicsModel, i: int) -> None:
    changed = changed_frames(Clip().logits(network), Clip().change("actions", i).logits(network))
    assert changed == list(range(i + 1, T))


def test_one_layer_sees_exactly_the_context() -> None:
    network = make_dynamics(layers=1)
    for k in range(LONG):
        changed = changed_frames(Clip(LONG).logits(network), Clip(LONG).change("clean", k).logits(network))
        assert changed == list(range(k + 1, min(k + 1 + CONTEXT, LONG)))


def test_a_token_sees_the_others_of_its_draft(network: DynamicsModel) -> None:
    """Without that, what a pass reveals could not help the next."""
    blank = torch.full((1, 1, 4, 4), MASK)
    revealed = blank.clone()
    revealed[0, 0, 0, 0] = 5
    none = torch.zeros(1, 0, dtype=torch.int64)
    before, after = (at(network(blank, draft, none))[0, 0] for draft in (blank, revealed))
    assert ((before - after).abs().amax((-1, -2)) > 1e-5).all()


def test_every_token_and_the_mask_look_different(network: DynamicsModel) -> None:
    ids = torch.arange(MASK + 1).view(1, -1, 1, 1).expand(-1, -1, 4, 4)
    embedded = network.embed(ids, torch.zeros(1, MASK + 1, dtype=torch.int64))[0, :, 0]
    assert torch.pdist(embedded).min() > 1e-3


NONE = CONFIG.dynamics.num_actions  # no action leads to the first frame


def on_grid(prediction: Prediction) -> Tensor:
    """`at` of a prediction of (b, n) tokens, as of the grid's."""
    return at(prediction).unflatten(1, (4, 4))


def played(network: DynamicsModel, clip: Clip) -> Tensor:
    """The logits of each draft but the first as play has them: in pairs with the final frame before, then alone."""
    ring = KeyRing.empty(network.config, 2)
    into = torch.cat([torch.full((2, 1), NONE), clip.actions], dim=1)
    logits = []
    for t in range(1, clip.clean.shape[1]):
        frames = torch.stack([clip.clean[:, t - 1], half_masked(clip.clean[:, t], seed=9)], dim=1)
        _, again = play_on(network, ring, frames, into[:, t - 1 : t + 1], [t, t])  # another draft: it leaves no trace
        logits.append(on_grid(again(clip.drafts[:, t])))
    return torch.stack(logits, 1)


def test_play_on_a_ring_equals_one_pass_before_and_after_the_context_slides(network: DynamicsModel) -> None:
    clip = Clip(LONG)
    torch.testing.assert_close(played(network, clip), clip.logits(network)[:, 1:], atol=1e-5, rtol=0)


def test_the_pass_that_remembers_a_frame_predicts_the_next_as_any_other_does(network: DynamicsModel) -> None:
    clip, ring = Clip(), KeyRing.empty(network.config, 2)
    into = torch.cat([torch.full((2, 1), NONE), clip.actions], dim=1)
    for t in range(1, T):
        frames = torch.stack([clip.clean[:, t - 1], clip.drafts[:, t]], dim=1)
        first, again = play_on(network, ring, frames, into[:, t - 1 : t + 1], [t, t])
        torch.testing.assert_close(at(first), at(again(clip.drafts[:, t])), atol=1e-5, rtol=0)


def test_playthroughs_of_different_age_share_a_batch(network: DynamicsModel) -> None:
    clip = Clip(LONG)
    (alone, together), into = (KeyRing.empty(network.config, rows) for rows in (1, 2)), clip.actions
    late = 4
    for t in range(1, LONG):
        frames = torch.stack([clip.clean[:, t - 1], clip.drafts[:, t]], dim=1)
        before = into[:, t - 2 : t - 1] if t > 1 else torch.full((2, 1), NONE)
        actions = torch.cat([before, into[:, t - 1 : t]], dim=1)
        if t == late + 1:
            together.keys[:, :1], together.values[:, :1] = alone.keys, alone.values
        logits = on_grid(play_on(network, alone, frames[:1], actions[:1], [t])[0])
        if t <= late:  # the second row waits, then starts: frame 1 of its own
            continue
        own = t - late
        other = torch.stack([clip.clean[1, own - 1], clip.drafts[1, own]])
        led = torch.tensor([int(into[1, own - 2]) if own > 1 else NONE, int(into[1, own - 1])])
        rows = torch.stack([frames[0], other]), torch.stack([actions[0], led])
        both = on_grid(play_on(network, together, *rows, [t, own])[0])
        torch.testing.assert_close(both[:1], logits, atol=1e-5, rtol=0)
        torch.testing.assert_close(both[1], clip.logits(network)[1, own], atol=1e-5, rtol=0)


def test_a_sub_token_is_told_those_before_it_and_no_later_one() -> None:
    network, clip = make_dynamics(token_factors=3, link_width=8), Clip()
    prediction = network(clip.clean, clip.drafts, clip.actions)
    for known in range(3):
        parts = torch.zeros(*clip.clean.shape, 3, dtype=torch.int64)
        before = prediction.logits(join_tokens(parts, 4))
        parts[..., known] = 3
        after = prediction.logits(join_tokens(parts, 4))
        assert changed_frames(before, after, dim=-2) == list(range(known + 1, 3))


def test_independent_sub_tokens_do_not_look_at_each_other() -> None:
    prediction = make_dynamics()(Clip().clean, Clip().drafts, Clip().actions)
    shape = Clip().clean.shape
    assert torch.equal(prediction.logits(torch.zeros(shape, dtype=torch.int64)), at(prediction))


@pytest.mark.parametrize(("link_width", "lowest"), [(None, math.log(2)), (16, 0.5 * math.log(2))])
def test_linked_sub_tokens_learn_what_goes_together(link_width: int | None, lowest: float) -> None:
    """A token is 0 or 63, one as likely as the other: once its first half is known, so is the second."""
    network = make_dynamics(link_width=link_width).requires_grad_(True)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    blank = torch.full((8, 2, 4, 4), MASK)
    for _ in range(150):
        tokens = 63 * torch.randint(2, blank.shape, generator=generator)
        prediction = network(torch.zeros_like(blank), blank, torch.zeros(8, 1, dtype=torch.int64))
        parts = split_tokens(tokens, 2, 8)
        loss = F.cross_entropy(prediction.logits(tokens).flatten(0, -2), parts.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() == pytest.approx(lowest, rel=0.1)
    drawn, _ = choose(prediction, gumbel(torch.rand(*prediction.shape, 2, 8, generator=generator)))
    mixed = ((drawn != 0) & (drawn != 63)).float().mean()
    assert (mixed < 0.03) if link_width else (mixed > 0.4)


def test_rows_of_a_batch_do_not_mix(network: DynamicsModel) -> None:
    whole, alone = Clip(), Clip()
    alone.clean, alone.drafts, alone.actions = alone.clean[1:], alone.drafts[1:], alone.actions[1:]
    torch.testing.assert_close(alone.logits(network), whole.logits(network)[1:], atol=1e-5, rtol=0)


# ---- what training asks of it


def batch(tokens: Tensor) -> dict[str, Tensor]:
    b, t = tokens.shape[:2]
    return {"tokens": tokens.int(), "actions": random_actions(b, t).to(torch.int8)}


def make_stage(network: DynamicsModel, progress: float = 1.0, train: bool = True) -> DynamicsStage:
    stage = DynamicsStage(network, DynamicsSettings(minutes=1, blind=0), make_world().tokenizer)
    stage.trained_seconds.fill_(60 * progress)
    return stage.train(train)


def expect_always(network: DynamicsModel, token: int) -> None:
    """Lets the network predict `token` everywhere, whatever it sees."""
    config = network.config
    network.head.weight.zero_()
    network.head.bias.zero_()
    parts = split_tokens(torch.tensor(token), config.token_factors, config.factor_vocabulary)
    network.head.bias.view(config.token_factors, -1).scatter_(1, parts[:, None], 50.0)


@pytest.mark.parametrize("train", [False, True])
def test_no_idea_costs_the_logarithm_of_the_vocabulary(network: DynamicsModel, train: bool) -> None:
    network.head.weight.zero_()
    network.head.bias.zero_()
    losses = make_stage(network, train=train).losses(batch(random_tokens(t=T)))
    for value in losses.values():
        assert value.item() == pytest.approx(math.log(CONFIG.dynamics.factor_vocabulary), rel=1e-5)


def test_targets_are_the_true_tokens_whatever_the_context_holds(network: DynamicsModel) -> None:
    """Every token is 21 and so is every prediction: a target that was masked, guessed or flipped would cost."""
    expect_always(network, 21)
    stage = make_stage(network)
    for _ in range(20):
        assert stage.losses(batch(torch.full((8, T, 4, 4), 21)))["loss"] < 1e-6


def test_only_masked_tokens_of_later_frames_count(network: DynamicsModel, monkeypatch: pytest.MonkeyPatch) -> None:
    expect_always(network, 21)
    tokens = random_tokens(b=8, t=T)
    masked = tokens == 21
    masked[:, 0] = True  # the prompt is given: it costs nothing
    assert 0 < masked[:, 1:].sum() < 50
    monkeypatch.setattr(dynamics_stage, "random_masks", lambda tokens, *_: masked)
    assert make_stage(network).losses(batch(tokens))["loss"] < 1e-6
    monkeypatch.setattr(dynamics_stage, "random_masks", lambda tokens, *_: ~masked)
    assert make_stage(network).losses(batch(tokens))["loss"] > 10


def test_the_next_frame_loss_is_that_of_wholly_masked_frames(
    network: DynamicsModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    expect_always(network, 21)
    tokens = random_tokens(b=8, t=T)
    tokens[:, 3] = 21
    masked = random_masks(tokens, 0.75, Chance()) & (torch.arange(16).view(4, 4) > 0)
    masked[:, 3] = True
    monkeypatch.setattr(dynamics_stage, "random_masks", lambda tokens, *_: masked)
    losses = make_stage(network).losses(batch(tokens))
    assert losses["next_frame_loss"] < 1e-6 and losses["loss"] > 1


def test_a_batch_in_which_nothing_is_masked_teaches_nothing(
    network: DynamicsModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It happens to one small batch in forty, and the mean of no errors would make every weight NaN."""
    monkeypatch.setattr(dynamics_stage, "random_masks", lambda tokens, *_: torch.zeros_like(tokens, dtype=torch.bool))
    network.requires_grad_(True)
    loss = make_stage(network).losses(batch(random_tokens(b=1, t=2)))["loss"]
    loss.backward()
    assert loss == 0
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


class Seen:
    """What the network is given in the next call."""

    def __init__(self, network: DynamicsModel) -> None:
        network.register_forward_pre_hook(self._keep)

    def _keep(self, network: DynamicsModel, given: tuple[Tensor, Tensor, Tensor, None]) -> None:
        self.context, self.drafts, self.actions = (part.clone() for part in given[:3] if part is not None)


@pytest.mark.parametrize(("train", "progress"), [(False, 1.0), (True, 0.0), (True, 1.0)])
def test_drafts_are_true_where_they_are_not_masked(
    network: DynamicsModel, monkeypatch: pytest.MonkeyPatch, train: bool, progress: float
) -> None:
    stage, seen, tokens = make_stage(network, progress, train), Seen(network), random_tokens(b=8, t=T)
    shares = []
    for _ in range(10):
        masked = random_masks(tokens, 0.75, Chance())
        monkeypatch.setattr(dynamics_stage, "random_masks", lambda tokens, *_, masked=masked: masked)
        stage.losses(batch(tokens))
        assert torch.equal(seen.drafts, tokens.masked_fill(masked, MASK))
        assert torch.equal(seen.actions, random_actions(8, T))
        assert seen.context.min() >= 0 and seen.context.max() < MASK
        shares.append((seen.context != tokens).float().mean().item())
    assert (max(shares) == 0) == (not train)


def test_own_guesses_enter_the_context_late_in_the_stage(network: DynamicsModel) -> None:
    expect_always(network, 21)
    seen, tokens = Seen(network), random_tokens(b=8, t=T)
    guessed = {}
    for progress in (0.2, 0.6):
        stage = make_stage(network, progress)
        guessed[progress] = []
        for _ in range(20):
            stage.losses(batch(tokens))
            guessed[progress].append((seen.context == 21).float().mean().item())
    assert max(guessed[0.2]) < 0.1
    assert max(guessed[0.6]) > 0.2 and min(guessed[0.6]) < 0.1  # some batches stay as they are


def test_own_guesses_replace_whole_later_frames(network: DynamicsModel) -> None:
    expect_always(network, 21)
    tokens = random_tokens(b=64, t=T)
    before = tokens.clone()
    mixed = make_stage(network).own_guesses(tokens, random_actions(64, T))
    assert torch.equal(tokens, before)
    guessed, kept = (mixed == 21).flatten(2).all(-1), (mixed == tokens).flatten(2).all(-1)
    assert (guessed | kept).all()
    assert kept[:, 0].all()
    assert 0.3 < guessed[:, 1:].float().mean() < 0.7
    assert guessed[:, 1:].all(1).any() and kept.all(1).any()  # from nothing to everything


def test_own_guesses_are_what_play_would_have_shown(network: DynamicsModel) -> None:
    """One blank draft a frame, after the true past, taking the likeliest."""
    tokens, actions = random_tokens(b=1, t=T), random_actions(1, T)
    blank = torch.full((1, 4, 4), MASK)
    ring, shown = KeyRing.empty(network.config, 1), []
    into = torch.cat([torch.tensor([[NONE]]), actions], dim=1)
    for t in range(1, T):
        frames = torch.stack([tokens[:, t - 1], blank], dim=1)
        prediction, _ = play_on(network, ring, frames, into[:, t - 1 : t + 1], [t])
        first = prediction.next_logits(torch.empty(1, 16, 0, dtype=torch.int64)).argmax(-1)
        second = prediction.next_logits(first[..., None]).argmax(-1)
        shown.append((first * CONFIG.dynamics.factor_vocabulary + second).view(1, 4, 4))
    stage = make_stage(network)
    for _ in range(20):
        mixed = stage.own_guesses(tokens, actions)
        for t in range(1, T):
            assert torch.equal(mixed[:, t], shown[t - 1]) or torch.equal(mixed[:, t], tokens[:, t])


def test_few_bits_are_flipped_and_none_in_place() -> None:
    torch.manual_seed(0)
    tokens = random_tokens(b=200, t=T)
    before = tokens.clone()
    flipped = flip_bits(tokens, 6, 0.03, Chance())
    assert torch.equal(tokens, before)
    assert flipped.min() >= 0 and flipped.max() < MASK
    share = (tokens_to_bits(flipped, 6) != tokens_to_bits(tokens, 6)).float().mean((2, 3, 4))
    assert share.mean() == pytest.approx(0.03 / 2, rel=0.1)
    by_bit = (tokens_to_bits(flipped, 6) != tokens_to_bits(tokens, 6)).float().mean((0, 1, 2, 3))
    assert by_bit.min() > 0.03 / 4  # no bit is spared
    assert share.min() == 0 and share.max() < 5 * 0.03


def test_most_drafts_are_blank_and_the_rest_hides_any_share() -> None:
    torch.manual_seed(0)
    masked = random_masks(torch.zeros(500, T, 8, 8, dtype=torch.int64), 0.75, Chance())
    share = masked.float().mean((2, 3))
    assert 0.73 < (share == 1).float().mean() < 0.81  # a few are blank by chance
    assert DynamicsSettings.fully_masked > 0.5  # what play in one pass needs
    rest = share[share < 1]
    assert rest.mean() == pytest.approx(2 / math.pi, abs=0.05)  # the mean of a cosine
    assert rest.min() < 0.1 and rest.max() > 0.95
    assert masked.float().mean((0, 1)).std() < 0.02  # no place is favoured


def test_pictures_show_truth_above_predictions(network: DynamicsModel) -> None:
    stage, tokens = make_stage(network, train=False), random_tokens(b=5, t=T)
    rows = stage.picture(batch(tokens))
    assert rows.shape == (6, T, 16, 16, 3) and rows.dtype == torch.uint8
    assert torch.equal(rows[::2], make_world().decode(tokens[:3]))
    assert torch.equal(rows[0, 0], rows[1, 0]) and not torch.equal(rows[0, 1:], rows[1, 1:])


def test_the_tokenizer_is_neither_trained_nor_saved(network: DynamicsModel) -> None:
    stage = make_stage(network)
    assert not any("tokenizer" in name for name in stage.state_dict())
    trained = {id(p) for group in stage.configure_optimizers().param_groups for p in group["params"]}
    assert trained == {id(parameter) for parameter in network.parameters()}


@pytest.mark.parametrize("link_width", [None, 8])
def test_every_weight_learns(link_width: int | None) -> None:
    network = make_dynamics(link_width=link_width).requires_grad_(True)
    make_stage(network).losses(batch(random_tokens(b=8, t=T)))["loss"].backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []
