"""How fast a world plays on this computer: measured in a second or so, and kept for a day."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from pathlib import Path

from genie_core.errors import GenieError, MissingGraphError
from genie_core.files import write_whole

STEPS = 15
KEPT_S = 86_400  # a computer that is busy now need not be so tomorrow


def frames_per_second(folder: Path) -> float | None:
    """Frames a second of the world in `folder`, by ONNX Runtime; None if it plays by torch alone, which loads too long.

    Raises CheckpointError for a world that cannot be played.
    """
    from genie_core.runtimes.choose import has_onnx_runtime

    if not has_onnx_runtime():
        return None
    from genie_core.runtimes.graph_store import cache_folder

    config = (folder / "config.json").read_bytes()
    told = f"{os.cpu_count()} {os.environ.get('OMP_NUM_THREADS')} ".encode()
    kept = cache_folder().parent / "speeds" / hashlib.sha256(told + config).hexdigest()[:32]
    with contextlib.suppress(OSError, ValueError):
        if time.time() - kept.stat().st_mtime < KEPT_S:
            return float(kept.read_text(encoding="utf-8"))
    try:
        fps = _measure(folder)
    except MissingGraphError:
        return None
    with contextlib.suppress(OSError, GenieError):  # a cache that cannot be written to is made do without
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, f"{fps:.1f}")
    return fps


def _measure(folder: Path) -> float:
    import numpy as np

    from genie_core.engine import WorldEngine
    from genie_core.graph_world import GraphWorld
    from genie_core.machine import seconds

    world = GraphWorld.from_pretrained(folder)
    engine = WorldEngine(world)
    engine.reset(np.full((*world.config.frame_size, 3), 128, np.uint8))
    return 1 / min(seconds(lambda: engine.step(0)) for _ in range(STEPS))  # what else the computer does only adds
