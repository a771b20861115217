"""PyTorch and ONNX Runtime play the same: tokens, branches, players, sessions; and ONNX Runtime without torch."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tiny import make_world, unmask  # noqa: F401  # one thread

from app.play.session_file import parse_session
from app.play.session_snapshot import snapshot
from app.play.start import Start, begin
from genie_core.config import SamplingConfig
from genie_core.engine import WorldEngine
from genie_core.errors import ConfigError
from genie_core.graph_world import GraphWorld
from genie_core.pictures import load_picture
from genie_core.runtimes import graph_store
from genie_core.runtimes.base import RUNTIMES
from genie_core.runtimes.graph_store import cache_folder
from genie_core.world import World

pytest.importorskip("onnxruntime")
ROOT = Path(__file__).parents[1]
WORLDS = ("coinrun", "coinrun-hard")
PICTURE = ROOT / "assets" / "coinrun.png"


def tokens_of(engine: WorldEngine, player: int = 0) -> np.ndarray:
    return engine.snapshot(player).frames[-1].tokens


@pytest.fixture(scope="module")
def easy() -> World:
    return World.from_pretrained(ROOT / "checkpoints" / "coinrun")


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("steps", [100, pytest.param(1000, marks=pytest.mark.long)])
def test_both_runtimes_see_the_same_tokens(name: str, steps: int) -> None:
    """A draw that is a tie to within rounding may fall either way, once in some hundred steps at a temperature."""
    world = World.from_pretrained(ROOT / "checkpoints" / name)
    engines = [WorldEngine(world, 3, runtime=runtime) for runtime in RUNTIMES]
    actions = np.random.default_rng(0).integers(8, size=steps // 4).repeat(4)
    frames = [engine.reset(load_picture(PICTURE)) for engine in engines]
    differing = []
    for step, action in enumerate(actions):
        if np.array_equal(*map(tokens_of, engines)):
            assert np.abs(frames[0].astype(int) - frames[1]).max() <= 1, step
        else:
            differing.append((step, int((tokens_of(engines[0]) != tokens_of(engines[1])).sum())))
            engines[1].restore(engines[0].snapshot())
        frames = [engine.step(int(action)) for engine in engines]
    print(f"{name}: steps whose tokens differ, and how many of each: {differing}")
    assert len(differing) <= steps // 300, differing


def test_the_graphs_of_a_world_play_where_they_are_there(easy: World) -> None:
    assert WorldEngine(easy).runtime.name == "onnx"
    assert WorldEngine(make_world()).runtime.name == "torch", "it has no graphs"
    assert WorldEngine(easy, runtime="torch").runtime.name == "torch"
    with pytest.raises(ConfigError, match="expected auto, torch or onnx"):
        WorldEngine(easy, runtime="jax")


def test_graphs_of_other_weights_are_not_played() -> None:
    world = World.from_pretrained(ROOT / "checkpoints" / "coinrun")
    world.dynamics.position += 0.1
    assert WorldEngine(world).runtime.name == "torch"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_branch_goes_on_as_it_did_and_a_moment_long_gone_is_played_again(
    easy: World, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genie_core.engine.KEPT_BYTES", 0)
    engine = WorldEngine(easy, 5, SamplingConfig(2, 0.7), runtime=runtime)
    frames, moments = [engine.reset(load_picture(PICTURE))], [engine.snapshot()]
    actions = np.random.default_rng(1).integers(8, size=60).tolist()
    for action in actions:
        frames.append(engine.step(action))
        moments.append(engine.snapshot())
    for start in (60, 3, 30):
        assert np.array_equal(engine.restore(moments[start]), frames[start])
        for index in range(start, min(start + 4, 60)):
            assert np.array_equal(engine.step(actions[index]), frames[index + 1]), (start, index)


def test_of_the_graphs_that_were_made_the_least_used_go(
    easy: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ROOT / "checkpoints" / "coinrun"
    content = (folder / "step.onnx").read_bytes()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(graph_store, "GRAPHS_BYTES", int(2.5 * len(content)))
    store = graph_store.GraphStore(easy.config, {}, graph_store.weights_in(folder), lambda passes, files: content)
    for passes, used in ((5, 1), (6, 2)):
        store.step(passes)
        (file,) = cache_folder().rglob(f"step-{passes}.onnx")
        os.utime(file, (used, used))
    store.step(5)
    store.step(7)
    assert {file.name for file in cache_folder().rglob("*.onnx")} == {"step-5.onnx", "step-7.onnx"}


def test_a_graph_is_made_beside_the_steps_of_others(easy: World) -> None:
    engine = WorldEngine(easy, 5, players=2, runtime="onnx")
    for player in range(2):
        engine.reset(load_picture(PICTURE), player)
    assert engine.lacks(0) == engine.lacks(1) == 2, "not even the graph that came with the world was loaded"
    engine.step({1: 0})
    engine.set_sampling(SamplingConfig(3, 0.7), 0)
    assert (engine.lacks(), engine.lacks(1)) == (3, None)
    maker = threading.Thread(target=engine.make_ready, args=(3,))
    maker.start()
    for _ in range(3):
        engine.step({1: 0})
    maker.join()
    assert engine.lacks(0) is None
    made = set(cache_folder().rglob("*.onnx"))
    engine.step({0: 0, 1: 0})
    assert set(cache_folder().rglob("*.onnx")) == made, "the step makes no graph"
    assert WorldEngine(easy, runtime="torch").lacks() is None


def test_a_session_names_its_runtime_and_goes_on_alike_on_the_other(easy: World) -> None:
    sampling = SamplingConfig(2, 0.7)
    sessions = []
    for name in RUNTIMES:
        session = begin(WorldEngine(easy, 2, sampling, runtime=name), Start(load_picture(PICTURE), seed=2))
        for _ in range(6):
            session.tick()
        content = snapshot(session)()
        assert f'\\"runtime\\": \\"{name}\\"'.encode() in content
        sessions.append(parse_session(content, easy))
    assert np.array_equal(sessions[0].tokens, sessions[1].tokens)
    again = WorldEngine(easy, runtime="onnx")
    begin(again, Start(None, saved=sessions[0]))
    assert np.array_equal(tokens_of(again), sessions[0].tokens[0]) or len(sessions[0].tokens) == 7


def test_a_graph_world_knows_its_fingerprint_without_networks(easy: World) -> None:
    light = GraphWorld.from_pretrained(ROOT / "checkpoints" / "coinrun")
    assert light.fingerprint() == easy.fingerprint() and light.config == easy.config


@pytest.mark.slow
def test_play_from_a_picture_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, launch; code = launch.main(sys.argv[1:]); "
        "print(code, [name for name in ('torch', 'einops', 'lightning', 'gradio', 'onnx') if name in sys.modules])"
    )
    arguments = ["--play", str(PICTURE), "--actions", "right*3", "--save", str(tmp_path / "a.gif"), "--quiet"]
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--device", "cpu"], cwd=ROOT, capture_output=True, text=True
    )
    assert ended.stdout.split("\n")[0] == "0 []", ended.stderr
    assert (tmp_path / "a.gif").stat().st_size > 1000
