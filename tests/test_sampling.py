"""Unmasking: each pass reveals and nothing revealed changes; temperature and seed do what they say."""

import itertools

import pytest
import torch
from torch import Tensor

from genie_core.config import SamplingConfig
from genie_core.layers.quantize import join_tokens
from genie_core.sampling import masked_fraction, sample_tokens, unmask

MASK = 64
FACTORS, VOCABULARY = 2, 8
KINDS = [
    SamplingConfig(unmask_steps=steps, temperature=temperature, order=order)
    for steps in (1, 2, 7, 25)
    for temperature in (0.0, 1.0)
    for order in ("confidence", "random")
]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Predictor:
    """Logits that differ from call to call, and the drafts they were asked for."""

    def __init__(self, seed: int = 0) -> None:
        self.drafts: list[Tensor] = []
        self.logits: list[Tensor] = []
        self._generator = seeded(seed)

    def __call__(self, draft: Tensor) -> Tensor:
        self.drafts.append(draft.clone())
        self.logits.append(torch.randn((*draft.shape, FACTORS, VOCABULARY), generator=self._generator))
        return self.logits[-1]


def blank(b: int = 3, side: int = 4) -> Tensor:
    return torch.full((b, side, side), MASK)


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 25])
def test_the_masked_fraction_falls_from_one_to_exactly_zero(steps: int) -> None:
    fractions = [masked_fraction(step, steps) for step in range(steps + 1)]
    assert fractions[0] == 1 and fractions[-1] == 0
    assert all(after < before for before, after in itertools.pairwise(fractions))


@pytest.mark.parametrize("sampling", KINDS, ids=str)
def test_passes_reveal_and_nothing_revealed_changes(sampling: SamplingConfig) -> None:
    predictor, start = Predictor(), blank()
    tokens = unmask(predictor, start, sampling, seeded())
    assert torch.equal(start, blank())
    assert tokens.shape == start.shape and tokens.dtype == torch.int64
    assert tokens.min() >= 0 and tokens.max() < MASK
    assert torch.equal(predictor.drafts[0], start)
    for before, after in zip(predictor.drafts, [*predictor.drafts[1:], tokens], strict=True):
        known = before != MASK
        assert torch.equal(after[known], before[known])
        assert ((after != MASK).sum((1, 2)) > known.sum((1, 2))).all()


@pytest.mark.parametrize(
    ("steps", "side", "calls"), [(1, 4, 1), (2, 4, 2), (7, 4, 7), (16, 4, 16), (5, 1, 1), (9, 8, 9)]
)
def test_the_network_is_asked_once_a_pass(steps: int, side: int, calls: int) -> None:
    predictor = Predictor()
    unmask(predictor, blank(side=side), SamplingConfig(unmask_steps=steps), seeded())
    assert len(predictor.drafts) == calls


def test_no_more_passes_than_tokens() -> None:
    predictor = Predictor()
    unmask(predictor, blank(), SamplingConfig(unmask_steps=25), seeded())
    assert len(predictor.drafts) <= 16
    assert (predictor.drafts[-1] == MASK).any()  # no pass without need


def test_the_schedule_is_kept() -> None:
    predictor = Predictor()
    unmask(predictor, blank(side=8), SamplingConfig(unmask_steps=4), seeded())
    masked = [(draft[0] == MASK).sum().item() for draft in predictor.drafts]
    assert masked == [int(64 * masked_fraction(step, 4)) for step in range(4)]


@pytest.mark.parametrize("order", ["confidence", "random"])
def test_what_is_revealed_is_the_likeliest_of_its_own_pass(order: str) -> None:
    predictor = Predictor()
    tokens = unmask(predictor, blank(), SamplingConfig(unmask_steps=5, order=order), seeded())
    for logits, before, after in zip(predictor.logits, predictor.drafts, [*predictor.drafts[1:], tokens], strict=True):
        revealed = before != after
        assert torch.equal(after[revealed], join_tokens(logits.argmax(-1), VOCABULARY)[revealed])


def test_the_most_confident_come_first() -> None:
    """A token is as likely as its sub-tokens together: sure of one and not of the other is not sure."""
    predictor = Predictor()
    tokens = unmask(predictor, blank(), SamplingConfig(unmask_steps=2), seeded())
    joint = predictor.logits[0].log_softmax(-1).amax(-1).sum(-1)
    revealed = predictor.drafts[1] != MASK
    for row in range(3):
        assert joint[row][revealed[row]].min() > joint[row][~revealed[row]].max()
    assert not torch.equal(revealed[0], revealed[1])
    assert (tokens != MASK).all()


def test_random_order_takes_any_place() -> None:
    sampling = SamplingConfig(unmask_steps=2, order="random")
    revealed = torch.zeros(4, 4)
    for seed in range(60):
        predictor = Predictor()
        unmask(predictor, blank(b=1), sampling, seeded(seed))
        revealed += predictor.drafts[1][0] != MASK
    expected = 60 * (16 - int(16 * masked_fraction(1, 2))) / 16
    assert revealed.min() > 0 and revealed.max() < 3 * expected


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("order", ["confidence", "random"])
def test_a_seed_decides_the_tokens_and_nothing_else_does(temperature: float, order: str) -> None:
    sampling = SamplingConfig(unmask_steps=4, temperature=temperature, order=order)

    def play(seed: int, elsewhere: int) -> Tensor:
        torch.manual_seed(elsewhere)
        return unmask(Predictor(), blank(), sampling, seeded(seed))

    assert torch.equal(play(1, 1), play(1, 2))
    chance = temperature > 0 or order == "random"
    assert torch.equal(play(1, 1), play(2, 1)) == (not chance)


def test_temperature_zero_is_the_maximum_and_uses_no_chance() -> None:
    logits = torch.randn(50, FACTORS, VOCABULARY)
    generator = seeded()
    before = generator.get_state()
    tokens, confidence = sample_tokens(logits, 0.0, generator)
    assert torch.equal(tokens, join_tokens(logits.argmax(-1), VOCABULARY))
    torch.testing.assert_close(confidence, logits.log_softmax(-1).amax(-1).sum(-1))
    assert torch.equal(generator.get_state(), before)


def chi_square(tokens: Tensor, probs: Tensor) -> float:
    counts = torch.bincount(tokens, minlength=len(probs)).double()
    expected = probs.double() * len(tokens)
    return float(((counts - expected).square() / expected).sum())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_from_the_softmax_of_logits_over_temperature(temperature: float) -> None:
    logits = torch.tensor([[1.5, 0.0, -1.0, 0.5], [0.0, 1.0, 0.3, -0.7]])
    draws, confidence = sample_tokens(logits.expand(20_000, 2, 4), temperature, seeded())

    def joint(at: float) -> Tensor:
        first, second = (logits / at).softmax(-1)
        return (first[:, None] * second).flatten()

    # 15 degrees of freedom: above 37.7 with a chance of 1 in 1,000
    assert chi_square(draws, joint(temperature)) < 37.7
    assert all(chi_square(draws, joint(other)) > 200 for other in (0.5, 1.0, 2.0) if other != temperature)
    torch.testing.assert_close(confidence, joint(1.0).log()[draws])


def test_drawing_is_not_the_same_in_every_place() -> None:
    tokens, _ = sample_tokens(torch.zeros(1000, 2, 8), 1.0, seeded())
    assert len(tokens.unique()) == 64


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_every_row_is_revealed_for_itself(steps: int) -> None:
    fixed = torch.randn(3, 4, 4, FACTORS, VOCABULARY, generator=seeded())

    def play(rows: slice) -> Tensor:
        start = blank(len(fixed[rows]))
        return unmask(lambda draft: fixed[rows], start, SamplingConfig(unmask_steps=steps), seeded())

    together = play(slice(3))
    for row in range(3):
        assert torch.equal(play(slice(row, row + 1))[0], together[row])
