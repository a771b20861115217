"""Playable world models learnt from unlabelled video, after Genie (Bruce et al. 2024, arXiv:2402.15391).

Axes, everywhere: `b` batch, `t` frames, `h w` token grid, `n = h*w`, `H W` pixels, `c` colour, `d` width.
Pixels are uint8 [0, 255] at the engine's edge and float [-1, 1] inside.
"""

import os

# Before torch is imported anywhere: spinning OpenMP threads beside a busy core cost fifteen times the step.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__all__ = ["World", "WorldEngine"]


def __getattr__(name: str) -> object:
    """Imports the two public classes on first use, so that `--help` and the errors need no torch."""
    if name == "World":
        from genie_core.world import World

        return World
    if name == "WorldEngine":
        from genie_core.engine import WorldEngine

        return WorldEngine
    raise AttributeError(f"module 'genie_core' has no attribute {name!r}")
