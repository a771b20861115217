"""The clips that the dynamics learns from, as token grids and latent actions, written once.

A clip is encoded by itself, as play encodes its prompt, so that a first frame never knows a frame before it. Its
actions are inferred with the frames around it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from genie_core.data.dataset import VideoDataset
from genie_core.files import disk_refusals, write_whole
from genie_core.models.latent_action import LatentActionModel
from genie_core.models.tokenizer import VideoTokenizer
from genie_core.pixels import to_model
from genie_core.training.batches import Sample
from genie_core.training.growing import GrowingArray
from genie_core.training.order import Order, Rows
from genie_core.training.stage import Batch
from genie_core.weights import fingerprint

CLIPS_AT_ONCE = 16
ORIGIN, BEGUN = "origin.json", "begun.json"
PARTS = ("tokens", "actions")


@dataclass(frozen=True)
class TokenSource:
    """Clips of `length` frames at `starts`, and the networks that turn them into tokens and latent actions.

    After a clip its episode has as many frames more as the actions of its last steps depend on.

    The share `mirrored` of the clips, evenly among the others, is mirrored first.
    """

    dataset: VideoDataset
    starts: np.ndarray
    length: int
    tokenizer: VideoTokenizer
    latent_action: LatentActionModel
    mirrored: float

    def origin(self) -> dict[str, Any]:
        """What tells this source from another: hashes of the weights, the data and the clips."""
        dataset, clips = self.dataset, np.ascontiguousarray(self.starts, np.int64)
        return {
            **fingerprint({"encoder": self.tokenizer.encoder, "latent_action": self.latent_action}),
            "data": [dataset.info.name, len(dataset), dataset.fingerprint()],
            "clips": [len(clips), self.length, self.mirrored, hashlib.sha256(clips.tobytes()).hexdigest()],
        }

    @torch.inference_mode()
    def encode(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tokens (rows, length, h, w) and latent actions (rows, length-1) of the clips of these numbers."""
        # frames that the actions of a clip's first and last steps depend on
        past, whole = self.latent_action.reach, self.length + self.latent_action.ahead
        clips = np.stack([self.dataset.clip_with_past(int(start), whole, past) for start in self.starts[rows]])
        turned = np.floor((rows + 1) * self.mirrored) > np.floor(rows * self.mirrored)
        clips[turned] = clips[turned, :, :, ::-1].copy()
        pixels = to_model(torch.from_numpy(clips))
        tokens = self.tokenizer.encode(pixels[:, :, past : past + self.length])
        actions = self.latent_action.infer(pixels).indices[:, past : past + self.length - 1]
        return tokens.numpy(), actions.numpy()


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

    origin.json remembers the networks, the data and the clips. Nothing is done if they have written `folder` before;
    if they were interrupted, they go on; what others have written, or what was damaged since, is written anew.
    """
    source = TokenSource(dataset, starts, length, tokenizer, latent_action, mirrored)
    origin, count = source.origin(), len(starts)
    tokens = GrowingArray(folder / "tokens.part", (count, length, *tokenizer.config.grid), np.dtype(np.int32))
    actions = GrowingArray(folder / "actions.part", (count, length - 1), np.dtype(np.int8))
    written = zip((tokens, actions), PARTS, strict=True)
    if _told(folder / ORIGIN) == origin and all(array.is_whole(folder / f"{name}.npy") for array, name in written):
        return
    with disk_refusals(folder, "make room and go on with --resume"):
        _begin(folder, origin)
        done = min(tokens.whole_rows(), actions.whole_rows()) // CLIPS_AT_ONCE * CLIPS_AT_ONCE
        bar = tqdm(total=count, initial=done, desc=f"tokens {folder.name}", unit=" clips", disable=quiet)
        with bar, tokens.after(done), actions.after(done):
            for first in range(done, count, CLIPS_AT_ONCE):
                rows = np.arange(first, min(first + CLIPS_AT_ONCE, count))
                for array, values in zip((tokens, actions), source.encode(rows), strict=True):
                    array.append(values)
                bar.update(len(rows))
        for name in PARTS:
            (folder / f"{name}.part").replace(folder / f"{name}.npy")
        (folder / BEGUN).replace(folder / ORIGIN)


def _begin(folder: Path, origin: dict[str, Any]) -> None:
    """Make `folder` ready to be written by `origin`: what is there of another goes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ORIGIN).unlink(missing_ok=True)
    if _told(folder / BEGUN) != origin:
        for name in PARTS:
            (folder / f"{name}.part").unlink(missing_ok=True)
        write_whole(folder / BEGUN, json.dumps(origin, indent=1) + "\n")


def _told(file: Path) -> Any:
    """What a file tells of an origin, if it tells one."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


class TokenClips(Sample):
    """Gives {"tokens": (rows, t, h, w), "actions": (rows, t-1)} of what `write_tokens` wrote."""

    def __init__(self, folder: Path, batch_size: int) -> None:
        self.tokens = np.load(folder / "tokens.npy", mmap_mode="r")
        self.actions = np.load(folder / "actions.npy", mmap_mode="r")
        self.batch_size = batch_size
        self.order = Order(len(self.tokens), batch_size)

    def __call__(self, rows: Rows) -> Batch:
        clips = self.order(rows)
        return {"tokens": torch.from_numpy(self.tokens[clips]), "actions": torch.from_numpy(self.actions[clips])}
