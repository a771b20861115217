"""Picture files to the uint8 arrays that a world starts from: any kind a player may have at hand.

Knows Pillow and numpy; knows nothing of worlds but the side of the square frame they want.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from genie_core.errors import PictureError

DRAFT_SIDE = 2048  # a JPEG is decoded at the coarsest scale of 1, 1/2, 1/4, 1/8 that leaves both sides this long
MID_GREY = (128, 128, 128)  # behind transparency: black ink and white ink both stay visible
_ADVICE = "expected a picture such as PNG, JPEG, GIF, WebP or BMP; try: python launch.py --play assets/coinrun.png"


def load_picture(path: str | Path) -> np.ndarray:
    """Reads the first frame of a picture file as uint8 RGB (H, W, 3) in [0, 255].

    The camera's rotation is applied, transparency is laid over mid-grey, deeper channels are scaled to 8 bits.
    A JPEG far larger than any prompt comes at a reduced scale.
    Raises PictureError for what is not there, not a picture, damaged, or above some 179 million pixels.
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


def fit(picture: np.ndarray, size: int) -> np.ndarray:
    """Cuts the square out of the middle of uint8 (H, W, 3) and resizes it to uint8 (size, size, 3).

    A picture that is already so comes back bit for bit, and so does one that was enlarged a whole number of
    times without smoothing. A small one is enlarged the same way, so that pixel art keeps its edges.
    Raises PictureError if `picture` is anything else.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise PictureError(
            f"a prompt is uint8 (H, W, 3), got {picture.dtype} {picture.shape}; read files with load_picture"
        )
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side]
    if side == size:
        return square.copy()
    resized = Image.fromarray(square).resize((size, size), _filter(side, size))
    return np.array(resized)


def _filter(side: int, size: int) -> Image.Resampling:
    if side % size == 0:
        return Image.Resampling.BOX
    return Image.Resampling.NEAREST if size % side == 0 else Image.Resampling.LANCZOS


def _read(path: str | Path) -> bytes:
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise PictureError(f"there is no file {path}; {_ADVICE}") from error
    except IsADirectoryError as error:
        raise PictureError(f"{path} is a folder; {_ADVICE}") from error
    except PermissionError as error:
        raise PictureError(f"{path} may not be read by this user; {_ADVICE}") from error
    except (OSError, ValueError) as error:  # a name too long, a NUL in it, a dead network drive
        raise PictureError(f"{path} cannot be read ({error}); {_ADVICE}") from error
    if not data:
        raise PictureError(f"{path} is empty; {_ADVICE}")
    return data


def _decode(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
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
