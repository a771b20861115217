"""Data sets: what is written comes back, clips keep to their episode, damage is told in words."""

import dataclasses
import hashlib
import io
import json
import pickle
import shutil
import signal
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_write import full_disk

from genie_core import games
from genie_core.data import DatasetWriter, VideoDataset
from genie_core.data.description import join
from genie_core.errors import ConfigError, DataError, MissingExtraError, WriteError
from genie_core.evaluation.speed import peak_mb
from genie_core.games.coinrun.camera import player_motion

CLIPS = Path(__file__).parent / "data" / "coinrun-easy-test"
LENGTHS = (7, 2, 11)


def episodes(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (length, 8, 8, 3), np.uint8) for length in LENGTHS]


def write(out: Path, actions: bool = True, seed: int = 0) -> VideoDataset:
    with DatasetWriter(out, source={"game": "noise"}, frame_size=(8, 8), shard_bytes=6 * 192) as writer:
        for number, frames in enumerate(episodes(seed)):
            writer.add_episode(frames, seed + np.arange(len(frames) - 1) if actions else None, level_seed=100 + number)
    return VideoDataset(out)


def write_format_2(out: Path, compressed: bool = False) -> VideoDataset:
    """What this program wrote before it wrote Parquet."""
    new = write(out)
    (out / "dataset.json").unlink()
    shards = []
    for number, first in enumerate(range(0, len(new), 6)):
        frames = np.concatenate(episodes())[first : first + 6]
        if compressed:
            np.savez_compressed(out / f"frames-{number:05d}.npz", frames=frames)
        else:
            np.save(out / f"frames-{number:05d}.npy", frames)
        (out / f"frames-{number:05d}.parquet").unlink()
        shards.append({"file": f"frames-{number:05d}.np{'z' if compressed else 'y'}", "frames": len(frames)})
    told = dataclasses.asdict(new.info) | {"format_version": 2, "shards": shards}
    (out / "dataset.json").write_text(json.dumps(told))
    return VideoDataset(out)


FORMATS: dict[str, Callable[[Path], VideoDataset]] = {
    "parquet": write,
    "npy": write_format_2,
    "npz": partial(write_format_2, compressed=True),
}


@pytest.fixture
def dataset(tmp_path: Path) -> VideoDataset:
    return write(tmp_path / "noise")


@pytest.fixture
def old(tmp_path: Path) -> VideoDataset:
    return write_format_2(tmp_path / "noise")


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_written_comes_back(tmp_path: Path, kind: str) -> None:
    dataset = FORMATS[kind](tmp_path / "noise")
    assert len(dataset) == dataset.info.frames == sum(LENGTHS)
    assert [shard.frames for shard in dataset.info.shards] == [6, 6, 6, 2]
    assert {Path(shard.file).suffix for shard in dataset.info.shards} == {f".{kind}"}
    assert (dataset.info.name, dataset.info.frame_size, dataset.info.fps) == ("noise", (8, 8), 15)
    assert dataset.info.source == {"game": "noise"}
    for (first, length, seed), number, frames in zip(dataset.episodes, range(3), episodes(), strict=True):
        assert (length, seed) == (len(frames), 100 + number)
        np.testing.assert_array_equal(dataset.clip(int(first), int(length)), frames)
        np.testing.assert_array_equal(dataset.true_actions(int(first), int(length)), np.arange(length - 1))


def test_clip_starts_are_all_that_stay_inside_an_episode(dataset: VideoDataset) -> None:
    assert dataset.clip_starts(7).tolist() == [0, 9, 10, 11, 12, 13]
    assert len(dataset.clip_starts(1)) == len(dataset)
    for start in dataset.clip_starts(2):
        assert dataset.clip(int(start), 2).shape == (2, 8, 8, 3)
        assert dataset.true_actions(int(start), 2)[0] >= 0


@pytest.mark.parametrize(("start", "length"), [(0, 8), (6, 2), (8, 2), (19, 2), (20, 1), (-1, 1), (0, 0)])
def test_a_clip_that_leaves_its_episode_is_refused(dataset: VideoDataset, start: int, length: int) -> None:
    with pytest.raises(DataError, match="clip of"):
        dataset.clip(start, length)


def test_clips_longer_than_any_episode_say_how_long_the_longest_is(dataset: VideoDataset) -> None:
    with pytest.raises(DataError, match="longest episode has 11"):
        dataset.clip_starts(12)


def test_a_pickled_data_set_reads_the_same_and_carries_no_frames(dataset: VideoDataset) -> None:
    pickled = pickle.dumps(dataset)
    assert len(pickled) < 500
    np.testing.assert_array_equal(pickle.loads(pickled).clip(3, 4), dataset.clip(3, 4))


# ---- several data sets read as one


@pytest.fixture
def sets(tmp_path: Path) -> tuple[VideoDataset, VideoDataset, VideoDataset]:
    """Two different ones, and both as one."""
    one, other = write(tmp_path / "one"), write(tmp_path / "other", seed=1)
    return one, other, VideoDataset(*one.paths, *other.paths)


def test_several_sets_are_read_one_after_the_other(sets: tuple[VideoDataset, ...]) -> None:
    one, other, both = sets
    assert len(both) == len(one) + len(other) and both.info.episodes == one.info.episodes + other.info.episodes
    assert both.info.name == "one+other" and both.info.source["sets"] == [one.info.source, other.info.source]
    np.testing.assert_array_equal(both.episodes[:, 1], [*one.episodes[:, 1], *other.episodes[:, 1]])
    for start in both.clip_starts(3):
        which, offset = (one, 0) if start < len(one) else (other, len(one))
        np.testing.assert_array_equal(both.clip(int(start), 3), which.clip(int(start) - offset, 3))
        np.testing.assert_array_equal(both.true_actions(int(start), 3), which.true_actions(int(start) - offset, 3))
    assert not np.array_equal(one.clip(0, 3), other.clip(0, 3))


def test_sets_of_one_environment_are_of_one_game(sets: tuple[VideoDataset, ...]) -> None:
    info = sets[0].info
    of_pong, of_chess, of_nothing = (
        dataclasses.replace(info, source=source)
        for source in ({"environment": "ALE/Pong-v5"}, {"game": "chess"}, {"environment": ["Pong"]})
    )
    assert join([of_pong, of_pong]).game == "ALE/Pong-v5" and of_nothing.game is None
    assert join([of_pong, of_chess]).game is None


def test_no_clip_crosses_from_one_set_to_the_next(sets: tuple[VideoDataset, ...]) -> None:
    one, other, both = sets
    seam = len(one)
    assert len(both.clip_starts(3)) == len(one.clip_starts(3)) + len(other.clip_starts(3))
    assert not {seam - 2, seam - 1} & set(both.clip_starts(3).tolist())
    with pytest.raises(DataError, match=r"one and .*other leaves episode 2"):
        both.clip(seam - 1, 2)


def test_a_pickled_pair_of_sets_reads_the_same(sets: tuple[VideoDataset, ...]) -> None:
    both = sets[-1]
    copy = pickle.loads(pickle.dumps(both))
    assert copy.paths == both.paths and len(pickle.dumps(both)) < 1000
    np.testing.assert_array_equal(copy.clip(len(sets[0]), 4), both.clip(len(sets[0]), 4))


def test_true_actions_are_those_of_all_sets_or_of_none(tmp_path: Path) -> None:
    with_actions, without = write(tmp_path / "one"), write(tmp_path / "other", actions=False)
    both = VideoDataset(*with_actions.paths, *without.paths)
    assert not both.has_true_actions
    with pytest.raises(DataError, match=r"no true_actions\.npy"):
        both.true_actions(0, 2)


@pytest.mark.parametrize(
    ("size", "fps", "words"), [(16, 15, "8x8 pixels at 15.* 16x16 at 15"), (8, 30, "at 15.* at 30;")]
)
def test_sets_of_unlike_frames_are_not_read_as_one(
    dataset: VideoDataset, tmp_path: Path, size: int, fps: int, words: str
) -> None:
    with DatasetWriter(tmp_path / "unlike", source={}, frame_size=(size, size), fps=fps) as writer:
        writer.add_episode(np.zeros((3, size, size, 3), np.uint8))
    with pytest.raises(DataError, match=words):
        VideoDataset(*dataset.paths, tmp_path / "unlike")


# ---- what is missing, damaged or cut short


def test_videos_need_no_true_actions(tmp_path: Path) -> None:
    dataset = write(tmp_path / "video", actions=False)
    assert not dataset.has_true_actions
    with pytest.raises(DataError, match=r"no true_actions\.npy"):
        dataset.true_actions(0, 2)


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path) -> None:
    def write_and_interrupt() -> None:
        with DatasetWriter(tmp_path / "cut", source={}, frame_size=(8, 8), shard_bytes=4 * 192) as writer:
            writer.add_episode(episodes()[0])
            assert len(list(tmp_path.iterdir())) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_interrupt()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_not_written_over(tmp_path: Path) -> None:
    dataset = write(tmp_path / "noise")
    with pytest.raises(DataError, match="not empty"):
        write(tmp_path / "noise")
    assert len(VideoDataset(dataset.path)) == sum(LENGTHS)
    (tmp_path / "empty").mkdir()
    assert len(write(tmp_path / "empty")) == sum(LENGTHS)


def rewrite(path: Path, **values: object) -> None:
    file = path / "dataset.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def cut_in_half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def rename_shard(path: Path, name: str) -> None:
    (first, *others) = json.loads((path / "dataset.json").read_text())["shards"]
    shutil.copy(path / first["file"], path.parent / "x.npy")
    rewrite(path, shards=[{**first, "file": name.format(outside=path.parent / "x.npy")}, *others])


def rewrite_shard(path: Path, **values: object) -> None:
    (first, *others) = json.loads((path / "dataset.json").read_text())["shards"]
    rewrite(path, shards=[first | values, *others])


def bend_header(path: Path, before: bytes, after: bytes) -> None:
    file = path / "frames-00001.npy"
    assert before in file.read_bytes() and len(before) == len(after)
    file.write_bytes(file.read_bytes().replace(before, after))


def damage_shard(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change a Parquet shard and let dataset.json tell its new size and hash, as a stranger would."""
    file = path / "frames-00001.parquet"
    file.write_bytes(body := change(file.read_bytes()))
    (first, _, *others) = json.loads((path / "dataset.json").read_text())["shards"]
    told = {"file": file.name, "frames": 6, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    rewrite(path, shards=[first, told, *others])


def write_table(path: Path, table: pa.Table, **options: object) -> None:
    """A shard as another program would write it."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    damage_shard(path, lambda _: sink.getvalue())


def frame_table(frames: int = 6, size: int = 192, fill: int = 0, nullable: bool = False) -> pa.Table:
    kind = pa.binary(size)
    rows = pa.array([None if nullable else bytes([fill]) * size] * frames, kind)
    return pa.Table.from_arrays([rows], schema=pa.schema([pa.field("frame", kind, nullable=nullable)]))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "no dataset.json": lambda path: (path / "dataset.json").unlink(),
    "not a data set description": lambda path: (path / "dataset.json").write_text("[1"),
    "no data set folder": shutil.rmtree,
    "format_version 4, expected one of 1, 2, 3": lambda path: rewrite(path, format_version=4),
    "format_version True": lambda path: rewrite(path, format_version=True),
    "promises 99 frames": lambda path: rewrite(path, frames=99),
    "expected JSON with name, frame_size, fps": lambda path: (path / "dataset.json").write_text("{}"),
    "larger than 16,777,216 bytes": lambda path: (path / "dataset.json").write_text(" " * 2**24 + "{}"),
    "unusable fps: None": lambda path: rewrite(path, fps=None),
    "unusable fps: nan": lambda path: rewrite(path, fps=float("nan")),
    r"unusable frame_size: \[8, 1000000\]": lambda path: rewrite(path, frame_size=[8, 1_000_000]),
    "unusable frame_size: 8": lambda path: rewrite(path, frame_size=8),
    "unusable frames: 1000": lambda path: rewrite(path, frames=10**30),
    "unusable episodes: True": lambda path: rewrite(path, episodes=True),
    "unusable source: 'me'": lambda path: rewrite(path, source="me"),
    "not readable|description": lambda path: (path / "dataset.json").write_text("[" * 100_000),
    "episodes.npy holds object": lambda path: np.save(path / "episodes.npy", np.full((3, 3), None), allow_pickle=True),
    "episodes.npy holds float64": lambda path: np.save(path / "episodes.npy", np.zeros((3, 3))),
    "lacks its file episodes.npy": lambda path: (path / "episodes.npy").unlink(),
    "does not cut the 20 frames": lambda path: np.save(path / "episodes.npy", np.zeros((3, 3), np.int64)),
}
OF_ARRAYS: dict[str, Callable[[Path], object]] = {
    "lacks its file frames-00001.npy": lambda path: (path / "frames-00001.npy").unlink(),
    "truncated": lambda path: cut_in_half(path / "frames-00001.npy"),
    "not of one data set": lambda path: np.save(path / "frames-00003.npy", np.zeros((3, 8, 8, 3), np.uint8)),
    "unusable shards: .*None": lambda path: rewrite(path, shards=[{"file": "frames-00000.npy", "frames": None}]),
    r"unusable shards: .*\.\./x\.npy": lambda path: rename_shard(path, "../x.npy"),
    r"unusable shards: .*'/": lambda path: rename_shard(path, "{outside}"),
    "frames-00001.npy is truncated or damaged": lambda path: bend_header(path, b"'descr': '|u1'", b"'descr': ((((("),
    r"frames-00001.npy holds uint8 \(9, 8": lambda path: bend_header(path, b"(6, 8", b"(9, 8"),
    "frames-00000.npy holds object": lambda path: np.save(
        path / "frames-00000.npy", np.full((6, 8, 8, 3), "no", object)
    ),
    "by columns": lambda path: np.save(path / "frames-00000.npy", np.asfortranarray(np.zeros((6, 8, 8, 3), np.uint8))),
}
OF_PARQUET: dict[str, Callable[[Path], object]] = {
    "lacks its file frames-00001.parquet": lambda path: (path / "frames-00001.parquet").unlink(),
    "truncated or damaged: it has": lambda path: cut_in_half(path / "frames-00001.parquet"),
    "truncated or damaged;": lambda path: damage_shard(path, lambda body: body[: len(body) // 2]),
    "frames-00001.parquet is truncated": lambda path: damage_shard(path, lambda body: body[:60] + b"!" + body[61:]),
    r"unusable shards: .*\.\./x\.parquet": lambda path: rewrite_shard(path, file="../x.parquet"),
    "unusable shards: .*'sha256': 'ab'": lambda path: rewrite_shard(path, sha256="ab"),
    "unusable shards: .*-1": lambda path: rewrite_shard(path, bytes=-1),
    "of 191 bytes": lambda path: write_table(path, frame_table(size=191)),
    r"\(1, 7, 'frame'": lambda path: write_table(path, frame_table(frames=7)),
    r"'frame', 'FIXED_LEN_BYTE_ARRAY', 1\)": lambda path: write_table(path, frame_table(nullable=True)),
    r"\(2, 6": lambda path: write_table(path, pa.table({"frame": frame_table()["frame"], "more": [1] * 6})),
    "BYTE_ARRAY": lambda path: write_table(path, pa.table({"frame": [b"x" * 192] * 6})),
    "row group 0 that is not 6 frames": lambda path: write_table(path, frame_table(), use_dictionary=True),
}


@pytest.mark.parametrize("words", DAMAGE)
def test_damage_is_told_in_words(dataset: VideoDataset, words: str) -> None:
    (path,) = dataset.paths
    DAMAGE[words](Path(path))
    told_in_words(path, words)


@pytest.mark.parametrize("words", OF_ARRAYS)
def test_damaged_arrays_are_told_in_words(old: VideoDataset, words: str) -> None:
    (path,) = old.paths
    OF_ARRAYS[words](Path(path))
    told_in_words(path, words)


@pytest.mark.parametrize("words", OF_PARQUET)
def test_damaged_parquet_is_told_in_words(dataset: VideoDataset, words: str) -> None:
    (path,) = dataset.paths
    OF_PARQUET[words](Path(path))
    told_in_words(path, words)


def told_in_words(path: str | Path, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        VideoDataset(path).clip(9, 11)
    assert "Error" not in str(caught.value), "that is no word"


def test_a_page_that_would_become_more_than_its_frames_is_refused_before(dataset: VideoDataset) -> None:
    """The rows of six frames, 192 bytes each, packed with 400 million zeros behind them: 35 kB in the file."""
    (path,) = dataset.paths
    bomb = pa.compress(bytes(400_000_000), "zstd", asbytes=True)
    file = Path(path) / "frames-00001.parquet"
    told = pq.ParquetFile(file).metadata.row_group(0).column(0)
    body = file.read_bytes()
    start, size = told.data_page_offset, told.total_compressed_size
    page = bytes([0x15, 0, 0x15, *varint(400_000_000), 0x15, *varint(len(bomb))]) + b"\x2c\x15\x0c" + bomb
    assert len(page) > size
    damage_shard(Path(path), lambda _: body[:start] + page + body[start + size :])
    before = peak_mb()
    told_in_words(path, "row group 0 that is not 6 frames|truncated or damaged")
    assert before is None or peak_mb() - before < 50


def varint(number: int) -> list[int]:
    """A positive i32 in Thrift's compact protocol."""
    number, groups = number << 1, []
    while number >= 0x80:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return [*groups, number]


def test_a_file_shorter_than_its_header_promises_takes_no_memory(old: VideoDataset) -> None:
    """Header and description agree on thirty million frames; the file holds six."""
    (path,) = old.paths
    (first, *others) = json.loads((path / "dataset.json").read_text())["shards"]
    many = 30_000_000
    with (path / first["file"]).open("r+b") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (many, 8, 8, 3)})
    rewrite(path, shards=[{**first, "frames": many}, *others], frames=many + 14)
    np.save(path / "episodes.npy", np.array([[0, many, 0], [many, 7, 0], [many + 7, 7, 0]]))
    with pytest.raises(DataError, match="truncated or damaged"):
        VideoDataset(path)


def test_compressed_shards_that_would_fill_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_format_2(tmp_path / "noise", compressed=True)
    monkeypatch.setattr("genie_core.data.shards.COMPRESSED_BYTES", 1000)
    with pytest.raises(DataError, match=r"must fit in memory.*fewer frames"):
        VideoDataset(tmp_path / "noise")


def test_an_archive_of_two_gigabytes_is_refused_by_its_header(tmp_path: Path) -> None:
    """Two megabytes of zeros on disk can become as much; its description agrees with its header."""
    (path,) = write_format_2(tmp_path / "noise", compressed=True).paths
    many = 10**7
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (many, 8, 8, 3)})
    with zipfile.ZipFile(Path(path) / "frames-00000.npz", "w") as archive:
        archive.writestr("frames.npy", header.getvalue())
    (first, *others) = json.loads((Path(path) / "dataset.json").read_text())["shards"]
    rewrite(Path(path), shards=[{**first, "frames": many}, *others], frames=many + 14)
    np.save(Path(path) / "episodes.npy", np.array([[0, many, 0], [many, 7, 0], [many + 7, 7, 0]]))
    with pytest.raises(DataError, match=r"holds 1,831 MiB of compressed frames.*at most 256"):
        VideoDataset(path)


def test_a_header_that_says_it_is_huge_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """NumPy reads as many bytes as a header says it has, before it looks at them; in a zip they cost nothing."""
    (path,) = write_format_2(tmp_path / "noise", compressed=True).paths
    with zipfile.ZipFile(Path(path) / "frames-00000.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("frames.npy", b"\x93NUMPY\x02\x00" + (30_000_000).to_bytes(4, "little") + b" " * 30_000_000)
    tracemalloc.start()
    with pytest.raises(DataError, match="has a header of 30,000,000 bytes"):
        VideoDataset(path)
    assert tracemalloc.get_traced_memory()[1] < 25_000_000
    tracemalloc.stop()


def test_a_set_of_an_older_version_behind_an_address_is_told_at_once(tmp_path: Path) -> None:
    write_format_2(tmp_path / "noise", compressed=True)
    with pytest.raises(DataError, match="is of an older version, which opens from a folder alone; download it"):
        VideoDataset((tmp_path / "noise").as_uri())


@pytest.mark.parametrize("damage", [lambda body: body[: len(body) // 2], lambda body: body.replace(b"PK", b"KP")])
def test_a_damaged_compressed_shard_is_told_in_words(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    write_format_2(tmp_path / "noise", compressed=True)
    shard = tmp_path / "noise" / "frames-00000.npz"
    shard.write_bytes(damage(shard.read_bytes()))
    with pytest.raises(DataError, match="truncated or damaged"):
        VideoDataset(tmp_path / "noise")


def test_a_description_from_a_stranger_is_refused_in_words(dataset: VideoDataset) -> None:
    """Once without a frame rate: it was a fault inside the program."""
    (path,) = dataset.paths
    values = {"name": "dsFalse", "frame_size": 8, "fps": None, "frames": 15, "episodes": 3, "source": {"game": "x"}}
    shards = [{"file": "frames-00000.npy", "frames": 15}]
    (path / "dataset.json").write_text(json.dumps({**values, "shards": shards, "format_version": 1}))
    with pytest.raises(DataError, match="unusable fps"):
        VideoDataset(path)


def test_folders_of_version_1_load(old: VideoDataset) -> None:
    """Their frame_size is one number, the side of a square."""
    (path,) = old.paths
    rewrite(path, frame_size=8, format_version=1)
    oldest = VideoDataset(path)
    assert oldest.info.frame_size == (8, 8)
    np.testing.assert_array_equal(oldest.clip(0, 7), old.clip(0, 7))


def test_frames_need_not_be_square(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 6, 10, 3), np.uint8)
    with DatasetWriter(tmp_path / "wide", source={}, frame_size=(6, 10), shard_bytes=400) as writer:
        writer.add_episode(frames)
    dataset = VideoDataset(tmp_path / "wide")
    assert dataset.info.frame_size == (6, 10) and [each.frames for each in dataset.info.shards] == [2, 2, 1]
    np.testing.assert_array_equal(dataset.clip(0, 5), frames)


def test_without_file_locks_nothing_is_open_that_would_have_to_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, which has none and removes no open file."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    with DatasetWriter(tmp_path / "set", source={}, frame_size=(6, 10)) as writer:
        writer.add_episode(np.zeros((8, 6, 10, 3), np.uint8))
        assert not (tmp_path / ".set.partial/.lock").exists()
    assert len(VideoDataset(tmp_path / "set")) == 8


def test_a_full_disk_is_told_in_words(tmp_path: Path) -> None:
    with full_disk(1000), pytest.raises(WriteError, match="File too large; choose another --out"):
        write(tmp_path / "noise")
    assert list(tmp_path.iterdir()) == []


# ---- frame by frame, and after an interruption


def parts(frames: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (frames[first : first + size] for first in range(0, len(frames), size))


def write_on(out: Path, stop_at: int | None = None, size: int = 3, shard_frames: int = 40) -> int:
    """Write ten episodes, or what of them is missing, in small parts; returns how many were there.

    With `stop_at`, the process is interrupted before that frame.
    """
    rng, seen = np.random.default_rng(1), 0
    writer = DatasetWriter(out, source={"a": 1}, frame_size=(4, 4), shard_bytes=shard_frames * 48, resume=True)
    with writer:
        there = len(writer.episodes)
        for number in range(10):
            frames = rng.integers(0, 256, (rng.integers(2, 60), 4, 4, 3), np.uint8)
            for part in parts(frames, size):
                if stop_at is not None and seen >= stop_at:
                    raise KeyboardInterrupt
                seen += len(part)
                if number >= there:
                    writer.add_frames(part)
            if number >= there:
                writer.end_episode(np.arange(len(frames) - 1) % 7, number, {"file": f"{number}.mp4"})
    return there


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "set"
    assert write_on(out) == 0
    return out


def test_frames_may_come_in_any_parts(unbroken: Path, tmp_path: Path) -> None:
    write_on(tmp_path / "set", size=1000)
    assert digests(tmp_path / "set") == digests(unbroken)
    dataset = VideoDataset(unbroken)
    assert dataset.provenance[3] == {"file": "3.mp4"} and dataset.episodes[3, 2] == 3
    assert [shard.frames for shard in dataset.info.shards[:-1]] == [40] * (len(dataset.info.shards) - 1)


def test_an_interrupted_writer_that_may_resume_goes_on_with_the_same_bytes(unbroken: Path, tmp_path: Path) -> None:
    """Wherever it is interrupted; whole episodes in whole shards are kept."""
    dataset, kept = VideoDataset(unbroken), []
    for stop_at in range(0, len(dataset) - 10, 23):
        out = tmp_path / str(stop_at) / "set"
        with pytest.raises(KeyboardInterrupt):
            write_on(out, stop_at)
        assert not out.exists() and [path.name for path in out.parent.iterdir()] == [".set.partial"]
        kept.append(write_on(out))
        ends = dataset.episodes[:, :2].sum(1)
        assert kept[-1] == np.sum(ends <= max(0, stop_at - 1) // 40 * 40), stop_at
        assert digests(out) == digests(unbroken), stop_at
    assert kept[0] == 0 and kept[-1] >= 5


@pytest.mark.slow
def test_a_writer_killed_twice_goes_on(unbroken: Path, tmp_path: Path) -> None:
    """Killed for good, which leaves a shard without an end and no time to clear up."""
    program = (
        f"import os, signal, sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_data as t\n"
        "frames = t.DatasetWriter.add_frames\n"
        "def add(self, part):\n"
        "    frames(self, part)\n"
        "    if self.frames + self._open_frames > int(sys.argv[2]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "t.DatasetWriter.add_frames = add\n"
        "t.write_on(t.Path(sys.argv[1]))\n"
    )
    for stop_at in (100, 190):
        words = [sys.executable, "-c", program, str(tmp_path / "set"), str(stop_at)]
        ended = subprocess.run(words, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert write_on(tmp_path / "set") > 0
    assert digests(tmp_path / "set") == digests(unbroken)


def test_what_was_begun_otherwise_is_not_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_on(tmp_path / "set", 100)
    other = DatasetWriter(tmp_path / "set", source={"a": 2}, frame_size=(4, 8), shard_bytes=40 * 48, resume=True)
    with pytest.raises(DataError, match="begun with another source, frame_size, shard_frames; give the same"), other:
        pass
    assert write_on(tmp_path / "set") > 0, "it is still there"


def test_two_processes_do_not_write_one_set(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "set", source={}, frame_size=(4, 4)) as writer:
        second = DatasetWriter(tmp_path / "set", source={}, frame_size=(4, 4), resume=True)
        with pytest.raises(DataError, match=r"another process is writing .*set; wait"), second:
            pass
        writer.add_episode(np.zeros((2, 4, 4, 3), np.uint8))
    assert len(VideoDataset(tmp_path / "set")) == 2


def test_an_episode_is_ended_before_the_writer(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match=r"last 2 frames .* belong to no episode"),
        DatasetWriter(tmp_path / "set", source={}, frame_size=(4, 4)) as writer,
    ):
        writer.add_frames(np.zeros((2, 4, 4, 3), np.uint8))
    with (
        pytest.raises(DataError, match="an episode without frames"),
        DatasetWriter(tmp_path / "set", source={}, frame_size=(4, 4)) as writer,
    ):
        writer.end_episode()


def test_the_writer_refuses_what_is_not_an_episode(tmp_path: Path) -> None:
    frames = episodes()[0]
    for bad, actions, words in (
        (frames.astype(np.float32), None, "float32"),
        (frames[:, :4], None, "expected uint8"),
        (frames, np.zeros(len(frames)), "one less"),
    ):
        with (
            pytest.raises(DataError, match=words),
            DatasetWriter(tmp_path / "bad", source={}, frame_size=(8, 8)) as writer,
        ):
            writer.add_episode(bad, actions)


def test_shipped_clips_show_their_actions() -> None:
    """CoinRun's actions drive the frames that follow: held RIGHT moves the player right, LEFT left."""
    dataset = VideoDataset(CLIPS)
    horizontal: dict[int, list[float]] = {}
    for first, length, _ in dataset.episodes:
        for action in set(actions := dataset.true_actions(int(first), int(length))):
            motion = player_motion(dataset.clip(int(first), int(length)))[actions == action]
            horizontal.setdefault(int(action), []).append(motion[:, 0].mean())
    assert np.median(horizontal[7]) > 0.6
    assert np.median(horizontal[1]) < -0.3


def test_shipped_clips_start_from_many_different_frames() -> None:
    dataset = VideoDataset(CLIPS)
    assert len({dataset.clip(int(first), 1).tobytes() for first, _, _ in dataset.episodes}) >= 50
    assert dataset.info.source["levels"][0] >= 20_000


def digests(path: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(path.iterdir())}


def record(*arguments: object, **named: object) -> None:
    with warnings.catch_warnings():  # Procgen's own dependencies are old
        warnings.simplefilter("ignore")
        pytest.importorskip("procgen", reason="Procgen is only in genie_core/games/coinrun/requirements-record.txt")
    from genie_core.games.coinrun.record import record_coinrun

    record_coinrun(*arguments, progress=False, **named)  # type: ignore[arg-type]


@pytest.mark.parametrize(("policy", "mode"), [("explore", "easy"), ("random", "hard")])
def test_same_arguments_same_bytes(tmp_path: Path, policy: str, mode: str) -> None:
    for folder, seed in (("one", 3), ("three", 4)):
        record(tmp_path / folder / "set", 1201, (20_000, 20_100), mode, policy, seed=seed)
    options = {"levels": (20_000, 20_100), "mode": mode}  # as --collect hands on the game's own
    games.find("coinrun").collect(tmp_path / "two" / "set", 1201, 3, policy, options, quiet=True)
    one, two, three = (digests(tmp_path / folder / "set") for folder in ("one", "two", "three"))
    assert one == two
    assert one["frames-00000.parquet"] != three["frames-00000.parquet"]
    dataset = VideoDataset(tmp_path / "one" / "set")
    assert len(dataset) == 1201
    assert (dataset.episodes[:, 1] >= 2).all()
    assert ((dataset.episodes[:, 2] >= 20_000) & (dataset.episodes[:, 2] < 20_100)).all()


def test_recording_without_procgen_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from genie_core.games.coinrun.record import record_coinrun

    monkeypatch.setitem(sys.modules, "procgen", None)
    with pytest.raises(MissingExtraError, match=r"-r requirements\.txt -r genie_core/.*requirements-record\.txt"):
        record_coinrun(tmp_path / "set", 100, progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"frames": 1}, "--frames 1"),
        ({"levels": (5, 5)}, "--levels 5:5"),
        ({"levels": (-1, 5)}, "--levels -1:5"),
        ({"levels": (499_000, 500_001)}, "reserved"),
        ({"mode": "medium"}, "--mode 'medium' is not one of easy, hard"),
        ({"policy": "clever"}, "--policy 'clever' is not one of random, explore"),
        ({"seed": -1}, "--seed -1"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(tmp_path: Path, arguments: dict[str, object], words: str) -> None:
    from genie_core.games.coinrun.record import record_coinrun

    with pytest.raises(ConfigError, match=words):
        record_coinrun(tmp_path / "set", **{"frames": 100, **arguments})  # type: ignore[arg-type]


def test_an_episode_of_one_frame_is_never_left_over() -> None:
    from genie_core.games.coinrun.record import _usable_length

    for length in range(1, 9):
        for remaining in range(2, 9):
            kept = _usable_length(length, remaining)
            assert kept <= length and kept != 1 and remaining - kept != 1
