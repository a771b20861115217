"""Many processes learn what one does: the same losses from the same global batch, in real processes over gloo."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from ranks import losses, together
from test_training import SETTINGS, record

from genie_core.training.settings import STAGES

pytestmark = pytest.mark.slow

STEPS = 6
PIXELS = SETTINGS.replace("batch_size = 4\n", f"batch_size = 4\nsteps = {STEPS}\nwarmup_steps = 2\n")
SURPRISE = PIXELS.replace("code_width = 4\n", "code_width = 4\nhorizon = 2\n").replace(
    "[train.latent_action]\n", "[train.latent_action]\nsurprise = 0.1\n"
)
NO_GRADIENT = {"network.to_code.bias", "network.encoder.4.bias", "network.spread.running_mean"}
"""The batch norm takes out the bias before it: its gradient is rounding, of which AdamW makes whole steps."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("settings") / "surprise.toml"
    file.write_text(SURPRISE)
    return file


@pytest.fixture(scope="module")
def alone(data: Path, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process."""
    out = tmp_path_factory.mktemp("runs") / "alone"
    together(1, data, out, config)
    return out


def weights(out: Path, stage: str) -> dict[str, torch.Tensor]:
    saved: dict[str, torch.Tensor] = torch.load(out / stage / "last.ckpt", weights_only=True)["state_dict"]
    return {name: value.double() for name, value in saved.items() if name not in {"trained_seconds", *NO_GRADIENT}}


def same(one: Path, other: Path, stages: tuple[str, ...] = STAGES, close: float = 1e-3) -> None:
    """Losses of all steps, weights and moments at the end."""
    for stage in stages:
        ours, theirs = losses(one, stage), losses(other, stage)
        assert list(ours) == list(range(1, STEPS + 1)) == list(theirs), stage
        assert list(ours.values()) == pytest.approx(list(theirs.values()), rel=close), stage
        mine, yours = weights(one, stage), weights(other, stage)
        apart = {name for name in mine if not torch.allclose(mine[name], yours[name], rtol=10 * close, atol=close)}
        assert not apart, stage


def before_dynamics(run: Path, copy: Path) -> Path:
    """A copy of a run that has yet to learn the dynamics: from the same tokens, of which a bit may tip a code."""
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("dynamics", "world"))
    return copy


def test_two_ranks_learn_what_one_process_learns(alone: Path, data: Path, config: Path, tmp_path: Path) -> None:
    for stage in STAGES[:2]:
        together(2, data, tmp_path / "run", config, stage=stage, resume=stage != STAGES[0])
    same(alone, tmp_path / "run", STAGES[:2])
    together(2, data, before_dynamics(alone, tmp_path / "dynamics"), stage="dynamics", resume=True, world=True)
    same(alone, tmp_path / "dynamics", ("dynamics",))
    assert (tmp_path / "dynamics" / "world" / "config.json").exists()


def test_four_ranks_learn_codes_from_pixels_as_one_process_does(data: Path, tmp_path: Path) -> None:
    """The codebook follows the rows of all ranks, and its inputs are spread out over all of them."""
    config = tmp_path / "pixels.toml"
    config.write_text(PIXELS)
    for ranks in (1, 4):
        together(ranks, data, tmp_path / str(ranks), config, stage="latent_action")
    same(tmp_path / "1", tmp_path / "4", ("latent_action",))


def test_shards_of_the_weights_learn_what_whole_ones_learn(alone: Path, data: Path, tmp_path: Path) -> None:
    """And blocks computed again on the way back."""
    config = tmp_path / "recompute.toml"
    config.write_text(SURPRISE.replace("[train.dynamics]\n", "[train.dynamics]\nrecompute = true\n"))
    run = before_dynamics(alone, tmp_path / "run")
    together(2, data, run, config, stage="dynamics", resume=True, strategy="fsdp")
    together(2, data, tmp_path / "tokenizer", config, stage="tokenizer", strategy="fsdp")
    same(alone, run, ("dynamics",))
    same(alone, tmp_path / "tokenizer", ("tokenizer",))


def test_a_batch_in_parts_is_the_same_batch(data: Path, tmp_path: Path) -> None:
    """But for statistics of the batch, such as the codebook's entropy, which are those of a part."""
    for parts in (1, 2):
        config, pace = tmp_path / f"{parts}.toml", f"[train.tokenizer]\naccumulate = {parts}\ncodebook_entropy = 0\n"
        config.write_text(PIXELS.replace("[train.tokenizer]\n", pace))
        together(1, data, tmp_path / str(parts), config, stage="tokenizer")
    same(tmp_path / "1", tmp_path / "2", ("tokenizer",))
