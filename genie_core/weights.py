"""The weights of a world's networks in safetensors files, which fit exactly or are refused. Needs torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn

from genie_core import checkpoint
from genie_core.checkpoint import MEND
from genie_core.errors import CheckpointError

STORED = (torch.float32, torch.float16)  # kinds of the numbers that a network learns


def contents(networks: dict[str, nn.Module]) -> dict[str, bytes]:
    """The files of the networks, by their paths in a world's folder.

    A network that play does not need takes half the room if float16 has all of its numbers.
    """
    files = {}
    for name, network in networks.items():
        tensors = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
        file = checkpoint.weights_of(name)
        halves = tensors if file in checkpoint.PLAYED else {key: _half(value) for key, value in tensors.items()}
        lossless = all(torch.equal(value, halves[key].to(value.dtype)) for key, value in tensors.items())
        files[file] = serialize(halves if lossless else tensors)
    return files


def round_to_halves(network: nn.Module) -> None:
    """Round what a network has learnt to numbers of float16."""
    network.load_state_dict({key: _half(value).to(value.dtype) for key, value in network.state_dict().items()})


def _half(values: Tensor) -> Tensor:
    most = torch.finfo(torch.float16).max
    return values.clamp(-most, most).half() if values.is_floating_point() else values


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


def require_fitting(folder: Path, networks: dict[str, nn.Module]) -> None:
    """Raises CheckpointError unless the headers of the files promise just the tensors of `networks`, which may be on
    the meta device: then no memory was taken for what a config.json alone asks for."""
    for name, network in networks.items():
        file, expected = folder / checkpoint.weights_of(name), network.state_dict()
        if not file.is_file():
            continue  # which is told better when it is to be read
        with _readable(file), safe_open(file, "pt") as content:
            found = {key: content.get_slice(key) for key in content.keys()}  # noqa: SIM118  # it is no dict
            shapes = {key: tuple(part.get_shape()) for key, part in found.items()}
        _check_shapes(file, shapes, {key: tuple(tensor.shape) for key, tensor in expected.items()})


def load_weights(folder: Path, networks: dict[str, nn.Module]) -> None:
    """Fills the networks from their files, which must be the ones that config.json was written with."""
    files = checkpoint.files_of(folder)
    for name, network in networks.items():
        file, expected = folder / checkpoint.weights_of(name), network.state_dict()
        with _readable(file):
            checkpoint.check_file(folder, checkpoint.weights_of(name), files)
            tensors = load_file(file)
        _check_shapes(file, *({key: tuple(each.shape) for key, each in some.items()} for some in (tensors, expected)))
        _check_numbers(file, tensors, expected)
        network.load_state_dict(tensors)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{file} is not a readable safetensors file ({error}); {MEND}") from error


def _check_shapes(file: Path, found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]]) -> None:
    missing, surplus = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or surplus:
        raise CheckpointError(
            f"{file} does not fit its config.json: missing {missing or 'nothing'}, "
            f"surplus {surplus or 'nothing'}; {MEND}"
        )
    for key, shape in found.items():
        if shape != expected[key]:
            raise CheckpointError(f"{file}: {key} has shape {shape}, expected {expected[key]}; {MEND}")


def _check_numbers(file: Path, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for key, tensor in found.items():
        kinds = STORED if expected[key].is_floating_point() else (expected[key].dtype,)
        if tensor.dtype not in kinds:
            raise CheckpointError(
                f"{file}: {key} holds {_kind(tensor.dtype)}, expected {' or '.join(map(_kind, kinds))}; {MEND}"
            )
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(f"{file}: {key} holds NaN or infinity; {MEND}")


def _kind(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
