"""What the demo says of a world's tokens is true of its kind of tokenizer."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import make_reference_world, make_world

pytest.importorskip("gradio", reason="pip install -r requirements.txt")

from app.web import explain
from genie_core.engine import WorldEngine

PICTURE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def test_a_world_that_spells_frames_anew_shows_the_tokens_of_a_start_picture() -> None:
    world = make_world()
    tokens = explain.tokens_of(world, PICTURE)
    told = explain.token_grid(tokens, PICTURE, world.config.tokenizer)
    assert tokens is not None and np.array_equal(tokens, reset(WorldEngine(world)))
    assert told.count("<span") == 16
    assert "16 numbers, called tokens, are all that the network which plays sees of this picture" in told
    assert "copy of it" in explain.before_and_after(WorldEngine(world), PICTURE)


def test_a_world_by_reference_has_tokens_from_the_first_step_on() -> None:
    world, engine = make_reference_world(), WorldEngine(make_reference_world())
    told = explain.token_grid(explain.tokens_of(world, PICTURE), PICTURE, world.config.tokenizer)
    assert "<span" not in told and "has no tokens" in told
    told = explain.token_grid(reset(engine, 1), engine.look(engine.snapshot()), world.config.tokenizer)
    assert told.count("<span") == 16 and "16 tokens say how the last picture becomes this one" in told
    beside = explain.before_and_after(engine, PICTURE)
    assert "after one step in which nothing changes" in beside and "copy of it" not in beside


def reset(engine: WorldEngine, steps: int = 0) -> np.ndarray:
    """The tokens (h, w) of the frame so many steps after the picture."""
    engine.reset(PICTURE)
    for _ in range(steps):
        engine.step(0)
    return engine.snapshot().frames[-1].tokens
