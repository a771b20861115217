"""A training that ends at any moment, by any signal, loses at most the time between two saves."""

from __future__ import annotations

import os
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch
from ranks import join, losses, start, together
from test_reference_training import REFERENCE
from test_training import SETTINGS, record

from genie_core.data import VideoDataset
from genie_core.training.clips import FrameClips, split_starts
from genie_core.training.order import Rows

pytestmark = pytest.mark.slow

STEPS = 40
STAGE = "tokenizer"
OFTEN = 0.05  # seconds between saves


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("settings") / "steps.toml"
    file.write_text(SETTINGS.replace("batch_size = 4\n", f"batch_size = 4\nsteps = {STEPS}\n", 1))
    return file


@pytest.fixture(scope="module")
def unbroken(data: Path, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    together(1, data, out, config, stage=STAGE)
    return out


def begun(processes: list[BaseProcess], out: Path) -> None:
    """Wait until the run has saved something."""
    while not (out / STAGE / "last.ckpt").exists():
        assert all(process.is_alive() for process in processes)
        time.sleep(0.005)


def weights(out: Path) -> dict[str, torch.Tensor]:
    saved: dict[str, torch.Tensor] = torch.load(out / STAGE / "last.ckpt", weights_only=True)["state_dict"]
    return {name: value for name, value in saved.items() if name.startswith("network.")}


def test_a_killed_run_goes_on_as_if_it_had_never_stopped(
    data: Path, config: Path, unbroken: Path, tmp_path: Path
) -> None:
    """kill -9, three times, at moments that nobody chose: the same losses and weights, to the last bit."""
    out, moments = tmp_path / "run", random.Random()
    for attempt in range(3):
        processes = start(1, data, out, config, stage=STAGE, resume=attempt > 0, save_every=OFTEN)
        begun(processes, out)
        time.sleep(moments.uniform(0, 0.2))
        processes[0].kill()
        join(processes, [-signal.SIGKILL])
        assert torch.load(out / STAGE / "last.ckpt", weights_only=True)["global_step"] > 0
    together(1, data, out, config, stage=STAGE, resume=True)
    assert losses(out, STAGE).items() <= losses(unbroken, STAGE).items()
    assert all(torch.equal(value, weights(unbroken)[name]) for name, value in weights(out).items())
    assert not list((out / STAGE).glob(".last.ckpt*"))


@pytest.mark.long
def test_a_killed_run_goes_on_with_the_pictures_that_it_had_made(data: Path, tmp_path: Path) -> None:
    """Of a tokenizer with reference: to the last bit in one process; to rounding on two ranks from the start."""
    config = tmp_path / "reference.toml"
    own = f"batch_size = 4\nsteps = {STEPS}\ncodebook_entropy = 0.0\n"  # which is of a rank's rows
    config.write_text(REFERENCE.replace("batch_size = 4\n", own, 1))
    whole, cut, shared = (tmp_path / name for name in ("whole", "cut", "shared"))
    together(1, data, whole, config, stage=STAGE)
    processes = start(1, data, cut, config, stage=STAGE, save_every=OFTEN)
    begun(processes, cut)
    time.sleep(0.5)
    processes[0].kill()
    join(processes, [-signal.SIGKILL])
    saved = torch.load(cut / STAGE / "last.ckpt", weights_only=True)
    assert 0 < saved["global_step"] < STEPS and saved["state_dict"]["_extra_state"]["pictures"].any()
    together(1, data, cut, config, stage=STAGE, resume=True)
    assert losses(cut, STAGE).items() <= losses(whole, STAGE).items()
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(cut).items())
    together(2, data, shared, config, stage=STAGE)
    assert [*losses(shared, STAGE).values()] == pytest.approx([*losses(whole, STAGE).values()], rel=1e-3)


def test_a_stopped_run_goes_on_with_more_ranks(data: Path, config: Path, unbroken: Path, tmp_path: Path) -> None:
    """SIGTERM to the whole group, loaders included, as SLURM and containers send it, saves first; so does Ctrl-C."""
    out = tmp_path / "run"
    processes = start(1, data, out, config, stage=STAGE, save_every=OFTEN)
    begun(processes, out)
    os.killpg(processes[0].pid, signal.SIGTERM)
    join(processes, [130])
    step = torch.load(out / STAGE / "last.ckpt", weights_only=True)["global_step"]
    assert 0 < step < STEPS and max(losses(out, STAGE)) == step
    assert f"saved at step {step}; go on with --resume" in out.with_name("run-0.txt").read_text()
    together(2, data, out, config, stage=STAGE, resume=True)
    ours, theirs = losses(out, STAGE), losses(unbroken, STAGE)
    assert list(ours.values()) == pytest.approx(list(theirs.values()), rel=1e-3)


def test_a_rank_that_dies_ends_the_others_in_a_sentence(data: Path, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    processes = start(2, data, out, config, stage=STAGE, save_every=OFTEN)
    begun(processes, out)
    processes[1].kill()
    join(processes, [1, -signal.SIGKILL])
    assert "another process of this training has died" in out.with_name("run-0.txt").read_text()
    together(1, data, out, config, stage=STAGE, resume=True)
    assert torch.load(out / STAGE / "last.ckpt", weights_only=True)["global_step"] == STEPS


def test_a_shard_that_breaks_loses_no_step_on_any_rank(config: Path, unbroken: Path, tmp_path: Path) -> None:
    """One rank alone reads it; the other does not wait for it, and both go on once it is mended."""
    data, out = record(tmp_path / "squares", shard_bytes=8 * 4 * 16 * 16 * 3), tmp_path / "run"
    dataset = VideoDataset(data)
    clips = FrameClips(dataset, split_starts(dataset, 3, 50)[0], 3, 4)
    order = [clips.starts[clips.order(Rows(0, step, 0, 4))] for step in range(STEPS)]
    first_read = {  # of each shard: the step
        int(shard): step
        for step, starts in reversed(list(enumerate(order)))
        for shard in np.searchsorted(dataset.shard_ends, starts, side="right")
    }
    shard, step = max(first_read.items(), key=lambda each: each[1])
    file = data / dataset.info.shards[shard].file
    whole = file.read_bytes()
    file.write_bytes(whole[:8] + bytes(len(whole) // 2) + whole[8 + len(whole) // 2 :])
    join(start(2, data, out, config, stage=STAGE), [1, 1])
    assert f"{file} is truncated or damaged" in out.with_name("run-0.txt").read_text()
    assert torch.load(out / STAGE / "last.ckpt", weights_only=True)["global_step"] == step > 0
    file.write_bytes(whole)
    together(2, data, out, config, stage=STAGE, resume=True)
    ours, theirs = losses(out, STAGE), losses(unbroken, STAGE)
    assert list(ours.values()) == pytest.approx(list(theirs.values()), rel=1e-3)


def test_a_second_training_of_a_run_is_refused(data: Path, config: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = start(1, data, out, config, stage=STAGE, save_every=OFTEN)
    begun(first, out)
    second = start(1, data, out, config, stage=STAGE, resume=True)
    join(second, [1])
    assert "another process trains the run" in out.with_name("run-0.txt").read_text()
    join(first, [0])
