"""`--benchmark`: how fast a world plays here, and where the time goes. Timings are medians in milliseconds."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from genie_core.engine import WorldEngine, begin
from genie_core.errors import DataError
from genie_core.world import World

WARM_UP, STEPS = 20, 200
MATMUL = 1024  # side of the square matrices whose product is this machine's yardstick


def benchmark(world: World, json_path: Path | None, quiet: bool = False) -> dict[str, Any]:
    """Plays `world` unpaced from a grey picture and writes the figures to `json_path`."""
    if json_path is not None and not json_path.parent.is_dir():
        raise DataError(f"cannot write {json_path}: there is no folder {json_path.parent}; make it first")
    size = world.config.frame_size
    engine = WorldEngine(world)
    engine.reset(np.full((size, size, 3), 128, np.uint8))
    for _ in range(WARM_UP):
        engine.step(0)
    steps = [
        _seconds(partial(engine.step, index % len(world.config.actions)))
        for index in tqdm(range(STEPS), desc="benchmark", disable=quiet)
    ]
    with FlopCounterMode(display=False) as counter:
        engine.step(0)
    matmul = matmul_gflops()
    gflop = counter.get_total_flops() / 1e9
    step_ms = 1e3 * np.array(steps)
    report = {
        "fps": 1e3 / float(np.median(step_ms)),
        "step_ms": {"p50": float(np.percentile(step_ms, 50)), "p95": float(np.percentile(step_ms, 95))},
        **_parts_ms(world),
        "unmask_steps": world.config.sampling.unmask_steps,
        "tokens_per_frame": world.config.tokenizer.grid**2,
        "context_frames": world.config.context_frames,
        "parameters": {n: sum(p.numel() for p in net.parameters()) for n, net in world.networks().items()},
        "gflop_per_frame": gflop,
        "matmul_gflops": matmul,
        "fraction_of_matmul_peak": gflop / (float(np.median(step_ms)) / 1e3) / matmul,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2),
        "threads": torch.get_num_threads(),
        "device": str(world.device),
    }
    if json_path is not None:
        part = json_path.with_name(json_path.name + ".part")
        part.write_text(json.dumps(report, indent=2) + "\n")
        part.replace(json_path)
    return report


@torch.inference_mode()
def _parts_ms(world: World) -> dict[str, float]:
    """Medians of what a step consists of, after a full context: all dynamics passes of a frame, and one decoding."""
    size, dynamics = world.config.frame_size, world.dynamics
    prompt = torch.full((1, size, size, 3), 128, dtype=torch.uint8, device=world.device)
    now = begin(world, prompt)
    action = torch.zeros(1, dtype=torch.long, device=world.device)
    past = now.past
    for _ in range(world.config.context_frames):
        past = dynamics.remember(now.tokens, action, past)
    blank = torch.full_like(now.tokens, dynamics.config.mask_id)
    predict = _median_ms(lambda: dynamics.predict(blank, action, past))
    remember = _median_ms(lambda: dynamics.remember(now.tokens, action, past))
    return {
        "dynamics_ms": world.config.sampling.unmask_steps * predict + remember,
        "decode_ms": _median_ms(lambda: world.tokenizer.decode_next(now.tokens[:, None], now.decoder_past)),
        "encode_ms": _median_ms(lambda: world.encode(prompt[:, None])),
    }


def _median_ms(call: Callable[[], object], times: int = 50) -> float:
    call()
    return 1e3 * float(np.median([_seconds(call) for _ in range(times)]))


def matmul_gflops() -> float:
    """What a large float32 product reaches here, in GFLOP/s."""
    a, b = torch.randn(MATMUL, MATMUL), torch.randn(MATMUL, MATMUL)
    return 2 * MATMUL**3 / (_median_ms(lambda: a @ b, times=10) / 1e3) / 1e9


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
