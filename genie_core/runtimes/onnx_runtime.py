"""The step as ONNX Runtime runs it, on the CPU. Weights are the world's own files, as they lie in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import numpy as np
import onnxruntime  # type: ignore[import-untyped]

from genie_core import checkpoint
from genie_core.errors import CheckpointError
from genie_core.graph_file import Graph
from genie_core.limits import RUN_BYTES, WEIGHED_BYTES
from genie_core.runtimes.base import SHARED_FROM, asked_threads, encode_prompt
from genie_core.runtimes.graph_store import GraphStore
from genie_core.state import Encoded, StepInputs, Stepped, encode_outputs, feeds, gives, step_outputs

KINDS = {"picture": np.uint8, "tokens": np.int32}  # of outputs; all others are float32
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
        return encode_prompt(self._store.config, frames, self._run_encode)

    def _run_encode(self, inputs: dict[str, np.ndarray]) -> Encoded[np.ndarray]:
        if self._encode is None:
            self._encode = self._open(self._store.encode(), checkpoint.ENCODE)
        tokens, picture, *memory = _run(self._encode, inputs, checkpoint.ENCODE)
        config, leading = self._store.config, next(iter(inputs.values())).shape[:-3]
        step = gives(config, leading[0])
        expected = ((*leading, step.tokens[1]), step.picture, *step.memory)
        self._check(encode_outputs(config), (tokens, picture, *memory), expected, checkpoint.ENCODE)
        return Encoded(tokens, picture, tuple(memory))

    def step(self, inputs: StepInputs[np.ndarray]) -> Stepped[np.ndarray]:
        """In as many passes as `inputs.uniform` brings noise for."""
        passes = inputs.uniform.shape[1]
        self.make_ready(passes)
        config = self._store.config
        outputs = _run(self._steps[passes], feeds(config, inputs), checkpoint.STEP)
        *before, memory, doubt = gives(config, len(inputs.last))
        self._check(step_outputs(config), outputs, (*before, *memory, doubt), checkpoint.STEP)
        picture, tokens, key, value, *rest = outputs
        return Stepped(picture, tokens, key, value, tuple(rest[:-1]), rest[-1])

    def is_ready(self, passes: int) -> bool:
        """Whether the graph of so many passes is loaded."""
        return passes in self._steps

    def make_ready(self, passes: int) -> None:
        """Load the graph of so many passes; torch makes it if nobody has. From any thread."""
        if passes not in self._steps:
            self._steps[passes] = self._open(self._store.step(passes), checkpoint.STEP)

    def _check(
        self, names: Sequence[str], outputs: Sequence[np.ndarray], expected: Sequence[tuple[int, ...]], name: str
    ) -> None:
        """Raises CheckpointError for what a stranger's graph gives beside what play goes on with."""
        for key, array, shape in zip(names, outputs, expected, strict=True):
            kind = KINDS.get(key, np.float32)
            if array.dtype != kind or array.shape != shape:
                found = f"{array.dtype} {array.shape}"
                raise CheckpointError(
                    f"{name} gives {key} as {found}, expected {np.dtype(kind)} {shape}; {checkpoint.MEND}"
                )
        tokens, codes = outputs[names.index("tokens")], self._store.config.dynamics.mask_id
        if tokens.min() < 0 or tokens.max() >= codes:
            raise CheckpointError(f"{name} gives tokens outside 0..{codes - 1}; {checkpoint.MEND}")

    def part(self, passes: int, inputs: dict[str, np.ndarray]) -> Callable[[], object]:
        """What runs the part of a step that starts from the values `inputs`, to be timed. Needs onnx."""
        import onnx
        from onnx.utils import Extractor

        whole = onnx.load_from_string(self._store.step(passes).content)
        given = step_outputs(self._store.config)
        outputs = [name for name in given if name not in (*inputs, "key", "value", "doubt")]
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
        if sum(array.nbytes for array in arrays) <= WEIGHED_BYTES:
            _bound_memory()
            options.add_session_config_entry("session.use_env_allocators", "1")
        with _played(name):
            return onnxruntime.InferenceSession(graph.content, options, providers=["CPUExecutionProvider"])


def _run(session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray], name: str) -> list[np.ndarray]:
    with _played(name):
        outputs: list[np.ndarray] = session.run(None, inputs)
        return outputs


@cache
def _bound_memory() -> None:
    """A graph is a program, and a stranger's may ask for any memory: the arena that all share has no more to give."""
    arena = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = onnxruntime.OrtMemoryInfo("Cpu", arena, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg({"max_mem": RUN_BYTES}))


@contextmanager
def _played(name: str) -> Iterator[None]:
    """Says in words what a stranger's graph, called `name`, cannot do."""
    try:
        yield
    except Exception as error:  # the library's own exceptions have no common base
        raise CheckpointError(f"{name} cannot be played ({error}); {checkpoint.MEND}") from error
