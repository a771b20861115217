"""The saved state of a stage, whole or not at all, and one training of a run at a time."""

from __future__ import annotations

import contextlib
import math
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from genie_core.errors import CheckpointError, ConfigError, WriteError
from genie_core.files import alone_at, disk_refusals, whole_file

CHECKPOINT = "last.ckpt"


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Replace the state in `folder` by `state`, which is on the disk when this returns; killed earlier, by nothing.

    Written beside the file first, flushed, then moved: the old state stays until the new one is whole.
    """
    file = folder / CHECKPOINT
    with disk_refusals(folder, "make room and go on with --resume"):
        folder.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as partial, partial.open("wb") as stream:
        try:
            torch.save(state, stream)
        except RuntimeError as error:  # torch's writer tells of a full disk so
            raise WriteError(
                f"{file} cannot be written: the disk is full; make room and go on with --resume"
            ) from error
        stream.flush()
        os.fsync(stream.fileno())
    with contextlib.suppress(OSError):  # a folder cannot be flushed on every system
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def load_state(out: Path, name: str) -> dict[str, Any]:
    """The state that stage `name` of the run `out` has saved, empty if there is none; CheckpointError if damaged."""
    file = out / name / CHECKPOINT
    if not file.exists():
        return {}
    advice = f"put a whole copy in its place, or remove it and train that stage anew with --resume --stage {name}"
    try:
        state: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
        seconds = float(state["state_dict"]["trained_seconds"])
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{file} is damaged and cannot be read; {advice}") from error
    if not (math.isfinite(seconds) and seconds >= 0):
        raise CheckpointError(f"{file} is damaged: it says that {seconds} seconds were trained; {advice}")
    return state


@contextmanager
def alone_with(out: Path) -> Iterator[None]:
    """Make the folder `out` of a run; ConfigError if another process trains it, on systems that can tell."""
    with disk_refusals(out):
        out.mkdir(parents=True, exist_ok=True)
    told = f"another process trains the run {out}; wait for its end, or choose another --out"
    with alone_at(out / ".lock", ConfigError(told)):
        yield
