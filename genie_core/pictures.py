"""Picture files to the uint8 arrays that a world starts from: any kind a player may have at hand.

Knows Pillow and numpy; of worlds it knows the size of their frames only.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from genie_core.errors import PictureError

DRAFT_SIDE = 2048  # a JPEG is decoded at the coarsest scale of 1, 1/2, 1/4, 1/8 that leaves both sides this long
FITS = ("crop", "pad", "stretch", "palette")  # `palette` is crop, in colours of pictures that the world knows
PALETTE_COLOURS = 64
MOST_PADDED = 4096 * 4096  # pixels of a picture with its border
# Tried in this order. No format that runs a program (EPS does), and none whose reader looks at other files.
FORMATS: tuple[str, ...] = ("PNG", "JPEG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "JPEG2000", "ICO", "ICNS")
FORMATS += ("DDS", "QOI", "SGI", "PCX", "TGA")
FORMATS += ("AVIF",) if find_spec("PIL.AvifImagePlugin") else ()  # Pillow before 11.3 has none
MID_GREY = (128, 128, 128)  # behind transparency: black ink and white ink both stay visible
_ADVICE = "expected a picture such as PNG, JPEG, GIF, WebP or BMP; try: python launch.py --play assets/coinrun.png"


def load_picture(path: str | Path) -> np.ndarray:
    """Reads the first frame of a picture file as uint8 RGB (H, W, 3) in [0, 255].

    The camera's rotation is applied, transparency is laid over mid-grey, deeper channels are scaled to 8 bits.
    A JPEG far larger than any prompt comes at a reduced scale.
    Raises PictureError for a file that is missing, no picture, damaged, or above some 179 million pixels.
    """
    data = _read(path)
    try:
        with warnings.catch_warnings():
            # Pillow warns of odd tags, which do not matter, and from 89 million pixels on, which is no fault:
            # it refuses by itself at twice that, the limit wanted here.
            warnings.simplefilter("ignore")
            return _decode(data)
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"{path} has more pixels than the {2 * (Image.MAX_IMAGE_PIXELS or 0):,} that are read; make it smaller"
        ) from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{path} is not a picture in a format known here; {_ADVICE}") from error
    except Exception as error:  # parsers meet damaged bytes with almost any exception, each meaning the same
        raise PictureError(f"{path} is damaged and cannot be decoded ({error}); {_ADVICE}") from error


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
    shrink = math.sqrt(MOST_PADDED / (new_height * new_width))
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


def _read(path: str | Path) -> bytes:
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:  # a name too long, a NUL in it, a dead network drive
        known: dict[type, str] = {
            FileNotFoundError: f"there is no file {path}",
            IsADirectoryError: f"{path} is a folder",
            PermissionError: f"{path} may not be read by this user",
        }
        raise PictureError(f"{known.get(type(error), f'{path} cannot be read ({error})')}; {_ADVICE}") from error
    if not data:
        raise PictureError(f"{path} is empty; {_ADVICE}")
    return data


def _decode(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        image.draft(None, (DRAFT_SIDE, DRAFT_SIDE))
        return np.array(_to_rgb(ImageOps.exif_transpose(image)))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_to_eight_bits(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        behind = Image.new("RGBA", picture.size, (*MID_GREY, 255))
        return Image.alpha_composite(behind, picture).convert("RGB")
    return image.convert("RGB")


def _to_eight_bits(grey: np.ndarray) -> np.ndarray:
    """Deep greyscale (H, W) to uint8, by the smallest usual full scale that holds its brightest pixel."""
    scales = (1.0, 255.0, 65535.0) if grey.dtype.kind == "f" else (65535.0,)
    grey = np.nan_to_num(grey.astype(np.float32), posinf=0.0, neginf=0.0)
    brightest = float(grey.max())
    full_scale = next((scale for scale in scales if brightest <= scale), brightest)
    return np.clip(grey * (255 / full_scale), 0, 255).round().astype(np.uint8)
