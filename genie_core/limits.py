"""The largest sizes that a world may have, checked before anything is built: a file may come from a stranger.

Each is far above what runs at a playable pace today.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from genie_core.errors import ConfigError

Size = tuple[int, int]
"""Height and width: of a frame in pixels, or of its token grid."""

MOST_SIDE = 1024  # pixels of a frame's height or width
MOST_WIDTH = 4096  # of a network, and of one of its levels
MOST_LAYERS = 128
MOST_PATCH = 64  # pixels along one side
MOST_LEVELS = 6  # of a tokenizer, each of which halves the frame
MOST_WEIGHTS = 2**30  # of a stack of blocks or convolutions, about
MOST_CONTEXT_FRAMES = 256
MOST_KEPT = 2**29  # numbers that temporal attention keeps of the past
MOST_ACTIONS = 100  # one byte holds an action in a training run
MOST_HORIZON = 16  # steps
MOST_CODE_BITS = 24
MOST_FACTOR_BITS = 16  # of a sub-token: its logits are 2^16
MOST_UNMASK_STEPS = 1024
LEAST_FPS, MOST_FPS = 0.1, 1000
MOST_TEMPERATURE = 100
MOST_NAME = 200  # characters
MOST_MOTION = 1e6  # pixels a step


_counting = ContextVar("counting", default=False)


@contextmanager
def counting_only() -> Iterator[None]:
    """Inside, networks may have any size: they are built without memory, to be counted."""
    token = _counting.set(True)
    try:
        yield
    finally:
        _counting.reset(token)


def require(condition: bool, message: str) -> None:
    """Raises ConfigError with `message` unless `condition` holds."""
    if not condition:
        raise ConfigError(message)


def told(value: object) -> str:
    """A value as a message shows it: shortened, for it may be any size."""
    return reprlib.repr(value)


def as_size(value: object, what: str = "frame_size") -> Size:
    """[H, W] as files have it, or the side of a square, to (H, W); ConfigError if a side is out of range."""
    sides = value if isinstance(value, list | tuple) else (value, value)
    require(
        len(sides) == 2 and all(isinstance(s, int) and not isinstance(s, bool) and 0 < s <= MOST_SIDE for s in sides),
        f"{what} is {told(value)}, expected [height, width], each 1 to {MOST_SIDE}",
    )
    return sides[0], sides[1]


def grid_of(size: Size, stride: int) -> Size:
    """How many squares of `stride` pixels cover a frame of `size`, along each side."""
    return -(-size[0] // stride), -(-size[1] // stride)


def require_within(least: float, most: float, **values: float) -> None:
    """Each of `values`, by name, is `least` to `most`."""
    for name, value in values.items():
        require(least <= value <= most, f"{name} {told(value)} is outside {least:,}..{most:,}")


def require_factors(code_bits: int, token_factors: int) -> None:
    require_within(1, MOST_CODE_BITS, code_bits=code_bits)
    require(
        token_factors > 0 and code_bits % token_factors == 0,
        f"code_bits {code_bits} does not divide into token_factors {told(token_factors)}",
    )
    require(
        code_bits // token_factors <= MOST_FACTOR_BITS,
        f"code_bits {code_bits} in token_factors {token_factors} gives sub-tokens of {code_bits // token_factors} "
        f"bits, at most {MOST_FACTOR_BITS}",
    )


def require_blocks(width: int, layers: int, heads: int, context_frames: int, grid: Size) -> None:
    """A stack of space-time blocks of this shape can be built, and keeps its past, in the memory of a computer."""
    if not _counting.get():
        require_within(1, MOST_WIDTH, width=width)
    require_within(1, MOST_LAYERS, layers=layers)
    require(heads > 0 and width % heads == 0, f"width {width} does not divide into {told(heads)} heads")
    require_within(1, MOST_CONTEXT_FRAMES, context_frames=context_frames)
    require_weights(16 * layers * width**2, f"width {width} and layers {layers}")
    kept = 2 * layers * width * context_frames * grid[0] * grid[1]
    require(
        kept <= MOST_KEPT or _counting.get(),
        f"layers {layers}, width {width}, context_frames {context_frames} and grid {grid} keep {kept:,} numbers of the "
        f"past, at most {MOST_KEPT:,} fit",
    )


def require_weights(count: int, what: str) -> None:
    fits = count <= MOST_WEIGHTS or _counting.get()
    require(fits, f"{what} give {count:,} weights, at most {MOST_WEIGHTS:,} are built")


def require_name(name: str, what: str) -> None:
    require(0 < len(name) <= MOST_NAME, f"{what} has {len(name)} characters, expected 1 to {MOST_NAME}")
