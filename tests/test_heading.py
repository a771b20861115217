"""A turn of whom the camera follows is a key's doing, and his look tells it where nothing else does."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny import CONFIG, changed_frames, make_looking_world, random_pixels, scrolled, shake
from torch import Tensor

from genie_core.config import LatentActionConfig
from genie_core.errors import ConfigError
from genie_core.games.coinrun.heading import Heading, heading_error, turns
from genie_core.models.latent_action import LatentActionModel
from genie_core.models.motion import PUSH, Motions, Presumed, key_surprise
from genie_core.pixels import to_model
from genie_core.training.grow import can_grow, go_on_from

SIZE, SIDE = 8, 32
PLAIN = dataclasses.replace(CONFIG.latent_action, code_width=3, expectation_layers=1)
LOOKING = dataclasses.replace(PLAIN, look_size=SIZE)


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


def test_motion_teaches_it_the_look_and_the_look_then_tells_turns_without_motion() -> None:
    torch.manual_seed(0)
    heading = Heading(SIZE)
    optimizer = torch.optim.Adam(heading.parameters(), 3e-3)
    stands = torch.tensor([0.0, 0, 1, 1, 0]).expand(16, -1)
    for step in range(80):
        way = torch.where(torch.rand(16, 1) < 0.5, -1.0, 1.0).expand(-1, 5)
        frames, motion = walker(way, stands, seed=step)
        error = heading_error(heading(frames), motion, motion)
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    assert float(error.detach()) < 0.1
    ways = torch.tensor([[1.0, 1, -1, -1, -1, -1, 1, 1]])
    frames, _ = walker(ways, torch.tensor([[0.0, 1, 0, 0, 1, 1, 1, 0]]), seed=1000)
    torch.testing.assert_close(turns(heading(frames)), -ways.diff(dim=1) / 2, atol=0.1, rtol=0)


def test_to_leave_a_stand_is_a_turn_and_to_come_to_one_is_none() -> None:
    headings = 4 * torch.tensor([[1.0, 1, -1, -1, 1, 0, 1, 0, -1]])
    torch.testing.assert_close(turns(headings), torch.tensor([[0.0, -1, 0, 1, 0, 1, 0, -1]]), atol=1e-3, rtol=0)


def test_a_surprise_teaches_a_look_and_so_does_a_run_but_not_who_stands() -> None:
    logits = torch.zeros(1, 5, requires_grad=True)
    surprise, seen = torch.zeros(1, 4, 2), torch.zeros(1, 4, 2)
    surprise[0, 1, 0], seen[0, 2, 0] = 0.5, -1.0
    surprise[0, 3, 0], seen[0, 3, 0] = 0.5, -1.0  # a key just pressed against the way of a run: nothing is sure
    surprise[0, :, 1] = 9.0
    heading_error(logits, surprise, seen).backward()
    assert logits.grad is not None and logits.grad[0].sign().tolist() == [0, 0, -1, 1, 0]


@pytest.mark.parametrize("way", [1.0, -1.0])
def test_a_turn_is_worth_a_push_and_ends_one_at_a_wall(way: float) -> None:
    motions = torch.zeros(2, 1, 6, 2)
    motions[1, 0, 0, 0] = 1.5 * way  # stopped at once: a wall
    turned = torch.tensor([[0.0, 0, 0.2 * way, -way, 0, way]])
    found = key_surprise(Motions(*motions), turned=turned)[0, :, 0]
    assert found.tolist() == pytest.approx([PUSH * way] * 3 + [-PUSH * way, 0, PUSH * way])


@pytest.mark.parametrize("way", [1.0, -1.0])
def test_who_flies_and_shows_no_key_is_presumed_to_hold_the_one_for_the_way_he_looks(way: float) -> None:
    """Also where the highest point keeps him still, but not on the ground nor in a wall's way."""
    motions = torch.zeros(2, 3, 8, 2)
    motions[:, :, 1:6, 1] = torch.tensor([5.0, 3, 0, -3, -5])  # as expected
    motions[0, :, 1, 0] = motions[0, :, 7, 0] = 0.4  # a surprise along x, in flight and on the ground
    motions[1, 2, 3:, 0] = torch.tensor([-1.5 * way, 0, 0, 0, 0])  # stopped at once: a wall
    facing = torch.tensor([0.9, 0.9, 0.1, 0.9, -0.8, -0.8, -0.8, -0.8]).expand(3, -1) * way
    turned = torch.tensor([0.0, 0, 0, 0, -1, 0, 0, 0]).expand(3, -1) * way
    turned = turned * torch.tensor([[1.0], [1], [0]])
    presumed = Presumed(held=torch.zeros(3).bool(), faced=torch.tensor([True, False, True]), push=torch.zeros(3))
    found = key_surprise(Motions(*motions), presumed, turned, facing)
    assert not found[..., 1].any()
    flies, not_presumed, walled = (found[..., 0] * way).tolist()
    assert flies == pytest.approx([0, 0.4 * way, PUSH, PUSH, -PUSH, -PUSH, 0, 0.4 * way])
    assert not_presumed == pytest.approx([0, 0.4 * way, 0, 0, -PUSH, 0, 0, 0.4 * way])
    assert walled == pytest.approx([0, 0.4 * way, PUSH, -PUSH, -PUSH, -PUSH, -PUSH, 0.4 * way])
    assert torch.equal(key_surprise(Motions(*motions), presumed), key_surprise(Motions(*motions)))  # no look


@pytest.mark.parametrize("way", [1.0, -1.0])
def test_who_takes_off_straight_holds_no_key_along_x_until_one_shows(way: float) -> None:
    motions = torch.zeros(2, 4, 9, 2)
    motions[0, :, 1:7, 1] = torch.tensor([5.0, 3, 0, -3, -5, -2])
    motions[1, :, 2:7, 1] = motions[0, :, 2:7, 1]  # all is expected but the take-off
    turned, facing = torch.zeros(4, 9), torch.full((4, 9), way)
    motions[0, 1, 1, 0] = 0.4 * way  # jumps to a side
    motions[0, 2, 4, 0] = 0.4 * way  # is pushed to it in flight
    turned[3, 5], facing[3, 5:] = -way, -way  # turns in flight
    found = key_surprise(Motions(*motions), Presumed.of(torch.ones(4).bool()), turned, facing) / (PUSH * way)
    expected = [
        [0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0.8, 1, 1, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0.8, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, -1, -1, 0, 0],
    ]
    torch.testing.assert_close(found[..., 0], torch.tensor(expected))


@torch.no_grad()
def test_the_first_step_of_a_clip_is_told_by_motion_though_the_player_flies() -> None:
    """How fast he goes is not to be seen in the first picture, and so is worth more there than where he looks."""
    network = make_looking_world().latent_action
    frames = to_model(scrolled([2, 0, 0], [-1, -1, -1], clips=20))
    found, _ = network.surprise(frames, Presumed.of(torch.ones(20).bool()))
    assert (found[:, 0, 0] > 1.5).all() and (found[:, 1:, 0].abs() > PUSH / 2).all()


HELD, TAPPED = [2, 2, 2, 2, 2, 2], [2, 0, 2, 0, 0, 2]


@torch.no_grad()
@pytest.mark.parametrize(
    ("across", "up", "last"),
    [
        (HELD, [0] * 6, True),
        (TAPPED, [0] * 6, False),
        ([2, -2, 2, -2, 2, -2], [0] * 6, False),
        (HELD, [3] * 6, False),  # in flight nothing is asked
        (HELD, [0, 3, 0, 3, 0, 3], False),  # nor where a key takes off
        ([0] * 6, [0] * 6, False),
    ],
)
def test_keys_last_where_those_that_show_on_the_ground_show_again(across: list[int], up: list[int], last: bool) -> None:
    network = make_looking_world().latent_action
    network.heading.look[-1].weight.zero_()
    assert network.keys_last(to_model(scrolled(across, up, clips=3))) is last
    assert not LatentActionModel(PLAIN).eval().keys_last(to_model(scrolled(across, up)))  # it does not look


@torch.no_grad()
def test_a_world_presumes_of_each_clip_what_it_is_told() -> None:
    world = make_looking_world()
    assert world.keys_last(scrolled(HELD, [0] * 6, clips=3)) and not world.keys_last(scrolled(TAPPED, [0] * 6))
    jumps = scrolled([2, 0, 0, 0, 0, 0], [0, -5, -1, -1, 1, 1], clips=8)
    last = torch.arange(8) < 4
    actions = world.infer_actions(jumps, last)
    assert torch.equal(actions[:4], world.infer_actions(jumps[:4], keys_last=True))
    assert torch.equal(actions[4:], world.infer_actions(jumps[4:]))
    assert not torch.equal(world.infer_actions(jumps, keys_last=True), world.infer_actions(jumps))


@torch.no_grad()
def test_a_turn_alone_is_another_action() -> None:
    """Nothing moves or is expected to: the steps differ by what the look of the player tells."""
    torch.manual_seed(0)
    network = LatentActionModel(LOOKING).eval()
    network.expectation.head.weight.zero_()
    network.expectation.head.bias.zero_()
    frames, _ = walker(torch.tensor([[1.0, 1, -1, -1, 1]]))
    still = frames[:, :, :1].expand_as(frames).clone()
    still[..., 14:18, 14:18] = frames[..., 14:18, 14:18]
    network.heading.look[-1].weight.mul_(4 / network.heading(still).abs().mean())  # as sure as if it had been taught
    none, there, none_again, back = network._what_happened(still)[0][0]
    torch.testing.assert_close(none, none_again)
    assert abs(float(there[0])) > 0.2 and abs(float(none[0])) < 1e-3
    assert float(there[0] * back[0]) < 0  # how far each goes depends on how its own look is told
    first = network._what_happened(still[:, :, 1:])[0][0, 0]
    torch.testing.assert_close(first, none)  # a clip's first step is told by its motion


def test_a_model_goes_on_from_one_without_a_look() -> None:
    torch.manual_seed(0)
    without, network = shake(LatentActionModel(PLAIN)), LatentActionModel(LOOKING)
    assert can_grow(PLAIN, LOOKING) and not can_grow(LOOKING, PLAIN)
    go_on_from(network, without)
    learnt = network.state_dict()
    assert all(torch.equal(learnt[name], value) for name, value in without.state_dict().items())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"look_size": 6}, "look_size 6 is not a multiple of 4 up to frame_size"),
        ({"look_size": 4000}, "look_size 4000 is not a multiple of 4 up to frame_size"),
        ({"look_size": 8, "expectation_layers": None}, "look_size 8 is of no use without expectation_layers"),
    ],
)
def test_a_look_that_cannot_be_is_refused(fields: dict[str, int | None], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LatentActionConfig(**{**dataclasses.asdict(PLAIN), **fields})
