"""Graphs: made with a world, small, and refused unless they are the world's own arithmetic."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save_file
from tiny import make_world

from genie_core.checkpoint import ENCODE, GRAPHS, NETWORKS, STEP, _sha256, weights_of
from genie_core.config import SamplingConfig
from genie_core.engine import WorldEngine
from genie_core.errors import CheckpointError
from genie_core.graph_world import GraphWorld
from genie_core.world import World

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a tiny world with its graphs."""
    from genie_core import weights
    from genie_core.graphs import encode_graph, step_graph

    world = make_world()
    files = weights.contents(world.networks())
    networks = world.config, world.dynamics, world.tokenizer
    return files | {
        ENCODE: encode_graph(world.config, world.tokenizer, files),
        STEP: step_graph(*networks, world.config.sampling.unmask_steps, files),
    }


@pytest.fixture
def folder(saved: dict[str, bytes], tmp_path: Path) -> Path:
    from genie_core import checkpoint

    checkpoint.save(tmp_path / "tiny", make_world().config, saved)
    return tmp_path / "tiny"


def change(folder: Path, name: str, content: bytes, vouch: bool = True) -> None:
    """Writes a graph anew and, with `vouch`, has config.json promise it."""
    (folder / name).write_bytes(content)
    values = json.loads((folder / "config.json").read_text())
    if vouch:
        values["files"][name] = {"size": len(content), "sha256": _sha256(folder / name)}
    (folder / "config.json").write_text(json.dumps(values))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda value: np.full_like(value, np.nan), "NaN or infinity"),
        (lambda value: value.astype(np.float64), "holds float64, expected float32 or float16"),
        (lambda value: value.astype(np.int8), "holds int8"),
    ],
)
def test_weights_that_no_network_holds_are_refused_without_the_networks_too(
    folder: Path, network: str, change: Callable[[np.ndarray], np.ndarray], told: str
) -> None:
    file = folder / weights_of(network)
    tensors = load_tensors(file.read_bytes())
    key = next(key for key, value in tensors.items() if value.dtype.kind == "f")
    save_file(tensors | {key: change(tensors[key])}, file)
    values = json.loads((folder / "config.json").read_text())
    values["files"][weights_of(network)] = {"size": file.stat().st_size, "sha256": _sha256(file)}
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=told) as caught:
        GraphWorld.from_pretrained(folder)
    assert str(file) in str(caught.value)


@pytest.mark.usefixtures("with_graphs")
def test_a_saved_world_has_its_graphs(tmp_path: Path) -> None:
    make_world().save_pretrained(tmp_path)
    assert set(GRAPHS) <= set(json.loads((tmp_path / "config.json").read_text())["files"])
    assert set(World.from_pretrained(tmp_path).graphs) == set(GRAPHS)


def test_graphs_play_as_the_networks_do_alone_and_in_a_batch(folder: Path) -> None:
    hot = SamplingConfig(3, 1.0)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    one = WorldEngine(World.from_pretrained(folder), 1, hot, players=3, runtime="torch")
    other = WorldEngine(GraphWorld.from_pretrained(folder), 1, hot, players=3)
    alone = WorldEngine(GraphWorld.from_pretrained(folder), 1, hot)
    for player, picture in enumerate(pictures):
        one.reset(picture, player), other.reset(picture, player)
    alone.reset(pictures[0])
    for step in range(12):
        actions = {player: (step + player) % 4 for player in range(3) if step % 2 or player}
        one.step(actions), other.step(actions)
        if 0 in actions:
            alone.step(actions[0])
        for player in range(3):
            tokens = [engine.snapshot(player).frames[-1].tokens for engine in (one, other)]
            assert np.array_equal(*tokens), (step, player)
            doubts = [engine.doubt(engine.snapshot(player)) for engine in (one, other)]
            assert doubts == [None, None] or (doubts[0] == pytest.approx(doubts[1], rel=1e-4) and doubts[0] > 0)
        assert np.array_equal(alone.snapshot().frames[-1].tokens, other.snapshot().frames[-1].tokens)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_truncated_graph_is_refused(folder: Path, name: str, saved: dict[str, bytes]) -> None:
    change(folder, name, saved[name][:-100], vouch=False)
    for load in (World.from_pretrained, GraphWorld.from_pretrained):
        with pytest.raises(CheckpointError, match=rf"{name} has .* bytes, expected .*--world"):
            load(folder)
    change(folder, name, saved[name][:-100])
    with pytest.raises(CheckpointError, match=rf"{name}: .*--world"):
        GraphWorld.from_pretrained(folder)


def test_another_graph_than_promised_is_refused(folder: Path, saved: dict[str, bytes]) -> None:
    change(folder, STEP, saved[STEP][:-1] + b"x", vouch=False)
    with pytest.raises(CheckpointError, match="sha256"):
        GraphWorld.from_pretrained(folder)


def edited(content: bytes, edit: Callable[[object], object]) -> bytes:
    model = onnx.load_from_string(content)
    edit(model)
    written: bytes = model.SerializeToString()
    return written


def first_external(model: object) -> dict[str, object]:
    weight = next(w for w in model.graph.initializer if w.external_data)  # type: ignore[attr-defined]
    return {entry.key: entry for entry in weight.external_data}


def point_to(key: str, value: str) -> Callable[[object], object]:
    return lambda model: setattr(first_external(model)[key], "value", value)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda m: setattr(m.graph.node[0], "domain", "com.microsoft"), "only ONNX's own"),
        (lambda m: m.opset_import.add(domain="ai.onnx.ml", version=3), "only ONNX's own"),
        (point_to("location", "../../etc/passwd"), "expected one of"),
        (point_to("location", "/etc/passwd"), "expected one of"),
        (point_to("offset", "99999999"), "does not lie inside"),
        (point_to("offset", "-8"), "does not lie inside"),
        (point_to("length", "4"), "does not lie inside"),
        (lambda m: m.functions.add(name="f", domain=""), "functions"),
        (lambda m: setattr(m.graph.input[0], "name", "other"), "it takes"),
        (lambda m: setattr(m.graph.output[0], "name", "other"), "it gives"),
    ],
)
def test_a_graph_that_asks_for_more_is_refused(
    folder: Path, saved: dict[str, bytes], edit: Callable[[object], object], words: str
) -> None:
    change(folder, STEP, edited(saved[STEP], edit))
    with pytest.raises(CheckpointError, match=words) as caught:
        GraphWorld.from_pretrained(folder)
    assert "--world" in str(caught.value)


def test_random_bytes_are_no_graph(folder: Path) -> None:
    for seed in range(30):
        change(folder, ENCODE, np.random.default_rng(seed).bytes(300))
        with pytest.raises(CheckpointError, match=ENCODE):
            GraphWorld.from_pretrained(folder)


def test_a_world_without_graphs_plays_by_torch_and_says_so_where_it_must(tmp_path: Path) -> None:
    make_world().save_pretrained(tmp_path)
    assert WorldEngine(World.from_pretrained(tmp_path)).runtime.name == "torch"
    with pytest.raises(CheckpointError, match="--runtime torch"):
        GraphWorld.from_pretrained(tmp_path)


def test_other_passes_are_made_once_and_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture, two = np.zeros((16, 16, 3), np.uint8), SamplingConfig(2)
    engine = WorldEngine(GraphWorld.from_pretrained(folder), sampling=two)
    engine.reset(picture)
    frame = engine.step(1)
    monkeypatch.setattr("genie_core.runtimes.making.step_graph", lambda *_: pytest.fail("it is made again"))
    again = WorldEngine(GraphWorld.from_pretrained(folder), sampling=two)
    again.reset(picture)
    assert np.array_equal(again.step(1), frame)
