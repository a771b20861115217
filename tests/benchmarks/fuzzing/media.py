"""Pictures in every format that is read, animations and videos."""

from __future__ import annotations

import io
import random
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.changes import other_bytes
from fuzzing.kind import REPOSITORY, Files, Kind

SIDE = 24  # pixels
DATA = REPOSITORY / "tests/data"
MOST_CORPUS = 200_000  # bytes of a file that is damaged


def drawn() -> Any:
    """A small picture with edges, ramps and noise."""
    from PIL import Image

    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, SIDE).astype(np.uint8)
    picture = np.stack(np.broadcast_arrays(ramp[None], ramp[:, None], np.uint8(90)), -1).copy()
    picture[4:12, 6:18] = (220, 40, 30)
    picture[14:20] = rng.integers(0, 256, (6, SIDE, 3), np.uint8)
    return Image.fromarray(picture)


def small_pictures() -> dict[str, bytes]:
    """One of each format, mode and compression."""
    from PIL import Image

    rgb = drawn()
    profile = (DATA / "pictures/display-p3.jpg").read_bytes()
    icc = Image.open(io.BytesIO(profile)).info.get("icc_profile")
    deep = Image.fromarray(np.asarray(rgb.convert("L")).astype(np.uint16) * 257)
    made: dict[str, bytes] = {}

    def save(name: str, image: Any, format: str, **options: Any) -> None:
        file = io.BytesIO()
        image.save(file, format, **options)
        made[name] = file.getvalue()

    for mode in ("1", "L", "P", "RGB", "RGBA", "LA"):
        save(f"{mode}.png", rgb.convert(mode), "PNG")
    save("deep.png", deep, "PNG")
    save("profile.png", rgb, "PNG", icc_profile=icc)
    save("plain.jpg", rgb, "JPEG")
    save("passes.jpg", rgb, "JPEG", progressive=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turned.jpg", rgb, "JPEG", exif=exif, icc_profile=icc)
    save("cmyk.jpg", rgb.convert("CMYK"), "JPEG")
    save("plain.gif", rgb, "GIF")
    save("plain.bmp", rgb, "BMP")
    save("palette.bmp", rgb.convert("P"), "BMP")
    save("plain.ppm", rgb, "PPM")
    save("bits.pbm", rgb.convert("1"), "PPM")
    save("lossy.webp", rgb, "WEBP")
    save("lossless.webp", rgb.convert("RGBA"), "WEBP", lossless=True)
    for compression in ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        save(f"{compression}.tiff", rgb, "TIFF", compression=compression)
    save("float.tiff", rgb.convert("F"), "TIFF")
    save("fax.tiff", rgb.convert("1"), "TIFF", compression="group4")
    save("plain.jp2", rgb, "JPEG2000")
    save("plain.icns", rgb.resize((32, 32)), "ICNS")
    save("plain.dds", rgb, "DDS")
    save("block.dds", rgb, "DDS", pixel_format="DXT1")
    save("plain.qoi", rgb, "QOI")
    save("plain.sgi", rgb, "SGI")
    save("plain.pcx", rgb, "PCX")
    save("plain.tga", rgb, "TGA")
    save("packed.tga", rgb.convert("RGBA"), "TGA", compression="tga_rle")
    save("plain.avif", rgb, "AVIF")
    for path in sorted((DATA / "pictures").iterdir()):
        made[path.name] = path.read_bytes()
    return {name: content for name, content in made.items() if len(content) < MOST_CORPUS}


def mended_png(content: bytes) -> bytes:
    """The same with the right checksum for each chunk, as far as chunks can be told."""
    body, at = bytearray(content), 8
    while at + 12 <= len(body):
        (length,) = struct.unpack_from(">I", body, at)
        end = at + 8 + length
        if end + 4 > len(body):
            break
        struct.pack_into(">I", body, end, zlib.crc32(body[at + 4 : end]))
        at = end + 4
    return bytes(body)


def damaged_file(rng: random.Random, corpus: Files) -> Files:
    """One of `corpus` with other bytes; most PNGs get right checksums again, or nothing behind these is read."""
    name = rng.choice(sorted(corpus))
    content = other_bytes(rng, corpus[name])
    return {name: mended_png(content) if name.endswith("png") and rng.random() < 0.9 else content}


class Pictures(Kind):
    name = "pictures"
    batch = 3000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from genie_core.pictures import FITS, fit, load_picture

        self._load, self._fit, self._fits = load_picture, fit, FITS
        self._corpus = small_pictures()

    def damaged(self, rng: random.Random) -> Files:
        return damaged_file(rng, self._corpus)

    def use(self, files: Files) -> None:
        ((name, content),) = files.items()
        path = self.folder / name
        path.write_bytes(content)
        try:
            picture = self._load(path)
            for how in self._fits[:3]:
                assert self._fit(picture, (64, 64), how).shape == (64, 64, 3)
        finally:
            path.unlink()


def small_videos() -> dict[str, bytes]:
    """One of each container and codec that is here, twelve frames, and animations."""
    import av

    frames = [np.roll(np.asarray(drawn().resize((32, 32))), 2 * step, 1) for step in range(12)]
    made: dict[str, bytes] = {}
    kinds = {
        "h264.mp4": "libx264",
        "mpeg4.avi": "mpeg4",
        "vp9.webm": "libvpx-vp9",
        "vp8.mkv": "libvpx",
        "mpeg2.ts": "mpeg2video",
        "mjpeg.mov": "mjpeg",
        "theora.ogg": "libtheora",
        "h264.flv": "libx264",
        "ffv1.nut": "ffv1",
        "mpeg1.mpg": "mpeg1video",
        "raw.y4m": "wrapped_avframe",
        "bare.h264": "libx264",
        "still.apng": "apng",
    }
    for name, codec in kinds.items():
        file = io.BytesIO()
        try:
            with av.open(file, "w", format=_container(name)) as container:
                stream = container.add_stream(codec, rate=25, options={"preset": "ultrafast", "threads": "1"})
                stream.width, stream.height = 32, 32
                stream.pix_fmt = {"mjpeg": "yuvj420p", "apng": "rgb24"}.get(codec, "yuv420p")
                stream.time_base = Fraction(1, 25)
                for number, frame in enumerate(frames):
                    picture = av.VideoFrame.from_ndarray(frame, "rgb24").reformat(format=stream.pix_fmt)
                    picture.pts = number
                    container.mux(stream.encode(picture))
                container.mux(stream.encode(None))
        except (av.FFmpegError, ValueError):
            continue  # an encoder that this build of FFmpeg lacks
        made[name] = file.getvalue()
    return made | _animations(frames)


def _container(name: str) -> str:
    suffix = name.rpartition(".")[2]
    return {"mkv": "matroska", "ts": "mpegts", "mpg": "mpeg", "y4m": "yuv4mpegpipe"}.get(suffix, suffix)


def _animations(frames: list[np.ndarray]) -> dict[str, bytes]:
    from PIL import Image

    made, images = {}, [Image.fromarray(frame) for frame in frames[:6]]
    for name in ("moves.gif", "moves.webp", "moves.avif", "moves.png"):
        file = io.BytesIO()
        images[0].save(file, name.rpartition(".")[2].upper(), save_all=True, append_images=images[1:], duration=70)
        made[name] = file.getvalue()
    for path in sorted((DATA / "videos").iterdir()):
        made[path.name] = path.read_bytes()
    return {name: content for name, content in made.items() if len(content) < MOST_CORPUS}


class Videos(Kind):
    """Whether it moves, as the window asks of a dropped file, and its first 30 frames."""

    name = "videos"
    batch = 2000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from genie_core.video import is_animated, read_video

        self._moves, self._read = is_animated, read_video
        self._corpus = small_videos()
        self.use({"moves.gif": self._corpus["moves.gif"]})

    def damaged(self, rng: random.Random) -> Files:
        return damaged_file(rng, self._corpus)

    def use(self, files: Files) -> None:
        ((name, content),) = files.items()
        path = self.folder / name
        path.write_bytes(content)
        try:
            self._moves(path)
            self._read(path, (16, 16), 15, most_frames=30)
        finally:
            path.unlink()
