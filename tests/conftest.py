"""Stand-ins for a trained world, and pictures to start from."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from genie_core.config import Action, SamplingConfig, WorldConfig, build_networks
from genie_core.familiarity import Familiarity
from genie_core.pictures import fit

if TYPE_CHECKING:
    from genie_core.data import VideoDataset
    from genie_core.evaluation.measure import Evaluation

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # tests open windows that nobody sees
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("XDG_CONFIG_HOME", tempfile.mkdtemp())  # no player's own keys, and none changed

ACTIONS = tuple(
    Action(id=i, name=name, keys=keys)
    for i, (name, keys) in enumerate(
        [
            ("right", ("right", "d")),
            ("jump", ("up", "space")),
            ("stay", ()),
            ("left", ("left", "a")),
            ("jump_right", ("up+right",)),
            ("jump_left", ("up+left",)),
            ("down", ("down",)),
            ("stay_2", ()),
        ]
    )
)


if os.name != "posix":  # these fork processes and send signals
    collect_ignore = [
        f"test_{name}.py"
        for name in ("hub", "ranks", "readme", "resume", "site_engine", "site_export", "space", "web_attacks")
    ]

LONGEST = (  # files, by how long they take; the others follow
    *("evaluation", "report", "web_page", "site_ui", "real_window", "training", "resume", "second_game", "site_engine"),
    *("site_failures", "web_visits", "web", "web_attacks", "hub", "space", "shipped_world", "fvd", "learning", "ranks"),
    *("readme", "third_game"),
)
SHARING = {"test_report.py": "test_evaluation.py"}  # files whose worlds are measured once, by one process


REAL = {"browser", "display"}  # fixtures: programs that are driven by events, in real time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first: two processes that share the files then end together.

    A test that drives a real browser or window and fails is tried once more, and told of as RERUN: of hundreds, one
    meets a moment in which the machine did something else. What fails twice fails.
    """
    places = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
    for item in items:
        if REAL & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give the files that share what takes long to make to the same process."""
    from xdist.scheduler import LoadFileScheduling

    class Sharing(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            folder, slash, file = super()._split_scope(nodeid).rpartition("/")
            return folder + slash + SHARING.get(file, file)

    return Sharing(config, log) if config.getoption("dist") == "loadfile" else None


def world_config(size: tuple[int, int] = (64, 64), num_actions: int = 8, **changes: Any) -> WorldConfig:
    """A config with the usual networks, of which a test says what matters to it."""
    return WorldConfig(*build_networks(size, 8, num_actions, {}), **changes)


class FakeMoment(NamedTuple):
    step: int
    frame: np.ndarray


class FakeEngine:
    """A WorldEngine to the eye of a session, whose frames show the action (red) and the step (green).

    `taken` lists the actions since it was made; `on_step`, if set, is called before each step with its number,
    so that a test can press keys in the middle of a game.
    """

    seed = 0

    def __init__(self, fps: float = 1000, actions: tuple[Action, ...] = ACTIONS) -> None:
        self.world = SimpleNamespace(config=world_config(fps=fps, actions=actions), name="fake")
        self.taken: list[int] = []
        self.resets = 0
        self.steps = 0
        self.on_step: Callable[[int], None] = lambda step: None
        self._frame = np.zeros((64, 64, 3), np.uint8)

    def reset(
        self, image: np.ndarray, player: int = 0, seed: int | None = None, *, actions: Sequence[int] | None = None
    ) -> np.ndarray:
        self._frame = fit(image if image.ndim == 3 else image[-1], self.world.config.frame_size)
        self.resets += 1
        self.steps = 0
        return self._frame

    def step(self, actions: dict[int, int]) -> dict[int, np.ndarray]:
        ((player, action),) = actions.items()
        self.steps += 1
        self.taken.append(action)
        self.on_step(len(self.taken))
        self._frame = np.zeros_like(self._frame)
        self._frame[:] = (30 * action, self.steps % 256, 200)
        return {player: self._frame}

    def snapshot(self, player: int = 0) -> FakeMoment:
        return FakeMoment(self.steps, self._frame)

    def look(self, moment: FakeMoment) -> np.ndarray:
        return moment.frame

    def doubt(self, moment: FakeMoment) -> float | None:
        return None

    def restore(self, moment: FakeMoment, player: int = 0) -> np.ndarray:
        self.steps, self._frame = moment
        return self._frame

    def familiarity(self, image: np.ndarray) -> Familiarity:
        return Familiarity(1.0, 60.0, fit(image, self.world.config.frame_size))

    def sampling_of(self, player: int = 0) -> SamplingConfig:
        return SamplingConfig()

    def lacks(self, player: int = 0) -> int | None:
        return None


@pytest.fixture(autouse=True)
def saved_without_graphs(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Making the graphs of a world takes seconds: worlds are saved without, but for tests that use `with_graphs`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    world = sys.modules.get("genie_core.world")
    if world is not None and "with_graphs" not in request.fixturenames:
        monkeypatch.setattr(world.World, "_graphs_of", lambda *_: {})


@pytest.fixture
def with_graphs() -> None:
    """Worlds are saved with their graphs."""


@pytest.fixture
def actions() -> tuple[Action, ...]:
    return ACTIONS


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def prompt() -> np.ndarray:
    """uint8 (64, 64, 3), no two pixels of a row alike."""
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    return np.stack(np.broadcast_arrays(ramp[None, :], ramp[:, None], np.uint8(90)), axis=-1)


@pytest.fixture
def picture_file(tmp_path: Path, prompt: np.ndarray) -> Path:
    from PIL import Image

    path = tmp_path / "prompt.png"
    Image.fromarray(prompt).save(path)
    return path


@pytest.fixture
def empty_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that Python looks for packages in, and there alone."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a world that plays, of untrained networks as small as can be."""
    import torch

    from genie_core.world import World

    torch.manual_seed(0)
    sections = {
        "tokenizer": {"channels": [8, 8], "decoder_blocks": 1, "code_bits": 8},
        "latent_action": {"width": 16, "layers": 1, "heads": 2, "context_frames": 8, "code_width": 4},
        "dynamics": {"width": 16, "layers": 1, "heads": 2},
    }
    networks = build_networks((32, 32), 3, len(ACTIONS), sections)
    config = WorldConfig(*networks, sampling=SamplingConfig(unmask_steps=1), actions=ACTIONS)
    folder = tmp_path_factory.mktemp("worlds") / "tiny"
    World(config).save_pretrained(folder)
    return folder


@pytest.fixture
def short_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed, which these tests do not look at, is measured in no time."""
    shorten_benchmark(monkeypatch)


def shorten_benchmark(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("genie_core.evaluation.speed.STEPS", 5)
    patch.setattr("genie_core.evaluation.speed.WARM_UP", 2)
    patch.setattr("genie_core.evaluation.speed.SWEEP_STEPS", 3)
    sweep = {"unmask_steps": (1, 2), "context_frames": (4,), "players": (2,)}
    patch.setattr("genie_core.evaluation.speed.SWEEP", sweep)
    patch.setattr("genie_core.machine.MATMUL", 64)


@pytest.fixture(scope="session")
def planted_data(tmp_path_factory: pytest.TempPathFactory) -> VideoDataset:
    """Of the game in known_game.py."""
    import known_game

    return known_game.record(tmp_path_factory.mktemp("data") / "planted")


@pytest.fixture(scope="session")
def perfect(planted_data: VideoDataset) -> Evaluation:
    """Of a world that plays that game without fault."""
    import known_game

    from genie_core.evaluation.measure import evaluate

    with pytest.MonkeyPatch.context() as patch:
        shorten_benchmark(patch)
        return evaluate(known_game.make_world(), planted_data, known_game.EFFORT, quiet=True)
