"""The largest sizes that are believed of a file, which may be a stranger's: checked before anything is allocated.

Whatever is accepted takes at most a gigabyte. Weights take what their file has: it is held against config.json before a
network is built. The bounds of the web demo, which are lower, are in `app/web/limits.py`.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from genie_core.errors import ConfigError

Size = tuple[int, int]
"""Height and width: of a frame in pixels, or of its token grid."""

# A world's config.json
CONFIG_BYTES = 2_000_000  # ours has 10 kB; Python takes a second and 24 times as much for the values
MOST_DEPTH = 64  # of JSON: ours has 6, and Python cannot copy what has over 300
MOST_DIGITS = 18  # of a whole number: below 2^63
MOST_NAME = 200  # characters of a name of an action or a game
MOST_ACTIONS = 100  # one byte holds an action in a training run
LEAST_FPS, MOST_FPS = 0.1, 1000
MOST_TEMPERATURE = 100
MOST_MOTION = 1e6  # pixels a step

# The networks: the sizes of their parts, far above what runs at a playable pace today
MOST_SIDE = 1024  # pixels of a frame's height or width
MOST_WIDTH = 4096  # of a network, and of one of its levels
MOST_LAYERS = 128
MOST_PATCH = 64  # pixels along one side
MOST_LEVELS = 6  # of a tokenizer, each of which halves the frame
MOST_CONTEXT_FRAMES = 256
MOST_HORIZON = 16  # steps
MOST_CODE_BITS = 24
MOST_FACTOR_BITS = 16  # of a sub-token: its logits are 2^16
MOST_UNMASK_STEPS = 1024
MOST_WEIGHTS = 2**30  # of a stack of blocks or convolutions, about

# What a step of a player takes, in numbers of four bytes, of which there are a few copies at once
MOST_KEPT = 2**25  # that temporal attention keeps of the past: 128 MB, for 16 frames of 256 tokens in 8 layers of 512
MOST_SCORES = 2**24  # that attention within a frame compares: 64 MB, for 2,048 tokens of 4 heads
MOST_FEATURES = 2**24  # of a level of the tokenizer: 64 MB, for 64 channels of 512x512
MOST_NOISE = 2**24  # of a frame: 64 MB, for 64 passes of 256 tokens of 1,024 codes

# Graphs and saved sessions
GRAPH_BYTES = 32_000_000  # of one that reads its weights elsewhere: the shipped ones have 0.1 MB, each pass adds 75 kB
RUN_BYTES = 3 * 2**28  # that running graphs take altogether, where their weights have
WEIGHED_BYTES = 2**28  # at most: a copy of them is laid out anew. Larger worlds take what they take
SESSION_BYTES = 64_000_000
SESSION_STEPS = 200_000  # of all branches: three hours and a half at 15 steps a second
SESSION_BRANCHES, SESSION_KEPT = 1000, 1000
SCRIPT_STEPS = 100_000
SETTINGS_BYTES = 2**18  # of a TOML file or of keys.json, which people write

# Pictures and videos
PICTURE_BYTES = 134_000_000  # that decoding takes: a screen in 8K, 33 million pixels, in a process of less than 200 MB
PICTURE_SIDE = 65_535  # pixels, the most that a JPEG has
PADDED_PIXELS = 4096 * 4096  # of a picture with its border
PROFILE_BYTES = 4_000_000  # of an ICC profile: those of printers have some
VIDEO_PIXELS = 4096 * 4096  # of one frame
DECODED_PIXELS = VIDEO_PIXELS * 9 // 8  # of it as it is decoded: in whole blocks, some of which are cut off
VIDEO_FRAMES = 3_000  # 200 seconds at 15 frames a second
FILM_BYTES = 2**28  # of these as frames of a world, of which there are two copies for a moment

# Data sets
DESCRIPTION_BYTES = 2**24  # of dataset.json or info.json: 400 MB of values
PROVENANCE_BYTES = 2**25  # of provenance.json: 800 MB of values
DATASET_FRAMES = 2**25  # 620 hours at 15 a second, whose starts take 540 MB; several sets are read as one
DATASET_EPISODES = 2**22  # 100 MB
DATASET_SIDE = 4096  # pixels
SHARD_BYTES = 2**33  # of a file, which is read in groups
ROW_GROUP_BYTES = 2**26  # of the frames of a row group, unless it has one
COMPRESSED_BYTES = 2**28  # of the frames of a .npz, which is read whole
ARRAY_HEADER_BYTES = 2**14
COLUMN_BYTES = 2**28  # of a column of a LeRobotDataset in a row group: its files have 100 MB
COLUMN_NUMBERS = 2**20  # of a column at once as values of Python: 32 MB
FOOTER_BYTES = 2**24  # in which a Parquet file tells its parts: 1,500 row groups of 40 columns with their statistics
FOOTER_STRUCTS = 2**19  # of these, each of which Arrow makes up to a kilobyte of
FOOTER_DEPTH = 16  # of these: Parquet's have 6
PAGE_HEADER_BYTES = 2**14


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
    require_numbers(MOST_SCORES, (grid[0] * grid[1]) ** 2 * heads, f"grid {grid} and heads {heads}", "scores")
    kept = 2 * layers * width * context_frames * grid[0] * grid[1]
    what = f"layers {layers}, width {width}, context_frames {context_frames} and grid {grid}"
    require_numbers(MOST_KEPT, kept, what, "numbers of the past")


def require_features(channels: tuple[int, ...], size: Size) -> None:
    """Each level of a tokenizer of frames of `size` fits in memory."""
    for level, width in enumerate(channels, 1):
        height, across = grid_of(size, 2**level)
        require_numbers(MOST_FEATURES, width * height * across, f"{width} channels of {height}x{across}", "features")


def require_noise(unmask_steps: int, tokens: int, factors: int, vocabulary: int) -> None:
    """The noise of a frame fits in memory."""
    what = f"unmask_steps {unmask_steps} of {tokens} tokens of {factors} times {vocabulary}"
    require_numbers(MOST_NOISE, unmask_steps * tokens * factors * vocabulary, what, "numbers of noise")


def require_numbers(most: int, count: int, what: str, numbers: str) -> None:
    """`what` gives no more than `most` of some `numbers`, unless networks are only counted."""
    require(count <= most or _counting.get(), f"{what} give {count:,} {numbers}, at most {most:,} fit in memory")


def require_weights(count: int, what: str) -> None:
    require_numbers(MOST_WEIGHTS, count, what, "weights")


def require_name(name: str, what: str) -> None:
    require(0 < len(name) <= MOST_NAME, f"{what} has {len(name)} characters, expected 1 to {MOST_NAME}")


def is_shallow(value: Any) -> bool:
    """Whether a JSON value is nested `MOST_DEPTH` deep at most, so that any function can walk through it."""
    waiting = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, dict | list):
            if depth > MOST_DEPTH:
                return False
            waiting += ((each, depth + 1) for each in (part.values() if isinstance(part, dict) else part))
    return True


def is_unicode(value: Any) -> bool:
    """Whether all text in a shallow JSON value can be written to a file: JSON may tell halves of characters."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
