"""The clips that the dynamics learns from, as token grids and latent actions, written once.

A clip is encoded by itself, as play encodes its prompt, so that its first frame never knows a frame before it. Its
actions do not either: the first of them tell what a single picture does not, how fast everything goes. Those of its
last steps know the frames after it. Where a dynamics sees pictures, those that its tokens make are written as well.

Of clips longer than those that a batch has (`film_frames`), windows come from anywhere: only those that begin with the
clip begin with such actions.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from genie_core.data.dataset import VideoDataset
from genie_core.files import disk_refusals, write_whole
from genie_core.models.latent_action import LatentActionModel
from genie_core.models.reference_tokenizer import ReferenceTokenizer
from genie_core.models.tokenizers import Tokenizer
from genie_core.pixels import to_frames, to_model
from genie_core.training.batches import Sample
from genie_core.training.growing import GrowingArray
from genie_core.training.order import Order, Rows
from genie_core.training.recolour import recoloured
from genie_core.training.stage import Batch
from genie_core.training.stopping import StopRequests
from genie_core.weights import fingerprint

CLIPS_AT_ONCE = 16  # on a CPU
CLIPS_AT_ONCE_ON_A_GPU = 256  # which small batches leave idle
ORIGIN, BEGUN = "origin.json", "begun.json"
FROM_THE_START = 0.35
"""The share of windows that begin with their film's first frame, which is not worn: so play begins."""


@dataclass(frozen=True)
class TokenSource:
    """Clips of `length` frames at `starts`, and the networks that turn them into tokens and latent actions.

    After a clip its episode has as many frames more as the actions of its last steps depend on.

    The share `mirrored` of the clips, evenly among the others, is mirrored first. The share `recoloured` is coded
    in other colours, after its actions are inferred.
    """

    dataset: VideoDataset
    starts: np.ndarray
    length: int
    tokenizer: Tokenizer
    latent_action: LatentActionModel
    mirrored: float
    recoloured: float = 0.0

    @property
    def parts(self) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
        """The shape and kind of each array that is written, by name."""
        config, shape = self.tokenizer.config, (len(self.starts), self.length)
        parts: dict[str, tuple[tuple[int, ...], np.dtype]] = {
            "tokens": ((*shape, *config.grid), np.dtype(np.int32)),
            "actions": ((shape[0], shape[1] - 1), np.dtype(np.int8)),
        }
        if config.reference:
            parts["pictures"] = ((*shape, *config.frame_size, 3), np.dtype(np.uint8))
        return parts

    @property
    def device(self) -> torch.device:
        return self.latent_action.quantizer.codebook.device

    def origin(self) -> dict[str, Any]:
        """What tells this source from another: hashes of the weights, the data and the clips."""
        dataset, clips = self.dataset, np.ascontiguousarray(self.starts, np.int64)
        return {
            **networks_origin(self.tokenizer, self.latent_action),
            "data": [dataset.info.name, len(dataset), dataset.fingerprint()],
            "clips": [len(clips), self.length, self.mirrored, hashlib.sha256(clips.tobytes()).hexdigest()],
            **({"recoloured": self.recoloured} if self.recoloured else {}),
        }

    @torch.inference_mode()
    def encode(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """The `parts` of the clips of these numbers."""
        whole = self.length + self.latent_action.ahead
        clips = np.stack([self.dataset.clip(int(start), whole) for start in self.starts[rows]])
        turned = np.floor((rows + 1) * self.mirrored) > np.floor(rows * self.mirrored)
        clips[turned] = clips[turned, :, :, ::-1].copy()
        pixels, own = (
            to_model(torch.from_numpy(each).to(self.device))
            for each in (clips, self._coloured(clips[:, : self.length], rows))
        )
        actions = self.latent_action.infer(pixels).indices[:, : self.length - 1].cpu().numpy()
        if not isinstance(self.tokenizer, ReferenceTokenizer):
            return self.tokenizer.encode(own).cpu().numpy(), actions
        coded = self.tokenizer.code(own)
        return coded.tokens.cpu().numpy(), actions, to_frames(coded.pixels).cpu().numpy()

    def _coloured(self, clips: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """`clips` of these numbers, some of them in other colours."""
        keys = [(int(row), 1) for row in rows]
        chosen = [np.random.default_rng(key).random() < self.recoloured for key in keys]
        parts = zip(clips, keys, chosen, strict=True)
        return np.stack([recoloured(clip, key) if other else clip for clip, key, other in parts])


def networks_origin(tokenizer: Tokenizer, latent_action: LatentActionModel) -> dict[str, str]:
    """Hashes of the weights that tokens and actions depend on."""
    encoder = tokenizer if tokenizer.config.reference else tokenizer.encoder
    return fingerprint({"encoder": encoder, "latent_action": latent_action})


def write_tokens(
    folder: Path,
    dataset: VideoDataset,
    starts: np.ndarray,
    length: int,
    tokenizer: Tokenizer,
    latent_action: LatentActionModel,
    mirrored: float,
    quiet: bool,
    recoloured: float = 0.0,
) -> None:
    """Write tokens.npy int32 (clips, length, h, w) and actions.npy int8 (clips, length-1) into `folder`.

    For a tokenizer that is given the last picture, also pictures.npy uint8 (clips, length, H, W, 3): what it shows.

    origin.json remembers the networks, the data and the clips. Nothing is done if they have written `folder` before;
    if they were interrupted, they go on; what others have written, or what was damaged since, is written anew.
    KeyboardInterrupt, from Ctrl-C or SIGTERM, comes after the clips that are being encoded.
    """
    source = TokenSource(dataset, starts, length, tokenizer, latent_action, mirrored, recoloured)
    origin, count = source.origin(), len(starts)
    arrays = {name: GrowingArray(folder / f"{name}.part", *form) for name, form in source.parts.items()}
    written = (array.is_whole(folder / f"{name}.npy") for name, array in arrays.items())
    if _told(folder / ORIGIN) == origin and all(written):
        return
    with disk_refusals(folder, "make room and go on with --resume"):
        _begin(folder, origin, list(arrays))
        at_once = CLIPS_AT_ONCE if source.device.type == "cpu" else CLIPS_AT_ONCE_ON_A_GPU
        done = min(array.whole_rows() for array in arrays.values()) // at_once * at_once
        bar = tqdm(total=count, initial=done, desc=f"tokens {folder.name}", unit=" clips", disable=quiet)
        with bar, StopRequests() as stop, ExitStack() as opened:
            for array in arrays.values():
                opened.enter_context(array.after(done))
            for first in range(done, count, at_once):
                rows = np.arange(first, min(first + at_once, count))
                for array, values in zip(arrays.values(), source.encode(rows), strict=True):
                    array.append(values)
                bar.update(len(rows))
                if stop.asked:
                    raise KeyboardInterrupt
        for name in arrays:
            (folder / f"{name}.part").replace(folder / f"{name}.npy")
        (folder / BEGUN).replace(folder / ORIGIN)


def _begin(folder: Path, origin: dict[str, Any], parts: list[str]) -> None:
    """Make `folder` ready to be written by `origin`: what is there of another goes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ORIGIN).unlink(missing_ok=True)
    if _told(folder / BEGUN) != origin:
        for name in parts:
            (folder / f"{name}.part").unlink(missing_ok=True)
        write_whole(folder / BEGUN, json.dumps(origin, indent=1) + "\n")


def _told(file: Path) -> Any:
    """What a file tells of an origin, if it tells one."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


class TokenClips(Sample):
    """Gives {"tokens": (rows, t, h, w), "actions": (rows, t-1)} of what `write_tokens` wrote.

    Where pictures were written, also {"pictures": uint8 (rows, t, H, W, 3)}. `length` is t; of longer clips, windows
    come from anywhere. None takes whole clips.
    """

    def __init__(self, folder: Path, batch_size: int, length: int | None = None) -> None:
        self.folder = folder
        self.tokens = np.load(folder / "tokens.npy", mmap_mode="r")
        self.actions = np.load(folder / "actions.npy", mmap_mode="r")
        pictures = folder / "pictures.npy"
        self.pictures = np.load(pictures, mmap_mode="r") if pictures.exists() else None
        self.batch_size, self.length = batch_size, length or self.tokens.shape[1]
        self.order = Order(len(self.tokens), batch_size)

    def __reduce__(self) -> tuple[type[TokenClips], tuple[Path, int, int]]:
        """A process that is started anew opens the files itself; a map of a file is sent as all that is in it."""
        return type(self), (self.folder, self.batch_size, self.length)

    def __call__(self, rows: Rows) -> Batch:
        clips, t = self.order(rows)[:, None], self.length
        first = self._firsts(rows)[:, None]
        batch = {
            "tokens": self.tokens[clips, first + np.arange(t)],
            "actions": self.actions[clips, first + np.arange(t - 1)],
        }
        if self.pictures is not None:
            batch["pictures"] = self.pictures[clips, first + np.arange(t)]
        return {name: torch.from_numpy(values) for name, values in batch.items()}

    def _firsts(self, rows: Rows) -> np.ndarray:
        """The first frame of each row's window."""
        anywhere = rows.random(1) % np.uint64(self.tokens.shape[1] - self.length + 1)
        return np.where(rows.random(2) < FROM_THE_START * 2.0**64, 0, anywhere.astype(np.int64))
