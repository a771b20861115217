"""The quantizers against independent ones, and what they do to gradients and to codes out of use."""

import math

import pytest
import torch
import torch.nn.functional as F
from tiny import make_world
from torch import Tensor

from genie_core.layers.quantize import (
    VectorQuantizer,
    bits_to_tokens,
    codebook_usage,
    join_tokens,
    lookup_free_quantize,
    split_tokens,
    tokens_to_bits,
)

GROUPED = [(6, 1), (6, 2), (6, 3), (8, 2)]


def random_z(code_bits: int, count: int = 50) -> Tensor:
    return torch.tanh(0.7 * torch.randn(2, count, code_bits, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(("code_bits", "groups"), GROUPED)
def test_lookup_free_matches_the_reference(code_bits: int, groups: int) -> None:
    reference_kind = pytest.importorskip("vector_quantize_pytorch").LFQ
    bits = code_bits // groups
    reference = reference_kind(dim=code_bits, codebook_size=2**bits, num_codebooks=groups).train()
    z = random_z(code_bits)
    (codes, indices, _), losses = reference(z, inv_temperature=1.0, return_loss_breakdown=True)
    ours = lookup_free_quantize(z, groups)
    torch.testing.assert_close(ours.codes, codes)
    assert torch.equal(split_tokens(ours.tokens, groups, 2**bits), indices.view(*ours.tokens.shape, groups).long())
    # the reference averages over codebooks, ours adds up
    torch.testing.assert_close(ours.sample_entropy, groups * losses.per_sample_entropy, rtol=1e-3, atol=0)
    torch.testing.assert_close(ours.codebook_entropy, groups * losses.batch_entropy, rtol=1e-3, atol=0)


@pytest.mark.parametrize("inverse_temperature", [0.5, 1.0, 3.0])
def test_entropies_are_those_of_a_softmax_over_all_codes(inverse_temperature: float) -> None:
    z = random_z(6)
    ours = lookup_free_quantize(z, 2, inverse_temperature)
    codebook = tokens_to_bits(torch.arange(8), 3)
    sample = codebook_entropy = 0.0
    for group in z.double().split(3, dim=-1):
        squared = (group[..., None, :] - codebook).square().sum(-1)
        probs = (-inverse_temperature * squared).softmax(-1).flatten(0, -2)
        sample += torch.special.entr(probs).sum(-1).mean()
        codebook_entropy += torch.special.entr(probs.mean(0)).sum()
    torch.testing.assert_close(ours.sample_entropy.double(), sample, rtol=1e-5, atol=0)
    torch.testing.assert_close(ours.codebook_entropy.double(), codebook_entropy, rtol=1e-5, atol=0)


def test_entropies_tell_even_use_from_collapse_and_decided_from_undecided() -> None:
    every_code = 5 * tokens_to_bits(torch.arange(64), 6)
    even, collapsed = lookup_free_quantize(every_code, 2), lookup_free_quantize(every_code[:1].repeat(64, 1), 2)
    undecided = lookup_free_quantize(torch.zeros(4, 6), 2)
    assert even.codebook_entropy == pytest.approx(6 * math.log(2), abs=1e-3)
    assert even.sample_entropy == pytest.approx(0, abs=1e-3)
    assert collapsed.codebook_entropy == pytest.approx(0, abs=1e-3)
    assert undecided.sample_entropy == pytest.approx(6 * math.log(2), abs=1e-3)


def test_lookup_free_gradient_passes_straight_through() -> None:
    z, weights = random_z(6).requires_grad_(), torch.randn(6)
    (lookup_free_quantize(z, 2).codes * weights).sum().backward()
    torch.testing.assert_close(z.grad, weights.expand_as(z))


def test_bits_and_tokens_are_inverse_highest_first() -> None:
    tokens = torch.arange(2**10).view(4, -1)
    bits = tokens_to_bits(tokens, 10)
    assert bits.shape == (4, 256, 10) and bits.abs().eq(1).all()
    assert torch.equal(bits_to_tokens(bits), tokens)
    assert tokens_to_bits(torch.tensor(6), 4).tolist() == [-1, 1, 1, -1]


def test_a_number_that_is_exactly_zero_is_the_lower_code_everywhere() -> None:
    nothing = lookup_free_quantize(torch.zeros(1, 6), 2)
    assert nothing.tokens.tolist() == [0] and nothing.codes.tolist() == [[-1.0] * 6]
    assert bits_to_tokens(torch.tensor([0.0, 0.1, -0.0])) == 2


def test_split_and_join_are_inverse_and_follow_the_bits() -> None:
    tokens = torch.arange(2**12).view(8, -1)
    parts = split_tokens(tokens, 3, 16)
    assert parts.shape == (8, 512, 3) and parts.min() == 0 and parts.max() == 15
    assert torch.equal(join_tokens(parts, 16), tokens)
    of_bits = torch.stack([bits_to_tokens(group) for group in tokens_to_bits(tokens, 12).split(4, dim=-1)], -1)
    assert torch.equal(parts, of_bits)


def test_codebook_usage_is_the_share_of_sub_tokens_that_occur() -> None:
    assert codebook_usage(torch.arange(64).view(8, 8), 2, 8) == 1
    assert codebook_usage(torch.zeros(3, 3, dtype=torch.int64), 2, 8) == 1 / 8
    assert codebook_usage(torch.arange(8), 2, 8) == (1 + 8) / 16  # only the low sub-token varies


@pytest.fixture
def quantizer() -> VectorQuantizer:
    torch.manual_seed(0)
    return VectorQuantizer(size=8, width=4)


def test_nearest_codes_match_the_reference(quantizer: VectorQuantizer) -> None:
    reference_kind = pytest.importorskip("vector_quantize_pytorch").VectorQuantize
    reference = reference_kind(dim=4, codebook_size=8, use_cosine_sim=True).eval()
    reference.codebook = quantizer.codebook
    z = 3 * torch.randn(5, 40, 4)
    codes, indices, _ = reference(z)
    ours = quantizer.eval()(z)
    assert torch.equal(ours.indices, indices)
    assert len(indices.unique()) == 8
    torch.testing.assert_close(ours.codes, codes)
    torch.testing.assert_close(quantizer.lookup(indices), codes)
    torch.testing.assert_close(ours.commitment, (F.normalize(z, dim=-1) - codes).square().mean())


def test_vector_entropies_are_those_of_soft_assignments(quantizer: VectorQuantizer) -> None:
    quantizer.eval().codebook.copy_(torch.cat([torch.eye(4), -torch.eye(4)]))
    one, every, between = quantizer.codebook[:1], quantizer.codebook, torch.ones(1, 4)
    assert quantizer(one.repeat(9, 1)).codebook_entropy == quantizer(one).sample_entropy < 0.5
    assert quantizer(every).codebook_entropy == pytest.approx(math.log(8), rel=1e-5)
    assert quantizer(every).sample_entropy == pytest.approx(quantizer(one).sample_entropy.item(), rel=1e-4)
    assert quantizer(between).sample_entropy == pytest.approx(math.log(4), rel=0.05)


def test_vector_gradient_passes_straight_through(quantizer: VectorQuantizer) -> None:
    z, weights = torch.randn(10, 4), torch.randn(10, 4)
    ours, theirs = z.clone().requires_grad_(), z.clone().requires_grad_()
    (quantizer(ours).codes * weights).sum().backward()
    (F.normalize(theirs, dim=-1) * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_commitment_pulls_the_input_to_its_code_and_not_the_code(quantizer: VectorQuantizer) -> None:
    z = torch.randn(10, 4, requires_grad=True)
    result = quantizer.eval()(z)
    result.commitment.backward()
    with torch.no_grad():
        nearer = quantizer(z - 0.1 * z.grad / z.grad.norm(dim=-1, keepdim=True)).commitment
    assert nearer < result.commitment
    assert not quantizer.codebook.requires_grad


def test_codes_move_to_the_means_of_their_inputs(quantizer: VectorQuantizer) -> None:
    centres = F.normalize(quantizer.codebook + 0.3 * torch.randn(8, 4), dim=-1)
    for _ in range(200):
        quantizer(5 * (centres + 0.05 * torch.randn(20, 8, 4)))
    assigned = quantizer.eval()(centres)
    assert sorted(assigned.indices.tolist()) == list(range(8))
    torch.testing.assert_close(quantizer.lookup(assigned.indices), centres, atol=0.05, rtol=0)
    torch.testing.assert_close(quantizer.codebook.norm(dim=-1), torch.ones(8))


def test_a_dead_code_is_moved_onto_an_input_and_the_others_stay(quantizer: VectorQuantizer) -> None:
    quantizer.codebook.copy_(torch.cat([torch.eye(4), -torch.eye(4)]))
    quantizer.usage.fill_(0.1)
    quantizer.usage[[5, 7]] = 0.001
    z = F.normalize(torch.tensor([[1.0, 0.1, 0, 0], [0.9, 0, 0.3, 0], [1, 0, 0, 0.2]]), dim=-1)
    before = quantizer.codebook.clone()
    quantizer(z)
    distances = torch.cdist(quantizer.codebook, z)
    assert distances[[5, 7]].amin(1).max() < 1e-6
    assert distances[5].argmin() != distances[7].argmin()
    assert quantizer.usage[[5, 7]].tolist() == pytest.approx([1 / 8, 1 / 8])  # time to prove itself
    unused = [1, 2, 3, 4, 6]
    assert torch.equal(quantizer.codebook[unused], before[unused])
    mean = F.normalize(before[0].lerp(z.mean(0), 1 - quantizer.decay), dim=-1)
    torch.testing.assert_close(quantizer.codebook[0], mean)


def test_more_dead_codes_than_inputs(quantizer: VectorQuantizer) -> None:
    quantizer.usage.zero_()
    quantizer(torch.randn(2, 4))
    assert (quantizer.usage > 0).sum() >= 2
    assert quantizer.codebook.isfinite().all()


def test_a_collapsed_codebook_recovers(quantizer: VectorQuantizer) -> None:
    centres = F.normalize(torch.randn(8, 4), dim=-1)
    quantizer.codebook.copy_(F.normalize(torch.ones(4) + 0.001 * torch.randn(8, 4), dim=-1))
    for _ in range(400):
        quantizer(centres + 0.02 * torch.randn(8, 8, 4))
    usage = torch.bincount(quantizer.eval()(centres).indices, minlength=8)
    assert (usage > 0).sum() >= 7


def test_eval_mode_changes_nothing() -> None:
    network = make_world().latent_action
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(torch.rand(2, 3, 5, 16, 16))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    network.train()(torch.rand(2, 3, 5, 16, 16))
    assert not torch.equal(before["quantizer.codebook"], network.quantizer.codebook)
