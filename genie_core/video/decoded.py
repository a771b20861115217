"""A frame as FFmpeg has decoded it, cropped, scaled and converted by FFmpeg too, once somebody asks for it.

One filter graph serves all frames alike: tagged colours come out right, deeper channels as 8 bits, clear parts as
mid-grey, and a frame that nobody asks for costs no conversion.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cached_property
from typing import Any

import av
import numpy as np

from genie_core.limits import Size
from genie_core.pictures import MID_GREY
from genie_core.video.source import Part, require_size

WIDEST_PIXEL = 8  # times as wide as high, or the other way round; more is an error of the file
MOST_GRAPHS = 16  # kept ready


class DecodedPicture:
    """A decoded frame, shown each of whose pixels is `stretch` times as high and as wide as it is decoded."""

    def __init__(self, frame: av.VideoFrame, stretch: tuple[float, float], graphs: dict[Any, av.filter.Graph]) -> None:
        self._frame, self._stretch, self._graphs = frame, stretch, graphs

    @cached_property
    def _orientation(self) -> tuple[int, bool]:
        return _orientation(self._frame)

    @cached_property
    def size(self) -> Size:
        frame, (tall, wide) = self._frame, self._stretch
        height, width = max(1, round(frame.height * tall)), max(1, round(frame.width * wide))
        require_size((height, width))
        return (width, height) if self._orientation[0] % 2 else (height, width)

    def rgb(self, part: Part | None = None, size: Size | None = None) -> np.ndarray:
        part = part or Part(0, 0, *self.size)
        out = size or (part.height, part.width)
        turns, mirrored = self._orientation
        pixels = self._convert(self._lay(part), (out[1], out[0]) if turns % 2 else out)
        if not turns and not mirrored:
            return pixels
        return np.ascontiguousarray(np.rot90(pixels[:, ::-1] if mirrored else pixels, turns))

    def _lay(self, part: Part) -> Part:
        """What of the frame as it is decoded becomes `part` of the picture as it is shown."""
        (top, left, height, width), shape = part, self.size
        for _ in range(self._orientation[0]):
            top, left, height, width = left, shape[0] - top - height, width, height
            shape = shape[1], shape[0]
        left = shape[1] - left - width if self._orientation[1] else left
        tall, wide = self._stretch
        return Part(int(top / tall), int(left / wide), max(1, round(height / tall)), max(1, round(width / wide)))

    def _convert(self, part: Part, size: Size) -> np.ndarray:
        frame = self._frame
        kind = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range, part, size)
        if kind not in self._graphs:
            if len(self._graphs) >= MOST_GRAPHS:
                self._graphs.clear()
            self._graphs[kind] = _graph(frame, part, size)
        graph = self._graphs[kind]
        graph.vpush(frame)
        pixels: np.ndarray = graph.vpull().to_ndarray()
        if pixels.shape[2] == 4:
            alpha = pixels[..., 3:].astype(np.uint16)
            pixels = ((pixels[..., :3] * alpha + np.uint16(MID_GREY[0]) * (255 - alpha) + 127) // 255).astype(np.uint8)
        return pixels


def _graph(frame: av.VideoFrame, part: Part, size: Size) -> av.filter.Graph:
    """Cuts `part` out of frames like `frame` and scales it to `size`, as rgb24 or rgba."""
    graph = av.filter.Graph()
    base = frame.time_base or Fraction(1, 1000)
    nodes = [graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=base)]
    if part != (0, 0, frame.height, frame.width):
        nodes.append(graph.add("crop", f"{part.width}:{part.height}:{part.left}:{part.top}:exact=1"))
    nodes.append(graph.add("scale", f"{size[1]}:{size[0]}:flags=area+accurate_rnd+full_chroma_int:threads=1"))
    clear = any(component.is_alpha for component in frame.format.components) or frame.format.name == "pal8"
    nodes += [graph.add("format", "rgba" if clear else "rgb24"), graph.add("buffersink")]
    graph.link_nodes(*nodes).configure()
    return graph


def _orientation(frame: av.VideoFrame) -> tuple[int, bool]:
    """Quarter turns to the left that bring a frame upright, after it was mirrored if the second says so."""
    found: Any = frame.side_data.get("DISPLAYMATRIX")
    if found is None:
        return 0, False
    matrix = np.frombuffer(found, np.int32)
    a, b, c, d = (int(matrix[i]) for i in (0, 1, 3, 4))
    mirrored = a * d - b * c < 0
    a, b = (-a, -b) if mirrored else (a, b)
    return round(-math.atan2(b, a) / (math.pi / 2)) % 4, mirrored


def pixel_shape(stream: av.VideoStream) -> tuple[float, float]:
    """How many times as high and as wide a pixel is shown as it is stored; never smaller."""
    ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    wide = float(ratio) if ratio else 1.0
    if not 1 / WIDEST_PIXEL <= wide <= WIDEST_PIXEL:
        wide = 1.0
    return (1.0, wide) if wide >= 1 else (1 / wide, 1.0)
