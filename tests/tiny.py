"""Worlds small enough to be run in milliseconds, in which every output depends on every input it may depend on."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from genie_core.config import (
    DynamicsConfig,
    LatentActionConfig,
    Rules,
    SamplingConfig,
    Size,
    TokenizerConfig,
    WorldConfig,
    build_networks,
)
from genie_core.games.coinrun.rules import KeyModel, on_sphere
from genie_core.key_ring import Kept, KeyRing
from genie_core.models.dynamics import DynamicsModel
from genie_core.sampling import Prediction, reveal
from genie_core.world import World

Network = TypeVar("Network", bound=nn.Module)

torch.set_num_threads(1)  # networks as small as these only lose by sharing the work

CONTEXT = 3
SIZE = (16, 16)
CONFIG = WorldConfig(
    tokenizer=TokenizerConfig(frame_size=SIZE, channels=(8, 16), decoder_blocks=1, code_bits=6),
    latent_action=LatentActionConfig(
        frame_size=SIZE, patch_size=4, width=16, layers=2, heads=2, context_frames=CONTEXT, num_actions=4, code_width=4
    ),
    dynamics=DynamicsConfig(
        grid=(4, 4), code_bits=6, width=16, layers=2, heads=2, context_frames=CONTEXT, num_actions=4
    ),
    sampling=SamplingConfig(unmask_steps=3, temperature=0.0),
)


class Table(NamedTuple):
    """A prediction whose logits (b, …, factors, vocabulary) do not depend on the sub-tokens before."""

    logits: Tensor

    @property
    def shape(self) -> torch.Size:
        return self.logits.shape[:-2]

    @property
    def factors(self) -> int:
        return self.logits.shape[-2]

    @property
    def vocabulary(self) -> int:
        return self.logits.shape[-1]

    def next_logits(self, parts: Tensor) -> Tensor:
        assert parts.shape[:-1] == self.shape
        return self.logits[..., parts.shape[-1], :]

    def as_batch(self) -> Table:
        """As `Prediction.as_batch`."""
        return Table(self.logits.flatten(2, 3).flatten(0, 1))


class Flat(NamedTuple):
    """A prediction of grids (b, h, w) as one of (b, n) tokens."""

    prediction: Prediction

    @property
    def shape(self) -> torch.Size:
        return torch.Size((self.prediction.shape[0], math.prod(self.prediction.shape[1:])))

    @property
    def factors(self) -> int:
        return self.prediction.factors

    @property
    def vocabulary(self) -> int:
        return self.prediction.vocabulary

    def next_logits(self, parts: Tensor) -> Tensor:
        return self.prediction.next_logits(parts.view(*self.prediction.shape, parts.shape[-1])).flatten(1, -2)


def unmask(
    predict: Callable[[Tensor], Prediction], blank: Tensor, sampling: SamplingConfig, noise: Sequence[Tensor] = ()
) -> Tensor:
    """`blank` (b, h, w), all masked, revealed: int64. `noise` (passes, n, factors, vocabulary) is one a row."""
    uniform = torch.stack(list(noise)) if noise else torch.zeros(len(blank), sampling.unmask_steps, 1, 8, 1)
    temperature, mask_id = torch.full((len(blank),), sampling.temperature), int(blank.flatten()[0])
    flat, _ = reveal(lambda draft: Flat(predict(draft.view_as(blank))), blank.flatten(1), mask_id, uniform, temperature)
    return flat.view_as(blank).long()


def play_on(
    network: DynamicsModel, ring: KeyRing, frames: Tensor, into: Tensor, newest: list[int]
) -> tuple[Prediction, Callable[[Tensor], Prediction]]:
    """Plays on a ring: the prediction, (b, n) tokens, of the second of `frames` (b, 2, h, w), a draft, to which and
    the first the actions `into` (b, 2) led. Puts the first into the ring. Also returns what predicts another draft
    (b, h, w) of the same frame."""
    keys, values, ages = map(torch.from_numpy, (ring.keys, ring.values, ring.ages(newest)))
    pasts = network.pasts([*keys], [*values], ages)
    first, lasts = network.play(frames.flatten(2), into, pasts, None)
    for row, frame in enumerate(newest):
        kept = (torch.stack([part[row, :, :, 0].flatten(1) for part in parts]) for parts in zip(*lasts, strict=True))
        ring.put(row, frame - 1, Kept(*(part.detach().numpy() for part in kept)))
    pasts = [past._replace(bias=past.bias[..., 1:, :]) for past in pasts]
    return first, lambda draft: network.play(draft.flatten(1)[:, None], into[:, 1:], pasts, lasts)[0]


def make_world(seed: int = 0, **changes: object) -> World:
    """An untrained world of 16x16 pixels and 4x4 tokens, none of whose weights is the zero it was started with."""
    torch.manual_seed(seed)
    world = World(dataclasses.replace(CONFIG, **changes))  # type: ignore[arg-type]
    for network in world.networks().values():
        shake(network)
    return world


def make_reference_world(seed: int = 0, **changes: object) -> World:
    """Such a world, whose tokens say what the last picture does not."""
    tokenizer = dataclasses.replace(CONFIG.tokenizer, reference=True)
    dynamics = dataclasses.replace(CONFIG.dynamics, seen_width=tokenizer.seen_width)
    return make_world(seed, tokenizer=tokenizer, dynamics=dynamics, **changes)


def make_sized_world(size: Size, seed: int = 0) -> World:
    """Such a world of frames of `size`, with a stride of 8 and patches of 8."""
    sections = {
        "tokenizer": {"channels": [8, 8, 8], "decoder_blocks": 1, "code_bits": 6},
        "latent_action": {"width": 16, "layers": 1, "heads": 2, "code_width": 4},
        "dynamics": {"width": 16, "layers": 2, "heads": 2},
    }
    return make_world(seed, **build_networks(size, CONTEXT, 4, sections)._asdict())


def make_looking_world(seed: int = 0) -> World:
    """Such a world, which looks at its player and expects nothing to move; its codes are the surprises of four keys."""
    latent_action = dataclasses.replace(CONFIG.latent_action, code_width=3, rules=Rules("coinrun", 1, look_size=8))
    world = make_world(seed, latent_action=latent_action)
    assert isinstance(world.latent_action, KeyModel)
    world.latent_action.expectation.head.weight.zero_()
    world.latent_action.expectation.head.bias.zero_()
    keys = torch.tensor([[0.0, 0], [0.6, 0], [-0.6, 0], [0, 5]])
    world.latent_action.quantizer.codebook.copy_(on_sphere(keys))
    return world


def make_dynamics(seed: int = 0, **changes: object) -> DynamicsModel:
    """The dynamics of such a world, with changes to its config."""
    torch.manual_seed(seed)
    return shake(DynamicsModel(dataclasses.replace(CONFIG.dynamics, **changes)).eval().requires_grad_(False))  # type: ignore[arg-type]


def shake(network: Network) -> Network:
    """Moves every weight a little: many start at zero, and would hide what they multiply."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return network


def random_frames(b: int = 2, t: int = 5, seed: int = 0, size: Size = SIZE) -> Tensor:
    """uint8 (b, t, H, W, 3)."""
    return torch.randint(256, (b, t, *size, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def random_pixels(b: int = 2, t: int = 5, seed: int = 0, size: Size = SIZE) -> Tensor:
    """(b, 3, t, H, W) in [-1, 1]."""
    return 2 * torch.rand((b, 3, t, *size), generator=torch.Generator().manual_seed(seed)) - 1


def random_tokens(b: int = 2, t: int = 5, seed: int = 0) -> Tensor:
    """Ids (b, t, 4, 4) of `CONFIG`'s codebook."""
    return torch.randint(CONFIG.dynamics.mask_id, (b, t, 4, 4), generator=torch.Generator().manual_seed(seed))


def random_actions(b: int = 2, t: int = 5, seed: int = 0) -> Tensor:
    """(b, t-1) of `CONFIG`'s actions."""
    return torch.randint(CONFIG.dynamics.num_actions, (b, t - 1), generator=torch.Generator().manual_seed(seed))


def scrolled(across: list[int], up: list[int], clips: int = 1, seed: int = 0) -> Tensor:
    """uint8 (clips, t, 16, 16, 3) of scenery that goes to the right by `across` and up by `up` pixels in each step."""
    frames = [random_frames(clips, 1, seed)[:, 0]]
    for x, y in zip(across, up, strict=True):
        frames.append(frames[-1].roll((-y, x), dims=(1, 2)))
    return torch.stack(frames, 1)


def changed_frames(before: Tensor, after: Tensor, dim: int = 1) -> list[int]:
    """The positions along `dim` at which the two differ by more than rounding."""
    difference = (before - after).abs().movedim(dim, 0).flatten(1).amax(1)
    return (difference > 1e-5).nonzero().flatten().tolist()


class Squares(NamedTuple):
    """Clips of a bright square that walks: uint8 frames (b, t, 16, 16, 3) and its steps (b, t-1) of -1, 0 or +1."""

    frames: Tensor
    steps: Tensor


SQUARE = 4  # pixels, its side and the length of its steps


def walking_squares(clips: int, t: int, seed: int = 0) -> Squares:
    """The square stays in its row, and inside the picture."""
    rng = np.random.default_rng(seed)
    places = 16 // SQUARE
    frames = np.full((clips, t, 16, 16, 3), 30, np.uint8)
    steps = np.zeros((clips, t - 1), np.int64)
    for clip in range(clips):
        x, y = rng.integers(places, size=2) * SQUARE
        for i in range(t):
            frames[clip, i, y : y + SQUARE, x : x + SQUARE] = (220, 200, 40)
            if i < t - 1:
                steps[clip, i] = rng.choice([step for step in (-1, 0, 1) if 0 <= x + step * SQUARE < 16])
                x += steps[clip, i] * SQUARE
    return Squares(torch.from_numpy(frames), torch.from_numpy(steps))


def square_column(frame: Tensor | np.ndarray) -> int:
    """The column, 0..3, that is brightest in a frame (16, 16, 3)."""
    columns = np.asarray(frame)[..., 0].astype(float).sum(0).reshape(-1, SQUARE).sum(1)
    return int(columns.argmax())
