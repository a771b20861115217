"""Data sets at an address: fetched shard by shard, each once, checked, and kept within bounds."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from local_hub import LocalHub, Repo, serve

from genie_core.data import DatasetWriter, VideoDataset
from genie_core.data import folder as data_folder
from genie_core.errors import DataError, MissingExtraError
from genie_core.training.batches import Batches, load
from genie_core.training.clips import FrameClips, split_starts

SHARDS, OF_SHARD = 6, 40  # frames


@pytest.fixture
def local(tmp_path: Path) -> VideoDataset:
    """Noise in 24 episodes of 10 frames, four a shard."""
    rng = np.random.default_rng(0)
    source = {"game": "noise"}
    with DatasetWriter(tmp_path / "set", source=source, frame_size=(4, 4), shard_bytes=OF_SHARD * 48) as writer:
        for _ in range(SHARDS * OF_SHARD // 10):
            writer.add_episode(rng.integers(0, 256, (10, 4, 4, 3), np.uint8), np.arange(9), provenance={"file": "a"})
    return VideoDataset(tmp_path / "set")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "genie" / "shards"


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the shards that were fetched, in this process."""
    names: list[str] = []
    fetch = data_folder.Folder._fetch

    def noted(self: data_folder.Folder, name: str, *rest: object) -> None:
        names.append(name)
        fetch(self, name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(data_folder.Folder, "_fetch", noted)
    monkeypatch.setattr(data_folder.time, "sleep", lambda seconds: None)
    return names


@pytest.fixture
def address(local: VideoDataset) -> Iterator[str]:
    """The same data set in fsspec's own memory."""
    store = fsspec.filesystem("memory")
    store.put(str(local.path), "/sets/noise", recursive=True)
    yield "memory://sets/noise"
    store.rm("/sets", recursive=True)


def test_a_set_at_an_address_is_the_set(local: VideoDataset, address: str, fetched: list[str]) -> None:
    far = VideoDataset(address)
    assert far.remote and not local.remote and fetched == []
    assert far.info == local.info and np.array_equal(far.episodes, local.episodes)
    assert far.provenance == local.provenance and np.array_equal(far.true_actions(0, 5), local.true_actions(0, 5))
    assert far.fingerprint() == VideoDataset(address).fingerprint() and fetched == []
    assert np.array_equal(far.clip(30, 10), local.clip(30, 10)) and fetched == ["frames-00000.parquet"]
    both = VideoDataset(local.path, address)
    assert np.array_equal(both.clip(240 + 30, 10), local.clip(30, 10)), "near and far sets read as one"


@pytest.mark.parametrize("ranks", [1, 2])
def test_an_epoch_fetches_each_shard_about_once(address: str, fetched: list[str], cache: Path, ranks: int) -> None:
    """Once, where the disk keeps all; once a pass and lane, where it keeps but what the lanes are at."""
    for rank in range(ranks):
        far = VideoDataset(address)
        starts, _ = split_starts(far, 5, 50)
        sample = FrameClips(far, starts, 5, 4)
        list(itertools.islice(Batches(sample, 0, 0, rank, ranks), len(starts) // 4))
    assert sorted(fetched) == [f"frames-{number:05d}.parquet" for number in range(SHARDS)]
    assert len(list(cache.iterdir())) == SHARDS


def test_a_cache_too_small_for_all_keeps_what_is_in_use(
    local: VideoDataset, address: str, fetched: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 3 * max(shard.bytes for shard in local.info.shards)
    monkeypatch.setattr(data_folder, "MOST_CACHED", room)
    far = VideoDataset(address)
    sample = FrameClips(far, far.clip_starts(5), 5, 2)
    a_pass = len(sample.starts) // 5 // 2
    for step, batch in enumerate(itertools.islice(Batches(sample, 0), 2 * a_pass)):
        near = [local.clip(int(start), 5) for start in sample.starts[sample.order(_rows(step))]]
        assert np.array_equal(batch["frames"], near)
        assert sum(path.stat().st_size for path in cache.iterdir()) <= room
    assert 2 * (SHARDS - 3) < len(fetched) <= 2 * (SHARDS + 2), "about once a pass"


def _rows(step: int) -> object:
    from genie_core.training.order import Rows

    return Rows(0, step, 0, 2)


def test_loader_processes_read_an_address(local: VideoDataset, address: str) -> None:
    near, far = (FrameClips(each, each.clip_starts(5), 5, 4) for each in (local, VideoDataset(address)))
    batch = next(load(Batches(far, 0)))["frames"]
    starts = far.starts[far.order(_rows(0)._replace(stop=4))]  # type: ignore[attr-defined]
    assert np.array_equal(batch, np.stack([near.dataset.clip(int(start), 5) for start in starts]))


def break_shard(path: str) -> None:
    store = fsspec.filesystem("memory")
    body = store.cat(path)
    store.pipe(path, body[:50] + b"?" + body[51:])


@pytest.mark.parametrize(
    ("harm", "words", "tries"),
    [
        (break_shard, "not the shard that dataset.json describes; upload", 4),
        (lambda path: fsspec.filesystem("memory").pipe(path, b"short"), "not the shard that dataset.json", 4),
        (lambda path: fsspec.filesystem("memory").rm(path), "lacks a file, .*check the address", 1),
    ],
)
def test_a_shard_that_is_not_the_one_described_is_refused(
    address: str, fetched: list[str], cache: Path, harm: object, words: str, tries: int
) -> None:
    harm("/sets/noise/frames-00001.parquet")  # type: ignore[operator]
    with pytest.raises(DataError, match=words):
        VideoDataset(address).clip(45, 5)
    assert len(fetched) == tries and list(cache.iterdir()) == []


def test_a_network_that_fails_now_and_then_is_asked_again(
    local: VideoDataset, address: str, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    far, left = VideoDataset(address), [3]
    read = fsspec.filesystem("memory").open

    def fail_three_times(*args: object, **named: object) -> object:
        left[0] -= 1
        if left[0] >= 0:
            raise ConnectionError("hung up\nin two lines")
        return read(*args, **named)

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "open", lambda self, *args, **named: fail_three_times(*args))
    assert np.array_equal(far.clip(0, 5), local.clip(0, 5)) and len(fetched) == 4
    left[0] = 4
    with pytest.raises(DataError, match=r"cannot be read \(hung up in two lines\); check the address, the network"):
        far.clip(45, 5)


def test_an_address_that_is_none_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address, words in (
        ("memory://nothing/there", "not a data set: it has no dataset.json"),
        ("nonsense://a/b", r"cannot be read \(Protocol not known: nonsense"),
        ("sets/noise", r"no data set folder sets/noise; .*hf://datasets/OWNER/NAME"),
    ):
        with pytest.raises(DataError, match=words):
            VideoDataset(address)
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(MissingExtraError, match=r"for s3:// pip install .*requirements-s3\.txt"):
        VideoDataset("s3://bucket/set")


# ---- the Hub


@pytest.fixture
def hub(local: VideoDataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A Hub with the data set ada/noise, in a folder of it the data sets train and test."""
    files = {path.name: path.read_bytes() for path in Path(local.path).iterdir()}
    parts = {f"parts/{part}/{name}": body for part in ("train", "test") for name, body in files.items()}
    with serve() as running:
        running.repos["datasets/ada/noise"] = repo = Repo()
        repo.tags["v1"] = repo.commit(files | parts)
        monkeypatch.setitem(fsspec.config.conf, "hf", {"endpoint": running.url, "skip_instance_cache": True})
        yield running


def test_a_set_of_the_hub_is_the_set(local: VideoDataset, hub: LocalHub, fetched: list[str]) -> None:
    for name in ("ada/noise", "ada/noise@v1", "ada/noise/parts"):
        far = VideoDataset(f"hf://datasets/{name}")
        assert np.array_equal(far.clip(30, 10), local.clip(30, 10)), name
    assert fetched == ["frames-00000.parquet"], "the same shard by whichever way"
    assert hub.answered(r"GET /store/\w+ 20[06]") and len(hub.answered(r"GET /store/\w+ 20[06]")) == 1


def test_a_hub_that_does_not_give_the_set_is_told_in_words(hub: LocalHub) -> None:
    with pytest.raises(DataError, match=r"hf://datasets/ada/none is not a data set"):
        VideoDataset("hf://datasets/ada/none")
    hub.repos["datasets/ada/noise"].fault = (403, {"message": "no"})
    with pytest.raises(DataError, match=r"cannot be read.*check the address, the network and your login"):
        VideoDataset("hf://datasets/ada/noise")


# ---- the parts of a prepared folder


def test_a_folder_of_two_parts_opens_the_one_that_is_meant(local: VideoDataset, tmp_path: Path) -> None:
    (tmp_path / "both").mkdir()
    with DatasetWriter(tmp_path / "both" / "test", source={}, frame_size=(4, 4)) as writer:
        writer.add_episode(np.zeros((3, 4, 4, 3), np.uint8))
    with pytest.raises(DataError, match="both is not a data set"):
        VideoDataset(tmp_path / "both")
    shutil.copytree(local.path, tmp_path / "both" / "train")
    assert len(VideoDataset(tmp_path / "both")) == len(local)
    assert len(VideoDataset(tmp_path / "both", part="test")) == 3
    assert len(VideoDataset(local.path, part="test")) == len(local), "a data set is all there is"
    assert os.fspath(VideoDataset(tmp_path / "both").paths[0]).endswith("train")
