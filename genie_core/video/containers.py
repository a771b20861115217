"""Videos in containers, such as MP4 and WebM, and bare streams, decoded by FFmpeg through PyAV.

FFmpeg also crops, scales and converts, in one filter graph for all frames alike: tagged colours come out right, deeper
channels as 8 bits, and a frame that nobody asks for costs no conversion.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av
import numpy as np

from genie_core.errors import PictureError
from genie_core.limits import Size
from genie_core.pictures import MID_GREY
from genie_core.video.source import MOST_PIXELS, Account, Part, Picture, Timed

# Containers that hold their own frames. A playlist or a script would make FFmpeg open the files that it names.
FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,vvc,obu,ivf,flv,asf,ogg,gif,apng,"
    "mxf,nut,rm,dv,vc1,dirac,h263,mjpeg,yuv4mpegpipe,gxf,wtv"
)
# FFmpeg gets bytes, no name: there is no protocol that it may open anything by.
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
WIDEST_PIXEL = 8  # times as wide as high, or the other way round; more is an error of the file
MOST_GRAPHS = 16
SHORT_BY = 0.05, 0.5  # share and seconds by which a file must lack frames to be told cut short


class ContainerVideo:
    """An open video file; `threads` decode it, 0 for as many as FFmpeg likes. Raises PictureError, without a path."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        self.account = Account()
        self._file = path.open("rb")
        try:
            self._container = av.open(self._file, "r", options=OPTIONS)
            self._stream = self._choose()
            self._stream.codec_context.thread_count = threads
        except BaseException:
            self.close()
            raise
        self._graphs: dict[tuple[Any, ...], av.filter.Graph] = {}

    def close(self) -> None:
        if hasattr(self, "_container"):
            self._container.close()
        self._file.close()

    def _choose(self) -> av.VideoStream:
        every = self._container.streams
        films = [stream for stream in every.video if not stream.disposition & stream.disposition.attached_pic]
        if not films:
            raise PictureError(f"it has {'sound but ' if every.audio else ''}no pictures in it")
        streams = [stream for stream in films if stream.codec_context is not None]
        if not streams:
            raise PictureError("it is coded in a way that is not known here, or damaged")
        return max(streams, key=lambda stream: stream.width * stream.height)

    @property
    def size(self) -> Size:
        for picture in self.samples(1):
            return picture.size
        raise PictureError("it holds no whole frame")

    @property
    def seconds(self) -> float | None:
        stream, container = self._stream, self._container
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return container.duration / av.time_base if container.duration else None

    @property
    def fps(self) -> float | None:
        rate = self._stream.guessed_rate or self._stream.average_rate
        return float(rate) if rate else None

    def frames(self) -> Iterator[Timed]:
        base = float(self._stream.time_base or 0)
        broken_from: float | None = None  # the second; what follows hangs on what was lost, up to the next key frame
        joined = True
        for packet in self._packets():
            frames, whole = self._decode(packet)
            if not whole:
                stamp = _seconds(packet.pts, base)
                broken_from = min(stamp, broken_from or stamp) if stamp is not None else -math.inf
            for frame in frames:
                stamp = _seconds(frame.pts, base)
                later = broken_from is not None and (stamp is None or stamp >= broken_from)
                if frame.is_corrupt or (later and not frame.key_frame):
                    broken_from = broken_from if later else (stamp if stamp is not None else -math.inf)
                    self.account.damages += joined
                    joined = False
                    continue
                broken_from = None if later else broken_from
                yield Timed(stamp, _seconds(frame.duration or None, base), self._picture(frame), joined)
                joined = True
        self._notice_missing(broken_from is not None and joined)

    def _notice_missing(self, damaged_at_end: bool) -> None:
        """Notes how much of the video is not there, if that is much more than a file may be wrong by."""
        missing = (self.seconds or 0.0) - self.account.seconds
        if missing > max(SHORT_BY[0] * self.account.seconds, SHORT_BY[1]) or (damaged_at_end and missing > 0):
            self.account.missing_s = missing

    def samples(self, count: int) -> Iterator[Picture]:
        again = ContainerVideo(Path(self._file.name), 1)  # of its own, for some streams know no way back
        try:
            yield from again._seek_all(count)
        finally:
            again.close()

    def _seek_all(self, count: int) -> Iterator[Picture]:
        """The key frames before `count` times all over the video; the first frame of a stream that cannot be sought."""
        seconds, before = self.seconds or 0.0, -1
        for at in range(count):
            try:
                if at:
                    self._container.seek(int(seconds * at / count * av.time_base))
                frame = next(iter(self._container.decode(self._stream)))
            except (av.FFmpegError, StopIteration, OSError):
                return
            if frame.pts != before:
                yield self._picture(frame)
            if frame.pts is None:
                return
            before = frame.pts

    def _packets(self) -> Iterator[av.Packet]:
        packets = iter(self._container.demux(self._stream))
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError, ValueError):  # the file ends where it should not
                packet = None
                yield from self._flush()
            if packet is None:
                return
            yield packet

    def _flush(self) -> Iterator[av.Packet]:
        """An empty packet, which makes the decoder hand out what it still holds."""
        packet = av.Packet()
        packet.stream = self._stream
        yield packet

    def _decode(self, packet: av.Packet) -> tuple[list[av.VideoFrame], bool]:
        """The frames that a packet completes, and whether it could be decoded."""
        try:
            return self._stream.codec_context.decode(packet), True
        except av.EOFError:
            return [], True
        except (av.FFmpegError, ValueError):
            return [], False

    def _picture(self, frame: av.VideoFrame) -> Picture:
        return ContainerPicture(frame, self._pixel_shape, self._graphs)

    @cached_property
    def _pixel_shape(self) -> tuple[float, float]:
        return _pixel_shape(self._stream)


class ContainerPicture:
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
        if height * width > MOST_PIXELS:
            most = f"at most {MOST_PIXELS / 10**6:.0f} million pixels"
            raise PictureError(f"it has frames of {width}×{height}, expected {most}; make them smaller")
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
    graph.threads = 1
    base = frame.time_base or Fraction(1, 1000)
    nodes = [graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=base)]
    if part != (0, 0, frame.height, frame.width):
        nodes.append(graph.add("crop", f"{part.width}:{part.height}:{part.left}:{part.top}:exact=1"))
    nodes.append(graph.add("scale", f"{size[1]}:{size[0]}:flags=area+accurate_rnd+full_chroma_int"))
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


def _seconds(value: int | None, base: float) -> float | None:
    return value * base if value is not None and base else None


def _pixel_shape(stream: av.VideoStream) -> tuple[float, float]:
    """How many times as high and as wide a pixel is shown as it is stored; never smaller."""
    ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    wide = float(ratio) if ratio else 1.0
    if not 1 / WIDEST_PIXEL <= wide <= WIDEST_PIXEL:
        wide = 1.0
    return (1.0, wide) if wide >= 1 else (1 / wide, 1.0)
