"""Makes graphs of networks at hand. Imported where one is missing: it brings torch and onnx."""

from __future__ import annotations

from collections.abc import Mapping

from genie_core.graphs import encode_graph, step_graph
from genie_core.world import World


def make_graph(world: World, unmask_steps: int | None, files: Mapping[str, bytes]) -> bytes:
    """The step of `world` in so many passes, or its encoding for None, with its weights in `files`."""
    if unmask_steps is None:
        return encode_graph(world.config, world.tokenizer, files)
    return step_graph(world.config, world.dynamics, world.tokenizer, unmask_steps, files)
