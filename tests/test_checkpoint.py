"""A world on disk comes back as it was, and whatever does not fit exactly is refused with the file's name."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save_file
from tiny import CONFIG, make_world, random_actions, random_frames, random_tokens

from genie_core.checkpoint import NETWORKS, PLAYED, _sha256, fingerprint, write_config
from genie_core.config import (
    Action,
    Rules,
    TokenizerConfig,
    told,
    unnamed_actions,
)
from genie_core.errors import CheckpointError, ConfigError, WriteError
from genie_core.files import write_all
from genie_core.hub.publish import prepare_folder
from genie_core.weights import round_to_halves
from genie_core.world import World

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
    tensors = load(file.read_bytes())  # load_file maps the file, which is written over
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
    assert values["format_version"] == 2 and values["frame_size"] == [16, 16] and values["context_frames"] == 3
    assert (values["game"], values["fps"]) == ("unknown", 12.5)
    assert values["sampling"] == {"unmask_steps": 3, "temperature": 0.0}
    said = {"id": 1, "name": "left", "keys": ["left"], "motion_px": [0.25, -1.0], "evidence": ""}
    assert values["actions"][1] == said
    shape = {"channels": [8, 16], "decoder_blocks": 1, "code_bits": 6, "token_factors": 2, "reference": False}
    assert values["tokenizer"] == shape
    assert values["latent_action"] == {"patch_size": 4, "width": 16, "layers": 2, "heads": 2, "code_width": 4}
    assert values["dynamics"] == {"width": 16, "layers": 2, "heads": 2}
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


def test_what_play_does_not_need_takes_half_the_room_where_nothing_is_lost(folder: Path, tmp_path: Path) -> None:
    world, file = World.from_pretrained(folder), f"latent_action/{WEIGHTS}"
    for network in world.networks().values():
        round_to_halves(network)
    world.save_pretrained(tmp_path / "halves")
    whole, half = ((each / file).stat().st_size for each in (folder, tmp_path / "halves"))
    assert half < 0.7 * whole
    for played in PLAYED:
        assert (folder / played).stat().st_size == (tmp_path / "halves" / played).stat().st_size
    again = World.from_pretrained(tmp_path / "halves")
    assert again.fingerprint() == world.fingerprint() == fingerprint(tmp_path / "halves")
    assert torch.equal(again.infer_actions(random_frames()), world.infer_actions(random_frames()))


def test_the_filmstrip_and_pictures_to_start_from_go_where_the_world_goes(folder: Path, tmp_path: Path) -> None:
    pictures = {"effects.png": b"a filmstrip", "starts/start-1.png": b"one", "starts/start-3.png": b"three"}
    write_all(folder, {**pictures, "starts/note.txt": b"of somebody"})
    world = World.from_pretrained(folder)
    world.save_pretrained(tmp_path / "again")
    prepare_folder(world, tmp_path / "published", "ada/tiny")
    for copy in (tmp_path / "again", tmp_path / "published"):
        assert {name: (copy / name).read_bytes() for name in pictures} == pictures
        assert not (copy / "starts/note.txt").exists() and "](effects.png)" in (copy / "README.md").read_text()


@pytest.mark.parametrize("place", ["a file/world", "full/world"])
def test_a_disk_that_refuses_a_world_is_told_in_words(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a file").write_text("")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(WriteError, match=r"cannot be (made|written): .*; save elsewhere, or make room"):
        make_world().save_pretrained(tmp_path / place)
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".part"]


def test_a_config_may_be_rewritten_beside_its_weights(folder: Path) -> None:
    write_config(folder, dataclasses.replace(World.from_pretrained(folder).config, fps=30))
    assert World.from_pretrained(folder).config.fps == 30
    assert "30 frames/s" in (folder / "README.md").read_text()


def test_linked_sub_tokens_come_back_and_are_not_written_where_they_are_off(folder: Path) -> None:
    assert "link_width" not in json.loads((folder / "config.json").read_text())["dynamics"]
    saved = make_world(dynamics=dataclasses.replace(CONFIG.dynamics, link_width=8))
    saved.save_pretrained(folder)
    loaded, tokens = World.from_pretrained(folder), random_tokens()
    assert loaded.config.dynamics.link_width == 8
    found = [world.dynamics(tokens, tokens, random_actions()).logits(tokens) for world in (loaded, saved)]
    assert torch.equal(*found)


def test_codes_that_mean_keys_come_back_and_are_not_written_where_they_are_off(folder: Path) -> None:
    assert World.from_pretrained(folder).config.latent_action.rules is None
    expects = dataclasses.replace(CONFIG.latent_action, code_width=3, context_frames=5, rules=Rules("coinrun", 1))
    saved = make_world(latent_action=expects)
    saved.save_pretrained(folder)
    section = json.loads((folder / "config.json").read_text())["latent_action"]
    assert section["rules"] == {"game": "coinrun", "expectation_layers": 1} and section["context_frames"] == 5
    loaded = World.from_pretrained(folder)
    assert loaded.config.latent_action == expects
    frames = random_frames(b=20)
    assert torch.equal(loaded.infer_actions(frames), saved.infer_actions(frames))
    assert len(loaded.infer_actions(frames).unique()) > 1


def test_what_is_no_world_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "there is no folder", "nowhere", "--worlds")
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
    file, whole = folder / name / WEIGHTS, load((folder / name / WEIGHTS).read_bytes())
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


@pytest.mark.parametrize(
    ("version", "way_on"), [(3, "update"), *((version, "--world") for version in (0, None, "1", True, [2]))]
)
def test_other_format_versions_are_refused(folder: Path, version: object, way_on: str) -> None:
    edit_config(folder, lambda values: values.update(format_version=version))
    refused(folder, str(folder), told(version), way_on)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\udcff", "9" * 5000, "[NaN]"])
def test_what_is_no_json_object_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    refused(folder, str(folder / "config.json"))


@pytest.mark.parametrize(
    "key",
    ["tokenizer", "latent_action", "dynamics", "sampling", "actions", "fps", "files", "format_version", "frame_size"],
)
def test_a_config_that_lacks_a_part_is_refused(folder: Path, key: str) -> None:
    edit_config(folder, lambda values: values.pop(key) and None)
    refused(folder, str(folder))


WRONG = {
    "foreign": lambda values: {"format_version": 2, "model_type": "llama"},
    "no game": lambda values: values.pop("game") and None,
    "game is a number": lambda values: values.update(game=7),
    "game without a name": lambda values: values.update(game=""),
    "rules of a game not known": lambda values: values["latent_action"].update(
        code_width=3, rules={"game": "chess", "expectation_layers": 1}
    ),
    "rules are a word": lambda values: values["latent_action"].update(code_width=3, rules="coinrun"),
    "rules without layers": lambda values: values["latent_action"].update(code_width=3, rules={"game": "coinrun"}),
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
    "grid said twice": lambda values: values["dynamics"].update(grid=[4, 4]),
    "frame size said twice": lambda values: values["latent_action"].update(frame_size=[16, 16]),
    "context said twice": lambda values: values["dynamics"].update(context_frames=3),
    "code bits said twice": lambda values: values["dynamics"].update(code_bits=6),
    "another frame size": lambda values: values.update(frame_size=[64, 64]),
    "another context": lambda values: values.update(context_frames=99),
    "frame size in words": lambda values: values.update(frame_size="16x16"),
    "frame size of one side": lambda values: values.update(frame_size=[16]),
    "frame size with a fraction": lambda values: values.update(frame_size=[16, 16.0]),
    "frame size is zero": lambda values: values.update(frame_size=[16, 0]),
    "evidence is a number": lambda values: values["actions"][1].update(evidence=1),
    "training holds NaN": lambda values: values.update(training={"metrics": {"psnr": float("nan")}}),
    "training holds a number beyond all": lambda values: values.update(training={"metrics": {"psnr": 10**400}}),
    "motion is infinite": lambda values: values["actions"][1].update(motion_px=[1e999, 0.0]),
    "steps with a fraction": lambda values: values["sampling"].update(unmask_steps=2.5),
    "temperature is NaN": lambda values: values["sampling"].update(temperature=float("nan")),
    "temperature is negative": lambda values: values["sampling"].update(temperature=-1),
}
# Each with the number that the refusal names. All are refused before anything of that size is built.
TOO_LARGE = {
    "frame_size": (lambda values, n: values.update(frame_size=[16, n]), 1_000_000, "1024"),
    "fps": (lambda values, n: values.update(fps=n), 1e-300, "0.1"),
    "fps above": (lambda values, n: values.update(fps=n), 1e300, "1,000"),
    "context_frames": (lambda values, n: values.update(context_frames=n), 10**9, "256"),
    "unmask_steps": (lambda values, n: values["sampling"].update(unmask_steps=n), 10**15, "1,024"),
    "temperature": (lambda values, n: values["sampling"].update(temperature=n), 1e300, "100"),
    "channels": (lambda values, n: values["tokenizer"].update(channels=[n, n]), 2**20, "4096"),
    "many channels": (lambda values, n: values["tokenizer"].update(channels=[8] * n), 20, "6"),
    "decoder_blocks": (lambda values, n: values["tokenizer"].update(decoder_blocks=n), 10**7, "128"),
    "code_bits": (lambda values, n: values["tokenizer"].update(code_bits=n), 2**20, "24"),
    "one sub-token": (lambda values, n: values["tokenizer"].update(code_bits=n, token_factors=1), 24, "16"),
    "patch_size": (lambda values, n: values["latent_action"].update(patch_size=n), 2**20, "64"),
    "code_width": (lambda values, n: values["latent_action"].update(code_width=n), 2**20, "4,096"),
    "link_width": (lambda values, n: values["dynamics"].update(link_width=n), 2**20, "4,096"),
    **{
        f"{network} {key}": (lambda values, n, network=network, key=key: values[network].update({key: n}), size, most)
        for network in ("latent_action", "dynamics")
        for key, size, most in (("width", 2**20, "4,096"), ("layers", 10**7, "128"))
    },
    "weights of a tokenizer": (
        lambda values, n: values["tokenizer"].update(channels=[4096, 4096], decoder_blocks=n),
        128,
        "1,073,741,824",
    ),
    "weights of rules": (
        lambda values, n: values["latent_action"].update(
            code_width=3, width=4096, layers=1, rules={"game": "coinrun", "expectation_layers": n}
        ),
        128,
        "1,073,741,824",
    ),
    "weights in all": (lambda values, n: values["dynamics"].update(width=4096, layers=n), 128, "1,073,741,824"),
    "scores in all": (lambda values, n: values.update(frame_size=[n, n]), 1024, "16,777,216"),
    "past in all": (
        lambda values, n: values.update(frame_size=[n, n], context_frames=256) or values["dynamics"].update(layers=5),
        128,
        "33,554,432",
    ),
    "actions": (lambda values, n: values.update(actions=[{"id": i, "name": f"{i}"} for i in range(n)]), 101, "100"),
    "a name": (lambda values, n: values["actions"][0].update(name="x" * n), 10**6, "200"),
}


@pytest.mark.parametrize("size", TOO_LARGE)
def test_a_size_beyond_all_is_refused_before_anything_is_built(
    folder: Path, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, number, most = TOO_LARGE[size]
    edit_config(folder, lambda values: change(values, number))
    monkeypatch.setattr(World, "__init__", lambda *_: pytest.fail("a world is built"))
    refused(folder, str(folder), most)


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.int8, torch.bool, torch.complex64])
def test_weights_of_another_kind_of_number_are_refused(folder: Path, kind: torch.dtype) -> None:
    key = next(iter(load((folder / "dynamics" / WEIGHTS).read_bytes())))
    edit_tensors(folder, "dynamics", lambda tensors: tensors.update({key: tensors[key].to(kind)}))
    refused(folder, key, str(kind).removeprefix("torch."), "float32 or float16")
    file = folder / "latent_action" / WEIGHTS
    edit_tensors(folder, "dynamics", lambda tensors: tensors.update({key: tensors[key].real.half()}))
    World.from_pretrained(folder)
    count = "spread.num_batches_tracked"
    edit_tensors(folder, "latent_action", lambda tensors: tensors.update({count: tensors[count].float()}))
    refused(folder, str(file), count, "expected int64")


# ---- format 1: what is shared was said in every section, frames were square


def as_format_1(values: dict[str, Any]) -> dict[str, Any]:
    """What the program of format 1 would have written for this world."""
    side, context, count = values["frame_size"][0], values["context_frames"], len(values["actions"])
    tokenizer = {"frame_size": side, **values["tokenizer"]}
    rules = values["latent_action"].pop("rules", {})
    rules.pop("game", None)
    bits = {key: tokenizer[key] for key in ("code_bits", "token_factors")}
    shared = {"num_actions": count, "context_frames": context}
    return {
        **{key: values[key] for key in ("fps", "context_frames", "training", "files")},
        "format_version": 1,
        "frame_size": side,
        "sampling": values["sampling"] | {"order": "confidence"},
        "tokenizer": tokenizer,
        "latent_action": {"frame_size": side, **shared, **values["latent_action"], **rules},
        "dynamics": {"grid": side // 2 ** len(tokenizer["channels"]), **bits, **shared, **values["dynamics"]},
        "actions": [{key: action[key] for key in ("id", "name", "keys", "motion_px")} for action in values["actions"]],
    }


@pytest.mark.parametrize("rules", [None, Rules("coinrun", 1), Rules("coinrun", 1, 8)])
@pytest.mark.parametrize("game", ["coinrun", "a film", None, {}])
def test_format_1_gives_the_same_world(tmp_path: Path, rules: Rules | None, game: object) -> None:
    latent_action = dataclasses.replace(CONFIG.latent_action, code_width=3, rules=rules)
    saved = make_world(latent_action=latent_action, training={"source": {"game": game}})
    saved.save_pretrained(tmp_path)
    edit_config(tmp_path, as_format_1)
    loaded = World.from_pretrained(tmp_path)
    told = game if isinstance(game, str) else "unknown"
    assert loaded.config == dataclasses.replace(saved.config, game=told)
    assert loaded.fingerprint() == saved.fingerprint()
    loaded.save_pretrained(tmp_path / "again")
    assert World.from_pretrained(tmp_path / "again").config == loaded.config
    assert json.loads((tmp_path / "again" / "config.json").read_text())["format_version"] == 2


WRONG_1 = {
    "frame sizes differ": lambda values: values["latent_action"].update(frame_size=32),
    "frame size contradicts": lambda values: values.update(frame_size=64),
    "grids differ": lambda values: values["dynamics"].update(grid=8),
    "grid is an object": lambda values: values["dynamics"].update(grid={}),
    "no grid": lambda values: values["dynamics"].pop("grid") and None,
    "code bits differ": lambda values: values["dynamics"].update(code_bits=8),
    "factors differ": lambda values: values["dynamics"].update(token_factors=3),
    "actions differ": lambda values: values["latent_action"].update(num_actions=5),
    "context contradicts": lambda values: values.update(context_frames=99),
    "unknown order": lambda values: values["sampling"].update(order="spiral"),
    "an order that is cut": lambda values: values["sampling"].update(order="halton"),
    "reveal_above": lambda values: values["sampling"].update(reveal_above=0.9),
    "a section is a list": lambda values: values.update(dynamics=[1]),
    "a game of its own": lambda values: values.update(training={}, game=7, author="x"),
    "a look without an expectation": lambda values: values["latent_action"].update(code_width=3, look_size=8),
    "width 2^20": lambda values: values["dynamics"].update(width=2**20),
}


@pytest.mark.parametrize("wrong", WRONG_1)
def test_a_config_of_format_1_that_makes_no_sense_is_refused(folder: Path, wrong: str) -> None:
    edit_config(folder, as_format_1)
    World.from_pretrained(folder)
    edit_config(folder, WRONG_1[wrong])
    refused(folder, str(folder))


@pytest.mark.parametrize("name", ["deep-config.json", "world-config-1.json"])
def test_configs_that_once_broke_the_program_are_refused(folder: Path, name: str) -> None:
    text = '{"a":' * 3000 + "1" + "}" * 3000
    if name == "world-config-1.json":  # of an object for a number, and of a number beyond all
        values = as_format_1(json.loads((folder / "config.json").read_text()))
        values["training"] = {"metrics": {"random": {"delta_psnr_4": 10**400}}}
        text = json.dumps(values)
    (folder / "config.json").write_text(text)
    refused(folder, "config.json")


@pytest.mark.parametrize("wrong", WRONG)
def test_a_config_that_makes_no_sense_is_refused(folder: Path, wrong: str) -> None:
    edit_config(folder, WRONG[wrong])
    refused(folder, str(folder))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tokenizer": TokenizerConfig((32, 16), channels=(8, 16), code_bits=6)}, r"grid: .* \(8, 4\), .* \(4, 4\)"),
        ({"dynamics": dataclasses.replace(CONFIG.dynamics, code_bits=8)}, "code_bits: .* 6, .* 8"),
        ({"dynamics": dataclasses.replace(CONFIG.dynamics, token_factors=3)}, "token_factors: .* 2, .* 3"),
        (
            {"latent_action": dataclasses.replace(CONFIG.latent_action, frame_size=(16, 32))},
            r"frame_size: .*16\), .*32\)",
        ),
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
    ("config", "changes", "words"),
    [
        (CONFIG.tokenizer, {"channels": (12, 16)}, "12.* 8"),
        (CONFIG.tokenizer, {"code_bits": 7}, "7 .* 2"),
        (CONFIG.tokenizer, {"code_bits": 26}, "26 .*24"),
        (CONFIG.tokenizer, {"decoder_blocks": 0}, "0"),
        (CONFIG.tokenizer, {"frame_size": (0, 16)}, r"\(0, 16\)"),
        (CONFIG.latent_action, {"width": 30, "heads": 4}, "30 .* 4"),
        (CONFIG.latent_action, {"patch_size": 6}, "6 .* 4"),
        (CONFIG.latent_action, {"num_actions": 1}, "1"),
        (CONFIG.dynamics, {"heads": 0}, "0 heads"),
        (CONFIG.dynamics, {"code_bits": 9}, "9 .* 2"),
        (CONFIG.dynamics, {"context_frames": 0}, "context_frames"),
    ],
)
def test_a_network_of_no_shape_is_told_by_both_numbers(config: Any, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        dataclasses.replace(config, **changes)


def test_actions_are_numbered_where_nobody_named_them() -> None:
    assert [action.name for action in dataclasses.replace(CONFIG, actions=()).actions] == [
        f"action_{i}" for i in range(4)
    ]
