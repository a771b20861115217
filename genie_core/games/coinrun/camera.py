"""The player's motion, measured on the pictures alone.

The camera is locked onto the player, so the scenery moves and the player does not: the player's motion relative to the
scenery is the scenery's shift with its sign turned. This file knows no network.
"""

from __future__ import annotations

import numpy as np

# In shares of a frame, which Procgen draws with 64x64 pixels.
REACH_X, REACH_Y = 4 / 64, 8 / 64  # the farthest shift looked for; CoinRun moves by up to 2.5 and 7.4 pixels
PLAYER = 6 / 64  # half the side of the square around the centre that is left out
AROUND = 24 / 64  # the side of the square around the player
OUTLIER = 40.0  # grey levels from which on a wrong pixel counts no more: something appeared or vanished
_CHUNK = 32  # pairs at a time, few enough to stay in the cache
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def scenery_shift(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The scenery's shift (dx, dy) in pixels from uint8 frames (..., H, W, 3) to the next, float64 (..., 2).

    x to the right, y down, found by the least truncated difference over whole shifts and a parabola
    through its neighbours. The player at the centre is left out. Within 0.2 px on average of the
    positions that Procgen itself keeps.
    """
    old, new = (frames.reshape(-1, *frames.shape[-3:]) for frames in (before, after))
    found = np.empty((len(old), 2))
    for start in range(0, len(old), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        found[chunk] = _shift_of(_blurred_grey(old[chunk]), _blurred_grey(new[chunk]))
    return found.reshape(*before.shape[:-3], 2)


def player_motion(frames: np.ndarray) -> np.ndarray:
    """The player's motion relative to the scenery, pixels a step, of uint8 frames (..., t, H, W, 3): (..., t-1, 2)."""
    return -scenery_shift(frames[..., :-1, :, :, :], frames[..., 1:, :, :, :])


def around_player(frames: np.ndarray) -> np.ndarray:
    """The part around the player of frames (..., H, W, 3): (..., h, w, 3)."""
    height, width = frames.shape[-3:-1]
    return frames[..., *_middle(height, width, AROUND / 2), :]


def reach(height: int, width: int) -> tuple[int, int]:
    """The farthest shift that is looked for in a frame, whole pixels along x and y."""
    return int(REACH_X * width), int(REACH_Y * height)


def _middle(height: int, width: int, half: float) -> tuple[slice, slice]:
    """Rows and columns of the rectangle around the centre of a frame, of so many shares of its sides to each side."""
    down, across = int(half * height), int(half * width)
    return slice(height // 2 - down, height // 2 + down), slice(width // 2 - across, width // 2 + across)


def _shift_of(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    reach_x, reach_y = reach(*before.shape[1:])
    shifts_x, shifts_y = range(-reach_x, reach_x + 1), range(-reach_y, reach_y + 1)
    cost = np.array([[_difference(before, after, dx, dy) for dx in shifts_x] for dy in shifts_y]).transpose(2, 0, 1)
    best_y, best_x = np.divmod(cost.reshape(len(cost), -1).argmin(1), cost.shape[2])
    pair = np.arange(len(cost))
    return np.stack(
        [
            best_x - reach_x + _vertex(cost[pair, best_y], best_x),
            best_y - reach_y + _vertex(cost[pair, :, best_x], best_y),
        ],
        axis=1,
    )


def _difference(before: np.ndarray, after: np.ndarray, dx: int, dy: int) -> np.ndarray:
    """Mean truncated difference, (n,), where `before` moved by (dx, dy) and `after` overlap outside the player."""
    height, width = before.shape[1:]
    new = slice(max(0, dy), height + min(0, dy)), slice(max(0, dx), width + min(0, dx))
    old = slice(max(0, -dy), height + min(0, -dy)), slice(max(0, -dx), width + min(0, -dx))
    scenery = np.ones((height, width), np.float32)
    scenery[_middle(height, width, PLAYER)] = 0
    weight = scenery[new] * scenery[old]
    difference = after[:, new[0], new[1]] - before[:, old[0], old[1]]
    np.abs(difference, out=difference)
    np.minimum(difference, OUTLIER, out=difference)
    return difference.reshape(len(difference), -1) @ (weight / weight.sum()).ravel()


def _vertex(cost: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Offset in (-0.5, 0.5) of the parabola's lowest point around column `best` of cost (n, shifts)."""
    pair = np.arange(len(cost))
    inside = (best > 0) & (best < cost.shape[1] - 1)
    centre = np.clip(best, 1, cost.shape[1] - 2)
    left, middle, right = (cost[pair, centre + offset] for offset in (-1, 0, 1))
    bend = left - 2 * middle + right
    return np.where(inside & (bend > 1e-6), 0.5 * (left - right) / np.maximum(bend, 1e-6), 0.0)


def _blurred_grey(frames: np.ndarray) -> np.ndarray:
    """Grey float32 (n, H, W), blurred by 1-2-1 each way: the one-pixel lines of walls flicker as they move."""
    grey = np.pad(frames.astype(np.float32) @ _GREY, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = 0.25 * grey[:, :-2] + 0.5 * grey[:, 1:-1] + 0.25 * grey[:, 2:]
    return 0.25 * rows[:, :, :-2] + 0.5 * rows[:, :, 1:-1] + 0.25 * rows[:, :, 2:]
