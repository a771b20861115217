"""A world's folder on disk: config.json, README.md, three safetensors files, two graphs, written and read strictly.

Nothing is unpickled and nothing is guessed: a file that does not fit exactly is a CheckpointError. Needs no torch:
the networks' weights are read by `weights`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from genie_core import games
from genie_core.config import (
    DERIVED,
    SECTIONS,
    UNKNOWN_GAME,
    Action,
    Networks,
    WorldConfig,
    build,
    build_networks,
    build_sampling,
)
from genie_core.errors import CheckpointError, ConfigError
from genie_core.files import read_text, write_all
from genie_core.graph_file import Graph, read_graph
from genie_core.hub.address import find_address
from genie_core.hub.card import EFFECTS, card
from genie_core.hub.download import STARTS, download, mend
from genie_core.limits import CONFIG_BYTES, MOST_DIGITS, MOST_NAME, as_size, is_shallow, is_unicode, require, told
from genie_core.state import encode_inputs, encode_outputs, feeds, shapes, step_outputs

Loaded = TypeVar("Loaded")

FORMAT_VERSION = 2
WEIGHTS = "model.safetensors"
MEND = "get the world again, or name another with --world"


def weights_of(network: str) -> str:
    """The path of a network's weights in a world's folder."""
    return f"{network}/{WEIGHTS}"


NETWORKS = ("tokenizer", "latent_action", "dynamics")
PLAYED = tuple(map(weights_of, ("tokenizer", "dynamics")))  # files whose weights play needs
STORED = (np.float32, np.float16, np.int64)  # the last for counts
ENCODE, STEP = GRAPHS = ("encode.onnx", "step.onnx")


def starts_of(folder: Path | None) -> list[Path]:
    """The pictures that a world in `folder` brings to start from."""
    return [] if folder is None else [folder / name for name in STARTS if (folder / name).is_file()]


def beside(folder: Path | None) -> dict[str, bytes]:
    """What stands beside the weights of a world in `folder` and goes where they go: its filmstrip and pictures."""
    if folder is None:
        return {}
    there = [*(path for path in [folder / EFFECTS] if path.is_file()), *starts_of(folder)]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in there}


def save(
    folder: Path, config: WorldConfig, contents: Mapping[str, bytes], beside: Mapping[str, bytes] | None = None
) -> None:
    """Writes the world into `folder`, whole or not at all: another that is there stays if the disk refuses this one.

    `contents` are weights and graphs by path, `beside` what `beside` gives. The library's own writer makes files that
    only their owner can read.
    """
    files = {
        path: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in contents.items()
    }
    pictures = beside or {}
    write_all(folder, {**contents, **pictures, **_told_in(folder, config, files, EFFECTS in pictures)})
    for name in set(GRAPHS) - set(contents):
        (folder / name).unlink(missing_ok=True)  # of the weights that were here before


def files_of(folder: Path) -> dict[str, Any]:
    """What config.json says of each file's size and sha256."""
    files = _read_json(folder / "config.json").get("files", {})
    return files if isinstance(files, dict) else {}


def open_world(path: str | Path, revision: str | None, load: Callable[[Path, str], Loaded]) -> Loaded:
    """What `load` makes of a world's folder and name: of the folder `path` or, if there is none, from the Hub.

    Files that the cache lacks are downloaded, and damaged ones once more. Raises CheckpointError for a damaged world,
    HubError if it cannot be downloaded.
    """
    address = find_address(path, revision)
    if address is None:
        return load(Path(path), Path(path).resolve().name)
    folder = download(address)
    try:
        return load(folder, str(address))
    except CheckpointError:
        if not mend(address, folder):  # it is like this on the Hub
            raise
        return load(folder, str(address))


def write_config(folder: Path, config: WorldConfig, files: dict[str, Any] | None = None) -> None:
    """Writes config.json and the model card; `files` None keeps what config.json says of the weights already."""
    if files is None:
        files = _read_json(folder / "config.json")["files"]
    write_all(folder, _told_in(folder, config, files))


def _told_in(folder: Path, config: WorldConfig, files: dict[str, Any], brings_effects: bool = False) -> dict[str, str]:
    """The model card and config.json. The latter makes a folder a world, and so comes last."""
    values = _to_json(config) | {"files": files}
    effects = EFFECTS if brings_effects or (folder / EFFECTS).is_file() else None
    return {"README.md": card(config, effects=effects), "config.json": json.dumps(values, indent=2) + "\n"}


def fingerprint(folder: Path) -> dict[str, str]:
    """A sha256 of each network's weights, as `weights.fingerprint` has it, without the networks."""
    hashes = {}
    for name in NETWORKS:
        digest = hashlib.sha256()
        for key, value in sorted(_read_tensors(folder / weights_of(name)).items()):
            value = value.astype(np.float32) if value.dtype.kind == "f" else value  # as the networks hold them
            digest.update(f"{key} torch.{value.dtype.name} {value.shape}\n".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        hashes[name] = digest.hexdigest()
    return hashes


def check_numbers(folder: Path, path: str) -> None:
    """Raises CheckpointError for weights that no network holds: other kinds of numbers, NaN, infinity."""
    file = folder / path
    for key, value in _read_tensors(file).items():
        if value.dtype not in STORED:
            raise CheckpointError(f"{file}: {key} holds {value.dtype}, expected float32 or float16; {MEND}")
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise CheckpointError(f"{file}: {key} holds NaN or infinity; {MEND}")


def _read_tensors(file: Path) -> dict[str, np.ndarray]:
    try:
        return load_file(file)
    except (SafetensorError, OSError, KeyError) as error:
        raise CheckpointError(f"{file} is not a readable safetensors file ({error}); {MEND}") from error


def read_graphs(folder: Path, config: WorldConfig) -> dict[str, Graph]:
    """The graphs that the world brings, by file name, each as config.json promises it and nothing but arithmetic.

    Empty if the world brings none, which is no fault. Raises CheckpointError for a graph that is damaged or foreign.
    """
    files = files_of(folder)
    if not any(name in files for name in GRAPHS):
        return {}
    sizes = {}
    for path in PLAYED:
        check_file(folder, path, files)
        sizes[path] = files[path]["size"]
    graphs = {}
    for name in GRAPHS:
        check_file(folder, name, files)
        try:
            graphs[name] = read_graph((folder / name).read_bytes(), sizes)
            require_fits(graphs[name], name, config)
        except (ConfigError, OSError) as error:
            raise CheckpointError(f"{folder / name}: {error}; {MEND}") from error
    return graphs


def require_fits(graph: Graph, name: str, config: WorldConfig) -> None:
    """Raises ConfigError unless a graph takes and gives what play of such a world does."""
    if name == STEP:
        steps = graph.inputs.get("uniform", (None, None))[1:2][0]
        require(steps is not None, "it does not say how many passes it takes")
        expected = {key: (None, *shape[1:]) for key, shape in feeds(config, shapes(config, 1, steps or 1)).items()}
        expected["uniform"] = (None, steps, None, config.dynamics.token_factors, None)
        gives = step_outputs(config)
    else:
        expected, gives = encode_inputs(config), encode_outputs(config)
    require(graph.inputs == expected, f"it takes {told(graph.inputs)}, expected {told(expected)}")
    require(graph.outputs == gives, f"it gives {told(graph.outputs)}, expected {told(gives)}")


def read_config(folder: Path) -> WorldConfig:
    """config.json as a WorldConfig; CheckpointError if there is none or it does not fit this version."""
    values = _read_json(folder / "config.json")
    version = values.pop("format_version", None)
    newer = isinstance(version, int) and version > FORMAT_VERSION
    if isinstance(version, bool) or version not in (1, FORMAT_VERSION):
        raise CheckpointError(
            f"{folder} has world format {told(version)}, this program reads 1 to {FORMAT_VERSION}; "
            f"{'update the program' if newer else MEND}"
        )
    try:
        return _from_json(values, version)
    except KeyError as error:
        raise CheckpointError(f"{folder}/config.json lacks {error}; {MEND}") from None
    except ConfigError as error:
        raise CheckpointError(f"{folder}/config.json: {error}; {MEND}") from error


def _from_json(values: dict[str, Any], version: int) -> WorldConfig:
    actions, files = values.pop("actions"), values.pop("files")
    require(isinstance(actions, list) and len(actions) > 0, f"actions is {told(actions)}, expected a list of them")
    require(isinstance(files, dict), f"files is {told(files)}, expected an object")
    size, context = as_size(values.pop("frame_size")), values.pop("context_frames")
    sections = {name: values.pop(name) for name in SECTIONS}
    if version == 1:
        values["game"] = _game_of_format_1(values.get("training"))
        networks = _networks_of_format_1(sections, values["game"])
    else:
        networks = build_networks(size, context, len(actions), sections)
    parts = {
        "sampling": build_sampling(values.pop("sampling")),
        "actions": tuple(build(Action, action) for action in actions),
        "fps": values.pop("fps"),
        "game": values.pop("game"),
    }
    config: WorldConfig = build(WorldConfig, {**values, **networks._asdict(), **parts})
    require(size == config.frame_size, f"frame_size is {size}, the networks have {config.frame_size}")
    require(context == config.context_frames, f"context_frames is {context}, the networks have {config.context_frames}")
    return config


def _game_of_format_1(training: Any) -> str:
    """Format 1 names the game in the data's source, if anywhere."""
    source = training.get("source") if isinstance(training, dict) else None
    game = source.get("game") if isinstance(source, dict) else None
    return game if isinstance(game, str) and 0 < len(game) <= MOST_NAME else UNKNOWN_GAME


def _networks_of_format_1(sections: dict[str, Any], game: str) -> Networks:
    """Format 1 repeats shared values in each section; frames are square, and the rules are one game's."""
    for name, section in sections.items():
        require(isinstance(section, dict), f"{name} is {told(section)}, expected an object")
    tokenizer, latent_action, dynamics = (dict(section) for section in sections.values())
    for section, key in ((tokenizer, "frame_size"), (latent_action, "frame_size"), (dynamics, "grid")):
        section[key] = as_size(section[key], key)
    rules = {key: latent_action.pop(key) for key in ("expectation_layers", "look_size") if key in latent_action}
    if rules:
        latent_action["rules"] = {"game": game if game in games.known_games() else games.OLDEST, **rules}
    parts = zip(SECTIONS.values(), (tokenizer, latent_action, dynamics), strict=True)
    return Networks(*(build(kind, section) for kind, section in parts))


def check_file(folder: Path, path: str, files: dict[str, Any]) -> None:
    """Raises CheckpointError unless the file at `path` is the one that `files` of config.json promise."""
    file, promised = folder / path, files.get(path)
    if not file.is_file():
        raise CheckpointError(f"the world lacks {file}; {MEND}")
    if not isinstance(promised, dict):
        raise CheckpointError(f"config.json beside {file.parent} does not list {file.name} in its files; {MEND}")
    try:
        size = file.stat().st_size
        sha256 = _sha256(file) if size == promised.get("size") else None
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read ({error.strerror or error}); {MEND}") from error
    if sha256 is None:
        raise CheckpointError(f"{file} has {size} bytes, expected {promised.get('size')}; {MEND}")
    if sha256 != promised.get("sha256"):
        raise CheckpointError(f"{file} is not the file that config.json was written with (sha256 differs); {MEND}")


def _read_json(file: Path) -> dict[str, Any]:
    if not file.is_file():
        there = file.parent.is_dir()
        wrong = f"{file.parent} is not a world: it has no config.json" if there else f"there is no folder {file.parent}"
        raise CheckpointError(f"{wrong}; `python launch.py --worlds` lists the worlds on this computer")
    try:
        text = read_text(file, CONFIG_BYTES)
        values = json.loads(text, parse_int=_int, parse_float=_float, parse_constant=_float)
    except RecursionError:
        raise CheckpointError(f"{file} is nested too deeply to be a world's config; {MEND}") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{file} is not readable JSON ({error}); {MEND}") from error
    if not is_shallow(values):
        raise CheckpointError(f"{file} is nested too deeply to be a world's config; {MEND}")
    if not is_unicode(values):
        raise CheckpointError(f"{file} holds text that is no Unicode; {MEND}")
    if not isinstance(values, dict):
        raise CheckpointError(f"{file} holds {type(values).__name__}, expected an object; {MEND}")
    return values


def _int(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"the number {text[:MOST_DIGITS]}… is too large")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:MOST_DIGITS]} is no number")
    return value


def _to_json(config: WorldConfig) -> dict[str, Any]:
    """The values of format 2: those that the networks share stand once, and None is left out."""
    values = dataclasses.asdict(config)
    for name, keys in DERIVED.items():
        values[name] = {key: value for key, value in _without_none(values[name]).items() if key not in keys}
    if config.latent_action.context_frames == config.context_frames:
        del values["latent_action"]["context_frames"]
    return {
        "format_version": FORMAT_VERSION,
        "game": values.pop("game"),
        "frame_size": config.frame_size,
        "fps": values.pop("fps"),
        "context_frames": config.context_frames,
        "sampling": values.pop("sampling"),
        **values,
    }


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    """A section without the values that are None, in its own sections too."""
    parts = {key: _without_none(value) if isinstance(value, dict) else value for key, value in values.items()}
    return {key: value for key, value in parts.items() if value is not None}


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
