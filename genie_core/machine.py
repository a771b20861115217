"""How fast this machine is: the yardstick that timings of training and play are read against."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

MATMUL, MATMUL_OF_A_GPU = 1024, 8192  # sides of the square matrices that are multiplied


def may_have_gpu() -> bool:
    """Whether torch is worth asking for a GPU: importing it takes longer than everything else at a start."""
    apple = sys.platform == "darwin" and platform.machine() == "arm64"
    windows = Path(os.environ.get("SYSTEMROOT", ""), "System32", "nvcuda.dll")
    sign = apple or Path("/dev/nvidiactl").exists() or (sys.platform == "win32" and windows.exists())
    return sign and importlib.util.find_spec("torch") is not None


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def median_ms(call: Callable[[], object], times: int = 50) -> float:
    """The median time of `times` calls in milliseconds, after one to warm up."""
    call()
    return 1e3 * float(np.median([seconds(call) for _ in range(times)]))


def matmul_gflops(device: str = "cpu", half: bool = False) -> float:
    """GFLOP/s of a large matrix product in float32, or bfloat16: on a CPU, on as many threads as torch has now."""
    import torch

    side, kind = MATMUL if device == "cpu" else MATMUL_OF_A_GPU, torch.bfloat16 if half else torch.float32
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    return 2 * side**3 / (median_ms(lambda: float((a @ b)[0, 0]), times=10) / 1e3) / 1e9  # a number waits for the GPU
