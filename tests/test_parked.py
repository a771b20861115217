"""A game that is parked goes on where it was, in a world of either kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from tiny import make_reference_world, make_world

from app.play import commands as c
from app.play.start import Start, begin
from app.web.game import GameStart, parked
from genie_core.engine import WorldEngine
from genie_core.world import World

PICTURE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("make", [make_world, make_reference_world], ids=["spelt anew", "by reference"])
def test_a_parked_branch_is_taken_up_with_all_that_it_needs(make: Callable[[], World]) -> None:
    world = make()
    session = begin(WorldEngine(world), Start(PICTURE, seed=3))
    list(session.play([0, 1, 2, 3] * 3))
    session.handle(c.GoTo(0, 10))
    list(session.play([2] * 10))
    session.handle(c.GoTo(1, 15))
    game = parked(GameStart(session.engine, "", Start(PICTURE)), session)
    saved = game.start.saved
    assert saved is not None
    kept = saved.lines[0].anchors
    assert [*kept] == ([0, 8, 16] if world.config.tokenizer.reference else [])
    assert game.bytes == saved.tokens.nbytes + sum(map(len, kept.values()))
    other = begin(WorldEngine(world), game.start)
    assert other.steps == 15 and np.array_equal(other.frame, session.frame)
    for step in (20, 7):
        other.handle(c.GoTo(0, step))
        session.handle(c.GoTo(1, step))
        assert np.array_equal(other.frame, session.frame), step
    assert np.array_equal([*other.play([1, 1])], [*session.play([1, 1])])
