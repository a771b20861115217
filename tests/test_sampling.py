"""Unmasking: each pass reveals and nothing revealed changes; temperature and seeds do what they say."""

import itertools
import math
from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from tiny import Table, unmask
from torch import Tensor

from genie_core.config import SamplingConfig, build_sampling
from genie_core.errors import ConfigError
from genie_core.layers.quantize import join_tokens
from genie_core.sampling import choose, gumbel, masked_fraction, reveal

MASK = 64
FACTORS, VOCABULARY = 2, 8
KINDS = [
    SamplingConfig(unmask_steps=steps, temperature=temperature) for steps in (1, 2, 7, 25) for temperature in (0.0, 1.0)
]


def seeded(steps: int = 1, seed: int = 0, rows: int = 3, n: int = 16) -> list[Tensor]:
    """The noise of each row, no two alike."""
    shape = (steps, n, FACTORS, VOCABULARY)
    return [torch.rand(shape, generator=torch.Generator().manual_seed(seed + row)) for row in range(rows)]


def drawn(prediction: Table, temperature: float, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Tokens of a prediction (b, n) at a temperature, with their confidence."""
    shape = (*prediction.shape, prediction.factors, prediction.vocabulary)
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return choose(prediction, temperature * gumbel(noise))


class Doubles(Table):
    """The second sub-token is nearly always the first one again, whatever the table says."""

    def next_logits(self, parts: Tensor) -> Tensor:
        if parts.shape[-1] == 0:
            return super().next_logits(parts)
        return 30 * F.one_hot(parts[..., 0].long(), self.vocabulary).float()


class Predictor:
    """Logits that differ from call to call after those `given`, and the drafts they were asked for."""

    def __init__(self, seed: int = 0, given: Sequence[Tensor] = ()) -> None:
        self.drafts: list[Tensor] = []
        self.logits: list[Tensor] = []
        self._given = list(given)
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, draft: Tensor) -> Table:
        self.drafts.append(draft.clone())
        new = torch.randn((*draft.shape, FACTORS, VOCABULARY), generator=self._generator)
        self.logits.append(self._given.pop(0) if self._given else new)
        return Table(self.logits[-1])


def blank(b: int = 3, side: int = 4) -> Tensor:
    return torch.full((b, side, side), MASK)


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 25])
def test_the_masked_fraction_falls_from_one_to_exactly_zero(steps: int) -> None:
    fractions = [masked_fraction(step, steps) for step in range(steps + 1)]
    assert fractions[0] == 1 and fractions[-1] == 0
    assert all(after < before for before, after in itertools.pairwise(fractions))


def test_the_masked_fraction_follows_the_cosine_of_maskgit() -> None:
    """Slow at first: after half of the passes most tokens are still masked."""
    assert [masked_fraction(step, 6) for step in (2, 3, 4)] == pytest.approx([3**0.5 / 2, 2**-0.5, 0.5])


@pytest.mark.parametrize("sampling", KINDS, ids=str)
def test_passes_reveal_and_nothing_revealed_changes(sampling: SamplingConfig) -> None:
    predictor, start = Predictor(), blank()
    tokens = unmask(predictor, start, sampling, seeded(sampling.unmask_steps))
    assert torch.equal(start, blank())
    assert tokens.shape == start.shape and tokens.dtype == torch.int64
    assert tokens.min() >= 0 and tokens.max() < MASK
    assert torch.equal(predictor.drafts[0], start)
    for before, after in zip(predictor.drafts, [*predictor.drafts[1:], tokens], strict=True):
        known = before != MASK
        assert torch.equal(after[known], before[known])
        assert (((after != MASK).sum((1, 2)) > known.sum((1, 2))) | known.all(2).all(1)).all()
    assert len(predictor.drafts) <= sampling.unmask_steps
    assert (predictor.drafts[-1] == MASK).any()  # no pass without need


@pytest.mark.parametrize(
    ("steps", "side", "calls"), [(1, 4, 1), (2, 4, 2), (7, 4, 7), (16, 4, 16), (5, 1, 1), (9, 8, 9)]
)
def test_the_network_is_asked_once_a_pass(steps: int, side: int, calls: int) -> None:
    predictor = Predictor()
    unmask(predictor, blank(side=side), SamplingConfig(unmask_steps=steps))
    assert len(predictor.drafts) == calls


def test_no_more_passes_than_tokens() -> None:
    predictor = Predictor()
    unmask(predictor, blank(), SamplingConfig(unmask_steps=25))
    assert len(predictor.drafts) <= 16
    assert (predictor.drafts[-1] == MASK).any()  # no pass without need


def test_the_schedule_is_kept() -> None:
    predictor = Predictor()
    unmask(predictor, blank(side=8), SamplingConfig(unmask_steps=4))
    masked = [(draft[0] == MASK).sum().item() for draft in predictor.drafts]
    assert masked == [int(64 * masked_fraction(step, 4)) for step in range(4)]


def test_what_is_revealed_is_the_likeliest_of_its_own_pass() -> None:
    predictor = Predictor()
    tokens = unmask(predictor, blank(), SamplingConfig(unmask_steps=5))
    for logits, before, after in zip(predictor.logits, predictor.drafts, [*predictor.drafts[1:], tokens], strict=True):
        revealed = before != after
        assert torch.equal(after[revealed], join_tokens(logits.argmax(-1), VOCABULARY)[revealed])


def test_the_most_confident_come_first() -> None:
    """A token is as likely as its sub-tokens together: sure of one and not of the other is not sure."""
    predictor = Predictor()
    tokens = unmask(predictor, blank(), SamplingConfig(unmask_steps=2))
    joint = predictor.logits[0].log_softmax(-1).amax(-1).sum(-1)
    revealed = predictor.drafts[1] != MASK
    for row in range(3):
        assert joint[row][revealed[row]].min() > joint[row][~revealed[row]].max()
    assert not torch.equal(revealed[0], revealed[1])
    assert (tokens != MASK).all()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_seed_decides_the_tokens_and_nothing_else_does(temperature: float) -> None:
    sampling = SamplingConfig(unmask_steps=4, temperature=temperature)

    def play(seed: int, elsewhere: int) -> Tensor:
        torch.manual_seed(elsewhere)
        return unmask(Predictor(), blank(), sampling, seeded(4, seed))

    assert torch.equal(play(1, 1), play(1, 2))
    assert torch.equal(play(1, 1), play(2, 1)) == (temperature == 0)


def test_temperature_zero_is_the_maximum_whatever_the_noise() -> None:
    logits = torch.randn(3, 50, FACTORS, VOCABULARY)
    for tokens, confidence in (choose(Table(logits), None), drawn(Table(logits), 0.0)):
        assert torch.equal(tokens, join_tokens(logits.argmax(-1), VOCABULARY).int())
        torch.testing.assert_close(confidence, logits.log_softmax(-1).amax(-1).sum(-1))


def chi_square(tokens: Tensor, probs: Tensor) -> float:
    counts = torch.bincount(tokens, minlength=len(probs)).double()
    expected = probs.double() * len(tokens)
    return float(((counts - expected).square() / expected).sum())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_from_the_softmax_of_logits_over_temperature(temperature: float) -> None:
    logits = torch.tensor([[1.5, 0.0, -1.0, 0.5], [0.0, 1.0, 0.3, -0.7]])
    rows, confidences = drawn(Table(logits.expand(2, 10_000, 2, 4)), temperature)
    draws, confidence = rows.flatten(), confidences.flatten()

    def joint(at: float) -> Tensor:
        first, second = (logits / at).softmax(-1)
        return (first[:, None] * second).flatten()

    # 15 degrees of freedom: above 37.7 with a chance of 1 in 1,000
    assert chi_square(draws, joint(temperature)) < 37.7
    assert all(chi_square(draws, joint(other)) > 200 for other in (0.5, 1.0, 2.0) if other != temperature)
    torch.testing.assert_close(confidence, joint(1.0).log()[draws])


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_sub_token_follows_from_those_drawn_before_it(temperature: float) -> None:
    """And the confidence is that of what was drawn: the first's alone, where the second is sure."""
    logits = torch.randn(2, 5000, 2, 4, generator=torch.Generator().manual_seed(0))
    tokens, confidence = drawn(Doubles(logits), temperature)
    first, second = tokens // 4, tokens % 4
    assert torch.equal(first, second) and (temperature == 0 or len(first.unique()) == 4)
    expected = logits[..., 0, :].log_softmax(-1).gather(-1, first[..., None])[..., 0]
    torch.testing.assert_close(confidence, expected, atol=1e-5, rtol=0)


def test_drawing_is_not_the_same_in_every_place_nor_in_every_row() -> None:
    tokens, _ = drawn(Table(torch.zeros(2, 1000, 2, 8)), 1.0)
    assert len(tokens[0].unique()) == len(tokens[1].unique()) == 64
    assert (tokens[0] == tokens[1]).float().mean() < 0.1  # 1 in 64 by chance


@pytest.mark.parametrize("sampling", KINDS, ids=str)
def test_every_row_is_revealed_for_itself(sampling: SamplingConfig) -> None:
    """Neither the rows beside it nor its place among them matter: its logits and its generator do."""
    fixed = torch.randn(3, 4, 4, FACTORS, VOCABULARY, generator=torch.Generator().manual_seed(0))

    def play(rows: list[int]) -> Tensor:
        noise = [seeded(sampling.unmask_steps)[row] for row in rows]
        return unmask(lambda draft: Table(fixed[rows]), blank(len(rows)), sampling, noise)

    together = play([0, 1, 2])
    assert torch.equal(play([2, 0]), together[[2, 0]])
    for row in range(3):
        assert torch.equal(play([row])[0], together[row])


def test_an_order_of_older_files_is_read_if_it_is_the_one_that_is_left() -> None:
    assert build_sampling({"unmask_steps": 3, "order": "confidence", "reveal_above": None}) == SamplingConfig(3)
    for cut in ({"order": "halton"}, {"order": "confidence", "reveal_above": 0.9}, {"order": 7}):
        with pytest.raises(ConfigError, match='no longer supported; set order to "confidence"'):
            build_sampling({"unmask_steps": 3, **cut})


@pytest.mark.parametrize("steps", [0, -1, 2000, 10**400])
def test_passes_have_a_bound(steps: int) -> None:
    with pytest.raises(ConfigError, match="unmask_steps"):
        SamplingConfig(steps)


def test_doubt_is_the_mean_surprise_at_the_tokens_drawn_each_in_its_own_pass() -> None:
    predictor, start = Predictor(), blank().flatten(1)
    start[:, 0] = 5  # known before, so that nobody doubts it
    tokens, doubt = reveal(predictor, start, MASK, torch.zeros(3, 4, 1, FACTORS, 1), torch.zeros(3))
    surprise = torch.zeros(start.shape)
    for before, after, logits in zip(predictor.drafts, [*predictor.drafts[1:], tokens], predictor.logits, strict=True):
        shown = before != after
        surprise[shown] -= logits.log_softmax(-1).max(-1).values.sum(-1)[shown]
    assert torch.allclose(doubt, surprise.mean(1)) and (doubt > 0).all() and (surprise[:, 0] == 0).all()


def test_a_flat_prediction_is_doubted_most() -> None:
    def doubt(sharpness: float) -> float:
        logits = sharpness * F.one_hot(torch.zeros(1, 16, FACTORS, dtype=torch.long), VOCABULARY).float()
        return float(
            reveal(
                lambda _: Table(logits), blank(1).flatten(1), MASK, torch.zeros(1, 1, 1, FACTORS, 1), torch.zeros(1)
            )[1]
        )

    assert doubt(0) == pytest.approx(FACTORS * math.log(VOCABULARY)) and doubt(0) > doubt(1) > doubt(30) >= 0
