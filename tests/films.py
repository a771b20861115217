"""Video files made for a test."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np


def encode(path: Path, frames: np.ndarray, fps: int = 15, codec: str = "libx264", **options: str) -> Path:
    """A video of uint8 frames (t, H, W, 3), as the codec makes it."""
    form = options.pop("pix_fmt", "yuv420p")
    index_first = {"movflags": "faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=index_first) as container:
        stream = container.add_stream(codec, rate=Fraction(fps))
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], form
        stream.options = options
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path
