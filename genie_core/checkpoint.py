"""A world's folder on disk: config.json, README.md and three safetensors files, written and read strictly.

Nothing here unpickles, and nothing is guessed: what does not fit exactly is refused in words.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor, nn

from genie_core.config import (
    FORMAT_VERSION,
    Action,
    DynamicsConfig,
    LatentActionConfig,
    SamplingConfig,
    TokenizerConfig,
    WorldConfig,
    build,
    require,
)
from genie_core.errors import CheckpointError, ConfigError
from genie_core.hub.card import card

WEIGHTS = "model.safetensors"
MEND = "get the world again, or name another with --world"


def save(folder: Path, config: WorldConfig, networks: dict[str, nn.Module]) -> None:
    """Writes the world, each file beside its name first, so that a stop half-way leaves whole files only."""
    files = {}
    for name, network in networks.items():
        file = folder / name / WEIGHTS
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        tensors = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
        part.write_bytes(serialize(tensors))  # the library's own writer makes files that only their owner can read
        part.replace(file)
        files[f"{name}/{WEIGHTS}"] = {"size": file.stat().st_size, "sha256": _sha256(file)}
    write_config(folder, config, files)


def write_config(folder: Path, config: WorldConfig, files: dict[str, Any] | None = None) -> None:
    """Writes config.json and the model card; `files` None keeps what config.json says of the weights already."""
    if files is None:
        files = _read_json(folder / "config.json")["files"]
    values = _to_json(config) | {"files": files}
    for name, text in (("config.json", json.dumps(values, indent=2) + "\n"), ("README.md", card(config))):
        part = folder / f"{name}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / name)


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


def read_config(folder: Path) -> WorldConfig:
    """config.json as a WorldConfig; CheckpointError if there is none or it does not fit this version."""
    values = _read_json(folder / "config.json")
    version = values.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{folder} has world format {version!r}, this program reads {FORMAT_VERSION}; "
            f"{'update the program' if isinstance(version, int) and version > FORMAT_VERSION else MEND}"
        )
    kinds = {
        "tokenizer": TokenizerConfig,
        "latent_action": LatentActionConfig,
        "dynamics": DynamicsConfig,
        "sampling": SamplingConfig,
    }
    try:
        parts: dict[str, Any] = {name: build(kind, values.pop(name)) for name, kind in kinds.items()}
        actions, files = values.pop("actions"), values.pop("files")
        require(isinstance(actions, list) and len(actions) > 0, f"actions is {actions!r}, expected a list of them")
        require(isinstance(files, dict), f"files is {files!r}, expected an object")
        told = {name: values.pop(name) for name in ("frame_size", "context_frames")}
        parts |= {"actions": tuple(build(Action, action) for action in actions), "fps": values.pop("fps")}
        config: WorldConfig = build(WorldConfig, {**values, **parts})
        for name, value in told.items():  # written for readers: they follow from the networks
            own = getattr(config, name)
            require(value == own, f"{name} is {value!r}, the networks have {own}")
        return config
    except KeyError as error:
        raise CheckpointError(f"{folder}/config.json lacks {error}; {MEND}") from None
    except ConfigError as error:
        raise CheckpointError(f"{folder}/config.json: {error}; {MEND}") from error


def load_weights(folder: Path, networks: dict[str, nn.Module]) -> None:
    """Fills the networks from their files, which must be the ones that config.json was written with."""
    files = _read_json(folder / "config.json").get("files", {})
    for name, network in networks.items():
        relative = f"{name}/{WEIGHTS}"
        file = folder / relative
        _check_file(file, files.get(relative))
        try:
            tensors = load_file(file)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{file} is not a readable safetensors file ({error}); {MEND}") from error
        _check_tensors(file, tensors, network.state_dict())
        network.load_state_dict(tensors)


def _check_file(file: Path, promised: Any) -> None:
    if not file.is_file():
        raise CheckpointError(f"the world lacks {file}; {MEND}")
    if not isinstance(promised, dict):
        raise CheckpointError(f"config.json beside {file.parent} does not list {file.name} in its files; {MEND}")
    if file.stat().st_size != promised.get("size"):
        raise CheckpointError(f"{file} has {file.stat().st_size} bytes, expected {promised.get('size')}; {MEND}")
    if _sha256(file) != promised.get("sha256"):
        raise CheckpointError(f"{file} is not the file that config.json was written with (sha256 differs); {MEND}")


def _check_tensors(file: Path, found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    missing, surplus = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or surplus:
        raise CheckpointError(
            f"{file} does not fit its config.json: missing {missing or 'nothing'}, "
            f"surplus {surplus or 'nothing'}; {MEND}"
        )
    for key, tensor in found.items():
        if tensor.shape != expected[key].shape:
            raise CheckpointError(
                f"{file}: {key} has shape {tuple(tensor.shape)}, expected {tuple(expected[key].shape)}; {MEND}"
            )
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointError(f"{file}: {key} holds NaN or infinity; {MEND}")


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise CheckpointError(
            f"{file.parent} is not a world: it has no config.json; `python launch.py --worlds` lists some"
        )
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} is not readable JSON ({error}); {MEND}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{file} holds {type(values).__name__}, expected an object; {MEND}")
    return values


def _to_json(config: WorldConfig) -> dict[str, Any]:
    values = dataclasses.asdict(config)
    head = {key: values.pop(key) for key in ("format_version", "fps", "sampling")}
    for part in (head["sampling"], values["latent_action"], values["dynamics"]):
        for key in [key for key, value in part.items() if value is None]:
            del part[key]  # None is off, and older programs do not know the key
    return {**head, "frame_size": config.frame_size, "context_frames": config.context_frames, **values}


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
