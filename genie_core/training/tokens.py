"""What the dynamics learns from: clips as token grids and latent actions, written once.

A clip is encoded by itself, as play encodes its prompt, so that a first frame never knows a frame before it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from genie_core.data.dataset import VideoDataset, ask_each_set
from genie_core.models.latent_action import LatentActionModel
from genie_core.models.motion import Presumed
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.pixels import to_model
from genie_core.training.stage import Batch

CLIPS_AT_ONCE = 16
PUSHED_EVERY = 32  # two clips of so many, by turns to the left and to the right


@torch.inference_mode()
def write_tokens(
    folder: Path,
    dataset: VideoDataset,
    starts: np.ndarray,
    length: int,
    tokenizer: VideoTokenizer,
    latent_action: LatentActionModel,
    mirror: bool,
    quiet: bool,
) -> None:
    """Writes tokens.npy int32 (clips, length, h, w) and actions.npy int8 (clips, length-1) into `folder`.

    With `mirror` every second clip is mirrored first, so that the way few players go is learnt as well as the other.
    What a key does that does nothing, in flight or at a wall, no clip tells, so some are written as if one were down:
    half of them with the key of a take-off held, and a few, fewer than those in which such a key moves something, with
    one pushed both ways where the player stands still. In a data set whose keys last, who takes off holds the key in
    every clip, and who flies and shows none the one for the way he looks in a quarter of them: in all of them, a key
    in flight would tell little but what the picture tells already, and do little when it is played.
    """

    def read(rows: slice | np.ndarray) -> np.ndarray:
        return np.stack([dataset.clip(int(start), length) for start in starts[rows]])

    def ask(rows: np.ndarray) -> bool:
        return latent_action.keys_last(to_model(torch.from_numpy(read(rows))))

    keys_last = torch.from_numpy(ask_each_set(dataset.set_of(starts), ask))
    tokens, actions = [], []
    for first in tqdm(range(0, len(starts), CLIPS_AT_ONCE), desc=f"tokens {folder.name}", disable=quiet):
        clips = read(slice(first, first + CLIPS_AT_ONCE))
        if mirror:
            clips[1::2] = clips[1::2, :, :, ::-1].copy()
        pixels = to_model(torch.from_numpy(clips))
        number = torch.arange(first, first + len(clips))
        push = ((number % PUSHED_EVERY < 2) * (1 - number // PUSHED_EVERY % 2 * 2)).float()  # mirrored ones alike
        last = keys_last[first : first + len(clips)]
        presumed = Presumed(held=last | (number % 4 > 1), faced=last & (number % 8 > 5), push=push)
        tokens.append(tokenizer.encode(pixels).int().numpy())
        actions.append(latent_action.infer(pixels, presumed).indices.to(torch.int8).numpy())
    part = folder.with_name(f"{folder.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    np.save(part / "tokens.npy", np.concatenate(tokens))
    np.save(part / "actions.npy", np.concatenate(actions))
    part.replace(folder)


class TokenClips:
    """Samples {"tokens": (batch_size, t, h, w), "actions": (batch_size, t-1)} from what `write_tokens` wrote."""

    def __init__(self, folder: Path, batch_size: int) -> None:
        self.tokens = np.load(folder / "tokens.npy", mmap_mode="r")
        self.actions = np.load(folder / "actions.npy", mmap_mode="r")
        self.batch_size = batch_size

    def __call__(self, rng: np.random.Generator) -> Batch:
        clips = rng.integers(len(self.tokens), size=self.batch_size)
        return {"tokens": torch.from_numpy(self.tokens[clips]), "actions": torch.from_numpy(self.actions[clips])}
