"""The step as ONNX Runtime runs it, on the CPU. Weights are the world's own files, as they lie in memory."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import onnxruntime  # type: ignore[import-untyped]

from genie_core import checkpoint
from genie_core.errors import CheckpointError
from genie_core.graph_file import Graph
from genie_core.runtimes.base import SHARED_FROM, asked_threads
from genie_core.runtimes.graph_store import GraphStore
from genie_core.state import Encoded, StepInputs, Stepped, feeds

WARNINGS, ERRORS = 3, 4  # of ONNX Runtime's log: what is a fault of ours comes as an exception


class OnnxRuntime:
    """Runs the graphs of `store`, for up to `players` at once, with one thread unless there are many."""

    name = "onnx"

    def __init__(self, store: GraphStore, players: int = 1) -> None:
        self._store = store
        self._threads = asked_threads() or (1 if players < SHARED_FROM else os.cpu_count() or 1)
        self._encode: onnxruntime.InferenceSession | None = None
        self._steps: dict[int, onnxruntime.InferenceSession] = {}
        self._arrays: list[np.ndarray] = []  # weights that sessions read

    def encode(self, frames: np.ndarray) -> Encoded[np.ndarray]:
        """uint8 frames (b, t, H, W, 3)."""
        if self._encode is None:
            self._encode = self._open(self._store.encode(), checkpoint.ENCODE)
        return Encoded(*self._encode.run(None, {"frames": frames}))

    def step(self, inputs: StepInputs[np.ndarray]) -> Stepped[np.ndarray]:
        """In as many passes as `inputs.uniform` brings noise for."""
        passes = inputs.uniform.shape[1]
        if passes not in self._steps:
            self._steps[passes] = self._open(self._store.step(passes), checkpoint.STEP)
        return Stepped(*self._steps[passes].run(None, feeds(inputs)))

    def part(self, passes: int, inputs: dict[str, np.ndarray]) -> Callable[[], object]:
        """What runs the part of a step that starts from the values `inputs`, to be timed. Needs onnx."""
        import onnx
        from onnx.utils import Extractor

        whole = onnx.load_from_string(self._store.step(passes).content)
        outputs = [name for name in Stepped._fields if name not in (*inputs, "key", "value", "doubt")]
        content = Extractor(whole).extract_model(list(inputs), outputs).SerializeToString()
        part = self._open(self._store.checked(content), checkpoint.STEP)
        return lambda: part.run(None, inputs)

    def _open(self, graph: Graph, name: str) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it starves whatever runs beside
        options.log_severity_level = ERRORS
        arrays = [
            np.frombuffer(self._store.files[w.file], w.kind, int(np.prod(w.shape)), w.offset).reshape(w.shape)
            for w in graph.weights
        ]
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in arrays]
        options.add_external_initializers([weight.name for weight in graph.weights], values)
        self._arrays += arrays
        try:
            return onnxruntime.InferenceSession(graph.content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library's own exceptions have no common base
            raise CheckpointError(f"{name} cannot be played ({error}); {checkpoint.MEND}") from error
