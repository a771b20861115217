"""The norm against torch's own, the convolutions against torch's on a clip padded by hand and sums over neighbours."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from genie_core.layers.causal_conv import CausalConv3d, ChannelNorm, DepthToSpace
from genie_core.layers.norm import RMSNorm, with_length
from genie_core.layers.st_block import ConvMLP

INPUTS, OUTPUTS, SIDE = 3, 4, 5


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(7,), (5, 7), (2, 3, 4, 7)])
@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_the_norm_is_the_one_of_torch(shape: tuple[int, ...], scale: float) -> None:
    ours, reference = RMSNorm(7), torch.nn.RMSNorm(7, eps=1e-12)
    for norm in (ours, reference):
        norm.weight.data = randn(7, seed=1)
    inputs = [(scale * randn(*shape)).requires_grad_() for _ in range(2)]
    outputs = [norm(x) for norm, x in zip((ours, reference), inputs, strict=True)]
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-5, atol=1e-5)
    for output in outputs:
        (output * randn(*shape, seed=2)).sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=1e-5, atol=1e-5 / scale)
    torch.testing.assert_close(ours.weight.grad, reference.weight.grad, rtol=1e-5, atol=1e-5)


def test_the_norm_of_channels_is_the_norm_of_each_position() -> None:
    norm, x = ChannelNorm(3), randn(2, 3, 4, 5, 6)
    norm.weight.data = randn(3, seed=1)
    expected = F.rms_norm(x.movedim(1, -1), (3,), norm.weight).movedim(-1, 1)
    torch.testing.assert_close(norm(x), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(norm.frame(x[:, :, 2]), expected[:, :, 2], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("length", [1e-4, 1.0, 1e4])
def test_a_vector_gets_a_length_and_keeps_its_direction(length: float) -> None:
    x = length * F.normalize(randn(2, 3, 6), dim=-1)
    torch.testing.assert_close(with_length(x, 2.0).square().sum(-1), torch.full((2, 3), 4.0))
    torch.testing.assert_close(with_length(x, length), x)


@pytest.mark.parametrize("length", [0.0, 1e-9])
def test_no_vector_is_too_short_to_be_divided(length: float) -> None:
    """Neither it nor its gradient is infinite or NaN, nor does it change the others."""
    x = randn(3, 6)
    x[1] = length
    x.requires_grad_()
    out = with_length(x, 1.0)
    (out * randn(3, 6, seed=1)).sum().backward()
    assert out.isfinite().all() and out[1].abs().max() < 0.1
    assert x.grad is not None and x.grad.isfinite().all()
    torch.testing.assert_close(out[[0, 2]], with_length(x[[0, 2]], 1.0))


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("b", [1, 2])
@pytest.mark.parametrize("t", [1, 2, 5])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d], ids=str)
@pytest.mark.parametrize("with_past", [False, True])
def test_a_causal_convolution_is_torchs_on_the_padded_clip(
    frames: int, size: int, b: int, t: int, layout: torch.memory_format, with_past: bool
) -> None:
    """With gradients and without, which takes other ways to the same numbers."""
    conv = CausalConv3d(INPUTS, OUTPUTS, frames, size)
    conv.weight.data, conv.bias.data = randn(*conv.weight.shape), randn(OUTPUTS)
    x = randn(b, INPUTS, t, SIDE, SIDE + 1, seed=1).contiguous(memory_format=layout)
    past = randn(b, INPUTS, frames - 1, SIDE, SIDE + 1, seed=2).contiguous(memory_format=layout)
    before = past if with_past else torch.zeros_like(past)
    expected = F.conv3d(torch.cat([before, x], 2), conv.weight, conv.bias, padding=(0, size // 2, size // 2))
    learning = conv(x, past if with_past else None)
    with torch.no_grad():
        playing = conv(x, past if with_past else None)
    assert learning.requires_grad and not playing.requires_grad
    assert playing.shape == (b, OUTPUTS, t, SIDE, SIDE + 1)
    torch.testing.assert_close(playing, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(playing, learning, rtol=1e-5, atol=1e-5)


def test_a_transposed_convolution_moves_depth_to_space() -> None:
    conv, x = CausalConv3d(INPUTS, 4 * OUTPUTS, size=1), randn(2, INPUTS, SIDE, SIDE + 1)
    conv.weight.data, conv.bias.data = randn(*conv.weight.shape), randn(4 * OUTPUTS)
    with torch.no_grad():
        torch.testing.assert_close(conv.upsampled(x), DepthToSpace().frame(conv.frame(x)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("grad", [True, False])
def test_the_mlp_adds_each_channels_neighbourhood(grad: bool) -> None:
    mlp = ConvMLP(width=4, grid=(3, 4))
    mlp.down.weight.data = randn(4, 16, seed=1)
    x = randn(2, 5, 12, 4)
    u = mlp.up(x).unflatten(2, (3, 4))
    padded, kernel = F.pad(u, (0, 0, 1, 1, 1, 1)), mlp.depthwise.weight
    around = sum(padded[:, :, i : i + 3, j : j + 4] * kernel[:, 0, i, j] for i in range(3) for j in range(3))
    expected = mlp.down(F.gelu(u + around + mlp.depthwise.bias).flatten(2, 3))
    with torch.set_grad_enabled(grad):
        torch.testing.assert_close(mlp(x), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(mlp.play(x), expected, rtol=1e-5, atol=1e-5)
