"""The weights of a world's networks in safetensors files, which fit exactly or are refused. Needs torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn

from genie_core import checkpoint
from genie_core.checkpoint import MEND
from genie_core.errors import CheckpointError

STORED = (torch.float32, torch.float16)  # kinds of the numbers that a network learns


def contents(networks: dict[str, nn.Module]) -> dict[str, bytes]:
    """The files of the networks, by their paths in a world's folder."""
    files = {}
    for name, network in networks.items():
        tensors = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
        files[checkpoint.weights_of(name)] = serialize(tensors)
    return files


def fingerprint(networks: dict[str, nn.Module]) -> dict[str, str]:
    """A sha256 of each network's weights: the same wherever they are loaded and however the file is laid out."""
    hashes = {}
    for name, network in networks.items():
        digest = hashlib.sha256()
        for key, value in sorted(network.state_dict().items()):
            digest.update(f"{key} {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(value.cpu().contiguous().numpy().tobytes())
        hashes[name] = digest.hexdigest()
    return hashes


def load_weights(folder: Path, networks: dict[str, nn.Module]) -> None:
    """Fills the networks from their files, which must be the ones that config.json was written with."""
    files = checkpoint.files_of(folder)
    for name, network in networks.items():
        file = folder / checkpoint.weights_of(name)
        try:
            checkpoint.check_file(folder, checkpoint.weights_of(name), files)
            tensors = load_file(file)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{file} is not a readable safetensors file ({error}); {MEND}") from error
        _check_tensors(file, tensors, network.state_dict())
        network.load_state_dict(tensors)


def _check_tensors(file: Path, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    missing, surplus = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or surplus:
        raise CheckpointError(
            f"{file} does not fit its config.json: missing {missing or 'nothing'}, "
            f"surplus {surplus or 'nothing'}; {MEND}"
        )
    for key, tensor in found.items():
        own = expected[key]
        if tensor.shape != own.shape:
            raise CheckpointError(f"{file}: {key} has shape {tuple(tensor.shape)}, expected {tuple(own.shape)}; {MEND}")
        kinds = STORED if own.is_floating_point() else (own.dtype,)
        if tensor.dtype not in kinds:
            raise CheckpointError(
                f"{file}: {key} holds {_kind(tensor.dtype)}, expected {' or '.join(map(_kind, kinds))}; {MEND}"
            )
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(f"{file}: {key} holds NaN or infinity; {MEND}")


def _kind(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
