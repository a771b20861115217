"""The clips that the dynamics learns from, as token grids and latent actions, written once.

A clip is encoded by itself, as play encodes its prompt, so that a first frame never knows a frame before it. Its
actions are inferred with the frames before it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from genie_core.data.dataset import VideoDataset
from genie_core.files import whole_file, write_whole
from genie_core.models.latent_action import LatentActionModel
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.pixels import to_model
from genie_core.training.stage import Batch
from genie_core.weights import fingerprint

CLIPS_AT_ONCE = 16


@torch.inference_mode()
def write_tokens(
    folder: Path,
    dataset: VideoDataset,
    starts: np.ndarray,
    length: int,
    tokenizer: VideoTokenizer,
    latent_action: LatentActionModel,
    mirrored: float,
    quiet: bool,
) -> None:
    """Write tokens.npy int32 (clips, length, h, w) and actions.npy int8 (clips, length-1) into `folder`.

    The share `mirrored` of the clips, evenly among the others, is mirrored first. Nothing is done if the same encoder
    and latent actions have written `folder` from the same clips before: origin.json remembers.
    """
    origin: dict[str, Any] = {
        **fingerprint({"encoder": tokenizer.encoder, "latent_action": latent_action}),
        "data": [dataset.info.name, len(dataset)],
        "clips": [len(starts), length, mirrored],
    }
    file = folder / "origin.json"
    if file.exists() and json.loads(file.read_text()) == origin:
        return
    folder.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    tokens, actions = [], []
    for first in tqdm(range(0, len(starts), CLIPS_AT_ONCE), desc=f"tokens {folder.name}", disable=quiet):
        rows = np.arange(first, min(first + CLIPS_AT_ONCE, len(starts)))
        past = latent_action.reach  # frames that the actions of a clip's first steps depend on
        clips = np.stack([dataset.clip_with_past(int(start), length, past) for start in starts[rows]])
        turned = np.floor((rows + 1) * mirrored) > np.floor(rows * mirrored)
        clips[turned] = clips[turned, :, :, ::-1].copy()
        pixels = to_model(torch.from_numpy(clips))
        tokens.append(tokenizer.encode(pixels[:, :, past:]).int().numpy())
        actions.append(latent_action.infer(pixels).indices[:, past:].to(torch.int8).numpy())
    for name, parts in (("tokens.npy", tokens), ("actions.npy", actions)):
        with whole_file(folder / name) as partial, partial.open("wb") as stream:
            np.save(stream, np.concatenate(parts))
    write_whole(file, json.dumps(origin, indent=1) + "\n")


class TokenClips:
    """Samples {"tokens": (batch_size, t, h, w), "actions": (batch_size, t-1)} from what `write_tokens` wrote."""

    def __init__(self, folder: Path, batch_size: int) -> None:
        self.tokens = np.load(folder / "tokens.npy", mmap_mode="r")
        self.actions = np.load(folder / "actions.npy", mmap_mode="r")
        self.batch_size = batch_size

    def __call__(self, rng: np.random.Generator) -> Batch:
        clips = rng.integers(len(self.tokens), size=self.batch_size)
        return {"tokens": torch.from_numpy(self.tokens[clips]), "actions": torch.from_numpy(self.actions[clips])}
