"""A third game needs its wing and a settings file, and no other file: here both are dropped in beside the others."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ferry
import pytest
from training_clock import count_steps, minutes

from genie_core import games
from genie_core.data import VideoDataset
from genie_core.evaluation.measure import Effort, evaluate
from genie_core.training.run import train
from genie_core.world import World

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
WING = '''
"""The ferry, as a game that tells of itself."""

import sys
from pathlib import Path

import numpy as np

from genie_core.config import Action
from genie_core.figures import Figure, Samples
from genie_core.games.base import Game

sys.path.append({here!r})
NAMES = ("stay", "west", "east")


class GAME(Game):
    name = "third"
    settings = Path(__file__).with_name("tiny.toml")
    collect_options = {{"--episodes": {{"type": int, "default": 80, "help": "how many trips"}}}}
    button_names = NAMES
    figures = {{"control.trips": Figure("trips", "higher")}}

    def collect(self, out, frames, seed, policy, options, quiet):
        from ferry import record

        record(out, episodes=options["episodes"], seed=seed, game=self.name)

    def motion(self, frames):
        from ferry import place

        across = np.diff(place(frames), axis=-1)
        return np.stack([across, np.zeros_like(across)], -1)

    def name_actions(self, motions, count):
        found = motions.typical
        return tuple(
            Action(i, f"{{NAMES[int(np.sign(round(float(x)))) % 3]}}_{{i}}", motion_px=(float(x), float(y)))
            for i, (x, y) in enumerate(found)
        )

    def control(self, subject, dataset, clips, scenes, count):
        return Samples({{"control.trips": np.ones(3)}})
'''


@pytest.fixture
def third(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which the wing of a game called third lies, among the games for the length of a test."""
    wing = tmp_path / "games" / "third"
    wing.mkdir(parents=True)
    (wing / "__init__.py").write_text(WING.format(here=str(HERE)))
    (wing / "tiny.toml").write_text(ferry.SETTINGS.replace("token_clips = 300", "token_clips = 30"))
    monkeypatch.setattr(games, "__path__", [*games.__path__, str(wing.parent)])
    forget()
    yield wing
    monkeypatch.undo()
    forget()


def forget() -> None:
    games.known_games.cache_clear()
    games._wing.cache_clear()
    for name in [name for name in sys.modules if name.startswith("genie_core.games.third")]:
        del sys.modules[name]


@pytest.mark.slow
def test_a_third_game_needs_its_wing_and_a_settings_file(
    third: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_benchmark: None
) -> None:
    count_steps(monkeypatch)
    monkeypatch.setattr("genie_core.training.assemble.NAMING_PROMPTS", 4)
    monkeypatch.setattr("genie_core.training.building.LOOK_CLIPS", 2)
    game = games.find("third")
    assert "third" in games.known_games() and game.records
    game.collect(tmp_path / "data", 400, 0, None, {"episodes": 12}, quiet=True)
    dataset = VideoDataset(tmp_path / "data")
    assert dataset.info.episodes == 12 and dataset.info.source["game"] == "third"

    train(dataset.paths, tmp_path / "run", minutes=minutes(1), device="cpu", quiet=True)
    first, kept = (tmp_path / "run" / "settings.toml").read_text().split("\n\n", 1)
    assert first.startswith("frame_size = [64, 96] ") and kept == (third / "tiny.toml").read_text()
    world = World.from_pretrained(tmp_path / "run" / "world")
    assert world.config.game == "third" and {s["steps"] for s in world.config.training["stages"].values()} == {1}
    assert [action.id for action in world.config.actions] == list(range(ferry.CODES))
    assert all(action.name.rsplit("_", 1)[0] in ("stay", "west", "east") for action in world.config.actions)

    report = evaluate(world, dataset, Effort(clips=3, longest=12, scenes=3, rollouts=1, steps=12), quiet=True).report
    assert report["game"] == "third" and report["control"]["trips"]["mean"] == 1
    assert 0 <= report["latent_action"]["nmi"] <= 1  # its true actions are known


def test_the_command_line_records_it(third: Path, tmp_path: Path) -> None:
    """With the options that its wing brings; a process of its own, as a player would."""
    program = (
        f"import genie_core.games as games; games.__path__.append({str(third.parent)!r}); "
        f"import sys, launch; sys.exit(launch.main(sys.argv[1:]))"
    )
    call = ["--collect", "third", "--out", str(tmp_path / "set"), "--frames", "100", "--episodes", "7", "--quiet"]
    done = subprocess.run([sys.executable, "-c", program, *call], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    info = json.loads((tmp_path / "set" / "dataset.json").read_text())
    assert info["episodes"] == 7 and info["frame_size"] == [ferry.HEIGHT, ferry.WIDTH]
    assert len(VideoDataset(tmp_path / "set")) == 98
