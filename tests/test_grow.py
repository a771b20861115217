"""Networks that go on from smaller ones: what they compute at first, that all of it learns, and what cannot grow."""

import dataclasses

import pytest
import torch
from tiny import CONFIG, make_dynamics, make_reference_world, make_world, random_pixels

from genie_core.config import Rules
from genie_core.models.dynamics import DynamicsModel
from genie_core.models.reference_tokenizer import ReferenceTokenizer
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.training.grow import can_grow, go_on_from

RULED = dataclasses.replace(CONFIG.latent_action, code_width=3, rules=Rules("coinrun", 1))
FORETELLING = dataclasses.replace(CONFIG.latent_action, horizon=3)
LARGER = dataclasses.replace(CONFIG.dynamics, width=24, heads=3, layers=3, link_width=12)


def grown(link_width: int | None = None, **changes: object) -> tuple[DynamicsModel, DynamicsModel]:
    """A small dynamics, with links of that width, and one that went on from it."""
    small = make_dynamics(link_width=link_width)
    large = DynamicsModel(dataclasses.replace(LARGER, **changes)).eval()  # type: ignore[arg-type]
    go_on_from(large, small)
    return small, large


def clip() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    tokens = torch.randint(2**CONFIG.dynamics.code_bits, (2, 5, 4, 4), generator=g)
    drafts = tokens.masked_fill(torch.rand(tokens.shape, generator=g) < 0.5, CONFIG.dynamics.mask_id)
    return tokens, drafts, torch.randint(4, (2, 4), generator=g)


@pytest.mark.parametrize("link_width", [None, 8])
@pytest.mark.parametrize("field", [{}, {"width": 16, "heads": 2}, {"layers": 2}])
def test_a_larger_dynamics_says_at_first_what_the_smaller_did(link_width: int | None, field: dict[str, int]) -> None:
    small, large = grown(link_width, **field)
    assert sum(p.numel() for p in large.parameters()) > sum(p.numel() for p in small.parameters())
    new, old = (network(*clip()).logits(clip()[0]) for network in (large, small))
    torch.testing.assert_close(new, old, atol=1e-4, rtol=1e-4)


def test_all_that_was_added_to_it_learns() -> None:
    """Two steps: one moves the zeros away, by the other whatever they silenced has a gradient too."""
    _, large = grown()
    before = {name: p.detach().clone() for name, p in large.named_parameters()}
    optimizer = torch.optim.SGD(large.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        large(*clip()).logits(clip()[0]).logsumexp(-1).square().mean().backward()
        optimizer.step()
    for name, p in large.named_parameters():
        moved = (p - before[name]).abs()
        corner = tuple(slice(-length // 3, None) for length in moved.shape)  # the end of each axis is what was added
        assert moved[corner].max() > 0, name


def test_a_tokenizer_with_more_bits_decodes_at_first_as_before() -> None:
    small = make_world().tokenizer.eval()
    large = VideoTokenizer(dataclasses.replace(CONFIG.tokenizer, code_bits=9, token_factors=3)).eval()
    go_on_from(large, small)
    pixels = random_pixels()
    torch.testing.assert_close(large(pixels).pixels, small(pixels).pixels, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(large.encode(pixels) >> 3, small.encode(pixels))
    assert large(pixels).quantized.tokens.unique().numel() > small(pixels).quantized.tokens.unique().numel()


def test_a_tokenizer_with_reference_and_more_bits_decodes_at_first_as_before() -> None:
    small = make_reference_world().tokenizer
    large = ReferenceTokenizer(dataclasses.replace(small.config, code_bits=9, token_factors=3)).eval()
    go_on_from(large, small)
    new, old = (network.code(random_pixels()) for network in (large, small))
    torch.testing.assert_close(new.pixels, old.pixels, atol=1.5 / 127.5, rtol=0)
    assert (new.tokens >> 3 == old.tokens).float().mean() > 0.98 and len(new.tokens.unique()) > len(old.tokens.unique())


def test_a_larger_dynamics_sees_pictures_at_first_as_the_smaller_did() -> None:
    small = make_dynamics(seen_width=8)
    large = DynamicsModel(dataclasses.replace(LARGER, seen_width=8)).eval()
    go_on_from(large, small)
    seen = torch.randn(2, 5, 16, 8, generator=torch.Generator().manual_seed(0))
    new, old = (network(*clip(), seen).logits(clip()[0]) for network in (large, small))
    torch.testing.assert_close(new, old, atol=1e-4, rtol=1e-4)


def test_bits_that_are_added_say_nothing_to_the_dynamics_at_first() -> None:
    small = make_dynamics()
    large = DynamicsModel(dataclasses.replace(CONFIG.dynamics, code_bits=9, token_factors=3)).eval()
    go_on_from(large, small)
    tokens, _, _ = clip()
    into = torch.zeros(2, 5, dtype=torch.long)
    added = torch.randint(8, tokens.shape)
    torch.testing.assert_close(large.embed(tokens * 8 + added, into), small.embed(tokens, into))


def test_logits_of_other_sub_tokens_are_learnt_anew() -> None:
    """A row of the old head would speak of bits that the new one's row does not."""
    other = dataclasses.replace(CONFIG.dynamics, code_bits=9, token_factors=3, link_width=8)
    small, drawn = make_dynamics(link_width=8), DynamicsModel(other)
    before = {name: p.clone() for name, p in drawn.state_dict().items() if name.startswith(("head", "links"))}
    go_on_from(drawn, small)
    assert all(torch.equal(drawn.state_dict()[name], p) for name, p in before.items())


@pytest.mark.parametrize("num_actions", [3, 6])
def test_other_actions_begin_alike_and_no_action_stays_what_it_was(num_actions: int) -> None:
    small, other = make_dynamics(), DynamicsModel(dataclasses.replace(CONFIG.dynamics, num_actions=num_actions)).eval()
    go_on_from(other, small)
    tokens, drafts, _ = clip()
    new, old = (network(tokens[:, :1], drafts[:, :1], torch.zeros(2, 0).long()) for network in (other, small))
    torch.testing.assert_close(new.logits(tokens[:, :1]), old.logits(tokens[:, :1]))
    after = [other(tokens, drafts, torch.full((2, 4), action)).logits(tokens) for action in range(num_actions)]
    assert all(torch.equal(logits, after[0]) for logits in after)


@pytest.mark.parametrize(
    ("smaller", "larger", "possible"),
    [
        (CONFIG.dynamics, CONFIG.dynamics, True),
        (CONFIG.dynamics, LARGER, True),
        (LARGER, CONFIG.dynamics, False),
        (CONFIG.dynamics, dataclasses.replace(CONFIG.dynamics, width=24), False),  # other heads, all of them
        (CONFIG.dynamics, dataclasses.replace(CONFIG.dynamics, context_frames=5), False),
        (CONFIG.dynamics, dataclasses.replace(CONFIG.dynamics, link_width=5), True),
        (dataclasses.replace(CONFIG.dynamics, link_width=5), CONFIG.dynamics, False),
        (CONFIG.dynamics, dataclasses.replace(CONFIG.dynamics, num_actions=6), True),
        (CONFIG.dynamics, dataclasses.replace(CONFIG.dynamics, num_actions=3), True),
        (CONFIG.tokenizer, dataclasses.replace(CONFIG.tokenizer, code_bits=8), True),
        (CONFIG.tokenizer, dataclasses.replace(CONFIG.tokenizer, code_bits=4), False),
        (CONFIG.tokenizer, dataclasses.replace(CONFIG.tokenizer, channels=(8, 24)), False),
        (CONFIG.tokenizer, dataclasses.replace(CONFIG.tokenizer, reference=True), False),
        (CONFIG.latent_action, CONFIG.latent_action, True),
        (CONFIG.latent_action, dataclasses.replace(CONFIG.latent_action, layers=3), False),
        (CONFIG.latent_action, RULED, False),  # codes found otherwise are other codes
        (RULED, FORETELLING, False),
        (FORETELLING, FORETELLING, True),
        (FORETELLING, dataclasses.replace(FORETELLING, horizon=4), False),
        (CONFIG.tokenizer, CONFIG.dynamics, False),
    ],
)
def test_what_can_grow_into_what(smaller: object, larger: object, possible: bool) -> None:
    assert can_grow(smaller, larger) is possible
