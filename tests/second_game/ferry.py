"""A game that is not the shipped one: a ferry on a canal under a fixed camera, in wide frames, with three buttons.

Its player is 16 pixels square and moves 8 pixels a step. The scenery never moves, so what shifts a picture of the
shipped game shifts nothing here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genie_core.data import DatasetWriter, VideoDataset

HEIGHT, WIDTH = 64, 96
STAY, LEFT, RIGHT = 0, 1, 2
ALONG = np.array([0, -1, 1])
SIDE, PACE, ROW = 16, 8, 24
CODES = 4  # of a world that learns it: more than there are buttons
LENGTH = 14

SETTINGS = """
# A tiny network for a tiny game; frame_size is the data's.
num_actions = 4
context_frames = 3

[tokenizer]
channels = [8, 16, 24]
decoder_blocks = 1
code_bits = 8

[latent_action]
patch_size = 8
width = 32
layers = 1
heads = 2
code_width = 4

[dynamics]
width = 32
layers = 2
heads = 2

[train.tokenizer]
batch_size = 4
clip_frames = 3
learning_rate = 4e-3
warmup_steps = 10

[train.latent_action]
batch_size = 8  # with 4, which buttons share a code is chance
clip_frames = 4
learning_rate = 3e-3
warmup_steps = 10

[train.dynamics]
batch_size = 4
clip_frames = 5
learning_rate = 5e-3
warmup_steps = 10
token_clips = 300
"""


def show(x: int) -> np.ndarray:
    """The picture, uint8 (H, W, 3), with the ferry's left side at column `x`."""
    frame = np.full((HEIGHT, WIDTH, 3), (20, 40, 90), np.uint8)
    frame[:ROW] = (60, 110, 60)
    frame[ROW + SIDE :: 8, ::4] = (50, 70, 120)
    frame[ROW : ROW + SIDE, x : x + SIDE] = (230, 210, 60)
    return frame


def after(x: int, button: int) -> int:
    return int(np.clip(x + PACE * ALONG[button], 0, WIDTH - SIDE))


def place(frames: np.ndarray) -> np.ndarray:
    """The column of the ferry's middle in frames (..., H, W, 3), as far as it shows: (...)."""
    red = frames[..., ROW : ROW + SIDE, :, 0].astype(float).mean(-2)
    bright = np.clip(red - 100, 0, None) ** 2 + 1e-6
    return np.asarray((bright * np.arange(WIDTH)).sum(-1) / bright.sum(-1))


def episode(rng: np.random.Generator, length: int = LENGTH) -> tuple[np.ndarray, np.ndarray]:
    """Frames uint8 (length, H, W, 3) and the buttons between them (length-1,): a new one at every step."""
    x = int(rng.integers((WIDTH - SIDE) // PACE + 1)) * PACE
    frames, buttons = [show(x)], []
    for _ in range(length - 1):
        buttons.append(int(rng.integers(3)))
        x = after(x, buttons[-1])
        frames.append(show(x))
    return np.stack(frames), np.array(buttons)


def record(out: Path, episodes: int = 80, seed: int = 0, game: str = "ferry") -> VideoDataset:
    rng = np.random.default_rng(seed)
    with DatasetWriter(out, source={"game": game}, frame_size=(HEIGHT, WIDTH), fps=10) as writer:
        for _ in range(episodes):
            writer.add_episode(*episode(rng))
    return VideoDataset(out)
