"""A world on disk comes back as it was, and whatever does not fit exactly is refused with the file's name."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import CONFIG, make_world, random_actions, random_frames, random_tokens

from genie_core.checkpoint import _sha256, write_config
from genie_core.config import (
    Action,
    DynamicsConfig,
    LatentActionConfig,
    SamplingConfig,
    TokenizerConfig,
    WorldConfig,
    unnamed_actions,
)
from genie_core.errors import CheckpointError, ConfigError
from genie_core.world import NETWORKS, World

WEIGHTS = "model.safetensors"
NAMED = tuple(Action(i, name, (name,), (i / 4, -1.0)) for i, name in enumerate(("stay", "left", "right", "jump")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "worlds" / "tiny"
    make_world(actions=NAMED, fps=12.5, training={"data": "none", "minutes": {"tokenizer": 0.5}}).save_pretrained(path)
    return path


def edit_config(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    file = folder / "config.json"
    values = json.loads(file.read_text())
    changed = change(values)
    file.write_text(json.dumps(values if changed is None else changed))


def edit_tensors(folder: Path, name: str, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """Changes a weights file and vouches for it in config.json, so that only its content is wrong."""
    file = folder / name / WEIGHTS
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)
    edit_config(folder, lambda values: vouch(values, folder, name))


def vouch(values: dict[str, Any], folder: Path, name: str) -> None:
    file = folder / name / WEIGHTS
    values["files"][f"{name}/{WEIGHTS}"] = {"size": file.stat().st_size, "sha256": _sha256(file)}


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        World.from_pretrained(folder)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "launch.py" in message or "--world" in message or "update" in message  # the way on


def test_a_world_comes_back_as_it_was(folder: Path) -> None:
    torch.manual_seed(99)
    loaded, saved = World.from_pretrained(folder), make_world()
    assert loaded.config == dataclasses.replace(
        CONFIG, actions=NAMED, fps=12.5, training={"data": "none", "minutes": {"tokenizer": 0.5}}
    )
    assert loaded.name == "tiny"
    frames, tokens = random_frames(), random_tokens()
    assert torch.equal(loaded.encode(frames), saved.encode(frames))
    assert torch.equal(loaded.decode(tokens), saved.decode(tokens))
    assert torch.equal(loaded.infer_actions(frames), saved.infer_actions(frames))
    args = (tokens, tokens, random_actions())
    assert torch.equal(*(world.dynamics(*args).logits(tokens) for world in (loaded, saved)))
    for name, network in loaded.networks().items():
        assert not network.training and not any(p.requires_grad for p in network.parameters())
        state = saved.networks()[name].state_dict()
        assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_the_folder_holds_what_the_contract_says(folder: Path) -> None:
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {"config.json", "README.md", *(f"{name}/{WEIGHTS}" for name in NETWORKS)}
    values = json.loads((folder / "config.json").read_text())
    assert values["format_version"] == 1 and values["frame_size"] == 16 and values["context_frames"] == 3
    assert values["fps"] == 12.5
    assert values["sampling"] == {"unmask_steps": 3, "temperature": 0.0, "order": "confidence"}
    assert values["actions"][1] == {"id": 1, "name": "left", "keys": ["left"], "motion_px": [0.25, -1.0]}
    assert set(values["files"]) == {f"{name}/{WEIGHTS}" for name in NETWORKS}
    card = (folder / "README.md").read_text()
    assert "| 2 | left | left | +0.25, -1.00 |" in card
    assert "12.5 frames/s" in card


def test_saving_twice_and_loading_and_saving_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    make_world(seed=3).save_pretrained(folder)
    assert any(path.read_bytes() != content for path, content in before.items())
    make_world(actions=NAMED, fps=12.5, training=CONFIG.training).save_pretrained(folder)
    again = tmp_path / "again"
    World.from_pretrained(folder).save_pretrained(again)
    assert all((again / path.relative_to(folder)).read_bytes() == path.read_bytes() for path in before)


def test_a_config_may_be_rewritten_beside_its_weights(folder: Path) -> None:
    write_config(folder, dataclasses.replace(World.from_pretrained(folder).config, fps=30))
    assert World.from_pretrained(folder).config.fps == 30
    assert "30 frames/s" in (folder / "README.md").read_text()


def test_reveal_above_comes_back_and_is_not_written_where_it_is_off(folder: Path) -> None:
    """Without it a world stays readable to a version that has never heard of it."""
    config = World.from_pretrained(folder).config
    keys = {"unmask_steps", "temperature", "order"}
    for above in (0.9, None):
        sampling = SamplingConfig(unmask_steps=5, temperature=0.5, order="halton", reveal_above=above)
        write_config(folder, dataclasses.replace(config, sampling=sampling))
        written = json.loads((folder / "config.json").read_text())["sampling"]
        assert set(written) == keys | ({"reveal_above"} if above else set())
        assert World.from_pretrained(folder).config.sampling == sampling
    make_world(sampling=SamplingConfig(reveal_above=0.75)).save_pretrained(folder)
    assert World.from_pretrained(folder).config.sampling.reveal_above == 0.75


def test_linked_sub_tokens_come_back_and_are_not_written_where_they_are_off(folder: Path) -> None:
    assert "link_width" not in json.loads((folder / "config.json").read_text())["dynamics"]
    saved = make_world(dynamics=dataclasses.replace(CONFIG.dynamics, link_width=8))
    saved.save_pretrained(folder)
    loaded, tokens = World.from_pretrained(folder), random_tokens()
    assert loaded.config.dynamics.link_width == 8
    found = [world.dynamics(tokens, tokens, random_actions()).logits(tokens) for world in (loaded, saved)]
    assert torch.equal(*found)


def test_codes_that_mean_keys_come_back_and_are_not_written_where_they_are_off(folder: Path) -> None:
    assert "expectation_layers" not in json.loads((folder / "config.json").read_text())["latent_action"]
    assert World.from_pretrained(folder).config.latent_action.expectation_layers is None
    expects = dataclasses.replace(CONFIG.latent_action, code_width=3, expectation_layers=1)
    saved = make_world(latent_action=expects)
    saved.save_pretrained(folder)
    loaded = World.from_pretrained(folder)
    assert loaded.config.latent_action == expects
    frames = random_frames(b=20)
    assert torch.equal(loaded.infer_actions(frames), saved.infer_actions(frames))
    assert len(loaded.infer_actions(frames).unique()) > 1


def test_what_is_no_world_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "nowhere", "config.json")
    refused(tmp_path, str(tmp_path), "config.json")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("gone", ["file", "folder", "entry"])
def test_missing_weights_are_refused(folder: Path, name: str, gone: str) -> None:
    if gone == "entry":
        edit_config(folder, lambda values: values["files"].pop(f"{name}/{WEIGHTS}") and None)
    else:
        (folder / name / WEIGHTS).unlink()
    if gone == "folder":
        (folder / name).rmdir()
    refused(folder, name, WEIGHTS)


@pytest.mark.parametrize("name", NETWORKS)
def test_tensors_that_do_not_fit_are_refused(folder: Path, name: str) -> None:
    file, whole = folder / name / WEIGHTS, load_file(folder / name / WEIGHTS)
    key = next(key for key, value in whole.items() if value.ndim > 1)

    def refused_with(change: Callable[[dict[str, torch.Tensor]], Any], *words: str) -> None:
        edit_tensors(folder, name, change)
        refused(folder, str(file), *words)
        edit_tensors(folder, name, lambda tensors: (tensors.clear(), tensors.update(whole)))
        World.from_pretrained(folder)

    refused_with(lambda tensors: tensors.pop(key), "missing", key)
    refused_with(lambda tensors: tensors.update(extra=torch.zeros(2)), "surplus", "extra")
    refused_with(lambda tensors: tensors.update({key: whole[key][1:].clone()}), key, str(tuple(whole[key].shape)))
    refused_with(lambda tensors: tensors[key].view(-1)[0].fill_(torch.nan), key, "NaN")
    refused_with(lambda tensors: tensors[key].view(-1)[-1].fill_(-torch.inf), key, "infinity")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("vouched", [False, True])
@pytest.mark.parametrize(
    "damage", [lambda data: data[:-100], lambda data: data[:4], lambda data: b"", lambda data: data + b"\0"]
)
def test_truncated_and_overlong_files_are_refused(
    folder: Path, name: str, vouched: bool, damage: Callable[[bytes], bytes]
) -> None:
    """Also where config.json was made to agree."""
    file = folder / name / WEIGHTS
    file.write_bytes(damage(file.read_bytes()))
    if vouched:
        edit_config(folder, lambda values: vouch(values, folder, name))
    refused(folder, str(file))


def test_altered_bytes_are_refused(folder: Path) -> None:
    file = folder / "dynamics" / WEIGHTS
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    refused(folder, str(file), "sha256")


def test_weights_of_another_world_are_refused(folder: Path, tmp_path: Path) -> None:
    make_world(seed=1).save_pretrained(tmp_path / "other")
    (tmp_path / "other" / "tokenizer" / WEIGHTS).replace(folder / "tokenizer" / WEIGHTS)
    refused(folder, str(folder / "tokenizer" / WEIGHTS), "sha256")


def test_a_pickle_is_never_read(folder: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
            return Path.touch, (tmp_path / "exploded",)

    torch.save(Bomb(), folder / "tokenizer" / WEIGHTS)
    edit_config(folder, lambda values: vouch(values, folder, "tokenizer"))
    refused(folder, str(folder / "tokenizer" / WEIGHTS))
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(("version", "way_on"), [(2, "update"), (0, "--world"), (None, "--world"), ("1", "--world")])
def test_other_format_versions_are_refused(folder: Path, version: object, way_on: str) -> None:
    edit_config(folder, lambda values: values.update(format_version=version))
    refused(folder, str(folder), repr(version), way_on)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\udcff"])
def test_what_is_no_json_object_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    refused(folder, str(folder / "config.json"))


@pytest.mark.parametrize(
    "key", ["tokenizer", "latent_action", "dynamics", "sampling", "actions", "fps", "files", "format_version"]
)
def test_a_config_that_lacks_a_part_is_refused(folder: Path, key: str) -> None:
    edit_config(folder, lambda values: values.pop(key) and None)
    refused(folder, str(folder))


WRONG = {
    "foreign": lambda values: {"format_version": 1, "model_type": "llama"},
    "unknown key": lambda values: values.update(author="x"),
    "unknown key of a part": lambda values: values["dynamics"].update(dropout=0.1),
    "part is a list": lambda values: values.update(tokenizer=[1]),
    "part is null": lambda values: values.update(sampling=None),
    "actions is null": lambda values: values.update(actions=None),
    "actions is empty": lambda values: values.update(actions=[]),
    "actions is a number": lambda values: values.update(actions=4),
    "action is a word": lambda values: values.update(actions=["a", "b", "c", "d"]),
    "too few actions": lambda values: values["actions"].pop() and None,
    "duplicate names": lambda values: values["actions"][1].update(name="stay"),
    "no name": lambda values: values["actions"][1].pop("name") and None,
    "empty name": lambda values: values["actions"][1].update(name=""),
    "name is a number": lambda values: values["actions"][1].update(name=7),
    "ids out of order": lambda values: values["actions"].reverse(),
    "keys is a word": lambda values: values["actions"][1].update(keys="left"),
    "keys are numbers": lambda values: values["actions"][1].update(keys=[1]),
    "motion of one number": lambda values: values["actions"][1].update(motion_px=[1.0]),
    "motion in words": lambda values: values["actions"][1].update(motion_px=["left", "up"]),
    "files is a list": lambda values: values.update(files=[]),
    "files is null": lambda values: values.update(files=None),
    "files without sizes": lambda values: values.update(files={key: {} for key in values["files"]}),
    "training is a list": lambda values: values.update(training=[]),
    "fps in words": lambda values: values.update(fps="fast"),
    "fps is zero": lambda values: values.update(fps=0),
    "fps is NaN": lambda values: values.update(fps=float("nan")),
    "width in words": lambda values: values["dynamics"].update(width="16"),
    "width with a fraction": lambda values: values["dynamics"].update(width=16.0),
    "width is negative": lambda values: values["dynamics"].update(width=-16),
    "width is zero": lambda values: values["dynamics"].update(width=0),
    "code width is zero": lambda values: values["latent_action"].update(code_width=0),
    "patch size is zero": lambda values: values["latent_action"].update(patch_size=0),
    "channels is a number": lambda values: values["tokenizer"].update(channels=16),
    "channels are negative": lambda values: values["tokenizer"].update(channels=[-8, 16]),
    "channels are zero": lambda values: values["tokenizer"].update(channels=[0, 16]),
    "grids differ": lambda values: values["dynamics"].update(grid=8),
    "frame sizes differ": lambda values: values["latent_action"].update(frame_size=32),
    "frame size contradicts": lambda values: values.update(frame_size=64),
    "context contradicts": lambda values: values.update(context_frames=99),
    "steps with a fraction": lambda values: values["sampling"].update(unmask_steps=2.5),
    "unknown order": lambda values: values["sampling"].update(order="spiral"),
    "reveal_above in words": lambda values: values["sampling"].update(reveal_above="0.9"),
    "reveal_above is true": lambda values: values["sampling"].update(reveal_above=True),
    "reveal_above is one": lambda values: values["sampling"].update(reveal_above=1.0),
    "temperature is NaN": lambda values: values["sampling"].update(temperature=float("nan")),
    "temperature is negative": lambda values: values["sampling"].update(temperature=-1),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_config_that_makes_no_sense_is_refused(folder: Path, wrong: str) -> None:
    edit_config(folder, WRONG[wrong])
    refused(folder, str(folder))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokenizer": TokenizerConfig(frame_size=32, channels=(8, 16), code_bits=6)}, "grid: .* 8, .* 4"),
        ({"dynamics": dataclasses.replace(CONFIG.dynamics, code_bits=8)}, "code_bits: .* 6, .* 8"),
        ({"dynamics": dataclasses.replace(CONFIG.dynamics, token_factors=3)}, "token_factors: .* 2, .* 3"),
        ({"latent_action": dataclasses.replace(CONFIG.latent_action, frame_size=32)}, "frame_size: .* 16, .* 32"),
        ({"latent_action": dataclasses.replace(CONFIG.latent_action, num_actions=5)}, "num_actions: .* 5, .* 4, "),
        ({"actions": unnamed_actions(3)}, "3 are described"),
        ({"actions": (*unnamed_actions(3), Action(3, "action_0"))}, "not unique: action_0"),
        ({"actions": tuple(reversed(unnamed_actions(4)))}, "ids are not 0..3"),
    ],
)
def test_networks_that_do_not_fit_each_other_are_told_by_both_numbers(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        dataclasses.replace(CONFIG, **changes)


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (TokenizerConfig, {"frame_size": 60}, "60 .* 8"),
        (TokenizerConfig, {"channels": (12, 16)}, "12.* 8"),
        (TokenizerConfig, {"code_bits": 7}, "7 .* 2"),
        (TokenizerConfig, {"code_bits": 26}, "26 .*24"),
        (TokenizerConfig, {"decoder_blocks": 0}, "0"),
        (LatentActionConfig, {"width": 30}, "30 .* 4"),
        (LatentActionConfig, {"patch_size": 12}, "64 .* 12"),
        (LatentActionConfig, {"num_actions": 1}, "1"),
        (DynamicsConfig, {"heads": 0}, "0 heads"),
        (DynamicsConfig, {"code_bits": 9}, "9 .* 2"),
        (DynamicsConfig, {"context_frames": 0}, "context_frames"),
    ],
)
def test_a_network_of_no_shape_is_told_by_both_numbers(kind: type, values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        kind(**values)


def test_actions_are_numbered_where_nobody_named_them() -> None:
    assert [action.name for action in WorldConfig().actions] == [f"action_{i}" for i in range(8)]
