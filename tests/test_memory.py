"""One way and back: a perfect game comes home, and one that forgets does not."""

from __future__ import annotations

import dataclasses

import known_game
import numpy as np
import pytest
from known_game import NAMES, PACE, WALL, State

from genie_core.config import Action, unnamed_actions
from genie_core.evaluation.memory import RETURN, WAYS, measure_return, opposites
from genie_core.games import Game, find
from genie_core.world import World

COINRUN = find("coinrun")
MIDDLE = WALL // 2  # 20 steps from either wall


class Forgetful(known_game.Game):
    """After seven steps it is another level."""

    def after(self, state: State, action: np.ndarray) -> State:
        following = super().after(state, action)
        return following._replace(level=np.where(following.age == 7, (state.level + 1) % 8, state.level))


def prompts(*places: int) -> np.ndarray:
    x = np.array(places)
    return known_game.Game().show(State(0 * x, 0 * x + 2, x, 0 * x))


def returned(game: known_game.Game, *places: int) -> dict[int, np.ndarray]:
    found = measure_return(known_game.make_world(game), prompts(*places), COINRUN)
    return {way: found.values[f"{RETURN}.{way}"] for way in WAYS}


def test_who_meets_nothing_on_the_way_is_back_at_the_frame_left_both_ways_round() -> None:
    found = returned(known_game.Game(), MIDDLE, MIDDLE)
    assert all((found[way] == 60).all() and found[way].shape == (4,) for way in (5, 10, 20))
    assert (found[40] < 40).all(), "a wall stops it on the way there, and not on the way back"


def test_each_way_is_asked_once_from_each_picture() -> None:
    found = returned(known_game.Game(), WALL - 5 * PACE, MIDDLE)
    assert (found[5] == 60).all()
    assert sorted((found[10] == 60).tolist()) == [False, True, True, True], "ten steps to the right meet a wall"


def test_a_world_that_forgets_the_place_is_not_back() -> None:
    found = returned(Forgetful(), MIDDLE)
    assert all((found[way] < 40).all() for way in WAYS)


def unnamed(*motions: tuple[float, float]) -> World:
    world = known_game.make_world()
    actions = [
        dataclasses.replace(action, motion_px=motion)
        for action, motion in zip(unnamed_actions(len(NAMES)), (*motions, *[(0.0, 0.0)] * 8), strict=False)
    ]
    world.config = dataclasses.replace(world.config, actions=tuple(actions))
    return world


@pytest.mark.parametrize(
    ("motions", "expected"),
    [
        ([(1, 0), (0, 1), (-1, 0.1)], {0, 2}),
        ([(0, -2), (0, 0.5), (0.2, 0.1)], {0, 1}),
        ([(1, 0), (-0.1, 0)], None),
        ([(1, 0), (0, 1)], None),
        ([], None),
    ],
    ids=["across", "along", "too little", "to the side", "nothing"],
)
def test_without_names_opposites_are_those_that_move_opposite_ways(
    motions: list[tuple[float, float]], expected: set[int] | None
) -> None:
    found = opposites(unnamed(*motions), Game(), 0)
    assert (found and set(found)) == expected


def test_a_world_without_opposites_says_so() -> None:
    found = measure_return(unnamed(), prompts(MIDDLE), Game())
    assert not found.values and "opposite ways" in found.missing[RETURN]


def test_names_win_over_motions() -> None:
    world = known_game.make_world()
    moved = [Action(**{**vars(action), "motion_px": (0.0, 9.0 * (-1) ** action.id)}) for action in world.config.actions]
    world.config = dataclasses.replace(world.config, actions=tuple(moved))
    assert opposites(world, COINRUN, 0) == (NAMES.index("left"), NAMES.index("right"))
