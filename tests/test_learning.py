"""A world learnt from walking squares: the losses fall, the codes are the directions, and play obeys them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from tiny import SQUARE, Squares, square_column, walking_squares
from torch import Tensor

from genie_core.config import DynamicsConfig, LatentActionConfig, SamplingConfig, TokenizerConfig, WorldConfig
from genie_core.engine import WorldEngine
from genie_core.training.dynamics_stage import DynamicsStage
from genie_core.training.latent_action_stage import LatentActionStage
from genie_core.training.settings import DynamicsSettings, LatentActionSettings, TokenizerSettings
from genie_core.training.stage import Batch, Stage
from genie_core.training.tokenizer_stage import TokenizerStage, texture
from genie_core.world import World

pytestmark = pytest.mark.slow

CODES = 4
RATE = 3e-3
CONFIG = WorldConfig(
    tokenizer=TokenizerConfig(frame_size=(16, 16), channels=(16, 32), decoder_blocks=1, code_bits=6),
    latent_action=LatentActionConfig(
        frame_size=(16, 16),
        patch_size=4,
        width=32,
        layers=1,
        heads=2,
        context_frames=4,
        num_actions=CODES,
        code_width=4,
    ),
    dynamics=DynamicsConfig(grid=(4, 4), code_bits=6, width=32, layers=2, heads=2, context_frames=4, num_actions=CODES),
    sampling=SamplingConfig(unmask_steps=2),
)


class Learnt(NamedTuple):
    world: World
    losses: dict[str, np.ndarray]  # at each step of each stage
    unseen: Squares
    codes: Tensor  # inferred for the steps of `unseen`


@pytest.fixture(scope="module")
def learnt() -> Learnt:
    """A world that went through the three stages, each for some seconds."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    world = World(CONFIG)
    seen, unseen = walking_squares(256, 6), walking_squares(64, 6, seed=1)

    def frames() -> Batch:
        return {"frames": seen.frames[rng.integers(len(seen.frames), size=8)]}

    losses = {"tokenizer": fit(TokenizerStage(world.tokenizer, TokenizerSettings(learning_rate=RATE)), frames, 60)}
    losses["latent_action"] = fit(
        LatentActionStage(world.latent_action, LatentActionSettings(learning_rate=RATE)), frames, 400
    )
    tokens, actions = world.encode(seen.frames).clone(), world.infer_actions(seen.frames).clone()

    def encoded() -> Batch:
        rows = rng.integers(len(tokens), size=16)
        return {"tokens": tokens[rows], "actions": actions[rows]}

    losses["dynamics"] = fit(
        DynamicsStage(world.dynamics, DynamicsSettings(learning_rate=RATE), world.tokenizer), encoded, 100
    )
    return Learnt(world, losses, unseen, world.infer_actions(unseen.frames))


def test_texture_is_worth_as_much_as_it_is_said_to_be() -> None:
    """Noise cannot be told in few bits: squared error alone makes it grey."""
    noise = torch.randint(256, (64, 1, 16, 16, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    rough = {}
    for weight in (0.0, 1.0):
        torch.manual_seed(0)
        network = World(CONFIG).tokenizer
        stage = TokenizerStage(network, TokenizerSettings(learning_rate=RATE, texture=weight))
        fit(stage, lambda: {"frames": noise[torch.randint(64, (16,))]}, 80)
        rough[weight] = float(stage.losses({"frames": noise})["sharpness"])
    assert rough[0.0] < 0.5 < 0.7 < rough[1.0] < 1.2


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [  # next across, next but one, next down, next but one, corner
        ("flat", [0, 0, 0, 0, 0]),
        ("stripes", [0.2, 0, 0, 0, 0]),
        ("rungs", [0, 0, 0.2, 0, 0]),
        ("mesh", [0.2, 0, 0.2, 0, 0.4]),
        ("slope", [0.1, 0.2, 0, 0, 0]),
    ],
)
def test_texture_tells_a_mesh_from_what_pictures_are_made_of(pattern: str, expected: list[float]) -> None:
    x = torch.arange(8.0).expand(8, 8)
    wave = 1 - 2 * (x % 2)
    pictures = {"flat": 0 * x, "stripes": wave, "rungs": wave.T, "mesh": wave * wave.T, "slope": x}
    found = texture(0.1 * pictures[pattern].expand(1, 3, 1, 8, 8), 8).flatten(1)
    for kind, value in zip(found, expected, strict=True):
        # the last rows and columns of a picture have no neighbour; and a root is no less than .01
        torch.testing.assert_close(kind, torch.full((3,), max(value, 0.01)), atol=0.14 * value, rtol=0)


def test_a_picture_smaller_than_the_window_has_a_texture() -> None:
    assert texture(torch.rand(1, 3, 1, 5, 12), 8).shape == (5, 1, 3, 1, 1)


def fit(stage: Stage, sample: Callable[[], Batch], steps: int) -> np.ndarray:
    """What Lightning does with a stage, without the clock."""
    stage.train().requires_grad_(True)
    optimizer = stage.configure_optimizers()
    peaks = [group["lr"] for group in optimizer.param_groups]
    losses = []
    for step in range(steps):
        stage.trained_seconds.fill_(60 * stage.settings.minutes * step / steps)
        for group, peak in zip(optimizer.param_groups, peaks, strict=True):
            group["lr"] = peak * min(1, (step + 1) / 10, 2 * (1 - step / steps))
        loss = stage.losses(sample())["loss"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(stage.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    stage.eval().requires_grad_(False)
    return np.array(losses)


def meanings(learnt: Learnt) -> tuple[Tensor, Tensor]:
    """How often each code went with each step (codes, 3), and the step that each code mostly went with."""
    table = torch.zeros(CODES, 3)
    table.index_put_((learnt.codes.flatten(), learnt.unseen.steps.flatten() + 1), torch.tensor(1.0), accumulate=True)
    return table, table.argmax(1) - 1


def test_losses_fall(learnt: Learnt) -> None:
    for stage, losses in learnt.losses.items():
        assert losses[-5:].mean() < losses[:5].mean() / 2, stage


def test_the_tokenizer_gives_unseen_clips_back(learnt: Learnt) -> None:
    frames = learnt.unseen.frames
    rebuilt = learnt.world.decode(learnt.world.encode(frames))
    squared = (rebuilt.float() - frames.float()).square().mean()
    assert 10 * torch.log10(255**2 / squared) > 28


def test_codes_are_the_directions(learnt: Learnt) -> None:
    table, _ = meanings(learnt)
    joint = table / table.sum()
    independent = joint.sum(1, keepdim=True) * joint.sum(0)
    shared = (joint * (joint / independent).clamp_min(1e-9).log()).nan_to_num().sum()
    entropy = torch.special.entr(joint.sum(0)).sum()
    assert joint.amax(1).sum() > 0.8  # the largest share of one direction is 0.43
    assert shared / entropy > 0.6
    assert len(table[table.sum(1) > 10].argmax(1).unique()) == 3


def test_play_moves_the_square_as_the_action_says(learnt: Learnt) -> None:
    table, meaning = meanings(learnt)
    right = total = 0
    for code in range(CODES):
        if table[code].sum() < 10:
            continue  # never seen in training
        for prompt in learnt.unseen.frames[:16, 0]:
            expected = square_column(prompt) + int(meaning[code])
            if 0 <= expected < 16 // SQUARE:
                engine = WorldEngine(learnt.world)
                engine.reset(prompt.numpy())
                right += square_column(engine.step(code)) == expected
                total += 1
    assert total > 30 and right / total > 0.8


def test_different_actions_lead_to_different_places_and_back(learnt: Learnt) -> None:
    """From the second column: two to the right, two to the left."""
    table, meaning = meanings(learnt)
    code = {step: int((table[:, step + 1] * (meaning == step)).argmax()) for step in (-1, 0, 1)}
    arrived = 0
    prompts = [frame for frame in learnt.unseen.frames[:, 0] if square_column(frame) == 1][:10]
    for prompt in prompts:
        engine = WorldEngine(learnt.world)
        engine.reset(prompt.numpy())
        arrived += [square_column(engine.step(code[step])) for step in (1, 1, -1, -1)] == [2, 3, 2, 1]
    assert len(prompts) == 10 and arrived >= 6
