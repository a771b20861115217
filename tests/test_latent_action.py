"""The decoder predicts a frame it has not seen; the encoder sees the whole past and the next frame, no further."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from tiny import CONFIG, changed_frames, make_world, random_frames, random_pixels

from genie_core.models.latent_action import LatentActionModel
from genie_core.pixels import to_model
from genie_core.training.latent_action_stage import COMMITMENT_WEIGHT, LatentActionStage
from genie_core.training.settings import StageSettings

T = 6


@pytest.fixture
def network() -> LatentActionModel:
    return make_world().latent_action


@pytest.mark.parametrize("k", range(T))
def test_a_prediction_depends_on_no_later_frame(network: LatentActionModel, k: int) -> None:
    """Position i of the prediction is frame i+1, of which the decoder may know frames 0..i alone."""
    pixels, codes = random_pixels(t=T), torch.randn(2, T, 4)
    other = pixels.clone()
    other[:, :, k] = random_pixels(t=1, seed=1)[:, :, 0]
    changed = changed_frames(network.predict(pixels, codes), network.predict(other, codes), dim=2)
    assert changed == list(range(k, T))


@pytest.mark.parametrize("k", range(T))
def test_a_prediction_depends_on_no_later_code(network: LatentActionModel, k: int) -> None:
    pixels, codes = random_pixels(t=T), torch.randn(2, T, 4)
    other = codes.clone()
    other[:, k] += 1
    changed = changed_frames(network.predict(pixels, codes), network.predict(pixels, other), dim=2)
    assert changed == list(range(k, T))


def test_the_target_reaches_its_prediction_by_the_code_alone(network: LatentActionModel) -> None:
    """Two clips that differ in the last frame only, for which the same action was inferred."""
    pixels = random_pixels(b=1, t=T)
    before = network(pixels)
    found = 0
    for seed in range(1, 60):
        other = pixels.clone()
        other[:, :, -1] = random_pixels(b=1, t=1, seed=seed)[:, :, 0] * (seed % 3) / 2
        after = network(other)
        if torch.equal(after.quantized.indices, before.quantized.indices):
            found += 1
            torch.testing.assert_close(after.pixels, before.pixels, atol=1e-5, rtol=0)
        else:
            assert changed_frames(before.pixels, after.pixels, dim=2) == [T - 2]
    assert 0 < found < 59


@pytest.mark.parametrize("i", range(T - 1))
def test_an_action_is_inferred_from_the_past_and_the_next_frame(network: LatentActionModel, i: int) -> None:
    """By the gradient of the code of the step from frame i to i+1, which passes straight through the quantizer."""
    pixels = random_pixels(t=T).requires_grad_()
    (network.infer(pixels).codes[:, i] * torch.randn(4)).sum().backward()
    reached = pixels.grad.abs().amax((0, 1, 3, 4)) > 1e-7
    assert reached.tolist() == [frame <= i + 1 for frame in range(T)]


def test_codes_and_shapes(network: LatentActionModel) -> None:
    predicted, quantized = network(random_pixels(b=3, t=T))
    assert predicted.shape == (3, 3, T - 1, 16, 16)
    assert quantized.indices.shape == (3, T - 1) and quantized.codes.shape == (3, T - 1, 4)
    torch.testing.assert_close(quantized.codes, network.quantizer.lookup(quantized.indices))
    assert len(network.infer(random_pixels(b=50, t=2)).indices.unique()) > 1


@pytest.mark.parametrize("patch_size", [2, 4, 8, 16])
def test_every_patch_size_that_divides_the_frame_works(patch_size: int) -> None:
    network = LatentActionModel(dataclasses.replace(CONFIG.latent_action, patch_size=patch_size)).eval()
    assert network(random_pixels(b=1, t=3)).pixels.shape == (1, 3, 2, 16, 16)


def test_a_patch_is_laid_out_where_it_belongs(network: LatentActionModel) -> None:
    """Only the patch whose position says so is painted, in the colour and row that the head names."""
    weight = torch.zeros_like(network.head.weight)
    network.head.weight = torch.nn.Parameter(weight, requires_grad=False)
    bias = torch.zeros(4, 4, 3)
    bias[1, :, 2] = 0.5  # second row of each patch, blue
    network.head.bias.copy_(bias.flatten())
    change = network.predict(torch.zeros(1, 3, 1, 16, 16), torch.zeros(1, 1, 4))[0, :, 0]
    expected = torch.zeros(3, 16, 16)
    expected[2, 1::4] = 0.5
    torch.testing.assert_close(change, expected)


def stage(network: LatentActionModel) -> LatentActionStage:
    return LatentActionStage(network, StageSettings())


def test_the_loss_compares_each_prediction_with_the_next_frame(network: LatentActionModel) -> None:
    """A head of zeros predicts no change, so that the error is known from the clip."""
    torch.nn.init.zeros_(network.head.weight)
    torch.nn.init.zeros_(network.head.bias)
    frames = random_frames(t=T)
    losses = stage(network).losses({"frames": frames})
    pixels = to_model(frames)
    step = pixels[:, :, 1:] - pixels[:, :, :-1]
    commitment = COMMITMENT_WEIGHT * network.infer(pixels).commitment
    torch.testing.assert_close(losses["loss"], step.abs().mean() + 2 * step.square().mean() + commitment)
    assert losses["psnr"] == pytest.approx(10 * torch.log10(4 / step.square().mean()).item(), rel=1e-5)
    still = frames[:, :1].expand(-1, T, -1, -1, -1)
    torch.testing.assert_close(
        stage(network).losses({"frames": still})["loss"], COMMITMENT_WEIGHT * network.infer(to_model(still)).commitment
    )


def test_shares_of_the_codes_are_told(network: LatentActionModel) -> None:
    frames = random_frames(b=8, t=T)
    losses = stage(network).losses({"frames": frames})
    indices = network.infer(to_model(frames)).indices
    shares = [float((indices == code).float().mean()) for code in range(4)]
    assert [float(losses[f"code_{code}"]) for code in range(4)] == pytest.approx(shares)


def test_pictures_show_truth_prediction_and_chance(network: LatentActionModel) -> None:
    frames = random_frames(b=5, t=T)
    rows = stage(network).picture({"frames": frames})
    assert rows.shape == (9, T - 1, 16, 16, 3) and rows.dtype == torch.uint8
    assert torch.equal(rows[::3], frames[:3, 1:])


def test_every_weight_learns() -> None:
    network = make_world().latent_action.requires_grad_(True).train()
    stage(network).losses({"frames": random_frames(t=T)})["loss"].backward()
    grads = {name: parameter.grad for name, parameter in network.named_parameters()}
    without = [name for name, grad in grads.items() if grad is None or not grad.abs().sum() > 1e-9]
    # a constant before a norm over the batch, and one added to all scores of a softmax, change nothing
    assert set(without) <= {"to_code.bias", "pool.bias"}


def test_codes_spread_from_the_first_batch_on() -> None:
    """Fresh weights give nearly the same vector for every step; the norm over the batch pulls them apart."""
    torch.manual_seed(0)
    network = LatentActionModel(CONFIG.latent_action).train()
    indices = network(random_pixels(b=16, t=T)).quantized.indices
    assert F.one_hot(indices, 4).float().mean((0, 1)).max() < 0.8
