"""`--benchmark`: how fast a world plays here, and where the time goes. Timings are medians in milliseconds."""

from __future__ import annotations

import dataclasses
import math
import resource
import sys
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from genie_core.config import SamplingConfig
from genie_core.engine import NextFrame, WorldEngine, threads_for
from genie_core.machine import matmul_gflops, median_ms, seconds
from genie_core.world import World

WARM_UP, STEPS = 20, 200
SWEEP_STEPS = 30
SWEEP = {"unmask_steps": (1, 2, 3, 4, 8), "context_frames": (4, 8, 16), "players": (1, 2, 4, 8)}


def benchmark(world: World, quiet: bool = False) -> dict[str, Any]:
    """All figures of `world`, played unpaced from a grey picture."""
    return measure_speed(world, quiet) | {"sweep": sweep(world, quiet)}


def measure_speed(world: World, quiet: bool = False) -> dict[str, Any]:
    """The figures of a single player at the world's own settings."""
    engine, step_ms = play(world, 1, STEPS, quiet)
    with FlopCounterMode(display=False) as counter, threads_for(1):
        engine.step(0)
        threads = torch.get_num_threads()
    matmul = matmul_gflops()
    gflop = counter.get_total_flops() / 1e9
    p50, p95 = (float(np.percentile(step_ms, share)) for share in (50, 95))
    parts = parts_ms(engine)
    return {
        "fps": 1e3 / p50,
        "step_ms": {"p50": p50, "p95": p95},
        **parts,
        "overhead_ms": p50 - parts["dynamics_ms"] - parts["decode_ms"],
        "unmask_steps": world.config.sampling.unmask_steps,
        "tokens_per_frame": math.prod(world.config.tokenizer.grid),
        "context_frames": world.config.context_frames,
        "parameters": {n: sum(p.numel() for p in net.parameters()) for n, net in world.networks().items()},
        "gflop_per_frame": gflop,
        "matmul_gflops": matmul,
        "fraction_of_matmul_peak": gflop / (p50 / 1e3) / matmul,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2),
        "threads": threads,
        "device": str(world.device),
    }


def play(
    world: World, players: int, steps: int, quiet: bool = True, sampling: SamplingConfig | None = None
) -> tuple[WorldEngine, np.ndarray]:
    """An engine whose context is full, and the milliseconds that each of `steps` steps of all `players` took."""
    engine = WorldEngine(world, sampling=sampling, players=players)
    for player in range(players):
        engine.reset(np.full((*world.config.frame_size, 3), 128, np.uint8), player)
    count = len(world.config.actions)

    def step(index: int) -> None:
        engine.step({player: (index + player) % count for player in range(players)})

    for index in range(WARM_UP):
        step(index)
    bar = tqdm(range(steps), desc="benchmark", disable=quiet)
    return engine, 1e3 * np.array([seconds(partial(step, index)) for index in bar])


def sweep(world: World, quiet: bool) -> list[dict[str, Any]]:
    """Frames a second of all players together, changing one thing at a time; other contexts with fresh weights."""
    rows = []
    bar = tqdm([(name, value) for name, values in SWEEP.items() for value in values], desc="sweep", disable=quiet)
    for name, value in bar:
        changed, players, sampling = world, 1, world.config.sampling
        if name == "unmask_steps":
            sampling = dataclasses.replace(sampling, unmask_steps=value)
        elif name == "players":
            players = value
        else:
            dynamics = dataclasses.replace(world.config.dynamics, context_frames=value)
            changed = World(dataclasses.replace(world.config, dynamics=dynamics)).to(world.device)
        _, step_ms = play(changed, players, SWEEP_STEPS, sampling=sampling)
        rows.append(
            {name: value, "step_ms": float(np.median(step_ms)), "fps": 1e3 * players / float(np.median(step_ms))}
        )
    return rows


@torch.inference_mode()
def parts_ms(engine: WorldEngine) -> dict[str, float]:
    """What a step consists of: all dynamics passes of a frame and one decoding; and what a prompt's encoding takes."""
    world, moment = engine.world, engine.snapshot()
    last = moment.frames[-1]
    assert last.seen is not None
    seen, tokens = last.seen, last.tokens[None, None].to(world.device)
    prompt = torch.zeros(1, 1, *world.config.frame_size, 3, dtype=torch.uint8, device=world.device)

    def passes() -> None:
        new = NextFrame(world.dynamics, engine._ring, [last], [0])
        for _ in range(world.config.sampling.unmask_steps):
            new.predict(new.blank)

    with threads_for(1):
        return {
            "dynamics_ms": median_ms(passes),
            "decode_ms": median_ms(lambda: world.tokenizer.decode_next(tokens, seen.decoder_past)),
            "encode_ms": median_ms(lambda: world.encode(prompt)),
        }
