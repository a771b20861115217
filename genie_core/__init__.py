"""Playable world models learnt from unlabelled video, after Genie (Bruce et al. 2024, arXiv:2402.15391).

Axes, everywhere: `b` batch, `t` frames, `h w` token grid, `n = h*w`, `H W` pixels, `c` colour, `d` width.
Pixels are uint8 [0, 255] at the engine's edge and float [-1, 1] inside.
"""

import importlib
import os

# Before torch is imported anywhere: spinning OpenMP threads beside a busy core cost fifteen times the step.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOMES = {
    "VideoDataset": "genie_core.data.dataset",
    "World": "genie_core.world",
    "WorldEngine": "genie_core.engine",
    "load_picture": "genie_core.pictures",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    """Imports what is public on first use, so that `--help` and the errors need no torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'genie_core' has no attribute {name!r}")
    public: object = getattr(importlib.import_module(_HOMES[name]), name)
    return public
