"""The decoder predicts a frame it has not seen; the encoder sees the whole past and the next frame, no further."""

import dataclasses
import math

import pytest
import torch
from tiny import CONFIG, changed_frames, make_world, random_frames, random_pixels, walking_squares

from genie_core.errors import ConfigError
from genie_core.models.latent_action import LatentActionModel, move
from genie_core.models.motion import MOTION_REACH, motion_evidence
from genie_core.pixels import to_model
from genie_core.training.chance import Chance
from genie_core.training.latent_action_stage import LatentActionStage, mirror_some
from genie_core.training.settings import LatentActionSettings

T = 6


@pytest.fixture
def network() -> LatentActionModel:
    return make_world().latent_action


@pytest.mark.parametrize("k", range(T))
def test_a_prediction_depends_on_the_frame_before_it_alone(network: LatentActionModel, k: int) -> None:
    """Position i of the prediction is frame i+1, of which the decoder may know frame i alone."""
    pixels, codes = random_pixels(t=T), torch.randn(2, T, 4)
    other = pixels.clone()
    other[:, :, k] = random_pixels(t=1, seed=1)[:, :, 0]
    assert changed_frames(network.predict(pixels, codes), network.predict(other, codes), dim=2) == [k]


@pytest.mark.parametrize("k", range(T))
def test_a_prediction_depends_on_its_own_code_alone(network: LatentActionModel, k: int) -> None:
    pixels, codes = random_pixels(t=T), torch.randn(2, T, 4)
    other = codes.clone()
    other[:, k] += 1
    assert changed_frames(network.predict(pixels, codes), network.predict(pixels, other), dim=2) == [k]


def test_the_target_reaches_its_prediction_by_the_code_alone(network: LatentActionModel) -> None:
    """Clips alike but for the last frame: those for which the same action is inferred are predicted the same."""
    pixels = random_pixels(b=1, t=T).repeat(24, 1, 1, 1, 1)
    pixels[:, :, -1] = random_pixels(b=24, t=1, seed=1)[:, :, 0] * torch.linspace(0, 1, 24).view(-1, 1, 1, 1)
    network.train()
    for _ in range(15):
        network(pixels)  # the norm and the codes get used to these clips, so that more than one code is in use
    predicted, quantized, *_ = network.eval()(pixels)
    last = quantized.indices[:, -1]
    assert len(last.unique()) > 1 and torch.equal(quantized.indices[:, :-1], quantized.indices[:1, :-1].expand(24, -1))
    for code in last.unique():
        group = predicted[last == code]
        torch.testing.assert_close(group, group[:1].expand_as(group), atol=1e-5, rtol=0)
        assert changed_frames(group[:1], predicted[last != code][:1], dim=2) == [T - 2]


@pytest.mark.parametrize("i", range(T - 1))
def test_an_action_is_inferred_from_the_past_and_the_next_frame(network: LatentActionModel, i: int) -> None:
    """By the gradient of the code of the step from frame i to i+1, which passes straight through the quantizer."""
    pixels = random_pixels(t=T).requires_grad_()
    (network.infer(pixels).codes[:, i] * torch.randn(4)).sum().backward()
    reached = pixels.grad.abs().amax((0, 1, 3, 4)) > 1e-7
    assert reached.tolist() == [frame <= i + 1 for frame in range(T)]


def test_codes_and_shapes(network: LatentActionModel) -> None:
    predicted, quantized, *_ = network(random_pixels(b=3, t=T))
    assert predicted.shape == (3, 3, T - 1, 16, 16)
    assert quantized.indices.shape == (3, T - 1) and quantized.codes.shape == (3, T - 1, 4)
    torch.testing.assert_close(quantized.codes, network.quantizer.lookup(quantized.indices))
    assert len(network.infer(random_pixels(b=50, t=2)).indices.unique()) > 1


@pytest.mark.parametrize("patch_size", [1, 2, 4, 8, 16])
def test_a_patch_size_works_or_is_refused(patch_size: int) -> None:
    try:
        config = dataclasses.replace(CONFIG.latent_action, patch_size=patch_size)
    except ConfigError:
        assert patch_size < 4
        return
    assert LatentActionModel(config).eval()(random_pixels(b=1, t=3)).pixels.shape == (1, 3, 2, 16, 16)


def stand_still(network: LatentActionModel) -> None:
    """Lets the network predict that nothing moves and nothing changes, whatever it sees."""
    for head in (network.change_head, network.motion_head):
        head.weight.zero_()
        head.bias.zero_()
    network.motion_head.bias.view(2, -1)[:, MOTION_REACH] = 50


def test_changes_are_painted_where_they_belong(network: LatentActionModel) -> None:
    """The second row of each patch, in blue."""
    stand_still(network)
    network.change_head.bias.view(4, 4, 3)[1, :, 2] = 0.5
    pixels = random_pixels(t=3)
    expected = pixels.clone()
    expected[:, 2, :, 1::4] += 0.5
    torch.testing.assert_close(network.predict(pixels, torch.randn(2, 3, 4)), expected)


@pytest.mark.parametrize("dim", [-1, -2])
def test_moving_takes_whole_pixels_from_beside_patch_by_patch(dim: int) -> None:
    frames, logits = random_pixels()[:, :, 0], torch.zeros(2, 9, 4, 4)
    logits[:, 4] = 50
    torch.testing.assert_close(move(frames, logits, dim), frames)
    logits[0, 4, 1, 2], logits[0, 4 + 3, 1, 2] = 0, 60
    moved, expected = move(frames, logits, dim), frames.clone()
    rows, columns = slice(4, 8), slice(8, 12)
    shifted = frames[0, :, 7:11, columns] if dim == -2 else frames[0, :, rows, 11:15]
    expected[0, :, rows, columns] = shifted
    torch.testing.assert_close(moved, expected, atol=1e-5, rtol=0)


def test_moving_mixes_and_brings_nothing_new_in_at_the_edge() -> None:
    frames, logits = random_pixels()[:, :, 0], torch.randn(2, 17, 4, 4)
    for dim in (-1, -2):
        torch.testing.assert_close(move(torch.full_like(frames, 0.7), logits, dim), torch.full_like(frames, 0.7))
        moved = move(frames, logits, dim)
        assert (moved <= frames.amax(dim, keepdim=True) + 1e-5).all()
        assert (moved >= frames.amin(dim, keepdim=True) - 1e-5).all()


def stage(network: LatentActionModel) -> LatentActionStage:
    return LatentActionStage(network, LatentActionSettings()).train(network.training)


def test_each_prediction_is_compared_with_the_next_frame(network: LatentActionModel) -> None:
    """Where nothing is predicted to change, the error is what did change."""
    stand_still(network)
    frames = random_frames(t=T)
    pixels = to_model(frames)
    squared = (pixels[:, :, 1:] - pixels[:, :, :-1]).square().mean().item()
    losses = stage(network).losses({"frames": frames})
    assert losses["psnr"].item() == pytest.approx(10 * math.log10(4 / squared), rel=1e-5)
    still = frames[:, :1].expand(-1, T, -1, -1, -1)
    assert stage(network).losses({"frames": still})["psnr"] > 60
    assert stage(network).losses({"frames": still})["loss"] < losses["loss"] - 0.5


def test_half_of_the_clips_are_mirrored_as_a_whole() -> None:
    torch.manual_seed(0)
    pixels = random_pixels(b=100)
    before = pixels.clone()
    seen = mirror_some(pixels, 0.5, Chance())
    kept, mirrored = ((seen == each).flatten(1).all(1) for each in (before, before.flip(-1)))
    assert (kept ^ mirrored).all()
    assert 30 < mirrored.sum() < 70
    assert torch.equal(pixels, before)


@pytest.mark.parametrize("train", [False, True])
def test_clips_are_mirrored_in_training_alone(network: LatentActionModel, train: bool) -> None:
    frames = random_frames(b=16, t=T)
    given: list[torch.Tensor] = []
    network.register_forward_pre_hook(lambda network, pixels: given.append(pixels[0]))
    stage(network).train(train).losses({"frames": frames})
    assert torch.equal(given[0], to_model(frames)) == (not train)


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
    # and the decoder, whose frames see themselves alone, has nothing to weigh in time
    unused = {f"decoder.blocks.{block}.temporal.time_bias" for block in range(2)}
    assert set(without) <= {"to_code.bias", "pool.bias"} | unused


def test_codes_spread_from_the_first_batch_on() -> None:
    """Fresh weights give nearly the same vector for every step; the norm over the batch pulls them apart."""
    largest = []
    for seed in range(4):
        torch.manual_seed(seed)
        network = LatentActionModel(CONFIG.latent_action).train()
        indices = network(to_model(walking_squares(16, T, seed).frames)).quantized.indices
        largest.append(torch.bincount(indices.flatten()).max() / indices.numel())
    assert torch.stack(largest).mean() < 0.6


@pytest.mark.parametrize("shift", [(0, 0), (2, 0), (-3, 0), (0, 7), (0, -5), (4, -8), (-1, 2)])
def test_the_evidence_is_greatest_for_what_moved(shift: tuple[int, int]) -> None:
    """By (x right, y down) pixels; seen at an inner patch, whose surroundings moved along."""
    dx, dy = shift
    before = random_pixels(b=1, t=1)[:, :, 0].repeat_interleave(4, -1).repeat_interleave(4, -2)
    before = before + 0.3 * torch.randn_like(before)
    pixels = torch.stack([before, before.roll((dy, dx), dims=(-2, -1))], dim=2)
    evidence = motion_evidence(pixels, 4)
    assert evidence.shape == (1, 2, 256, (2 * MOTION_REACH + 1) * (MOTION_REACH + 1))
    shifts = evidence.view(1, 2, 16, 16, 2 * MOTION_REACH + 1, MOTION_REACH + 1)[:, :, 5:-5, 5:-5].flatten(-2)
    middle = MOTION_REACH * (MOTION_REACH + 1) + MOTION_REACH // 2
    assert (shifts[:, 0].argmax(-1) == middle).all()  # the first frame is taken to have stood still
    assert (shifts[:, 1].argmax(-1) == middle - dy * (MOTION_REACH + 1) - dx).all()


def test_what_has_no_texture_is_no_evidence() -> None:
    assert motion_evidence(torch.full((1, 3, 2, 16, 16), 0.4), 4).abs().max() < 1e-4
