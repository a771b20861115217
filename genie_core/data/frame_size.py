"""The frame size that footage gets where nobody asks for one."""

from __future__ import annotations

from genie_core.limits import Size

SHORT = 64  # pixels of the shorter of a frame's two
MULTIPLE = 8  # pixels; one token covers as many
LONGEST = 4  # times the shorter: a banner is squeezed


def usual_size(height: int, width: int) -> Size:
    """(H, W) that keeps the shape of a picture of `height` x `width`, to the nearest 8 pixels, 64 the shorter side."""
    short = min(height, width)
    return _side(height / short), _side(width / short)


def _side(times: float) -> int:
    return round(min(times, LONGEST) * SHORT / MULTIPLE) * MULTIPLE
