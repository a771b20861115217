"""The step and the encoding of a prompt as ONNX graphs, made from a world's networks by torch.

A graph is small: its weights lie in the world's own safetensors files, by offset and length. Making one needs torch and
onnx; playing one needs neither.

The exporter is torch's older one. The newer one (`dynamo=True`, torch 2.13, onnxscript 0.7) was tried on the same step:
no faster a graph (1.01 of the time), but ten times the bytes once linked, many times the seconds to make, indices of a
kind that ONNX Runtime refuses, and sides that may be 1 or more, as those of the noise, become numbers.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from genie_core.config import WorldConfig
from genie_core.models.dynamics import DynamicsModel
from genie_core.models.reference_tokenizer import ReferenceTokenizer
from genie_core.models.tokenizers import Tokenizer
from genie_core.state import RING, StepInputs, encode_inputs, encode_outputs, feeds, shapes, step_outputs
from genie_core.step import Encode, EncodeNext, Step

Files = Mapping[str, bytes]
"""Contents of a world's files, by their paths in its folder."""

WHOLE = ("last", "into", "action", "forced", "ages")  # inputs of a step that are whole numbers
OPSET = 20
VIEWS = ("Reshape", "Squeeze", "Unsqueeze", "Slice", "Identity")
LINKED_FROM = 1024  # bytes of a weight that is worth a reference
FOLDED_TO = 4096  # bytes of a constant computed here; larger ones are computed when a graph is loaded


def example(config: WorldConfig, unmask_steps: int) -> StepInputs[Tensor]:
    """What a step may take, of two playthroughs."""

    def zeros(name: str, shape: Any) -> Any:
        if name in RING:
            return tuple(torch.zeros(each) for each in shape)
        if name == "memory":
            kind = torch.uint8 if config.tokenizer.reference else torch.float32
            return tuple(torch.zeros(each, dtype=kind) for each in shape)
        return torch.zeros(shape, dtype=torch.int32 if name in WHOLE else torch.float32)

    return StepInputs(*(zeros(*each) for each in shapes(config, 2, unmask_steps)._asdict().items()))


def step_graph(
    config: WorldConfig, dynamics: DynamicsModel, tokenizer: Tokenizer, unmask_steps: int, files: Files
) -> bytes:
    """step.onnx in `unmask_steps` passes, its weights read out of `files`, contents by path."""
    inputs = example(config, unmask_steps)
    names, outputs = [*feeds(config, inputs)], step_outputs(config)
    sides: dict[str, dict[int, str]] = {name: {0: "b"} for name in (*names, *outputs)}
    sides["uniform"] = {0: "b", 2: "noise_tokens", 4: "noise_vocabulary"}
    step = Step(dynamics, tokenizer, unmask_steps)
    return _link(_tidy(_export(step, tuple(inputs), names, outputs, sides)), files)


def encode_graph(config: WorldConfig, tokenizer: Tokenizer, files: Files) -> bytes:
    """encode.onnx, likewise."""
    names, outputs = [*encode_inputs(config)], encode_outputs(config)
    sides: dict[str, dict[int, str]] = {name: {0: "b"} for name in (*names, *outputs)}
    if isinstance(tokenizer, ReferenceTokenizer):
        picture = torch.zeros(2, *config.frame_size, 3, dtype=torch.uint8)
        return _link(_tidy(_export(EncodeNext(tokenizer), (picture, picture), names, outputs, sides)), files)
    frames = torch.zeros(2, 3, *config.frame_size, 3, dtype=torch.uint8)
    sides |= {name: {0: "b", 1: "t"} for name in ("frames", "tokens")}
    return _link(_tidy(_export(Encode(tokenizer), (frames,), names, outputs, sides)), files)


def _export(
    module: nn.Module,
    inputs: tuple[Any, ...],
    names: list[str],
    outputs: tuple[str, ...],
    sides: dict[str, dict[int, str]],
) -> ModelProto:
    """The graph as torch writes it down, with its constants left alone: weights stay as they lie in the files."""
    written = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of sizes taken as constants, which they are
        torch.onnx.export(
            module.eval(),
            inputs,
            written,  # type: ignore[arg-type]  # this exporter takes a file, its annotation not
            input_names=names,
            output_names=list(outputs),
            dynamic_axes=sides,
            opset_version=OPSET,
            do_constant_folding=False,
            dynamo=False,
        )
    return onnx.load_from_string(written.getvalue())


def _tidy(model: ModelProto) -> ModelProto:
    """Computes small constants, and views of weights, now; drops names and whatever nothing uses."""
    graph, nodes = model.graph, list[NodeProto]()
    known = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    for node in graph.node:
        inputs = [known.get(name) for name in node.input if name]
        if node.op_type != "Constant" and any(value is None for value in inputs):
            nodes.append(node)
            continue
        values = ReferenceEvaluator(node).run(None, dict(zip(node.input, inputs, strict=True)))
        computed = {name: np.asarray(value) for name, value in zip(node.output, values, strict=True)}
        if node.op_type in VIEWS or all(value.nbytes <= FOLDED_TO for value in computed.values()):
            known |= computed
        else:
            nodes.append(node)
    nodes, used = _used(nodes, {output.name for output in graph.output})
    names = {name: name for value in (*graph.input, *graph.output) for name in [value.name]}
    for node in nodes:
        node.name, node.doc_string = "", ""
        for place in (node.input, node.output):
            place[:] = [name and names.setdefault(name, f"v{len(names)}") for name in place]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(
        numpy_helper.from_array(known[name].copy(order="C"), names[name]) for name in known if name in used
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _used(nodes: list[NodeProto], wanted: set[str]) -> tuple[list[NodeProto], set[str]]:
    """The nodes that the values `wanted` depend on, and the names of all values that these use."""
    kept = list[NodeProto]()
    for node in reversed(nodes):
        if wanted & {*node.output}:
            kept.insert(0, node)
            wanted = wanted | {*node.input}
    return kept, wanted


def _link(model: ModelProto, files: Files) -> bytes:
    """The graph as a file; each weight that stands byte for byte in one of `files` becomes a reference to it."""
    for tensor in model.graph.initializer:
        raw = tensor.raw_data
        found = {path: content.find(raw) for path, content in files.items()} if len(raw) >= LINKED_FROM else {}
        for path, offset in found.items():
            if offset >= 0:
                tensor.ClearField("raw_data")
                tensor.data_location = TensorProto.EXTERNAL
                for key, value in (("location", path), ("offset", offset), ("length", len(raw))):
                    tensor.external_data.add(key=key, value=str(value))
                break
    content: bytes = model.SerializeToString()
    return content
