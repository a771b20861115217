"""Which runtime plays a world."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from genie_core import checkpoint
from genie_core.errors import ConfigError, MissingExtraError
from genie_core.graph_world import GraphWorld
from genie_core.runtimes.base import RUNTIMES, Runtime

if TYPE_CHECKING:
    from genie_core.world import World

ONNX = "pip install -r requirements.txt, or play with --runtime torch"


def has_onnx_runtime() -> bool:
    """Whether ONNX Runtime is installed."""
    return importlib.util.find_spec("onnxruntime") is not None


def open_runtime(world: World | GraphWorld, name: str, players: int) -> Runtime:
    """The runtime called `name`, for up to `players` of `world` at once.

    `auto` is ONNX Runtime for a world on the CPU that brings graphs, else torch. Raises ConfigError for another name,
    MissingExtraError where what is asked for is not installed.
    """
    if name not in (*RUNTIMES, "auto"):
        raise ConfigError(f"there is no runtime {name!r}; expected auto, {' or '.join(RUNTIMES)}")
    if name == "auto":
        name = "onnx" if has_onnx_runtime() and _brings_graphs(world) else "torch"
    return _onnx(world, players) if name == "onnx" else _torch(world)


def _brings_graphs(world: World | GraphWorld) -> bool:
    """Whether there are graphs of just these weights, which the CPU is to play."""
    if isinstance(world, GraphWorld):
        return True
    if world.folder is None or not world.graphs or world.device.type != "cpu":
        return False
    return checkpoint.fingerprint(world.folder) == world.fingerprint()


def _torch(world: World | GraphWorld) -> Runtime:
    whole = world.whole
    from genie_core.runtimes.torch_runtime import TorchRuntime

    return TorchRuntime(whole)


def _onnx(world: World | GraphWorld, players: int) -> Runtime:
    if not has_onnx_runtime():
        raise MissingExtraError(f"ONNX Runtime is not installed; {ONNX}")
    from genie_core.runtimes.graph_store import of_graph_world
    from genie_core.runtimes.onnx_runtime import OnnxRuntime

    if isinstance(world, GraphWorld):
        return OnnxRuntime(of_graph_world(world), players)
    if world.device.type != "cpu":
        raise ConfigError(f"ONNX Runtime plays on the CPU, and the world is on {world.device}; use --runtime torch")
    from genie_core.runtimes.world_graphs import of_world

    return OnnxRuntime(of_world(world), players)
