"""A world saved by release 1.0 loads for ever, and plays as it did. Never write tests/data/world-1.0 anew."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tiny  # noqa: F401  # one thread, as the tokens were recorded

from genie_core import World, WorldEngine
from genie_core.checkpoint import FORMAT_VERSION

SAVED = Path(__file__).parent / "data" / "world-1.0"
PLAYED = Path(__file__).parent / "data" / "world-1.0-played.json"


def ramp() -> np.ndarray:
    """uint8 (16, 16, 3), of the world's own size, so that no resizing comes in between."""
    ramp = np.arange(16, dtype=np.uint8) * 16
    return np.stack(np.broadcast_arrays(ramp[None, :], ramp[:, None], np.uint8(90)), axis=-1)


def test_a_world_of_release_1_0_loads() -> None:
    world = World.from_pretrained(SAVED)
    assert [(action.name, action.keys) for action in world.config.actions] == [
        ("stay", ("s",)),
        ("left", ("left",)),
        ("right", ("right",)),
        ("jump", ("up",)),
    ]
    assert (world.config.fps, world.config.frame_size, world.config.context_frames) == (12.5, (16, 16), 3)
    assert json.loads((SAVED / "config.json").read_text())["format_version"] == 1 <= FORMAT_VERSION


def test_it_plays_the_same_tokens() -> None:
    """Token ids, not pixels: another processor or torch rounds pixels differently."""
    told = json.loads(PLAYED.read_text())
    engine = WorldEngine(World.from_pretrained(SAVED), seed=told["seed"])
    engine.reset(ramp())
    tokens = [engine.snapshot().frames[-1].tokens.flatten().tolist()]
    for action in told["actions"]:
        engine.step(action)
        tokens.append(engine.snapshot().frames[-1].tokens.flatten().tolist())
    assert tokens == told["tokens"]
    assert len({tuple(frame) for frame in tokens}) == len(tokens)
