"""What a training step costs: weights, operations and memory.

Networks are built on torch's meta device, without memory, and one clip is passed forward and back through each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from genie_core import games
from genie_core.config import TokenizerConfig
from genie_core.layers.st_block import STBlock
from genie_core.models.dynamics import DynamicsModel
from genie_core.models.latent_action import LatentActionModel, NextFrames
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.models.tokenizers import build_tokenizer
from genie_core.training.expectation import Expectation
from genie_core.training.settings import TrainingSettings


class Cost(NamedTuple):
    """Of one stage. `step_flop` counts products and convolutions, of the global batch; `memory` is bytes a device."""

    parameters: int
    step_flop: float
    memory: float


class Sharing(NamedTuple):
    """Over how many ranks a batch is shared, and whether the weights are as well (FSDP)."""

    ranks: int = 1
    sharded: bool = False
    bytes_a_number: int = 4  # kept for the way back: 2 in bfloat16


WHOLE = Sharing()


def cost(name: str, settings: TrainingSettings, sharing: Sharing = WHOLE) -> Cost:
    """What a step of the stage `name` costs, without its losses, masks and guesses."""
    own = settings.stage(name)
    with torch.device("meta"):
        network, call = build(name, settings)
        if own.recompute:
            recompute_blocks(network)
        parameters = sum(p.numel() for p in network.parameters())
        flop, saved = _count(call)
        if isinstance(network, LatentActionModel) and not network.codes_learn_from_pixels:
            rest = 1 - settings.latent_action.drawn_clips / own.batch_size  # of the others no frames are drawn
            steps = torch.zeros(1, own.clip_frames - 1, network.config.code_width)
            pixels = torch.zeros(1, 3, own.clip_frames - 1, *network.config.frame_size)
            drawing = _count(lambda: network.predict(pixels, steps).sum())
            flop, saved = (whole - rest * part for whole, part in zip((flop, saved), drawing, strict=True))
            if settings.latent_action.surprise:
                expectation = Expectation(network.config)
                parameters += sum(p.numel() for p in expectation.parameters())
                seeing = _count(lambda: expectation.see(pixels).sum())
                flop, saved = (own + more for own, more in zip((flop, saved), seeing, strict=True))
    if own.recompute:
        saved += one_block(name, settings)
    here = own.batch_size / sharing.ranks / own.accumulate * sharing.bytes_a_number / 4
    state = sum(4 * p.numel() * (3 if p.ndim > 1 else 4) for p in network.parameters())  # weight, gradient, moments
    return Cost(parameters, flop * own.batch_size, state / (sharing.ranks if sharing.sharded else 1) + saved * here)


def build(name: str, settings: TrainingSettings) -> tuple[nn.Module, Callable[[], Tensor]]:
    """The network of a stage, and what passes one clip through it, on the device of the context."""
    configs, frames = settings.networks, settings.stage(name).clip_frames
    pixels = torch.zeros(1, 3, frames, *configs.tokenizer.frame_size)
    if name == "tokenizer":
        tokenizer = build_tokenizer(configs.tokenizer)
        parts = (pixels[:, :, 0], pixels[:, :, 1:]) if configs.tokenizer.reference else (pixels,)
        return tokenizer, lambda: tokenizer(*parts).pixels.sum()
    if name == "latent_action":
        latent_action = games.latent_action_model(configs.latent_action).eval()
        return latent_action, lambda: _sum_of(latent_action(pixels))
    dynamics = DynamicsModel(configs.dynamics)
    tokens = torch.zeros(1, frames, *configs.dynamics.grid, dtype=torch.int64)
    actions = torch.zeros(1, frames - 1, dtype=torch.int64)
    width = configs.dynamics.seen_width
    seen = None if width is None else torch.zeros(1, frames, configs.dynamics.tokens, width)
    return dynamics, lambda: dynamics(tokens, tokens, actions, seen).logits(tokens).sum()


def one_block(name: str, settings: TrainingSettings) -> float:
    """The bytes that one block keeps for the way back of a clip, while it is computed again."""
    config = getattr(settings.networks, name)
    if isinstance(config, TokenizerConfig):
        return 0.0
    with torch.device("meta"):
        block = STBlock(config.width, config.heads, config.context_frames, config.grid)
        x = torch.zeros(1, settings.stage(name).clip_frames, math.prod(config.grid), config.width, requires_grad=True)
        return _count(lambda: block(x)[0].sum())[1]


def recompute_blocks(network: nn.Module) -> None:
    """Keep only the inputs of the space-time blocks of `network` for the way back."""
    for block in network.modules():
        if isinstance(block, STBlock):
            for method in ("forward", "draft"):
                setattr(block, method, partial(checkpoint, getattr(block, method), use_reentrant=False))


def _sum_of(result: NextFrames) -> Tensor:
    return torch.stack([result.pixels.sum(), *result.errors.values()]).sum()


def count_flop() -> FlopCounterMode:
    """A counter of products and convolutions; torch's own takes the way back through a depthwise one for a full one."""
    return FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: _convolution_backward})


def _convolution_backward(gradient: list[int], x: list[int], weight: list[int], *rest: Any, **named: Any) -> int:
    *_, transposed, _, _, wanted = rest[-7:]
    outputs = x if transposed else gradient
    return 2 * math.prod(outputs) * math.prod(weight[1:]) * sum(wanted[:2])


def _count(call: Callable[[], Tensor]) -> tuple[float, float]:
    """Operations of a call, forward and back, and the bytes that it keeps for the way back."""
    kept: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        kept[id(x.untyped_storage())] = x.untyped_storage().nbytes()
        storages.append(x.untyped_storage())  # so that its id stays its own
        return x

    storages: list[torch.UntypedStorage] = []
    with count_flop() as counter, torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        call().backward()
    return counter.get_total_flops(), sum(kept.values())


def forward_flop(settings: TrainingSettings) -> float:
    """Operations that turn a clip of the dynamics into tokens and latent actions."""
    configs, frames = settings.networks, settings.dynamics.written_frames
    with torch.device("meta"):
        tokenizer = build_tokenizer(configs.tokenizer)
        latent_action = games.latent_action_model(configs.latent_action).eval()
        pixels = torch.zeros(1, 3, frames + latent_action.ahead, *configs.tokenizer.frame_size)
        with torch.no_grad(), count_flop() as counter:
            own = pixels[:, :, :frames]
            tokenizer.encode(own) if isinstance(tokenizer, VideoTokenizer) else tokenizer.code(own)
            latent_action.infer(pixels)
    return counter.get_total_flops()
