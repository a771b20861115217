"""Picture files to the uint8 arrays that a world starts from: any kind a player may have at hand.

Knows Pillow and numpy; of worlds it knows the size of their frames only.
"""

from __future__ import annotations

import math
import os
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from genie_core.colours import Colours, to_srgb
from genie_core.errors import PictureError
from genie_core.limits import PADDED_PIXELS, PICTURE_BYTES, PICTURE_SIDE

DRAFT_SIDE = 2048  # a JPEG is decoded at the coarsest scale of 1, 1/2, 1/4, 1/8 that leaves both sides this long
BAND_PIXELS = 2**18  # that are converted at a time
NARROW = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "LA": 4, "PA": 4}  # bytes a pixel, where not 4
COPIES = {
    "TGA": 2,
    "WEBP": 4,
    "JPEG2000": 5,
    "AVIF": 4,
    "TIFF": 2,
    "GIF": 2,
}  # of a decoded picture that its decoder keeps
KEPT_OF_PASSES = 6  # bytes a pixel of a progressive JPEG
ORIENTATION = 0x0112  # tags of Exif and TIFF
TILE_WIDTH, TILE_HEIGHT = 322, 323
FITS = ("crop", "pad", "stretch", "palette")  # `palette` is crop, in colours of pictures that the world knows
PALETTE_COLOURS = 64
# Tried in this order. No format that runs a program (EPS does), none whose reader looks at other files, and none that
# is decoded before its size can be asked for (ICO is).
FORMATS: tuple[str, ...] = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "JPEG2000", "ICNS")
FORMATS += ("DDS", "QOI", "SGI", "PCX", "TGA")
FORMATS += ("AVIF",) if find_spec("PIL.AvifImagePlugin") else ()  # Pillow before 11.3 has none
MID_GREY = (128, 128, 128)  # behind transparency: black ink and white ink both stay visible
_ADVICE = "expected a picture such as PNG, JPEG, GIF, WebP or BMP; try: python launch.py --play assets/coinrun.png"


def load_picture(path: str | Path) -> np.ndarray:
    """Reads the first frame of a picture file as uint8 RGB (H, W, 3) in [0, 255].

    The camera's rotation and the colour profile are applied, transparency is laid over mid-grey, deeper channels are
    scaled to 8 bits. A picture far larger than any prompt comes at a reduced scale.
    Raises PictureError for a file that is missing, no picture, damaged, or takes more memory than `PICTURE_BYTES`.
    """
    with _opened(path) as file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns of odd tags, which do not matter, and of large pictures
                return _decode(file, path)
        except PictureError:
            raise
        except Image.DecompressionBombError as error:
            raise PictureError(f"{path} has more pixels than are read; make it smaller") from error
        except UnidentifiedImageError as error:
            raise PictureError(f"{path} is not a picture in a format known here; {_ADVICE}") from error
        except Exception as error:  # parsers meet damaged bytes with almost any exception, each meaning the same
            raise PictureError(f"{path} is damaged and cannot be decoded ({error}); {_ADVICE}") from error


def picture_of(image: Image.Image) -> np.ndarray:
    """A picture in memory, as of the clipboard, as `load_picture` reads files: uint8 RGB (H, W, 3) in [0, 255]."""
    return np.array(ImageOps.exif_transpose(_shrunk(image)))


def fit(picture: np.ndarray, size: tuple[int, int], how: str = "crop", palette: np.ndarray | None = None) -> np.ndarray:
    """Makes uint8 (H, W, 3) the frame that a world of `size`, (height, width), starts from, by one of `FITS`.

    `crop` cuts a part of the frame's shape out of the middle, `pad` surrounds the picture with the mean colour of its
    border, `stretch` bends it, and `palette` crops it and takes the nearest colours of `palette`, from `palette_of`.
    A picture that is already so comes back bit for bit, and so does one that was enlarged a whole number of times
    without smoothing. A small picture is enlarged the same way, so that pixel art keeps its edges.
    Raises PictureError if `picture` is anything else.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise PictureError(
            f"a prompt is uint8 (H, W, 3), got {picture.dtype} {picture.shape}; read files with load_picture"
        )
    if how not in FITS:
        raise PictureError(f"a picture is fitted by one of {', '.join(FITS)}, not {how!r}")
    shaped = picture
    if how in ("crop", "palette"):
        shaped = _crop(picture, size)
    elif how == "pad":
        shaped = _pad(picture, size)
    fitted = _resize(shaped, size)
    return match_palette(fitted, palette) if how == "palette" and palette is not None else fitted


def palette_of(pictures: Sequence[np.ndarray], colours: int = PALETTE_COLOURS) -> np.ndarray:
    """The colours that stand for those of uint8 pictures (H, W, 3) of one width, by median cut: uint8 (colours, 3)."""
    sheet = Image.fromarray(np.concatenate(pictures))
    palette = sheet.quantize(colours, Image.Quantize.MEDIANCUT, kmeans=3).getpalette() or []
    return np.array(palette[: 3 * colours], np.uint8).reshape(-1, 3)


def match_palette(picture: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Each pixel of uint8 (H, W, 3) in the nearest colour of `palette`, uint8 (n, 3)."""
    distance = ((picture[..., None, :].astype(np.int32) - palette.astype(np.int32)) ** 2).sum(-1)
    return palette[distance.argmin(-1)]


def _crop(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The largest part in the middle that has the shape of `size`, to the nearest pixel."""
    height, width = picture.shape[:2]
    new_height = min(height, _nearest(width * size[0], size[1]))
    new_width = min(width, _nearest(height * size[1], size[0]))
    top, left = (height - new_height) // 2, (width - new_width) // 2
    return picture[top : top + new_height, left : left + new_width]


def _pad(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture in the middle of the smallest area around it that has the shape of `size`."""
    height, width = picture.shape[:2]
    new_height = max(height, _nearest(width * size[0], size[1]))
    new_width = max(width, _nearest(height * size[1], size[0]))
    shrink = math.sqrt(PADDED_PIXELS / (new_height * new_width))
    if shrink < 1:  # a thin picture needs far more room than it has pixels
        smaller = max(1, int(width * shrink)), max(1, int(height * shrink))
        return _pad(np.array(Image.fromarray(picture).resize(smaller, Image.Resampling.LANCZOS)), size)
    edges = [picture[0], picture[-1], picture[:, 0], picture[:, -1]]
    padded = np.empty((new_height, new_width, 3), np.uint8)
    padded[:] = np.concatenate(edges).mean(0).round()
    top, left = (new_height - height) // 2, (new_width - width) // 2
    padded[top : top + height, left : left + width] = picture
    return padded


def _nearest(length: int, divisor: int) -> int:
    """length / divisor as a whole number of pixels, at least one."""
    return max(1, round(length / divisor))


def _resize(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    height, width = picture.shape[:2]
    if (height, width) == size:
        return picture.copy()
    by = Image.Resampling.LANCZOS
    if (height % size[0], width % size[1]) == (0, 0) and height // size[0] == width // size[1]:
        by = Image.Resampling.BOX
    elif (size[0] % height, size[1] % width) == (0, 0) and size[0] // height == size[1] // width:
        by = Image.Resampling.NEAREST
    return np.array(Image.fromarray(picture).resize((size[1], size[0]), by))


@contextmanager
def _opened(path: str | Path) -> Iterator[BinaryIO]:
    try:
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise OSError("it is no file but a device or a pipe")
        file = Path(path).open("rb")  # noqa: SIM115  # closed below; errors of the block are not those of opening
    except (OSError, ValueError) as error:  # a name too long, a NUL in it, a dead network drive
        known: dict[type, str] = {
            FileNotFoundError: f"there is no file {path}",
            IsADirectoryError: f"{path} is a folder",
            PermissionError: f"{path} may not be read by this user",
        }
        raise PictureError(f"{known.get(type(error), f'{path} cannot be read ({error})')}; {_ADVICE}") from error
    with file:
        if not os.fstat(file.fileno()).st_size:
            raise PictureError(f"{path} is empty; {_ADVICE}")
        yield file


def _decode(file: BinaryIO, path: str | Path) -> np.ndarray:
    small = _decode_small(file, path)  # by now the large picture's memory is free again
    return np.array(ImageOps.exif_transpose(small))


def _decode_small(file: BinaryIO, path: str | Path) -> Image.Image:
    """RGB that still tells the camera's rotation."""
    with Image.open(file, formats=FORMATS) as whole:
        image = _of_icon(whole)
        _require_small(image, path)
        opaque = image.format == "TGA" and _alpha_bits(file) == 0
        covered = image.tile[0][1] if image.format == "GIF" else None  # type: ignore[attr-defined]
        image.load()
        small = _shrunk(image.convert("RGB") if opaque else image)
        if covered not in (None, (0, 0, *image.size)) and small.size == image.size:  # the rest of the frame is clear
            behind = Image.new("RGB", small.size, MID_GREY)
            behind.paste(small.crop(covered), covered)
            small = behind
        small.getexif()[ORIENTATION] = image.getexif().get(ORIENTATION, 1)
    return small


def _of_icon(image: Image.Image) -> Image.Image:
    """The picture inside an icon, not yet decoded: its size need not be the one that the icon tells."""
    return image.icns.getimage() if image.format == "ICNS" else image  # type: ignore[attr-defined]


def _require_small(image: Image.Image, path: str | Path) -> None:
    """Raises PictureError, before anything is decoded, if that takes more than `PICTURE_BYTES` or a side is too long.

    A JPEG is then set to be decoded at a reduced scale, unless it comes in passes, of which all is kept. A tiled TIFF
    is decoded tile by tile, and a tile may be larger than the picture.
    """
    width, height = image.size
    tile = getattr(image, "tag_v2", {}).get(TILE_WIDTH, 1) * getattr(image, "tag_v2", {}).get(TILE_HEIGHT, 1)
    a_pixel = NARROW.get(image.mode, 4) * COPIES.get(image.format or "", 1)
    if image.info.get("progressive"):
        a_pixel = KEPT_OF_PASSES
    else:
        image.draft(None, (DRAFT_SIDE, DRAFT_SIDE))
    if max(width, height) > PICTURE_SIDE or a_pixel * max(math.prod(image.size), tile) > PICTURE_BYTES:
        most = f"at most {PICTURE_BYTES / a_pixel / 1e6:.0f} million, and {PICTURE_SIDE:,} along a side"
        raise PictureError(f"{path} has {width}×{height} pixels; {most}, are read of such a picture; make it smaller")
    image.draft(None, (DRAFT_SIDE, DRAFT_SIDE))


def _alpha_bits(file: BinaryIO) -> int:
    """How many bits of a TGA's pixels are alpha: Pillow takes the fourth byte for it in any case."""
    file.seek(17)
    return file.read(1)[0] & 0x0F


def _shrunk(image: Image.Image) -> Image.Image:
    """RGB at the scale 1, 1/2, 1/3, … that has at most `DRAFT_SIDE`² pixels, made in bands to take little memory."""
    scale = math.ceil(math.sqrt(math.prod(image.size) / DRAFT_SIDE**2))
    width, height = image.size
    rows = scale * max(1, BAND_PIXELS // (width * scale))
    boxes = [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
    plain = _to_plain(image, boxes)
    colours: Colours | None = None
    small = Image.new("RGB", (-(-width // scale), -(-height // scale)))
    for box in boxes:
        part = plain(image.crop(box)).reduce(scale)
        colours = colours or to_srgb(image, part.mode)
        part = colours(part)
        if part.mode == "RGBA":
            part = Image.alpha_composite(Image.new("RGBA", part.size, (*MID_GREY, 255)), part).convert("RGB")
        small.paste(part, (0, box[1] // scale))
    return small


def _to_plain(image: Image.Image, boxes: list[tuple[int, int, int, int]]) -> Colours:
    """What turns parts of `image` into L, RGB, RGBA or CMYK."""
    if image.mode == "F" or image.mode.startswith("I"):
        full_scale = _full_scale(max(_grey(image.crop(box)).max() for box in boxes), image.mode)
        return lambda part: Image.fromarray(np.clip(_grey(part) * (255 / full_scale), 0, 255).round().astype(np.uint8))
    if image.has_transparency_data:
        return lambda part: part.convert("RGBA")
    return lambda part: part if part.mode in ("L", "RGB", "CMYK") else part.convert("RGB")


def _grey(deep: Image.Image) -> np.ndarray:
    return np.nan_to_num(np.asarray(deep).astype(np.float32), posinf=0.0, neginf=0.0)


def _full_scale(brightest: float, mode: str) -> float:
    """The smallest usual full scale of deep greyscale that holds its brightest pixel."""
    scales = (1.0, 255.0, 65535.0) if mode == "F" else (65535.0,)
    return next((scale for scale in scales if brightest <= scale), float(brightest))
