"""The one encoder of mp4 videos: H.264 that any player and browser shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import BinaryIO

import numpy as np

QUALITY = 16  # x264's constant rate factor; at this one pixel art shows no artefacts
FRAGMENT_SECONDS = 2
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}


@contextmanager
def open_mp4(
    file: str | BinaryIO, shape: tuple[int, ...], fps: float, times: int, live: bool = False
) -> Iterator[Callable[[np.ndarray], None]]:
    """Gives a function that adds a frame, uint8 (H, W, 3), enlarged `times`. One of another size than `shape` is cut,
    or gets black beside it.

    A `live` video is encoded fast on one thread, as the world needs the others, and written in fragments of two
    seconds, each whole as soon as it is on disk.
    """
    import av  # brings ffmpeg, which no other kind of file needs

    height, width = (times * side // 2 * 2 for side in shape[:2])  # yuv420p wants even sides
    with av.open(file, "w", format="mp4", options=FRAGMENTED if live else {}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": str(QUALITY)}
        if live:
            stream.options |= {"preset": "veryfast"}
            stream.codec_context.gop_size = max(1, round(FRAGMENT_SECONDS * fps))
            stream.codec_context.thread_count = 1

        def add(frame: np.ndarray) -> None:
            large = enlarge(frame, times)[:height, :width]
            missing = height - large.shape[0], width - large.shape[1]
            if any(missing):
                large = np.pad(large, ((0, missing[0]), (0, missing[1]), (0, 0)))
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(large), format="rgb24")
            container.mux(stream.encode(picture))

        yield add
        container.mux(stream.encode())


def enlarge(frame: np.ndarray, times: int) -> np.ndarray:
    """Each pixel of uint8 (H, W, 3) as a square of `times` by `times`."""
    return frame.repeat(times, axis=0).repeat(times, axis=1)
