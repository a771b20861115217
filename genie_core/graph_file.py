"""Reads an ONNX file as far as needed to know that it is harmless, with no ONNX package: a world may be a stranger's.

A graph of a world has operators of the standard domain alone, no functions and no subgraphs, the inputs and outputs of
a step or of an encoding, and weights that are its own or lie inside the world's safetensors files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from genie_core.limits import GRAPH_BYTES, require, told

STANDARD = (b"", b"ai.onnx")  # domains of operators
KINDS: dict[int, np.dtype[Any]] = {  # of numbers, by ONNX's id
    1: np.dtype("<f4"),
    2: np.dtype("u1"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    10: np.dtype("<f2"),
}
FIXED = {1: 8, 5: 4}  # bytes of a field, by its wire type

Message = dict[int, list[int | bytes]]
"""Fields of a protobuf message by their numbers."""


class Weight(NamedTuple):
    """A tensor of a graph that lies in another file: `shape` numbers of `kind` from byte `offset` of `file` on."""

    name: str
    file: str
    offset: int
    kind: np.dtype
    shape: tuple[int, ...]


class Graph(NamedTuple):
    """A checked graph: its file's `content`, the weights outside of it, and its inputs' sides, None for any number."""

    content: bytes
    weights: tuple[Weight, ...]
    inputs: dict[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]


def read_graph(content: bytes, sizes: Mapping[str, int]) -> Graph:
    """The graph of an ONNX file. `sizes` are the bytes of the files that may hold weights, by path in the world.

    Raises ConfigError for a file that is damaged, or that asks for more than a world's graph may.
    """
    require(len(content) <= GRAPH_BYTES, f"it has {len(content):,} bytes, at most {GRAPH_BYTES:,} expected")
    try:
        model = _fields(content)
        _refuse(model, {20: "training", 25: "functions"})
        for opset in model.get(8, []):
            _require_standard(_fields(opset).get(1, [b""])[-1])
        graph = _fields(model[7][-1])
        _refuse(graph, {15: "sparse weights"})
        for node in graph.get(1, []):
            _check_node(_fields(node))
        found = (_weight(_fields(tensor), sizes) for tensor in graph.get(5, []))
        inputs = dict(_value(_fields(value)) for value in graph[11])
        outputs = tuple(_value(_fields(value))[0] for value in graph[12])
        return Graph(content, tuple(weight for weight in found if weight is not None), inputs, outputs)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        require(False, f"it is not a graph, or damaged ({error})")
        raise AssertionError from error


def _check_node(node: Message) -> None:
    _require_standard(node.get(7, [b""])[-1])
    for attribute in node.get(5, []):
        fields = _fields(attribute)
        _refuse(fields, {6: "a subgraph", 11: "subgraphs", 22: "sparse tensors", 23: "sparse tensors"})
        for tensor in (*fields.get(5, []), *fields.get(10, [])):
            _refuse(_fields(tensor), {13: "an attribute in another file"})


def _weight(tensor: Message, sizes: Mapping[str, int]) -> Weight | None:
    """Where a weight lies; None if it is inside the graph."""
    if not tensor.get(13) and tensor.get(14, [0])[-1] == 0:
        return None
    told_by = {_text(entry[1][-1]): _text(entry[2][-1]) for entry in map(_fields, tensor[13])}
    name, file = _text(tensor[8][-1]), told_by.pop("location")
    require(file in sizes, f"its weight {told(name)} lies in {told(file)}, expected one of {', '.join(sizes)}")
    kind, shape = KINDS[_number(tensor[2][-1])], tuple(_numbers(tensor.get(1, [])))
    offset, length = int(told_by.pop("offset", "0")), int(told_by.pop("length"))
    require(not told_by, f"its weight {told(name)} has {told(sorted(told_by))}, which is not known")
    fitting = offset >= 0 and min(shape, default=0) >= 0 and length == kind.itemsize * math.prod(shape)
    require(fitting and offset + length <= sizes[file], f"its weight {told(name)} does not lie inside {file}")
    return Weight(name, file, offset, kind, shape)


def _value(value: Message) -> tuple[str, tuple[int | None, ...]]:
    """Name and sides of an input or an output."""
    tensor = _fields(_fields(value[2][-1])[1][-1])
    sides = (_fields(side) for side in _fields(tensor[2][-1]).get(1, []))
    return _text(value[1][-1]), tuple(_number(side[1][-1]) if 1 in side else None for side in sides)


def _require_standard(domain: int | bytes) -> None:
    require(domain in STANDARD, f"it needs operators of {told(domain)}, only ONNX's own are allowed")


def _refuse(message: Message, fields: dict[int, str]) -> None:
    for field, what in fields.items():
        require(field not in message, f"it has {what}, which no graph of a world has")


def _number(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("a number is missing")
    return value


def _text(value: int | bytes) -> str:
    if not isinstance(value, bytes):
        raise ValueError("a text is missing")
    return value.decode()


def _numbers(values: list[int | bytes]) -> Iterator[int]:
    """Repeated numbers, one a field or packed."""
    for value in values:
        if isinstance(value, int):
            yield value
            continue
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            yield number


def _fields(content: int | bytes) -> Message:
    """The fields of a protobuf message, numbers as they are and everything else as bytes."""
    if not isinstance(content, bytes):
        raise ValueError("a message is missing")
    fields, at = Message(), 0
    while at < len(content):
        key, at = _varint(content, at)
        field, wire, value = key >> 3, key & 7, 0
        if wire == 0:
            value, at = _varint(content, at)
            fields.setdefault(field, []).append(value)
            continue
        length, at = (FIXED[wire], at) if wire in FIXED else _varint(content, at) if wire == 2 else (None, at)
        if length is None or at + length > len(content):
            raise ValueError("it ends too early")
        fields.setdefault(field, []).append(content[at : at + length])
        at += length
    return fields


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number of up to 64 bits, and where the next field begins."""
    number = 0
    for place in range(10):
        byte = content[at + place]
        number |= (byte & 127) << 7 * place
        if byte < 128:
            return number, at + place + 1
    raise ValueError("a number is too long")
