"""Runs of training on a tiny data set: settings, stages in order, stopping and going on, and the world at the end."""

import dataclasses
import errno
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch
from tiny import walking_squares
from training_clock import count_steps

from genie_core import games
from genie_core.config import DynamicsConfig, LatentActionConfig, TokenizerConfig, WorldConfig
from genie_core.data import DatasetWriter, VideoDataset
from genie_core.errors import CheckpointError, ConfigError, DataError, GenieError, WriteError
from genie_core.training import run as run_module
from genie_core.training.assemble import taken_over
from genie_core.training.clips import split_starts
from genie_core.training.grow import can_grow
from genie_core.training.learner import LONGEST_STEP_SECONDS, Learner
from genie_core.training.learnt import remember_start
from genie_core.training.order import Rows
from genie_core.training.processes import Machines, start
from genie_core.training.progress import Progress
from genie_core.training.run import train
from genie_core.training.saved import CHECKPOINT, load_state, save_state
from genie_core.training.settings import STAGES, DynamicsSettings, StageSettings, TokenizerSettings, load_settings
from genie_core.training.stage import Batch, Stage, rate_share
from genie_core.training.tokens import TokenClips
from genie_core.world import World

ROOT = Path(__file__).parents[1]
MINUTES = 0.02
SETTINGS = """
frame_size = [16, 16]
num_actions = 4
context_frames = 4

[tokenizer]
channels = [8, 16]
decoder_blocks = 1
code_bits = 6

[latent_action]
patch_size = 4
width = 16
layers = 1
heads = 2
code_width = 4

[dynamics]
width = 16
layers = 1
heads = 2

[train.tokenizer]
batch_size = 4
clip_frames = 3

[train.latent_action]
batch_size = 4
clip_frames = 4

[train.dynamics]
batch_size = 4
clip_frames = 5
token_clips = 200
"""
UNKNOWN = games.find(None).settings


def record(path: Path, size: int = 16, **options: int) -> Path:
    """60 episodes of 8 frames."""
    with DatasetWriter(path, source={"game": "unheard of"}, frame_size=(size, size), fps=12, **options) as writer:
        for clip in walking_squares(60, 8).frames.numpy():
            writer.add_episode(clip.repeat(size // 16, 1).repeat(size // 16, 2))
    return path


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute is 600 steps, on a busy machine too."""
    count_steps(monkeypatch)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("data") / "squares")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("settings") / "tiny.toml"
    file.write_text(SETTINGS)
    return file


@pytest.fixture(scope="module")
def finished(data: Path, config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose three stages have learnt for twelve steps each."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    with pytest.MonkeyPatch.context() as patch:
        count_steps(patch)
        train([data], out, config, minutes=MINUTES, device="cpu", quiet=True)
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of that run, to go on with."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def state(run: Path, stage: str) -> dict[str, Any]:
    return torch.load(run / stage / "last.ckpt", weights_only=True)


def progress(run: Path, stage: str) -> tuple[int, float]:
    """Steps and seconds trained."""
    saved = state(run, stage)
    return saved["global_step"], float(saved["state_dict"]["trained_seconds"])


# ---- runs


@pytest.mark.slow
def test_a_run_learns_all_stages_and_ends_with_a_world(finished: Path, config: Path, data: Path) -> None:
    assert (finished / "settings.toml").read_text() == config.read_text()
    for stage in STAGES:
        steps, seconds = progress(finished, stage)
        assert steps > 0 and seconds >= 60 * MINUTES
        assert list((finished / stage / "pictures").glob("step-*.png"))
        metrics = (finished / stage / "metrics" / "from-000000" / "metrics.csv").read_text()
        assert "train/loss" in metrics and "val/loss" in metrics and "nan" not in metrics.lower()
    world = World.from_pretrained(finished / "world")
    assert world.config.fps == 12 and world.config.training["data"] == "squares"
    assert world.config.training["stages"]["tokenizer"]["steps"] == progress(finished, "tokenizer")[0]
    assert len(world.config.actions) == 4  # whatever their names are after twelve steps
    assert world.config.game == "unheard of"
    told = world.config.training
    assert told["labels"] == 0 and [line for line in told["rules"] if "mirrored" in line] == told["rules"] != []
    assert told["settings"] == load_settings(config).lasting(MINUTES).recorded()
    for name, network in world.networks().items():
        learnt = state(finished, name)["state_dict"]
        for key, value in network.state_dict().items():
            own = learnt[f"network.{key}"]
            halves = name == "latent_action" and own.is_floating_point()  # kept as such: see genie_core/weights.py
            assert torch.equal(value, own.half().float() if halves else own), (name, key)


@pytest.mark.slow
def test_the_dynamics_learns_from_clips_encoded_one_by_one(finished: Path, data: Path) -> None:
    world, dataset = World.from_pretrained(finished / "world"), VideoDataset(data)
    clips = {part: TokenClips(finished / "tokens" / part, 8) for part in ("train", "held_out")}
    for part, starts in zip(clips, split_starts(dataset, 5, 50), strict=True):
        tokens, actions = clips[part].tokens, clips[part].actions
        assert tokens.shape == (min(len(starts), 200), 5, 4, 4) and actions.shape == (len(tokens), 4)
        frames = torch.from_numpy(np.stack([dataset.clip(int(start), 5) for start in starts]))
        known, mirrored = ({t.numpy().tobytes() for t in world.encode(each).int()} for each in (frames, frames.flip(3)))
        rows = [row.tobytes() for row in np.array(tokens)]
        assert all(row in known for row in (rows[::2] if part == "train" else rows))
        assert all(row in mirrored for row in rows[1::2]) or part == "held_out"


@pytest.mark.slow
def test_resuming_counts_what_was_trained_before(run: Path, data: Path) -> None:
    """Steps, seconds and the state of the optimizer, here marked by a counter that is 1,000 ahead."""
    before_steps, before_seconds = progress(run, "tokenizer")
    others = {stage: progress(run, stage) for stage in STAGES[1:]}
    saved = state(run, "tokenizer")
    for each in counters(saved):
        each += 1000
    torch.save(saved, run / "tokenizer" / "last.ckpt")
    train([data], run, stage="tokenizer", minutes=before_seconds / 60 + 0.01, resume=True, device="cpu", quiet=True)
    steps, seconds = progress(run, "tokenizer")
    assert steps == before_steps + 6 and seconds == pytest.approx(before_seconds + 0.6)
    assert others == {stage: progress(run, stage) for stage in others}
    assert {int(each) for each in counters(state(run, "tokenizer"))} == {steps + 1000}
    assert (run / "tokenizer" / "metrics" / "from-000000" / "metrics.csv").exists()
    assert (run / "tokenizer" / "metrics" / f"from-{before_steps:06d}").is_dir()


@pytest.mark.slow
def test_what_is_trained_already_takes_no_time_any_more(
    run: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(run / "dynamics")
    train([data], run, minutes=2 * MINUTES, resume=True, device="cpu", dry_run=True)
    half = capsys.readouterr().out.splitlines()
    assert half[2].split()[-2:] == ["1", "s"] and half[5].split()[-2:] == ["2", "s"], "of 2.4"
    train([data], run, minutes=MINUTES, resume=True, device="cpu", dry_run=True)
    done = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in done[2:4]] == ["done"] * 2 and not done[4].endswith("done")


def counters(saved: dict[str, Any]) -> list[torch.Tensor]:
    """How many steps AdamW has done, for each parameter."""
    return [values["step"] for values in saved["optimizer_states"][0]["state"].values() if "step" in values]


@pytest.mark.slow
def test_resuming_what_is_done_changes_nothing(run: Path, data: Path) -> None:
    """A stage that has had its minutes is over: another step would move codes that later stages were built on."""
    before = {stage: state(run, stage) for stage in STAGES}
    train([data], run, minutes=MINUTES, resume=True, device="cpu", quiet=True)
    for stage in STAGES:
        after = state(run, stage)
        assert after["global_step"] == before[stage]["global_step"], stage
        assert all(torch.equal(v, before[stage]["state_dict"][k]) for k, v in after["state_dict"].items()), stage


@pytest.mark.slow
def test_a_world_is_put_together_where_there_is_no_git(
    run: Path, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.rmtree(run / "world")
    monkeypatch.setenv("PATH", str(tmp_path))
    train([data], run, minutes=MINUTES, resume=True, device="cpu", quiet=True)
    assert World.from_pretrained(run / "world").config.training["commit"] is None


@pytest.mark.slow
def test_the_dynamics_is_not_left_with_what_older_networks_wrote(run: Path, data: Path) -> None:
    """A stage that learnt on, here to its last save before Ctrl-C, makes the tokens or actions stale: they go."""
    torch.manual_seed(0)
    for stage in ("tokenizer", "latent_action"):
        saved = state(run, stage)
        for name, weights in saved["state_dict"].items():
            if name.startswith(("network.encoder", "network.to_code")) and weights.is_floating_point():
                weights += 0.3 * torch.randn_like(weights)
        torch.save(saved, run / stage / "last.ckpt")
    seconds = progress(run, "dynamics")[1]
    train([data], run, stage="dynamics", minutes=seconds / 60 + 0.002, resume=True, device="cpu", quiet=True)
    world, dataset, clips = (
        World.from_pretrained(run / "world"),
        VideoDataset(data),
        TokenClips(run / "tokens/train", 8),
    )
    frames = torch.from_numpy(np.stack([dataset.clip(int(start), 5) for start in split_starts(dataset, 5, 50)[0]]))
    frames = torch.cat([frames, frames.flip(3)])  # every second clip is mirrored
    for now, written in (
        (world.encode(frames).int(), clips.tokens),
        (world.infer_actions(frames).to(torch.int8), clips.actions),
    ):
        assert {row.numpy().tobytes() for row in now} >= {row.tobytes() for row in np.array(written)}


@pytest.mark.slow
def test_a_world_is_not_made_of_networks_that_do_not_fit(
    run: Path, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tokenizer that learns on gives other tokens than the dynamics has learnt; the world that fits is kept."""
    weights = [run / "world" / name / "model.safetensors" for name in ("tokenizer", "dynamics")]
    before, tokens = [file.read_bytes() for file in weights], (run / "tokens/train/tokens.npy").read_bytes()
    train([data], run, stage="tokenizer", minutes=2 * MINUTES, resume=True, device="cpu")
    assert f"{run / 'world'} is not made anew" in capsys.readouterr().out
    train([data], run, minutes=MINUTES, resume=True, device="cpu")
    assert "--resume --stage dynamics --minutes M" in capsys.readouterr().out
    assert [file.read_bytes() for file in weights] == before
    assert (run / "tokens/train/tokens.npy").read_bytes() == tokens, "those that the dynamics learnt"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:  # before a step by what is new
        patch.setattr(run_module, "fit", stop)
        with pytest.raises(KeyboardInterrupt):
            train([data], run, stage="dynamics", minutes=2 * MINUTES, resume=True, device="cpu")
    assert (run / "tokens/train/tokens.npy").read_bytes() != tokens
    capsys.readouterr()
    train([data], run, minutes=MINUTES, resume=True, device="cpu")
    assert "is not made anew" in capsys.readouterr().out
    train([data], run, stage="dynamics", minutes=2 * MINUTES, resume=True, device="cpu")
    assert "is not made anew" not in capsys.readouterr().out
    assert all(file.read_bytes() != old for file, old in zip(weights, before, strict=True))


@pytest.mark.slow
def test_all_stages_learn_in_bfloat16(data: Path, tmp_path: Path) -> None:
    """As on a GPU, where that is the default: buffers of float32 take in what autocast made."""
    file, out = tmp_path / "foretelling.toml", tmp_path / "run"
    text = SETTINGS.replace("code_width = 4\n", "code_width = 4\nhorizon = 2\n")
    file.write_text(text.replace("[train.latent_action]\n", "[train.latent_action]\nsurprise = 0.1\n"))
    train([data], out, file, minutes=MINUTES, device="cpu", precision="bf16", quiet=True)
    for stage in STAGES:
        weights = state(out, stage)["state_dict"].values()
        assert all(each.dtype != torch.bfloat16 and each.isfinite().all() for each in weights)
    assert World.from_pretrained(out / "world").config.num_actions == 4


@pytest.mark.slow
def test_parts_of_a_stage_cannot_come_or_go_on_the_way(data: Path, tmp_path: Path) -> None:
    plain = SETTINGS.replace("code_width = 4\n", "code_width = 4\nhorizon = 2\n")
    surprising = plain.replace("[train.latent_action]\n", "[train.latent_action]\nsurprise = 0.1\n")
    for text, other, how in ((plain, surprising, "without"), (surprising, plain, "with")):
        out, file = tmp_path / how, tmp_path / f"{how}.toml"
        file.write_text(text)
        train([data], out, file, stage="latent_action", minutes=MINUTES, device="cpu", quiet=True)
        file.write_text(other)
        with pytest.raises(ConfigError, match=rf"was learnt {how} expectation, .* such as surprise; give it the value"):
            train([data], out, file, "latent_action", 2 * MINUTES, resume=True, device="cpu", quiet=True)


def test_a_wish_to_stop_while_a_stage_ends_keeps_the_next_from_beginning(
    data: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Progress.look

    def interrupted(progress: Progress) -> None:
        look(progress)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Progress, "look", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train([data], tmp_path / "run", config, minutes=MINUTES, device="cpu", quiet=True)
    assert progress(tmp_path / "run", "tokenizer")[0] == 12
    assert not (tmp_path / "run" / "latent_action").exists()


def test_what_a_later_stage_lacks_is_told_before_the_first_begins(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "long.toml"
    file.write_text(SETTINGS.replace("[train.dynamics]\n", "[train.dynamics]\nfilm_frames = 9\n"))
    with pytest.raises(DataError, match="no clip of 9 frames"):
        train([data], tmp_path / "run", file, minutes=MINUTES, device="cpu", quiet=True)
    assert not (tmp_path / "run").exists()


def test_tokens_are_sent_to_a_process_as_the_files_they_are_in(finished: Path) -> None:
    clips = TokenClips(finished / "tokens/train", 4, 5)
    sent = pickle.dumps(clips)
    assert len(sent) < 500
    rows = Rows(0, 3, 0, 4)
    assert torch.equal(pickle.loads(sent)(rows)["tokens"], clips(rows)["tokens"])


@pytest.mark.slow
def test_tokens_are_written_anew_for_other_clips(run: Path, data: Path, tmp_path: Path) -> None:
    settings = run / "settings.toml"
    settings.write_text(settings.read_text().replace("token_clips = 200", "token_clips = 20"))
    seconds = progress(run, "dynamics")[1]
    train([data], run, stage="dynamics", minutes=seconds / 60 + 0.002, resume=True, device="cpu", quiet=True)
    assert len(TokenClips(run / "tokens/train", 8).tokens) == 20


def test_a_saved_state_is_replaced_only_by_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk half-way through; a process that is killed there leaves the same."""
    file, first = tmp_path / "stage" / CHECKPOINT, {"steps": 1, "state_dict": {"trained_seconds": torch.tensor(1.0)}}
    save_state(file.parent, first)

    def save_half(state: dict[str, int], stream: BinaryIO) -> None:
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("genie_core.training.saved.torch.save", save_half)
    with pytest.raises(WriteError, match="No space left"):
        save_state(file.parent, {"steps": 2})
    assert load_state(tmp_path, "stage") == first
    assert [path.name for path in file.parent.iterdir()] == [CHECKPOINT]


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0])
def test_a_damaged_state_is_told_and_not_trained_on(tmp_path: Path, seconds: float) -> None:
    """A number of seconds that is none would train for ever."""
    save_state(tmp_path / "tokenizer", {"state_dict": {"trained_seconds": torch.tensor(seconds)}})
    with pytest.raises(CheckpointError, match=r"last\.ckpt.*seconds.*--stage tokenizer"):
        load_state(tmp_path, "tokenizer")
    for content in (b"", (tmp_path / "tokenizer" / CHECKPOINT).read_bytes()[:300], b"not a state"):
        (tmp_path / "tokenizer" / CHECKPOINT).write_bytes(content)
        with pytest.raises(CheckpointError, match=r"last\.ckpt is damaged.*--stage tokenizer"):
            load_state(tmp_path, "tokenizer")


@pytest.mark.slow
def test_a_decoder_that_learns_alone_leaves_the_tokens_as_they_are(run: Path, data: Path) -> None:
    settings = run / "settings.toml"
    settings.write_text(settings.read_text().replace("[train.tokenizer]\n", "[train.tokenizer]\ndecoder_only = true\n"))
    before, (steps, seconds) = state(run, "tokenizer")["state_dict"], progress(run, "tokenizer")
    written = (run / "tokens/train/tokens.npy").read_bytes()
    train([data], run, stage="tokenizer", minutes=seconds / 60 + 0.02, resume=True, device="cpu", quiet=True)
    after = state(run, "tokenizer")["state_dict"]
    assert progress(run, "tokenizer")[0] > steps
    changed = {".".join(key.split(".")[:2]) for key in before if not torch.equal(before[key], after[key])}
    assert changed == {"network.decoder", "trained_seconds"}
    assert (run / "tokens/train/tokens.npy").read_bytes() == written


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_was(data: Path, config: Path, tmp_path: Path) -> None:
    """Ctrl-C, by the command line; then the rest here."""
    out = tmp_path / "run"
    call = ["--train", "--data", data, "--out", out, "--config", config, "--stage", "tokenizer", "--minutes", "60"]
    process = subprocess.Popen(
        [sys.executable, "launch.py", *map(str, call), "--device", "cpu", "--quiet"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # a shell that runs the tests in the background lets them, and so their children, ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        while process.poll() is None and not list(out.glob("tokenizer/metrics/*/metrics.csv")):
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130 and "Traceback" not in errors, errors
    steps, seconds = progress(out, "tokenizer")
    assert steps > 0 and seconds > 0
    train([data], out, stage="tokenizer", minutes=seconds / 60 + 0.005, resume=True, device="cpu", quiet=True)
    assert progress(out, "tokenizer")[0] > steps
    assert (out / "settings.toml").read_text() == config.read_text()


@pytest.mark.slow
def test_a_stage_starts_from_the_weights_of_a_world(finished: Path, data: Path, config: Path, tmp_path: Path) -> None:
    """After one step of a rate near nothing they are still that world's; other stages start afresh."""
    out, settings = tmp_path / "run", tmp_path / "start.toml"
    pace = f'start_from = "{finished / "world"}"\nlearning_rate = 1e-9\nmuon_learning_rate = 1e-9\n'
    settings.write_text(config.read_text().replace("[train.tokenizer]\n", "[train.tokenizer]\n" + pace))
    for stage in ("tokenizer", "latent_action"):
        train([data], out, settings, stage, minutes=0.001, resume=stage != "tokenizer", device="cpu", quiet=True)
    alike = {stage: same_weights(finished, out, stage) for stage in ("tokenizer", "latent_action")}
    assert alike == {"tokenizer": True, "latent_action": False}


def same_weights(one: Path, other: Path, stage: str) -> bool:
    before, after = (state(run, stage)["state_dict"] for run in (one, other))
    weights = [key for key in before if key.startswith("network.") and before[key].is_floating_point()]
    return all(torch.allclose(before[key], after[key], atol=1e-5) for key in weights)


@pytest.mark.slow
def test_a_run_takes_over_what_it_does_not_train(finished: Path, data: Path, config: Path, tmp_path: Path) -> None:
    settings, out = tmp_path / "settings.toml", tmp_path / "run"
    text = config.read_text()
    for stage in STAGES:
        text = text.replace(f"[train.{stage}]\n", f'[train.{stage}]\nstart_from = "{finished / "world"}"\n')
    settings.write_text(text)
    train([data], out, settings, "dynamics", minutes=0.01, device="cpu", quiet=True)
    before, after = World.from_pretrained(finished / "world"), World.from_pretrained(out / "world")
    for name in ("tokenizer", "latent_action"):
        ours, theirs = (world.networks()[name].state_dict() for world in (before, after))
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    done = after.config.training["stages"]
    assert done["dynamics"]["steps"] > 0 and done["tokenizer"]["steps"] == 0
    assert {name: done[name]["before"] for name in STAGES} == before.config.training["stages"]
    ran = {name for name in STAGES if done[name]["steps"]}
    assert set(after.config.training["settings"]) == {"held_out_every", *ran} and ran != set(STAGES)
    taken = [line for line in after.config.training["rules"] if line.startswith("From another world: the ")]
    mirrored = [line for line in after.config.training["rules"] if "of the latent actions are mirrored" in line]
    assert mirrored == [line for line in before.config.training["rules"] if line in mirrored] and len(mirrored) == 1
    assert len(taken) == 3 and [line.endswith("does not change here.") for line in taken] == [True, True, False]


def test_a_world_that_went_on_from_one_with_rules_says_so(tmp_path: Path) -> None:
    remember_start(tmp_path, "dynamics", str(ROOT / "checkpoints" / "coinrun-hard"))
    earlier = json.loads((tmp_path / "dynamics" / "before.json").read_text())
    (line,) = taken_over({"dynamics": {"steps": 5, "minutes": 2.5, "before": earlier}, "tokenizer": {"steps": 3}})
    assert line == (
        "From another world: the dynamics learnt, by that world's codes, for "
        "956.1 minutes there under rules laid down by hand and 2.5 minutes here."  # in it and the seven before it
    )
    for odd in ({}, {"minutes": "long"}, {"minutes": None}, {"minutes": [3]}):  # of a world from elsewhere
        (line,) = taken_over({"tokenizer": {"steps": 0, "minutes": 0.0, "before": odd}})
        assert line == (
            "From another world: the tokenizer learnt for a time that it does not tell there and does not change here."
        )


def test_the_card_counts_the_minutes_of_all_worlds_that_a_part_comes_from() -> None:
    first = {"steps": 9, "minutes": 129.0, "ruled": True}
    second = {"steps": 7, "minutes": 90.5, "before": first}
    (line,) = taken_over({"tokenizer": {"steps": 0, "minutes": 0.0, "before": second}})
    assert "learnt for 219.5 minutes there under rules laid down by hand and does not change here" in line
    second["before"] = first | {"minutes": "long"}
    (line,) = taken_over({"tokenizer": {"steps": 0, "minutes": 0.0, "before": second}})
    assert "for a time that it does not tell there" in line


@pytest.mark.slow
def test_what_a_stage_starts_from_goes_on_learning(finished: Path, data: Path, config: Path, tmp_path: Path) -> None:
    """Not only by gradients: the codes of the latent actions follow means, which networks in use leave alone."""
    out, settings = tmp_path / "run", tmp_path / "start.toml"
    start = f'[train.latent_action]\nstart_from = "{finished / "world"}"\n'
    settings.write_text(config.read_text().replace("[train.latent_action]\n", start))
    train([data], out, settings, "latent_action", minutes=0.005, device="cpu", quiet=True)
    before, after = (state(run, "latent_action")["state_dict"] for run in (finished, out))
    assert not torch.equal(before["network.quantizer.usage"], after["network.quantizer.usage"])
    assert not torch.equal(before["network.spread.running_mean"], after["network.spread.running_mean"])


@pytest.mark.slow
def test_a_resumed_stage_goes_on_from_itself(run: Path, data: Path, tmp_path: Path) -> None:
    """What it once started from is not needed any more."""
    settings = run / "settings.toml"
    settings.write_text(settings.read_text().replace("[train.tokenizer]\n", '[train.tokenizer]\nstart_from = "gone"\n'))
    steps, seconds = progress(run, "tokenizer")
    train([data], run, stage="tokenizer", minutes=seconds / 60 + 0.002, resume=True, device="cpu", quiet=True)
    assert progress(run, "tokenizer")[0] > steps


# ---- what is refused


@pytest.mark.parametrize("stage", STAGES)
def test_a_world_of_other_networks_is_no_start(data: Path, config: Path, tmp_path: Path, stage: str) -> None:
    """It is told before anything is written, so that the same call works once the settings are mended."""
    tokenizer, latent_action, dynamics = load_settings(config).networks
    others = {
        "tokenizer": dataclasses.replace(tokenizer, channels=(8, 24)),
        "latent_action": dataclasses.replace(latent_action, width=24),
        "dynamics": dataclasses.replace(dynamics, layers=2),
    }
    networks = {"tokenizer": tokenizer, "latent_action": latent_action, "dynamics": dynamics, stage: others[stage]}
    World(WorldConfig(**networks)).save_pretrained(tmp_path / "other")
    settings = tmp_path / "start.toml"
    start = f'[train.{stage}]\nstart_from = "{tmp_path / "other"}"\n'
    settings.write_text(config.read_text().replace(f"[train.{stage}]\n", start))
    with pytest.raises(ConfigError, match=rf"(?s)\[{stage}\].*start_from in \[train\.{stage}\].*other.*--config"):
        train([data], tmp_path / "run", settings, minutes=0.001, quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_start_that_is_not_there_is_told_before_anything_is_written(data: Path, config: Path, tmp_path: Path) -> None:
    settings = tmp_path / "start.toml"
    nowhere = f'[train.dynamics]\nstart_from = "{tmp_path / "nowhere"}"\n'
    settings.write_text(config.read_text().replace("[train.dynamics]\n", nowhere))
    with pytest.raises(GenieError, match="nowhere"):
        train([data], tmp_path / "run", settings, minutes=0.001, quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_run_that_exists_is_not_started_again(data: Path, config: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(SETTINGS)
    with pytest.raises(ConfigError, match=f"{tmp_path}.*--resume.*--out"):
        train([data], tmp_path, config, minutes=0.001, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.toml"]


def test_a_run_that_does_not_exist_is_not_resumed(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no run.*without --resume"):
        train([data], tmp_path / "run", minutes=0.001, resume=True, quiet=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_other_networks_do_not_go_on_with_a_run(run: Path, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "wider.toml"
    other.write_text(SETTINGS.replace("channels = [8, 16]", "channels = [8, 24]"))
    with pytest.raises(ConfigError, match=r"wider\.toml"):
        train([data], run, other, stage="tokenizer", minutes=2 * MINUTES, resume=True, device="cpu", quiet=True)


@pytest.mark.slow
def test_what_a_resume_was_told_is_kept(run: Path, data: Path, tmp_path: Path) -> None:
    """Of the pace, which may change: the next resume goes on with it."""
    other = tmp_path / "slower.toml"
    other.write_text(SETTINGS.replace("batch_size = 4", "batch_size = 3"))
    train([data], run, other, minutes=MINUTES, resume=True, device="cpu", quiet=True)
    assert (run / "settings.toml").read_text() == other.read_text()
    train([data], run, run / "settings.toml", minutes=MINUTES, resume=True, device="cpu", quiet=True)
    assert (run / "settings.toml").read_text() == other.read_text()


def test_a_run_that_another_process_trains_is_refused(data: Path, config: Path, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl", reason="this system has no such locks")
    (tmp_path / "settings.toml").write_text(SETTINGS)
    with (tmp_path / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        other = tmp_path / "other.toml"
        other.write_text(SETTINGS.replace("batch_size = 4", "batch_size = 3"))
        with pytest.raises(ConfigError, match=r"another process trains the run .*--out"):
            train([data], tmp_path, other, minutes=0.001, resume=True, quiet=True)
    assert (tmp_path / "settings.toml").read_text() == SETTINGS, "its settings are those of the one that trains"


@pytest.mark.slow
def test_a_disk_without_locks_keeps_no_run_out(
    data: Path, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl", reason="this system has no such locks")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    train([data], tmp_path / "run", config, stage="tokenizer", minutes=0.005, device="cpu", quiet=True)
    assert progress(tmp_path / "run", "tokenizer")[0] == 3
    assert len(VideoDataset(record(tmp_path / "more"))) == 480


def test_a_disk_that_refuses_a_run_is_told_in_words(data: Path, config: Path, tmp_path: Path) -> None:
    """Whether the folder of the run cannot be made, or the lock in it."""
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"file/run cannot be written: .*; save elsewhere"):
        train([data], tmp_path / "file" / "run", config, minutes=0.001, quiet=True)
    (tmp_path / "settings.toml").write_text(SETTINGS)
    (tmp_path / ".lock").mkdir()
    with pytest.raises(WriteError, match=r"cannot be written: .*; save elsewhere"):
        train([data], tmp_path, minutes=0.001, resume=True, quiet=True)


def test_stages_come_in_order(data: Path, config: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no trained tokenizer.*--stage tokenizer"):
        train([data], tmp_path / "run", config, stage="dynamics", minutes=0.001, quiet=True)


def test_a_start_that_failed_can_be_tried_again(data: Path, config: Path, tmp_path: Path) -> None:
    """A typing error in --data must not leave a run behind that the next call trips over."""
    for _ in range(2):
        with pytest.raises(DataError):
            train([tmp_path / "nowhere"], tmp_path / "run", config, minutes=0.001, quiet=True)


@pytest.mark.parametrize("stage", ["tokenizer", "latent_action"])
def test_frames_of_another_size_are_refused(config: Path, tmp_path: Path, stage: str) -> None:
    """Again and again: the first call leaves no run behind."""
    large = record(tmp_path / "data", size=32)
    for _ in range(2):
        with pytest.raises(GenieError, match=r"32.*16|16.*32"):
            train([large], tmp_path / "run", config, stage, minutes=0.001, device="cpu", quiet=True)


# ---- settings


@pytest.mark.slow
def test_a_run_knows_the_size_that_its_settings_leave_to_the_data(data: Path, tmp_path: Path) -> None:
    """Networks of another size would go on from a state that is not theirs, or one that fits by chance."""
    file, out = tmp_path / "any.toml", tmp_path / "run"
    file.write_text(SETTINGS.replace("frame_size = [16, 16]\n", ""))
    train([data], out, file, stage="tokenizer", minutes=MINUTES, device="cpu", quiet=True)
    large = record(tmp_path / "large", size=32)
    with pytest.raises(ConfigError, match=r"learns from frames of 16x16 pixels, those of .*large are 32x32; .*--out"):
        train([large], out, minutes=2 * MINUTES, resume=True, device="cpu", quiet=True)
    with pytest.raises(ConfigError, match=r"any\.toml is not what .*settings\.toml says; .*--out"):
        train([large], out, file, minutes=2 * MINUTES, resume=True, device="cpu", quiet=True)
    train([data], out, stage="tokenizer", minutes=2 * MINUTES, resume=True, device="cpu", quiet=True)
    assert progress(out, "tokenizer")[0] == 24


def test_the_shipped_settings_make_a_world() -> None:
    shipped = [UNKNOWN, *(UNKNOWN.parent / "coinrun").glob("*.toml")]
    assert len(shipped) == 4 and {games.find(name).settings for name in (None, "coinrun")} <= set(shipped)
    for file in (*shipped, *(ROOT / "checkpoints").glob("*/settings.toml")):
        settings = load_settings(file, (90, 160))
        WorldConfig(*settings.networks, settings.sampling)
        for name in STAGES:  # a world to start from has these very networks, or smaller ones
            start_from = settings.stage(name).start_from
            start = start_from and World.from_pretrained(ROOT / start_from).config
            assert not start or can_grow(getattr(start, name), getattr(settings.networks, name)), (file, name)
        # the context that play has must have been seen in training
        assert settings.dynamics.clip_frames > settings.networks.dynamics.context_frames


def test_what_is_not_said_is_the_default_or_the_datas(tmp_path: Path) -> None:
    file = tmp_path / "short.toml"
    file.write_text("num_actions = 5\n[train.tokenizer]\nminutes = 3\n")
    settings = load_settings(file, (9, 16))
    assert settings.tokenizer == TokenizerSettings(minutes=3)
    assert settings.dynamics == DynamicsSettings()
    tokenizer, latent_action, dynamics = settings.networks
    assert tokenizer == TokenizerConfig(frame_size=(9, 16))
    assert latent_action == LatentActionConfig(frame_size=(9, 16), num_actions=5)
    assert dynamics == DynamicsConfig(grid=tokenizer.grid, num_actions=5)


def test_every_weight_and_share_of_learning_is_recorded(config: Path) -> None:
    """So that a figure in config.json can be traced to what made it; nothing of it names a folder of this machine."""
    recorded = load_settings(config).recorded()
    assert recorded["held_out_every"] == 50 and recorded["tokenizer"]["texture_window"] == 8
    assert recorded["dynamics"]["fully_masked"] == 0.75 and recorded["latent_action"]["commitment"] == 0.1
    assert json.loads(json.dumps(recorded)) == recorded and "start_from" not in str(recorded)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[tokeniser]\n", "tokeniser.*known are .*tokenizer"),
        ("minutes = 3\n", "minutes"),
        ("token_clips = 3\n", "unknown section token_clips"),
        ("[dynamics]\ndropout = 0.1\n", "dropout.*width"),
        ("[train.tokenizer]\nlearning_rat = 1\n", "learning_rat.*learning_rate"),
        ("[train.action]\n", "action.*latent_action"),
        ("train = 3\n", "train"),
        ("tokenizer = 3\n", "3"),
        ("[train.dynamics]\ntoken_clips = 0\n", "token_clips 0"),
        ("[train.dynamics]\ntoken_clips = 'many'\n", "token_clips"),
        ("[train.dynamics]\nfully_masked = 1.5\n", "fully_masked 1.5 is outside"),
        ("[train.latent_action]\ncommitment = -1\n", "commitment -1 is negative"),
        ("held_out_every = 1\n", "held_out_every is 1"),
        ("held_out_every = 2.5\n", "held_out_every is 2.5"),
        ("frame_size = [16]\n", r"frame_size is \[16\]"),
        ("x = " + 2000 * "[" + 2000 * "]", "TOML"),
        ("[dynamics]\nheads = 5\n", "192 .* 5"),
        ("[train.dynamics]\nminutes = 0\n", "minutes 0"),
        ("[train.dynamics]\nblind = 1.1\n", "blind 1.1 is outside"),
        ("[train.dynamics]\nredrawn = -0.1\n", "redrawn -0.1 is outside"),
        ("[latent_action]\nhorizon = 0\n", "horizon 0 is outside"),
        (
            "[latent_action]\ncode_width = 3\nrules = {game = 'any', expectation_layers = 1}\n",
            "horizon = 6",
        ),
        ("[train.dynamics]\nminutes = 'long'\n", "minutes"),
        ("[train.dynamics]\nbatch_size = 0\n", "batch_size"),
        ("[train.dynamics]\nbatch_size = 2.5\n", "batch_size"),
        ("[train.dynamics]\nlearning_rate = -1.0\n", "learning_rate"),
        ("[train.dynamics]\ndecay = 2\n", "decay 2"),
        ("[train.tokenizer]\ntexture = -1\n", "texture -1"),
        ("[train.dynamics]\ntexture = 1\n", "DynamicsSettings does not know texture"),
        ("[train.latent_action]\ndecoder_only = true\n", "does not know decoder_only"),
        ("[train.dynamics]\nclip_frames = 1\n", "clip_frames 1"),
        ("[train.latent_action]\nclip_frames = 1\n", "clip_frames 1"),
        ("[dynamics]\ngrid = 16\n", "dynamics repeats grid"),
        ("[latent_action]\nnum_actions = 3\n", "latent_action repeats num_actions"),
        ("[dynamics\n", "TOML"),
        pytest.param("x = " + "[" * 3000, "TOML", id="nested too deeply"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_training(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(f"num_actions = 8\n{text}")
    with pytest.raises(ConfigError, match=f"(?s)wrong.toml.*{words}"):
        load_settings(file, (64, 64))


@pytest.mark.parametrize("missing", ["frame_size", "num_actions"])
def test_what_only_the_file_can_say_must_be_there(tmp_path: Path, missing: str) -> None:
    file = tmp_path / "short.toml"
    file.write_text("\n".join(line for line in SETTINGS.splitlines() if not line.startswith(missing)))
    with pytest.raises(ConfigError, match=f"{missing} is missing"):
        load_settings(file)


def test_settings_that_are_not_there_are_told_where_to_start_from(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"nowhere.*{UNKNOWN.name}"):
        load_settings(tmp_path / "nowhere.toml")


# ---- the parts of a run


def test_held_out_episodes_are_not_trained_on(data: Path) -> None:
    dataset = VideoDataset(data)
    trained, held_out = (set((starts // 8).tolist()) for starts in split_starts(dataset, 5, 50))
    assert held_out == {0, 50} and trained == set(range(60)) - held_out
    assert all(
        len(starts) == episodes * 4 for starts, episodes in zip(split_starts(dataset, 5, 50), (58, 2), strict=True)
    )


def one_take(path: Path, *lengths: int) -> VideoDataset:
    with DatasetWriter(path, source={}, frame_size=(16, 16)) as writer:
        for length in lengths:
            writer.add_episode(np.zeros((length, 16, 16, 3), np.uint8))
    return VideoDataset(path)


@pytest.mark.parametrize(
    ("lengths", "held_out"),
    [
        ((630,), (283, 346)),  # a tenth of a short take
        ((100, 9000), (4509, 4691)),  # a fiftieth of a longer one
        ((30, 20, 30), (11, 19)),
        ((8,) * 49, (0, 8)),  # of episodes shorter than that share, a whole one
    ],
)
def test_a_take_without_a_cut_is_trained_on_but_for_its_middle(
    tmp_path: Path, lengths: tuple[int, ...], held_out: tuple[int, int]
) -> None:
    for length in (1, 5, 8):
        trained, kept = split_starts(one_take(tmp_path / f"{length}", *lengths), length, 50)
        seen = {int(start) + i for start in trained for i in range(length)}
        assert kept.tolist() == list(range(held_out[0], held_out[1] - length + 1))
        assert seen.isdisjoint(range(*held_out)) and len(seen) > 0.85 * sum(lengths) - 2 * length


def test_too_few_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 20 frames in 1 episodes, too few for clips of 4 to train on and others"):
        split_starts(one_take(tmp_path / "one", 20), 4, 50)


class Line(Stage):
    name = "line"

    def losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {"loss": self.network(batch["x"]).square().mean()}


def test_a_halted_process_has_not_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = iter([0.0, 2.0, 3600.0])
    monkeypatch.setattr("genie_core.training.learner.time.perf_counter", lambda: next(clock))

    learner = Learner(Line(torch.nn.Linear(1, 1), StageSettings()), start(Machines("cpu")), tmp_path, seed=0)
    learner.start_clock()
    for _ in range(2):
        learner.step([({"x": torch.ones(2, 1)}, 0, 2)], stop_asked=False)
    assert float(learner.stage.trained_seconds) == 2 + LONGEST_STEP_SECONDS


@pytest.mark.slow
def test_the_mean_of_the_last_weights_is_kept(data: Path, config: Path, tmp_path: Path) -> None:
    """Weights after 5, 6, 7 and 8 steps, from a run that goes on; their mean from one that averages half of its 8."""

    def trained(out: str, steps: int, averaged: float = 0.0) -> dict[str, Any]:
        own = f"batch_size = 4\nsteps = {steps}\ndecay = 0.0\naveraged = {averaged}\n"
        (tmp_path / "own.toml").write_text(config.read_text().replace("batch_size = 4\n", own, 1))
        resume = (tmp_path / out).exists()
        where = {"stage": "tokenizer", "device": "cpu", "quiet": True}
        train([data], tmp_path / out, tmp_path / "own.toml", resume=resume, **where)  # type: ignore[arg-type]
        return dict(state(tmp_path / out, "tokenizer")["state_dict"])

    after = [trained("one by one", steps) for steps in (5, 6, 7, 8)]
    kept = trained("mean", 8, averaged=0.5)
    parameters = [name for name, value in after[0].items() if name.startswith("network.") and value.is_floating_point()]
    assert not torch.equal(after[0][parameters[0]], after[-1][parameters[0]])
    for name in parameters:
        torch.testing.assert_close(kept[name], torch.stack([each[name] for each in after]).mean(0), msg=name)
    assert not state(tmp_path / "mean", "tokenizer")["mean"], "a stage that is over has its mean for weights"


def test_a_mean_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    def learner() -> Learner:
        torch.manual_seed(0)
        settings = StageSettings(steps=6, averaged=1.0, warmup_steps=1)
        return Learner(Line(torch.nn.Linear(1, 1), settings), start(Machines("cpu")), tmp_path, seed=0)

    unbroken, first, second = learner(), learner(), learner()
    part = [({"x": torch.ones(2, 1)}, 0, 2)]
    for _ in range(6):
        unbroken.step(part, stop_asked=False)
    for _ in range(3):
        first.step(part, stop_asked=False)
    second.load(first.state())
    for _ in range(3):
        second.step(part, stop_asked=False)
    assert second.mean_steps == 6 and second.mean.keys() == unbroken.mean.keys() != set()
    for name, value in unbroken.mean.items():
        torch.testing.assert_close(second.mean[name], value)


def test_the_rate_rises_stays_and_falls_to_zero() -> None:
    settings = StageSettings(warmup_steps=60, decay=0.5)
    rise = [rate_share(step, 0.1, settings) for step in range(65)]
    assert 0 < rise[0] < 0.05 and rise == sorted(rise) and rise[58] < 1 == rise[-1]
    fall = [rate_share(1000, progress, settings) for progress in (0.0, 0.5, 0.75, 1.0, 1.2)]
    assert fall == [1, 1, 0.5, 0, 0]
    assert rate_share(1000, 0.999, StageSettings(decay=0)) == 1
