"""A turn of whom the camera follows is a key's doing, and his look tells it where nothing else does."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import CONFIG, changed_frames, make_looking_world, random_pixels, scrolled
from torch import Tensor

from genie_core.config import Rules
from genie_core.errors import ConfigError
from genie_core.games.coinrun.heading import Heading, turns
from genie_core.games.coinrun.rules import PUSH, KeyModel, Motions, key_surprise
from genie_core.pixels import to_model

SIZE, SIDE = 8, 32
PLAIN = dataclasses.replace(CONFIG.latent_action, code_width=3, rules=Rules("coinrun", 1))
LOOKING = dataclasses.replace(PLAIN, rules=Rules("coinrun", 1, SIZE))


def walker(ways: Tensor, stands: Tensor | None = None, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Clips (b, 3, t, SIDE, SIDE) of one who faces `ways` (b, t), -1 or 1, before noise, and the scenery's motion
    (b, t-1, 2), which the noise does not show. Where he `stands` (b, t) nothing moves, and he looks as if turned."""
    stands = torch.zeros_like(ways) if stands is None else stands
    frames = 0.3 * torch.randn(len(ways), 3, ways.shape[1], SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    frames[..., 14:18, 14:18] = stands[:, None, :, None, None]
    side = (ways * (1 - 1.5 * stands))[:, None, :, None]
    frames[..., 14:18, 14], frames[..., 14:18, 17] = -side, side
    motion = torch.zeros(*ways[:, 1:].shape, 2)
    motion[..., 0] = -(ways * (1 - stands))[:, 1:]
    return frames, motion


def test_it_looks_at_the_middle_of_single_frames_and_a_mirror_turns_it_round() -> None:
    torch.manual_seed(0)
    heading = Heading(SIZE)
    pixels = random_pixels(b=2, t=3)
    told = heading(pixels)
    assert told.shape == (2, 3) and len(told.unique()) == 6
    torch.testing.assert_close(heading(pixels.flip(-1)), -told)
    other = pixels.clone()
    other[:, :, 1] = random_pixels(b=2, t=1, seed=1)[:, :, 0]
    assert changed_frames(told, heading(other)) == [1]
    side = pixels.shape[-1]
    around = torch.ones(side, side, dtype=torch.bool)
    around[(side - SIZE) // 2 : (side + SIZE) // 2, (side - SIZE) // 2 : (side + SIZE) // 2] = False
    torch.testing.assert_close(heading(torch.where(around, 0.0, pixels)), told)


def test_to_leave_a_stand_is_a_turn_and_to_come_to_one_is_none() -> None:
    headings = 4 * torch.tensor([[1.0, 1, -1, -1, 1, 0, 1, 0, -1]])
    torch.testing.assert_close(turns(headings), torch.tensor([[0.0, -1, 0, 1, 0, 1, 0, -1]]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("way", [1.0, -1.0])
def test_a_turn_is_worth_a_push_and_ends_one_at_a_wall(way: float) -> None:
    motions = torch.zeros(2, 1, 6, 2)
    motions[1, 0, 0, 0] = 1.5 * way  # stopped at once: a wall
    turned = torch.tensor([[0.0, 0, 0.2 * way, -way, 0, way]])
    found = key_surprise(Motions(*motions), turned=turned)[0, :, 0]
    assert found.tolist() == pytest.approx([PUSH * way] * 3 + [-PUSH * way, 0, PUSH * way])


@torch.no_grad()
def test_the_first_step_of_a_clip_is_told_by_motion_though_the_player_flies() -> None:
    """How fast he goes is not to be seen in the first picture, and so is worth more there than where he looks."""
    network = make_looking_world().latent_action
    frames = to_model(scrolled([2, 0, 0], [-1, -1, -1], clips=20))
    found = network.surprise(network.observe(frames))
    assert (found[:, 0, 0] > 1.5).all()


@torch.no_grad()
def test_a_turn_alone_is_another_action() -> None:
    """Nothing moves or is expected to: the steps differ by what the look of the player tells."""
    torch.manual_seed(0)
    network = KeyModel(LOOKING).eval()
    network.expectation.head.weight.zero_()
    network.expectation.head.bias.zero_()
    frames, _ = walker(torch.tensor([[1.0, 1, -1, -1, 1]]))
    still = frames[:, :, :1].expand_as(frames).clone()
    still[..., 14:18, 14:18] = frames[..., 14:18, 14:18]
    network.heading.look[-1].weight.mul_(4 / network.heading(still).abs().mean())  # as sure as if it had been taught
    none, there, none_again, back = network.describe(network.observe(still))[0]
    torch.testing.assert_close(none, none_again)
    assert abs(float(there[0])) > 0.2 and abs(float(none[0])) < 1e-3
    assert float(there[0] * back[0]) < 0  # how far each goes depends on how its own look is told
    first = network.describe(network.observe(still[:, :, 1:]))[0, 0]
    torch.testing.assert_close(first, none)  # a clip's first step is told by its motion


@pytest.mark.parametrize("look", [6, 20, 4000, -4])
def test_a_look_that_cannot_be_is_refused(look: int) -> None:
    with pytest.raises(ConfigError, match=f"look_size {look} is not a multiple of 4 up to 16"):
        dataclasses.replace(PLAIN, rules=Rules("coinrun", 1, look))
