"""The colours of a picture as its file means them: its ICC profile or gamma, turned into sRGB, which screens show.

Knows Pillow and numpy. A profile comes from a stranger: one that cannot be used is left out, as browsers do.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms

from genie_core.limits import PROFILE_BYTES

SPACES = {"RGB ": ("RGB", "RGBA"), "GRAY": ("L",), "CMYK": ("CMYK",)}  # modes of pictures, by the profile's colours
SAME = 2  # of 255: a profile that changes no colour by more is sRGB by another name
SCREEN_GAMMA = 2.2
Colours = Callable[[Image.Image], Image.Image]


def to_srgb(image: Image.Image, mode: str) -> Colours:
    """What turns parts of `image` in `mode`, L, RGB, RGBA or CMYK, into RGB or RGBA of the colours that it means."""
    profile, gamma = image.info.get("icc_profile"), image.info.get("gamma")
    if isinstance(profile, bytes):
        return _by_profile(profile, mode) or _plain
    if isinstance(gamma, float) and "srgb" not in image.info and 0.1 < gamma < 10:  # of a PNG
        return _by_gamma(gamma) if mode in ("L", "RGB") and abs(gamma * SCREEN_GAMMA - 1) > 0.05 else _plain
    return _plain


def _plain(part: Image.Image) -> Image.Image:
    return part if part.mode == "RGBA" else part.convert("RGB")


def _by_gamma(gamma: float) -> Colours:
    table = [round(255 * (value / 255) ** (1 / (gamma * SCREEN_GAMMA))) for value in range(256)]
    return lambda part: part.convert("RGB").point(table * 3)


def _by_profile(data: bytes, mode: str) -> Colours | None:
    """None if the profile is damaged, of other colours than the picture, or sRGB."""
    shown = "RGBA" if mode == "RGBA" else "RGB"
    if not _is_believable(data):
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if mode not in SPACES.get(profile.profile.xcolor_space, ()):
            return None
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, shown)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None

    def apply(part: Image.Image) -> Image.Image:
        changed = ImageCms.applyTransform(part, transform)
        assert changed is not None  # it is None where a picture is changed in place
        return changed

    return None if mode == "RGB" and _changes_nothing(apply) else apply


def _changes_nothing(apply: Colours) -> bool:
    levels = np.linspace(0, 255, 16).round().astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    return bool(np.abs(np.asarray(apply(Image.fromarray(colours))).astype(int) - colours).max() <= SAME)


def _is_believable(data: bytes) -> bool:
    """Whether the tables that an ICC profile announces fit into its bytes: they are allocated before they are read."""
    try:
        (count,) = struct.unpack_from(">I", data, 128)
        tags = [struct.unpack_from(">4sII", data, 132 + 12 * tag) for tag in range(min(count, 100))]
        return len(data) <= PROFILE_BYTES and all(_table_bytes(data[at : at + size]) <= size for _, at, size in tags)
    except (struct.error, IndexError):
        return False


def _table_bytes(tag: bytes) -> float:
    """Bytes of the colour table of a tag of an ICC profile; infinite for the kind of tag that is not used."""
    kind = tag[:4]
    if kind in (b"mft1", b"mft2"):
        inputs, outputs, points = tag[8:11]
        return float(outputs * points**inputs * (1 if kind == b"mft1" else 2))
    if kind in (b"mAB ", b"mBA "):
        (at,) = struct.unpack_from(">I", tag, 24)
        points_along, width = tag[at : at + 16], tag[at + 16] if at else 0
        return float(math.prod(points_along[: tag[8]]) * tag[9] * width) if at else 0.0
    return math.inf if kind == b"mpet" else 0.0
