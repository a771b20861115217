"""`--benchmark`: how fast a world plays here, and where the time goes. Timings are medians in milliseconds."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from genie_core.config import SamplingConfig
from genie_core.engine import WorldEngine
from genie_core.errors import ConfigError
from genie_core.machine import matmul_gflops, median_ms, seconds
from genie_core.runtimes.base import RUNTIMES
from genie_core.runtimes.choose import has_onnx_runtime
from genie_core.runtimes.torch_runtime import threads_for
from genie_core.state import memory_names
from genie_core.step import Screen
from genie_core.world import World

WARM_UP, STEPS = 20, 200
SWEEP_STEPS = 30
SWEEP = {"unmask_steps": (1, 2, 3, 4, 8), "context_frames": (4, 8, 16), "players": (1, 2, 4, 8)}


def benchmark(world: World, quiet: bool = False, runtime: str = "auto") -> dict[str, Any]:
    """All figures of `world`, played unpaced from a grey picture."""
    return measure_speed(world, quiet, runtime) | in_turns(world, quiet) | sweep(world, quiet, runtime)


def measure_speed(world: World, quiet: bool = False, runtime: str = "auto") -> dict[str, Any]:
    """The figures of a single player at the world's own settings."""
    engine, step_ms = play(world, 1, STEPS, quiet, runtime=runtime)
    gflop = gflop_of(world)
    p50, p95 = (float(np.percentile(step_ms, share)) for share in (50, 95))
    with threads_for(1):  # as a step has them
        threads, matmul = torch.get_num_threads(), matmul_gflops()
    return {
        "fps": 1e3 / p50,
        "step_ms": {"p50": p50, "p95": p95},
        **parts_ms(engine, p50),
        "unmask_steps": world.config.sampling.unmask_steps,
        "tokens_per_frame": math.prod(world.config.tokenizer.grid),
        "context_frames": world.config.context_frames,
        "parameters": {n: sum(p.numel() for p in net.parameters()) for n, net in world.networks().items()},
        "gflop_per_frame": gflop,
        "matmul_gflops": matmul,
        "fraction_of_matmul_peak": gflop / (p50 / 1e3) / matmul,
        "rss_mb": peak_mb(),
        "threads": threads,
        "device": str(world.device),
        "runtime": engine.runtime.name,
    }


def peak_mb() -> float | None:
    """The most memory that this process has had so far; None on Windows, which does not tell it this way."""
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def play(
    world: World,
    players: int,
    steps: int,
    quiet: bool = True,
    sampling: SamplingConfig | None = None,
    runtime: str = "auto",
) -> tuple[WorldEngine, np.ndarray]:
    """An engine whose context is full, and the milliseconds that each of `steps` steps of all `players` took."""
    engine, step = warm(world, players, sampling, runtime)
    bar = tqdm(range(steps), desc="benchmark", disable=quiet)
    return engine, 1e3 * np.array([seconds(partial(step, index)) for index in bar])


def warm(
    world: World, players: int, sampling: SamplingConfig | None = None, runtime: str = "auto"
) -> tuple[WorldEngine, Callable[[int], object]]:
    """An engine whose context is full, and what plays step `index`."""
    engine = WorldEngine(world, sampling=sampling, players=players, runtime=runtime)
    for player in range(players):
        engine.reset(np.full((*world.config.frame_size, 3), 128, np.uint8), player)
    count = len(world.config.actions)

    def step(index: int) -> None:
        engine.step({player: (index + player) % count for player in range(players)})

    for index in range(WARM_UP):
        step(index)
    return engine, step


def in_turns(world: World, quiet: bool) -> dict[str, Any]:
    """A step of each runtime in turns, so that what else the machine does weighs on both alike; empty without ONNX."""
    if world.device.type != "cpu" or not has_onnx_runtime():
        return {}
    steps = [warm(world, 1, runtime=name)[1] for name in RUNTIMES]
    bar = tqdm(range(STEPS), desc="runtimes in turns", disable=quiet)
    took = 1e3 * np.array([[seconds(partial(step, index)) for step in steps] for index in bar])
    p50 = np.median(took, axis=0)
    p95 = np.percentile(took, 95, axis=0)
    told = {name: {"p50": float(p50[i]), "p95": float(p95[i])} for i, name in enumerate(RUNTIMES)}
    return {"runtimes": {**told, "onnx_to_torch": float(p50[1] / p50[0])}}


def sweep(world: World, quiet: bool, runtime: str = "auto") -> dict[str, Any]:
    """Frames a second of all players together, changing one thing at a time; other contexts with fresh weights.

    `not_measured` says why a row is left out: this world with that value would not fit in memory.
    """
    rows: list[dict[str, Any]] = []
    reasons: dict[str, str] = {}
    bar = tqdm([(name, value) for name, values in SWEEP.items() for value in values], desc="sweep", disable=quiet)
    for name, value in bar:
        players = value if name == "players" else 1
        try:
            changed, sampling = _changed(world, name, value)
            _, step_ms = play(changed, players, SWEEP_STEPS, sampling=sampling, runtime=runtime)
        except ConfigError as error:
            reasons[f"sweep.{name}={value}"] = str(error)
            continue
        rows.append(
            {name: value, "step_ms": float(np.median(step_ms)), "fps": 1e3 * players / float(np.median(step_ms))}
        )
    return {"sweep": rows, "not_measured": reasons}


def _changed(world: World, name: str, value: int) -> tuple[World, SamplingConfig]:
    """The world and its sampling with another value of the sweep. Raises ConfigError for one that it cannot have."""
    sampling = world.config.sampling
    if name == "unmask_steps":
        return world, dataclasses.replace(sampling, unmask_steps=value)
    if name == "context_frames":
        dynamics = dataclasses.replace(world.config.dynamics, context_frames=value)
        return World(dataclasses.replace(world.config, dynamics=dynamics)).to(world.device), sampling
    return world, sampling


def gflop_of(world: World) -> float:
    """Of one step, in its products and convolutions."""
    _, step = warm(world, 1, runtime="torch")
    with FlopCounterMode(display=False) as counter:
        step(0)
    return float(counter.get_total_flops() / 1e9)


@torch.inference_mode()
def parts_ms(engine: WorldEngine, step_ms: float) -> dict[str, float]:
    """What a step consists of: decoding, and the passes of the dynamics, which is the rest; and a prompt's encoding."""
    prompt = np.zeros((1, 1, *engine.world.config.frame_size, 3), np.uint8)
    decode = median_ms(decoding(engine))
    encode = median_ms(lambda: engine.runtime.encode(prompt))
    return {"dynamics_ms": max(step_ms - decode, 0.0), "decode_ms": decode, "encode_ms": encode}


def decoding(engine: WorldEngine) -> Callable[[], object]:
    """The end of a step alone: what turns the tokens of the frame shown into its picture."""
    frame, world = engine.snapshot().frames[-1], engine.world.whole
    assert frame.seen is not None
    memory = [part[None] for part in frame.seen.remembered]
    inputs = {"tokens": frame.tokens.reshape(1, -1), **dict(zip(memory_names(world.config), memory, strict=True))}
    if engine.runtime.name == "onnx":
        from genie_core.runtimes.onnx_runtime import OnnxRuntime

        assert isinstance(engine.runtime, OnnxRuntime)
        return engine.runtime.part(engine.sampling.unmask_steps, inputs)
    tokens, *parts = (torch.tensor(array, device=world.device) for array in inputs.values())
    return lambda: Screen(world.tokenizer, parts).show(tokens)
