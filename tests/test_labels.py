"""A few labels tie codes to buttons."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from test_training import SETTINGS
from tiny import CONFIG, random_frames, walking_squares
from torch import Tensor
from training_clock import count_steps

from genie_core.data import DatasetWriter, VideoDataset
from genie_core.errors import ConfigError, DataError
from genie_core.models.foretelling import ForetellingModel
from genie_core.pixels import to_model
from genie_core.training.assemble import rules
from genie_core.training.building import Builder
from genie_core.training.clips import FrameClips
from genie_core.training.labels import Labels, discriminant, labelled_buttons
from genie_core.training.latent_action_stage import LatentActionStage
from genie_core.training.learnt import labelled_steps
from genie_core.training.order import Rows
from genie_core.training.processes import Machines, start
from genie_core.training.run import train
from genie_core.training.settings import LatentActionSettings, load_settings

ROOT = Path(__file__).parents[1]
LABELLED = "By labels: 7 steps of the key log say which codes there are; the effect of each is learnt."
SMALL = dataclasses.replace(CONFIG.latent_action, horizon=2)


@pytest.fixture
def data(tmp_path: Path) -> VideoDataset:
    """60 episodes of 8 frames, with the steps of their square as buttons 0, 1 and 2."""
    squares = walking_squares(60, 8)
    with DatasetWriter(tmp_path / "data", source={"game": "unheard of"}, frame_size=(16, 16)) as writer:
        for frames, steps in zip(squares.frames.numpy(), squares.steps.numpy(), strict=True):
            writer.add_episode(frames, steps + 1)
    return VideoDataset(tmp_path / "data")


# ---- which steps are labelled


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_a_share_of_the_steps_is_labelled_and_truly_so(data: VideoDataset, share: float) -> None:
    starts = data.clip_starts(2)[7:]
    buttons = labelled_buttons(data, starts, share, codes=4, seed=0)
    known = np.flatnonzero(buttons >= 0)
    assert len(buttons) == len(data) and len(known) == round(share * len(starts)) and set(known) <= set(starts)
    assert all(buttons[start] == data.true_actions(int(start), 2)[0] for start in known)
    assert np.array_equal(labelled_buttons(data, starts, share, 4, seed=0), buttons)
    assert share == 1 or not np.array_equal(labelled_buttons(data, starts, share, 4, seed=1), buttons)


def test_recordings_without_a_key_log_are_refused(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "film", source={}, frame_size=(16, 16)) as writer:
        writer.add_episode(walking_squares(1, 8).frames[0].numpy())
    film = VideoDataset(tmp_path / "film")
    with pytest.raises(DataError, match=r"film has no key log.*leave --labels out"):
        labelled_buttons(film, film.clip_starts(2), 0.5, 4, seed=0)


def test_more_buttons_than_codes_are_refused(data: VideoDataset) -> None:
    with pytest.raises(ConfigError, match="num_actions 2 has no code for each of 3 buttons"):
        labelled_buttons(data, data.clip_starts(2), 1.0, codes=2, seed=0)


def test_every_second_clip_has_a_label_and_each_label_lies_at_its_step(data: VideoDataset) -> None:
    buttons = np.full(len(data), -1, np.int8)
    buttons[[3, 83]] = 2, 0
    batch = FrameClips(data, data.clip_starts(4), 4, 64, buttons)(Rows(0, 0, 0, 64))
    assert batch["buttons"].shape == (64, 3) and batch["buttons"].dtype == torch.int64
    assert (batch["buttons"][::2] >= 0).any(1).all() and (batch["buttons"] >= 0).any(1).float().mean() < 0.7
    for frames, told in zip(batch["frames"], batch["buttons"], strict=True):
        for step in torch.nonzero(told >= 0).flatten().tolist():
            at = {2: 3, 0: 83}[int(told[step])]
            assert np.array_equal(frames[step : step + 2], data.clip(at, 2))


def test_without_labels_batches_are_as_they_were(data: VideoDataset) -> None:
    assert set(FrameClips(data, data.clip_starts(4), 4, 4)(Rows(0, 0, 0, 4))) == {"frames"}


# ---- what labels do


def test_a_labelled_step_has_the_code_of_its_button() -> None:
    torch.manual_seed(0)
    network, pixels = ForetellingModel(SMALL).train(), to_model(random_frames(b=2, t=4))
    buttons = torch.tensor([[-1, 2, -1], [0, -1, 3]])
    found = network(pixels, told=buttons).quantized
    assert torch.equal(found.indices[buttons >= 0], buttons[buttons >= 0])
    torch.testing.assert_close(found.codes, network.quantizer.lookup(found.indices), atol=0.2, rtol=0)


def test_the_discriminant_finds_the_narrow_direction_that_tells_buttons_apart() -> None:
    """A wide direction that tells nothing, and a narrow one in which two buttons differ by three deviations."""
    means = torch.tensor([[0.0, 0.3, 0], [0.0, -0.3, 0]])
    within = torch.diag(torch.tensor([100.0, 0.04, 1]))
    found = discriminant(means, torch.tensor([0.5, 0.5]), within, directions=1)
    values, axes = torch.linalg.eigh(found)
    assert axes[:, -1].abs().tolist() == pytest.approx([0, 1, 0], abs=1e-3)
    assert float(values[-1]) == pytest.approx(0.04, rel=0.01) and values[:-1].abs().max() < 1e-4


def noisy(clips: int) -> tuple[Tensor, Tensor]:
    """Motions (clips, 16, features) of held buttons 0, 1 and 2, under wider ones that they have nothing to do with."""
    torch.manual_seed(0)
    buttons = torch.randint(3, (clips, 4)).repeat_interleave(4, 1)
    observed = 0.02 * torch.randn(clips, 16, len(ForetellingModel(SMALL).mean))
    observed[..., :4] = 0.5 * torch.randn(clips, 16, 4)
    observed[..., 6] += torch.tensor([-0.2, 0.0, 0.2])[buttons]
    return observed, buttons


def taught(share: float) -> float:
    """How often the code is the button after training on motions with a share of labels, none for 0."""
    network, (observed, buttons) = ForetellingModel(SMALL).train(), noisy(400)
    known = torch.where(torch.rand(buttons.shape) < share, buttons, -1)
    labels = Labels(network, 1) if share else None
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for step in range(120):
        rows = torch.arange(16) + 16 * (step % 20)
        quantized = network.quantizer(network.describe(observed[rows]), known[rows])
        (error,) = network.errors(observed[rows], quantized.codes).values()
        optimizer.zero_grad()
        (error + quantized.commitment).backward()
        optimizer.step()
        if labels:
            labels.teach(network, observed[rows], known[rows])
    return float((network.eval().infer_observed(observed[320:]).indices == buttons[320:]).float().mean())


def test_labels_find_what_buttons_do_under_a_wider_motion() -> None:
    """Without labels the widest motion is the codes' own; with a fifth of them, code k is button k."""
    assert taught(0.0) < 0.5 and taught(0.2) > 0.75


@pytest.mark.parametrize("known", [0, 1, 2])
def test_hardly_any_label_breaks_nothing(known: int) -> None:
    network, (observed, buttons) = ForetellingModel(SMALL), noisy(3)
    few = torch.where(torch.arange(48).view(3, 16) < known, buttons, -1)
    Labels(network, 2).teach(network, observed, few)
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


def test_a_clip_with_a_label_is_not_mirrored() -> None:
    """Or its button would be that of the other way."""
    torch.manual_seed(0)
    stage = LatentActionStage(ForetellingModel(SMALL), LatentActionSettings(mirrored=1.0), labelled=3).train()
    given: list[Tensor] = []
    stage.network.register_forward_pre_hook(lambda network, inputs: given.append(inputs[0]))
    frames, buttons = random_frames(b=2, t=4), torch.tensor([[-1, 2, -1], [-1, -1, -1]])
    stage.losses({"frames": frames, "buttons": buttons})
    plain = frames.permute(0, 4, 1, 2, 3).float() / 127.5 - 1
    torch.testing.assert_close(given[0][0], plain[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(given[0][1], plain[1].flip(-1), atol=1e-4, rtol=0)


def test_a_stage_without_labels_has_the_state_it_always_had() -> None:
    stage = LatentActionStage(ForetellingModel(SMALL), LatentActionSettings())
    assert not [name for name in stage.state_dict() if "label" in name]
    with_labels = LatentActionStage(ForetellingModel(SMALL), LatentActionSettings(), labelled=7)
    assert set(with_labels.network.state_dict()) == set(stage.network.state_dict())


# ---- runs


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.toml"
    file.write_text(SETTINGS.replace("code_width = 4", "code_width = 4\nhorizon = 2"))
    return file


@pytest.mark.slow
def test_a_run_says_how_many_labels_it_saw(
    data: VideoDataset, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_steps(monkeypatch)
    out = tmp_path / "run"
    train(data.paths, out, config, minutes=0.02, device="cpu", quiet=True, labels=0.1)
    steps = round(0.1 * 58 * 7)  # of 60 episodes of 7 steps, two are held out
    told = json.loads((out / "world" / "config.json").read_text())["training"]
    assert told["labels"] == labelled_steps(out) == steps and f"{steps} steps of the key log" in str(told["rules"])
    assert told["settings"]["latent_action"]["labels"] == 0.1
    with pytest.raises(ConfigError, match=rf"learns from {steps} labelled steps, not 0; give the same --labels"):
        train(data.paths, out, resume=True, minutes=0.03, device="cpu", quiet=True, stage="latent_action")
    train(data.paths, out, resume=True, minutes=0.03, device="cpu", quiet=True, stage="latent_action", labels=0.1)


@pytest.mark.slow
def test_a_run_that_goes_on_tells_the_steps_that_it_began_with(
    data: VideoDataset, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seed that chose them is kept, whatever the next command says."""
    count_steps(monkeypatch)
    out, settings = tmp_path / "run", load_settings(config).labelled(0.1)
    train(data.paths, out, config, "latent_action", 0.02, seed=1, device="cpu", quiet=True, labels=0.1)
    fabric = start(Machines("cpu"))

    def told(folder: Path, seed: int) -> np.ndarray:
        sample = Builder(settings, data, folder, seed, fabric, True).build("latent_action").sample
        assert isinstance(sample, FrameClips) and sample.buttons is not None
        return sample.buttons

    assert np.array_equal(told(out, 0), told(tmp_path / "new", 1)) and (told(out, 0) != told(tmp_path / "new", 0)).any()


def test_a_world_says_that_the_codes_it_took_over_had_labels(config: Path, tmp_path: Path) -> None:
    shipped = ROOT / "checkpoints" / "frozen-lake"
    for odd, found in (([LABELLED, 5, "By hand: 3"], [LABELLED]), (5, []), ("By labels: no", [])):
        world = tmp_path / "world"
        shutil.copytree(shipped, world, dirs_exist_ok=True)
        told = json.loads((world / "config.json").read_text())
        told["training"]["rules"] = odd
        (world / "config.json").write_text(json.dumps(told))
        settings = load_settings(config)
        stage = dataclasses.replace(settings.latent_action, start_from=str(world))
        settings = dataclasses.replace(settings, latent_action=stage)
        assert list(rules(settings, 0, {"tokenizer", "latent_action", "dynamics"})) == found


def test_labels_are_for_codes_that_foretell(tmp_path: Path) -> None:
    file = tmp_path / "pixels.toml"
    file.write_text(SETTINGS)
    with pytest.raises(ConfigError, match=r"labels 0\.1 are for codes that foretell; write `horizon = 6`"):
        load_settings(file).labelled(0.1)


def test_a_world_without_labels_says_so_by_saying_nothing(config: Path) -> None:
    assert not [rule for rule in rules(load_settings(config), 0) if "label" in rule]


def test_a_share_of_labels_is_one(tmp_path: Path) -> None:
    file = tmp_path / "pixels.toml"
    file.write_text(SETTINGS)
    with pytest.raises(ConfigError, match=r"labels 1.5 is outside 0\.\.1"):
        load_settings(file).labelled(1.5)
