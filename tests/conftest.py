"""Stand-ins for a trained world, and pictures to start from."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from genie_core.config import Action, DynamicsConfig, LatentActionConfig, SamplingConfig, TokenizerConfig, WorldConfig
from genie_core.pictures import fit

if TYPE_CHECKING:
    from genie_core.data import VideoDataset
    from genie_core.evaluation.run import Evaluation

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # tests open windows that nobody sees
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

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


class FakeEngine:
    """A WorldEngine to the eye of a session, whose frames show the action (red) and the step (green).

    `taken` lists the actions since it was made; `on_step`, if set, is called before each step with its number,
    so that a test can press keys in the middle of a game.
    """

    def __init__(self, fps: float = 1000, actions: tuple[Action, ...] = ACTIONS) -> None:
        self.world = SimpleNamespace(config=WorldConfig(fps=fps, actions=actions))
        self.taken: list[int] = []
        self.resets = 0
        self.steps = 0
        self.on_step: Callable[[int], None] = lambda step: None

    def reset(self, image: np.ndarray) -> np.ndarray:
        self.resets += 1
        self.steps = 0
        return fit(image, self.world.config.frame_size)

    def step(self, action: int) -> np.ndarray:
        self.steps += 1
        self.taken.append(action)
        self.on_step(len(self.taken))
        frame = np.zeros((self.world.config.frame_size, self.world.config.frame_size, 3), np.uint8)
        frame[:] = (30 * action, self.steps % 256, 200)
        return frame


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
    config = WorldConfig(
        tokenizer=TokenizerConfig(frame_size=32, channels=(8, 8), decoder_blocks=1, code_bits=8),
        latent_action=LatentActionConfig(frame_size=32, width=16, layers=1, heads=2, code_width=4),
        dynamics=DynamicsConfig(grid=8, code_bits=8, width=16, layers=1, heads=2, context_frames=3),
        sampling=SamplingConfig(unmask_steps=1),
        actions=ACTIONS,
    )
    folder = tmp_path_factory.mktemp("worlds") / "tiny"
    World(config).save_pretrained(folder)
    return folder


@pytest.fixture
def short_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed, which these tests do not look at, is measured in no time."""
    monkeypatch.setattr("genie_core.evaluation.benchmark.STEPS", 5)
    monkeypatch.setattr("genie_core.evaluation.benchmark.MATMUL", 64)


@pytest.fixture(scope="session")
def planted_data(tmp_path_factory: pytest.TempPathFactory) -> VideoDataset:
    """Of the game in planted.py."""
    import planted

    return planted.record(tmp_path_factory.mktemp("data") / "planted")


@pytest.fixture(scope="session")
def perfect(planted_data: VideoDataset) -> Evaluation:
    """Of a world that plays that game without fault."""
    import planted

    from genie_core.evaluation.run import evaluate

    return evaluate(planted.make_world(), planted_data, planted.EFFORT, quiet=True)
