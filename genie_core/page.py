"""A world as the static page downloads it: its graphs and the weights they read, the decoder's in half the bytes.

Only what paints pictures is halved, to float16 in the file, which a graph turns back to float32 when it is opened. A
picture differs by a level at most, and no token does: with rounded weights of the dynamics, half of the tokens of 100
steps were others. A world that sees its last picture is left as it is.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load, save

from genie_core import checkpoint
from genie_core.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from genie_core.world import World

FILES = (*checkpoint.GRAPHS, *checkpoint.PLAYED)
HALVED = "decoder."  # tensors of the tokenizer, by the beginning of their names
HALVED_FROM = 1024  # bytes of a tensor


def page_files(world: World) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The values of config.json, in today's format, and the contents of `FILES` by path.

    Graphs are those of the world's folder, or made if it has none of just these weights. Raises MissingExtraError if
    onnx is not there.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder, made = world.folder, Path(temporary)
        if folder is None or not world.graphs or checkpoint.fingerprint(folder) != world.fingerprint():
            folder = made
            world.save_pretrained(folder)
        else:
            checkpoint.write_config(made, world.config, {})
        if not (folder / checkpoint.STEP).is_file():
            raise MissingExtraError("the page plays graphs, which onnx writes: pip install -r requirements.txt")
        config = json.loads((made / "config.json").read_text(encoding="utf-8"))
        files = {path: (folder / path).read_bytes() for path in FILES}
    if world.config.tokenizer.reference:  # its pictures are what the next step sees
        return config, files
    return config, halve(files, checkpoint.PLAYED[0], checkpoint.GRAPHS)


def halve(files: Mapping[str, bytes], weights: str, graphs: tuple[str, ...]) -> dict[str, bytes]:
    """`files` by path with the decoder in float16 in the safetensors file `weights`, and `graphs` that read it there.

    Raises ConfigError for a weight that float16 has no number for.
    """
    tensors = {name: _half(name, tensor) for name, tensor in load(files[weights]).items()}
    halved = save(tensors)
    moved = {old: new for name, old in _begins(files[weights]).items() for new in [_begins(halved)[name]]}
    kinds = {_begins(halved)[name]: tensor.dtype for name, tensor in tensors.items()}
    made = {path: _reading_halves(files[path], weights, moved, kinds) for path in graphs}
    return {**files, weights: halved, **made}


def _half(name: str, tensor: np.ndarray) -> np.ndarray:
    if not name.startswith(HALVED) or tensor.dtype != np.float32 or tensor.nbytes < HALVED_FROM:
        return tensor
    most = np.finfo(np.float16).max
    if not (np.abs(tensor) <= most).all():
        raise ConfigError(f"the weight {name} is too large for float16, expected at most {most}")
    return tensor.astype(np.float16)


def _begins(content: bytes) -> dict[str, int]:
    """Where each tensor of a safetensors file begins."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    return {name: start + entry["data_offsets"][0] for name, entry in header.items() if name != "__metadata__"}


def _reading_halves(graph: bytes, weights: str, moved: dict[int, int], kinds: dict[int, np.dtype[Any]]) -> bytes:
    """`graph` with its references into `weights` moved from the old tensors' beginnings to the new ones'."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_from_string(graph)
    casts = []
    for tensor in model.graph.initializer:
        places = {entry.key: entry for entry in tensor.external_data}
        if not places or places["location"].value != weights:
            continue
        offset, length = int(places["offset"].value), int(places["length"].value)
        old = max(begin for begin in moved if begin <= offset)  # a reference may be to a part of a tensor
        halves = kinds[moved[old]] == np.float16
        places["offset"].value = str(moved[old] + (offset - old) // (2 if halves else 1))
        if halves:
            places["length"].value = str(length // 2)
            casts.append(helper.make_node("Cast", [f"{tensor.name}_half"], [tensor.name], to=TensorProto.FLOAT))
            tensor.name, tensor.data_type = f"{tensor.name}_half", TensorProto.FLOAT16
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    content: bytes = model.SerializeToString()
    return content
