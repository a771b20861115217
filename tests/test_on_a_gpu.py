"""The program for a large GPU makes a world from nothing, at the smallest size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from genie_core.world import World

ROOT = Path(__file__).parents[1]
SMALLEST = """
num_actions = 8
context_frames = 4
[tokenizer]
channels = [8, 8, 8]
code_bits = 8
token_factors = 1
reference = true
[latent_action]
patch_size = 8
width = 16
layers = 1
heads = 2
horizon = 6
[dynamics]
width = 16
layers = 1
heads = 2
[train.tokenizer]
steps = 2
batch_size = 4
[train.latent_action]
steps = 2
batch_size = 4
clip_frames = 20
[train.dynamics]
steps = 2
batch_size = 4
clip_frames = 8
token_clips = 100
"""


@pytest.mark.long
def test_a_world_from_nothing(tmp_path: Path) -> None:
    pytest.importorskip("procgen", reason="recording needs procgen")
    config, out = tmp_path / "smallest.toml", tmp_path / "out"
    config.write_text(SMALLEST)
    program = [sys.executable, "-m", "genie_core.games.coinrun.on_a_gpu", "--out", out, "--config", config]
    sizes = ["--frames", "8000", "--recorders", "4", "--quick"]
    done = subprocess.run([*program, *sizes], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert World.from_pretrained(out / "run/world").config.game == "coinrun"
    figures = json.loads((out / "figures.json").read_text())
    assert figures["clips"] > 0 and (out / "report").is_dir()
    assert "trained" in done.stdout and "evaluated" in done.stdout


def test_its_networks_are_as_small_as_the_easy_world_s_and_its_batches_larger() -> None:
    from genie_core.training.settings import load_settings

    folder = ROOT / "genie_core/games/coinrun"
    large, small = load_settings(folder / "gpu.toml"), load_settings(folder / "easy.toml")
    assert large.networks.latent_action == small.networks.latent_action
    own, other = large.networks.dynamics, small.networks.dynamics
    assert (own.width, own.layers, own.link_width) == (other.width, other.layers, other.link_width)
    stages = ("tokenizer", "latent_action", "dynamics")
    assert sum(large.stage(name).minutes for name in stages) <= 10
    assert all(large.stage(name).batch_size >= 8 * small.stage(name).batch_size for name in stages)
