"""Videos in containers, such as MP4 and WebM, and bare streams, decoded by FFmpeg through PyAV."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import av

from genie_core.errors import PictureError
from genie_core.limits import DECODED_PIXELS, Size
from genie_core.video.decoded import DecodedPicture, pixel_shape
from genie_core.video.source import Account, Picture, Timed, require_size

# Containers that hold their own frames. A playlist or a script would make FFmpeg open the files that it names.
FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,vvc,obu,ivf,flv,asf,ogg,gif,apng,"
    "mxf,nut,rm,dv,vc1,dirac,h263,mjpeg,yuv4mpegpipe,gxf,wtv"
)
# FFmpeg gets bytes, no name: there is no protocol that it may open anything by.
# A GIF makes FFmpeg take its whole canvas when it is opened, so its decoders get the bound as well.
DECODER = {"max_pixels": str(DECODED_PIXELS)}
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "none", **DECODER}
SOUGHT = ("mov", "matroska")  # containers with an index, in which seeking is exact
SAME_S = 1e-4  # by which two times may differ that are meant to be one
SHORT_BY = 0.05, 0.5  # share and seconds by which a file must lack frames to be told cut short


class ContainerVideo:
    """An open video file; `threads` decode it, 0 for as many as FFmpeg likes. Raises PictureError, without a path."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        self.account = Account()
        self._file = path.open("rb")
        try:
            self._container = av.open(self._file, "r", options=OPTIONS)
            self._stream = self._choose()
            require_size((self._stream.height, self._stream.width))
            self._stream.codec_context.thread_count = threads
            self._stream.codec_context.options = DECODER
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

    @property
    def sought(self) -> bool:
        """Whether `frames` can begin anywhere."""
        name = self._container.format.name
        return bool(self.seconds and self._stream.time_base and name.startswith(SOUGHT))

    def frames(self, start_s: float = 0.0, end_s: float = math.inf) -> Iterator[Timed]:
        """All pictures, or those of which the file says that they appear from `start_s` on and before `end_s`."""
        base, first = float(self._stream.time_base or 0), self._stream.start_time or 0
        if start_s:
            self._container.seek(first + int(start_s / base), stream=self._stream)
        for timed in self._whole_frames(base):
            stamp = None if timed.stamp is None else timed.stamp - first * base
            if stamp is not None and stamp >= end_s - SAME_S:
                break
            if stamp is None or stamp >= start_s - SAME_S:
                yield timed
        self._notice_missing(min(end_s, self.seconds or 0.0) - start_s)

    def _whole_frames(self, base: float) -> Iterator[Timed]:
        """The frames from here on, without those that cannot be decoded and those that hang on them."""
        broken_from: float | None = None  # the second; what follows is left out, up to the next key frame
        joined = True
        for packet in self._packets():
            frames, whole = self._decode(packet)
            if not whole:
                stamp = _seconds(packet.pts, base)
                earlier = math.inf if broken_from is None else broken_from
                broken_from = -math.inf if stamp is None else min(stamp, earlier)
            for frame in frames:
                stamp = _seconds(frame.pts, base)
                later = broken_from is not None and (stamp is None or stamp >= broken_from)
                if frame.is_corrupt or (later and not frame.key_frame):
                    broken_from = broken_from if later else (-math.inf if stamp is None else stamp)
                    self.account.damages += joined
                    joined = False
                    continue
                broken_from = None if later else broken_from
                yield Timed(stamp, _seconds(frame.duration or None, base), self._picture(frame), joined)
                joined = True

    def _notice_missing(self, wanted_s: float) -> None:
        """Notes how much of `wanted_s` seconds is not there, if that is more than a file may be wrong by."""
        missing = wanted_s - self.account.seconds
        if missing > max(SHORT_BY[0] * wanted_s, SHORT_BY[1]):
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
        return DecodedPicture(frame, self._stretch, self._graphs)

    @cached_property
    def _stretch(self) -> tuple[float, float]:
        return pixel_shape(self._stream)


def _seconds(value: int | None, base: float) -> float | None:
    return value * base if value is not None and base else None
