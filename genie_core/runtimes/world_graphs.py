"""The graphs of a world in memory, whose weights may be no file's. Brings torch and onnx."""

from __future__ import annotations

from genie_core import checkpoint, weights
from genie_core.runtimes.graph_store import GraphStore, weights_in
from genie_core.runtimes.making import make_graph
from genie_core.world import World


def of_world(world: World) -> GraphStore:
    """The graphs of a world in memory: those of its folder, if its weights are still the folder's."""
    if world.folder is not None and checkpoint.fingerprint(world.folder) == world.fingerprint():
        shipped, files = world.graphs, weights_in(world.folder)
    else:
        content = weights.contents(world.networks())
        shipped, files = {}, {path: content[path] for path in checkpoint.PLAYED}
    return GraphStore(world.config, shipped, files, lambda steps, files: make_graph(world, steps, files))
