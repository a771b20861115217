"""The tokenizer looks back and never ahead, and decodes frame by frame what it decodes at once."""

import pytest
import torch
from tiny import changed_frames, make_world, random_pixels, random_tokens
from torch import Tensor

from genie_core.layers.causal_conv import DepthToSpace, SpaceToDepth
from genie_core.models.tokenizer import VideoTokenizer

T = 8


@pytest.fixture(params=["eval", "train"])
def tokenizer(request: pytest.FixtureRequest) -> VideoTokenizer:
    return make_world().tokenizer.train(request.param == "train")


@pytest.mark.parametrize("k", range(T))
def test_encoder_sees_this_frame_and_two_before(tokenizer: VideoTokenizer, k: int) -> None:
    pixels = random_pixels(t=T)
    other = pixels.clone()
    other[:, :, k] = random_pixels(t=1, seed=1)[:, :, 0]
    changed = changed_frames(tokenizer.encoder(pixels), tokenizer.encoder(other), dim=2)
    assert changed == list(range(k, min(k + 3, T)))


@pytest.mark.parametrize("k", range(T))
def test_decoder_sees_this_frame_and_four_before(tokenizer: VideoTokenizer, k: int) -> None:
    tokens = random_tokens(t=T)
    other = tokens.clone()
    other[:, k] = random_tokens(t=1, seed=1)[:, 0]
    changed = changed_frames(tokenizer.decode(tokens), tokenizer.decode(other), dim=2)
    assert changed == list(range(k, min(k + 5, T)))


@pytest.mark.parametrize("chunks", [[1] * T, [2, 1, 5], [7, 1]], ids=str)
def test_decoding_on_equals_decoding_at_once(tokenizer: VideoTokenizer, chunks: list[int]) -> None:
    tokens = random_tokens(t=T)
    past, pieces = None, []
    for chunk in tokens.split(chunks, dim=1):
        pixels, past = tokenizer.decode_next(chunk, past)
        pieces.append(pixels)
    torch.testing.assert_close(torch.cat(pieces, dim=2), tokenizer.decode(tokens), atol=1e-5, rtol=0)


def test_decoder_memory_does_not_grow_or_change_in_place(tokenizer: VideoTokenizer) -> None:
    tokens = random_tokens(t=T)
    past = None
    sizes = []
    for frame in tokens.split(1, dim=1):
        before = [part.clone() for part in past] if past is not None else []
        _, following = tokenizer.decode_next(frame, past)
        assert all(torch.equal(a, b) for a, b in zip(before, past or (), strict=True))
        past = following
        sizes.append([part.untyped_storage().nbytes() for part in past])
    assert all(size == sizes[0] for size in sizes)


def test_forward_is_encode_then_decode(tokenizer: VideoTokenizer) -> None:
    pixels = random_pixels()
    rebuilt = tokenizer(pixels)
    tokens = tokenizer.encode(pixels)
    assert tokens.dtype == torch.int64 and tokens.shape == (2, 5, 4, 4)
    assert torch.equal(tokens, rebuilt.quantized.tokens)
    assert tokens.min() >= 0 and tokens.max() < 2**tokenizer.config.code_bits
    assert len(tokens.unique()) > 10
    torch.testing.assert_close(rebuilt.pixels, tokenizer.decode(tokens), atol=1e-4, rtol=0)


def test_gradient_reaches_the_first_convolution_through_the_signs() -> None:
    tokenizer = make_world().tokenizer.requires_grad_(True)
    tokenizer(random_pixels()).pixels.square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in tokenizer.parameters())


def test_space_to_depth_keeps_the_pixels_of_a_cell_together() -> None:
    pixels = random_pixels()
    cells = SpaceToDepth()(pixels)
    assert cells.shape == (2, 12, 5, 8, 8)
    assert torch.equal(DepthToSpace()(cells), pixels)

    def sorted_cell(x: Tensor) -> Tensor:
        return x.flatten().sort().values

    assert torch.equal(sorted_cell(cells[0, :, 2, 3, 5]), sorted_cell(pixels[0, :, 2, 6:8, 10:12]))
