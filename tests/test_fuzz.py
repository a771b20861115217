"""What fuzzing found, each with its right answer, and a few inputs of each light kind: tests/benchmarks/fuzz.py tries
a million."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.web.api import _script
from app.window.drawing import SMALL, Canvas, forget_fonts
from genie_core.checkpoint import WEIGHTS, read_config
from genie_core.config import SamplingConfig, TokenizerConfig
from genie_core.data import VideoDataset
from genie_core.engine import WorldEngine
from genie_core.errors import CheckpointError, ConfigError, DataError, GenieError
from genie_core.limits import MOST_DEPTH, MOST_KEPT, MOST_SCORES, is_shallow, require_blocks
from genie_core.world import World

ROOT = Path(__file__).parents[1]
LIGHT = ("scripts", "settings", "pictures", "dataset-json", "npy", "npz")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each batch of inputs has a process of its own, by os.fork")
def test_damaged_inputs_are_accepted_or_refused_in_words(tmp_path: Path) -> None:
    # A process of its own: a fork of this one would begin with the memory that other tests have left.
    log, count = tmp_path / "log.json", 100 * len(LIGHT)
    fuzz = [sys.executable, ROOT / "tests/benchmarks/fuzz.py", "--kind", *LIGHT, "--inputs", str(count), "--log", log]
    done = subprocess.run(fuzz, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tallies = json.loads(log.read_text())
    assert tallies.keys() == set(LIGHT)
    for name, tally in tallies.items():
        assert tally["inputs"] == tally["refused"] + tally["accepted"] == 100, (name, tally["first"])
        assert tally["refused"] > 10 and tally["accepted"] > 1 and tally["peak_mb"] < 1024, name


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def changed(folder: Path, out: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A copy of a world or a data set with another description."""
    shutil.copytree(folder, out)
    file = next(file for file in (out / "config.json", out / "dataset.json") if file.is_file())
    values = json.loads(file.read_text())
    change(values)
    file.write_text(json.dumps(values))
    return out


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "up\x1b[2J"])
def test_names_that_no_font_can_draw_are_drawn_otherwise(text: str) -> None:
    import pygame

    pygame.font.init()
    forget_fonts()
    canvas = Canvas(pygame.Surface((200, 50)))
    assert canvas.key(0, 0, text) > 0 and canvas.text(text, (0, 0), SMALL) > 0


@pytest.mark.parametrize("field", [3, None, ["right"], {"path": "x"}])
def test_a_script_that_is_no_text_is_refused_in_words(field: Any) -> None:
    with pytest.raises(GenieError, match="in the script"):
        _script(field, read_config(ROOT / "checkpoints/coinrun").actions[:2])


@pytest.mark.parametrize("depth", [MOST_DEPTH + 1, 400, 900])
def test_json_that_no_function_could_walk_through_is_refused(tiny_world: Path, tmp_path: Path, depth: int) -> None:
    world = changed(tiny_world, tmp_path / "world", lambda values: values["training"].update(x=nested(depth)))
    with pytest.raises(CheckpointError, match="too deeply"):
        read_config(world)
    data = ROOT / "tests/data/coinrun-easy-test"
    with pytest.raises(DataError, match="unusable source"):
        VideoDataset(changed(data, tmp_path / "data", lambda values: values["source"].update(x=nested(depth))))


@pytest.mark.parametrize("place", ["game", "name", "training"])
def test_text_that_no_file_can_hold_is_refused(tiny_world: Path, tmp_path: Path, place: str) -> None:
    def change(values: dict[str, Any]) -> None:
        holder = {"game": values, "name": values["actions"][0], "training": values["training"]}[place]
        holder[place] = "half of \ud800"

    with pytest.raises(CheckpointError, match="no Unicode"):
        read_config(changed(tiny_world, tmp_path / "world", change))


def test_json_of_usual_depth_is_read() -> None:
    assert is_shallow(nested(MOST_DEPTH)) and not is_shallow(nested(MOST_DEPTH + 1))
    assert is_shallow({"a": [{"b": nested(MOST_DEPTH - 3)}]}) and not is_shallow({"a": [{"b": nested(MOST_DEPTH)}]})


# ---- sizes: a few bytes of config.json ask for gigabytes


@pytest.mark.parametrize(
    ("shape", "what"),
    [
        ({"heads": 1, "grid": (128, 128)}, f"268,435,456 scores, at most {MOST_SCORES:,}"),
        ({"heads": 64, "grid": (32, 32)}, "67,108,864 scores"),
        ({"context_frames": 256, "layers": 128, "grid": (16, 17)}, f"numbers of the past, at most {MOST_KEPT:,}"),
        ({"width": 4096, "layers": 128}, "34,359,738,368 weights"),
    ],
)
def test_blocks_that_do_not_fit_are_refused(shape: dict[str, Any], what: str) -> None:
    usual = {"width": 64, "layers": 1, "heads": 4, "context_frames": 8, "grid": (8, 8)}
    require_blocks(**usual)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=re.escape(what)):
        require_blocks(**usual | shape)  # type: ignore[arg-type]


def test_pictures_inside_a_tokenizer_that_do_not_fit_are_refused() -> None:
    TokenizerConfig(frame_size=(1024, 1024), channels=(64, 128, 256))
    with pytest.raises(ConfigError, match=r"72 channels of 512x512 give 18,874,368 features"):
        TokenizerConfig(frame_size=(1024, 1024), channels=(72, 128))


def test_noise_that_does_not_fit_is_refused(tiny_world: Path, tmp_path: Path) -> None:
    """A frame of 64 tokens with logits of 2^16 has 4 million numbers of noise a pass."""

    def change(values: dict[str, Any], unmask_steps: int) -> None:
        values["tokenizer"].update(code_bits=16, token_factors=1)
        values["sampling"]["unmask_steps"] = unmask_steps

    read_config(changed(tiny_world, tmp_path / "fits", lambda values: change(values, 4)))
    with pytest.raises(CheckpointError, match=r"unmask_steps 5 .* numbers of noise"):
        read_config(changed(tiny_world, tmp_path / "does-not", lambda values: change(values, 5)))


def test_an_engine_refuses_passes_without_room_for_their_noise() -> None:
    """Of 16 tokens with logits of 2^16."""
    from tiny import CONFIG, make_world

    parts = {name: replace(getattr(CONFIG, name), code_bits=16, token_factors=1) for name in ("tokenizer", "dynamics")}
    world = make_world(**parts)
    engine = WorldEngine(world, runtime="torch")
    engine.set_sampling(SamplingConfig(unmask_steps=16))
    for refused in (engine.set_sampling, lambda sampling: WorldEngine(world, sampling=sampling)):
        with pytest.raises(ConfigError, match=r"at most 16,777,216 fit"):
            refused(SamplingConfig(unmask_steps=17))
    assert engine.sampling_of().unmask_steps == 16


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read from /proc")
def test_no_network_is_built_of_what_config_json_alone_asks_for(tiny_world: Path, tmp_path: Path) -> None:
    """A dynamics of 3 GB, whose files have 100 kB."""
    asked = changed(tiny_world, tmp_path / "large", lambda values: values["dynamics"].update(width=1536, layers=20))
    before = memory_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    with pytest.raises(CheckpointError, match=rf"{WEIGHTS}.*(missing|shape)"):
        World.from_pretrained(asked)
    assert memory_mb("VmHWM") - before < 200


def memory_mb(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def test_a_world_whose_numbers_overflow_is_damaged_in_words() -> None:
    """`--worlds` measures how fast a world plays, and listed none over one that cannot."""
    from tiny import make_world

    engine = WorldEngine(make_world(), runtime="torch")
    engine.reset(np.zeros((16, 16, 3), np.uint8))
    engine._ring.keys[:] = np.inf
    with pytest.raises(CheckpointError, match="not finite"):
        engine.step(0)


# ---- graphs: programs of strangers


def bent(change: Callable[[Any], Any]) -> dict[str, bytes]:
    """The shipped world's files with another encode.onnx."""
    import onnx

    folder = ROOT / "checkpoints/coinrun"
    model = onnx.load_from_string((folder / "encode.onnx").read_bytes())
    change(model.graph)
    return {"encode.onnx": model.SerializeToString()}


def after(graph: Any, name: str, *nodes: Any) -> None:
    """Puts nodes between an output, which they take as `before`, and what gave it."""
    last = next(node for node in graph.node if name in node.output)
    last.output[list(last.output).index(name)] = "before"
    graph.node.extend(nodes)


def constant(graph: Any, name: str, value: np.ndarray) -> None:
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(value, name))


def add_memory(graph: Any) -> None:
    """Four gigabytes of ones, of which it adds the sum."""
    from onnx import helper

    constant(graph, "count", np.array([2**30], np.int64))
    many = helper.make_node("ConstantOfShape", ["count"], ["many"])
    total = helper.make_node("ReduceSum", ["many"], ["total"], keepdims=0)
    after(graph, "stem", many, total, helper.make_node("Add", ["before", "total"], ["stem"]))


def as_floats(graph: Any) -> None:
    from onnx import helper

    after(graph, "picture", helper.make_node("Cast", ["before"], ["picture"], to=1))
    next(output for output in graph.output if output.name == "picture").type.tensor_type.elem_type = 1


def out_of_range(graph: Any) -> None:
    from onnx import helper

    constant(graph, "more", np.array(2**18, np.int32))
    after(graph, "tokens", helper.make_node("Add", ["before", "more"], ["tokens"]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (add_memory, "cannot be played"),
        (as_floats, r"gives picture as float32 .*expected uint8"),
        (out_of_range, r"tokens outside 0\.\."),
    ],
)
def test_a_graph_that_does_other_things_is_refused_in_words(change: Callable[[Any], Any], told: str) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from genie_core.graph_world import GraphWorld
    from genie_core.runtimes.graph_store import of_graph_world

    world = GraphWorld.from_pretrained(ROOT / "checkpoints/coinrun")
    world.graphs |= {name: of_graph_world(world).checked(content) for name, content in bent(change).items()}
    engine = WorldEngine(world)
    with pytest.raises(CheckpointError, match=told):
        engine.reset(np.zeros((64, 64, 3), np.uint8))
