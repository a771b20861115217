"""The tokens that the dynamics learns from: what they are, and that stale ones are never learnt from."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CONFIG, make_reference_world, make_world, shake, walking_squares

from genie_core.data import DatasetWriter, VideoDataset
from genie_core.errors import WriteError
from genie_core.training.batches import Batches
from genie_core.training.growing import GrowingArray
from genie_core.training.order import Rows
from genie_core.training.tokens import TokenClips, TokenSource, write_tokens
from genie_core.world import World

FORETELLING = dataclasses.replace(CONFIG.latent_action, horizon=2)


def record(path: Path, seed: int = 0) -> Path:
    """60 episodes of 8 frames."""
    with DatasetWriter(path, source={}, frame_size=(16, 16), fps=12) as writer:
        for clip in walking_squares(60, 8, seed).frames.numpy():
            writer.add_episode(clip)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("data") / "squares")


def test_tokens_written_are_those_of_the_world(data: Path, tmp_path: Path) -> None:
    world, dataset, starts = make_world(), VideoDataset(data), np.arange(0, 400, 8)
    write_tokens(tmp_path / "tokens", dataset, starts, 5, world.tokenizer, world.latent_action, mirrored=0, quiet=True)
    frames = torch.from_numpy(np.stack([dataset.clip(int(start), 5) for start in starts]))
    clips = TokenClips(tmp_path / "tokens", 4)
    assert np.array_equal(clips.tokens, world.encode(frames))
    assert np.array_equal(clips.actions, world.infer_actions(frames))
    batch = Batches(clips, seed=0).at(0)
    assert batch["tokens"].shape == (4, 5, 4, 4) and batch["actions"].shape == (4, 4)
    for tokens, actions in zip(batch["tokens"], batch["actions"], strict=True):
        found = [i for i in range(len(starts)) if np.array_equal(clips.tokens[i], tokens)]
        assert any(np.array_equal(clips.actions[i], actions) for i in found)
    assert [path.name for path in tmp_path.iterdir()] == ["tokens"]


def test_every_second_clip_is_mirrored_when_asked(data: Path, tmp_path: Path) -> None:
    world, dataset, starts = make_world(), VideoDataset(data), np.arange(0, 400, 8)
    write_tokens(
        tmp_path / "tokens", dataset, starts, 5, world.tokenizer, world.latent_action, mirrored=0.5, quiet=True
    )
    frames = torch.from_numpy(np.stack([dataset.clip(int(start), 5) for start in starts]))
    clips = TokenClips(tmp_path / "tokens", 4)
    for odd, seen in ((0, frames[::2]), (1, frames[1::2].flip(3))):
        assert np.array_equal(clips.tokens[odd::2], world.encode(seen))
        assert np.array_equal(clips.actions[odd::2], world.infer_actions(seen))
    assert not np.array_equal(world.encode(frames[1::2]), clips.tokens[1::2])


def test_actions_are_inferred_with_the_frames_after_a_clip_and_none_before(data: Path, tmp_path: Path) -> None:
    """Its last codes are those of the whole episode; its first say how fast all goes, for a first frame does not."""
    world, dataset = make_world(latent_action=FORETELLING), VideoDataset(data)
    network = world.latent_action
    network.whitening.normal_(generator=torch.Generator().manual_seed(0))  # so that codes differ
    starts = np.arange(network.reach, 320, 8)
    write_tokens(tmp_path / "tokens", dataset, starts, 3, world.tokenizer, network, mirrored=0, quiet=True)
    clips = TokenClips(tmp_path / "tokens", 4)
    longer, alone, whole = (
        world.infer_actions(torch.from_numpy(np.stack([dataset.clip(int(s) - past, frames + past) for s in starts])))
        for past, frames in ((0, 3 + network.ahead), (0, 3), (network.reach, 3 + network.ahead))
    )
    assert np.array_equal(clips.actions, longer[:, :2])
    assert not np.array_equal(clips.actions, alone)
    assert not np.array_equal(clips.actions, whole[:, network.reach : network.reach + 2])
    assert clips.tokens.shape == (len(starts), 3, *world.config.tokenizer.grid)


def test_the_share_that_is_mirrored_is_spread_evenly(data: Path, tmp_path: Path) -> None:
    world, dataset, starts = make_world(), VideoDataset(data), np.arange(0, 320, 8)
    write_tokens(
        tmp_path / "tokens", dataset, starts, 5, world.tokenizer, world.latent_action, mirrored=0.25, quiet=True
    )
    frames = torch.from_numpy(np.stack([dataset.clip(int(start), 5) for start in starts]))
    frames[3::4] = frames[3::4].flip(3)
    assert np.array_equal(TokenClips(tmp_path / "tokens", 4).tokens, world.encode(frames))


def test_pictures_written_are_those_that_the_tokens_make(data: Path, tmp_path: Path) -> None:
    """Of a tokenizer that is given the last picture: coded step by step, every second clip mirrored."""
    world, dataset, starts = make_reference_world(), VideoDataset(data), np.arange(0, 320, 8)
    write_tokens(
        tmp_path / "tokens", dataset, starts, 6, world.tokenizer, world.latent_action, mirrored=0.5, quiet=True
    )
    frames = torch.from_numpy(np.stack([dataset.clip(int(start), 6) for start in starts]))
    frames[1::2] = frames[1::2].flip(3)
    tokens, pictures = world.code(frames)
    clips = TokenClips(tmp_path / "tokens", 4)
    assert clips.pictures is not None
    assert np.array_equal(clips.tokens, tokens) and np.array_equal(clips.pictures, pictures)
    assert np.array_equal(clips.pictures[:, 0], frames[:, 0]) and not np.array_equal(clips.pictures, frames)


def test_a_batch_has_windows_of_longer_clips(data: Path, tmp_path: Path) -> None:
    """From anywhere, more often from the start; tokens, actions and pictures of the same frames."""
    world, dataset, starts = make_reference_world(), VideoDataset(data), np.arange(0, 320, 8)
    write_tokens(tmp_path, dataset, starts, 8, world.tokenizer, world.latent_action, mirrored=0, quiet=True)
    whole, clips = TokenClips(tmp_path, 16), TokenClips(tmp_path, 16, 5)
    counts = np.zeros(4, int)
    for step in range(40):
        batch, rows = clips(Rows(0, step, 0, 16)), clips.order(Rows(0, step, 0, 16))
        for row, clip in enumerate(rows):
            fits = [
                first
                for first in range(4)
                if np.array_equal(batch["tokens"][row], whole.tokens[clip, first : first + 5])
                and np.array_equal(batch["actions"][row], whole.actions[clip, first : first + 4])
                and np.array_equal(batch["pictures"][row], whole.pictures[clip, first : first + 5])  # type: ignore[index]
            ]
            assert fits
            counts[fits[0]] += 1
    assert np.allclose(counts / counts.sum(), [0.35 + 0.65 / 4, 0.65 / 4, 0.65 / 4, 0.65 / 4], atol=0.06)
    at_once, *parts = (clips(Rows(0, 3, *rows)) for rows in ((0, 16), (0, 8), (8, 16)))
    assert all(torch.equal(value, torch.cat([part[name] for part in parts])) for name, value in at_once.items())


@pytest.mark.parametrize("part", ["encoder", "decoder", "eye"])
def test_all_of_a_tokenizer_with_reference_makes_the_pictures(data: Path, tmp_path: Path, part: str) -> None:
    world, starts = make_reference_world(), np.arange(0, 64, 8)
    before = np.array(write(tmp_path, data, world, starts).pictures)
    shake(getattr(world.tokenizer, part))
    assert not np.array_equal(write(tmp_path, data, world, starts).pictures, before)


# ---- written once, and anew when they are stale


def write(folder: Path, data: Path, world: World, starts: np.ndarray | None = None) -> TokenClips:
    starts = np.arange(0, 400, 8) if starts is None else starts
    parts = world.tokenizer, world.latent_action
    write_tokens(folder, VideoDataset(data), starts, 5, *parts, mirrored=0, quiet=True)
    return TokenClips(folder, 4)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first clip of each group that is encoded, as it is."""
    groups: list[int] = []
    encode = TokenSource.encode

    def counted(self: TokenSource, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        groups.append(int(rows[0]))
        return encode(self, rows)

    monkeypatch.setattr(TokenSource, "encode", counted)
    return groups


def test_what_is_written_is_not_written_again(data: Path, tmp_path: Path, encoded: list[int]) -> None:
    world = make_world()
    write(tmp_path, data, world)
    write(tmp_path, data, world)
    assert encoded == [0, 16, 32, 48]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["actions.npy", "origin.json", "tokens.npy"]


@pytest.mark.parametrize("changed", ["tokenizer", "latent_action", "data", "clips"])
def test_stale_tokens_are_written_anew(data: Path, tmp_path: Path, encoded: list[int], changed: str) -> None:
    """Also where the data set has the same name and length, and where as many other clips are asked for."""
    world, starts = make_world(), np.arange(0, 400, 8)
    write(tmp_path / "tokens", data, world)
    if changed == "data":
        (tmp_path / "other").mkdir()
        data = record(tmp_path / "other" / data.name, seed=1)
    elif changed == "clips":
        starts = starts + 8
    else:
        network = world.tokenizer.encoder if changed == "tokenizer" else world.latent_action
        weights = next(iter(network.parameters()))
        with torch.no_grad():
            weights += 0.5
    found = write(tmp_path / "tokens", data, world, starts)
    assert encoded == 2 * [0, 16, 32, 48]
    frames = torch.from_numpy(np.stack([VideoDataset(data).clip(int(start), 5) for start in starts]))
    assert np.array_equal(found.tokens, world.encode(frames))
    assert np.array_equal(found.actions, world.infer_actions(frames))


@pytest.mark.parametrize("name", ["tokens.npy", "actions.npy", "pictures.npy"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "foreign"])
def test_damaged_tokens_are_written_anew(data: Path, tmp_path: Path, name: str, damage: str) -> None:
    world, starts, file = make_reference_world(), np.arange(0, 32, 8), tmp_path / name
    write(tmp_path, data, world, starts)
    whole = file.read_bytes()
    file.unlink()
    if damage != "gone":
        file.write_bytes({"cut": whole[:-40], "empty": b"", "foreign": b"x" * len(whole)}[damage])
    found = write(tmp_path, data, world, starts)
    assert file.read_bytes() == whole and len(found.tokens) == len(found.actions) == 4


def test_an_interrupted_writer_goes_on_with_the_same_bytes(
    data: Path, tmp_path: Path, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, append = make_world(), GrowingArray.append
    whole = write(tmp_path / "whole", data, world)
    encoded.clear()

    def stop_in_the_middle(self: GrowingArray, rows: np.ndarray) -> None:
        if rows.ndim == 2 and encoded[-1] == 32:  # the actions of the third group, whose tokens are there
            append(self, rows[:3])
            raise KeyboardInterrupt
        append(self, rows)

    monkeypatch.setattr(GrowingArray, "append", stop_in_the_middle)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "cut", data, world)
    assert not (tmp_path / "cut" / "tokens.npy").exists()
    monkeypatch.setattr(GrowingArray, "append", append)
    cut = write(tmp_path / "cut", data, world)
    assert encoded == [0, 16, 32, 32, 48]
    assert np.array_equal(cut.tokens, whole.tokens) and np.array_equal(cut.actions, whole.actions)


def test_sigterm_ends_a_writer_after_the_clips_at_hand(
    data: Path, tmp_path: Path, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, append = make_world(), GrowingArray.append

    def asked_to_end(self: GrowingArray, rows: np.ndarray) -> None:
        if rows.ndim == 2 and encoded[-1] == 16:  # the actions of the second group
            os.kill(os.getpid(), signal.SIGTERM)
        append(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(GrowingArray, "append", asked_to_end)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, data, world)
    assert encoded == [0, 16]
    write(tmp_path, data, world)
    assert encoded == [0, 16, 32, 48]


def test_what_others_were_writing_is_not_gone_on_with(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    encode = TokenSource.encode

    def stop_in_the_middle(self: TokenSource, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if rows[0] == 32:
            raise KeyboardInterrupt
        return encode(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(TokenSource, "encode", stop_in_the_middle)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, data, world)
    assert (tmp_path / "tokens.part").exists()
    with torch.no_grad():
        next(iter(world.tokenizer.encoder.parameters())).add_(0.5)
    found = write(tmp_path, data, world)
    frames = torch.from_numpy(np.stack([VideoDataset(data).clip(start, 5) for start in range(0, 400, 8)]))
    assert np.array_equal(found.tokens, world.encode(frames))


def test_a_full_disk_is_told_in_words(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(GrowingArray, "append", refuse)
    with pytest.raises(WriteError, match="No space left on device; make room and go on with --resume"):
        write(tmp_path, data, make_world())
