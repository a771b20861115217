"""LeRobotDataset v3 in and out: frames, actions and episodes stay together, and what is damaged is told."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import launch
from genie_core.data.dataset import VideoDataset
from genie_core.data.lerobot import (
    LeRobotFolder,
    is_lerobot,
    prepare_lerobot,
    video_files,
    write,
    write_lerobot,
    written_as_lerobot,
)
from genie_core.data.lerobot.statistics import PixelCounts, of_rows
from genie_core.data.writer import DatasetWriter
from genie_core.errors import DataError, WriteError

ROOT = Path(__file__).parents[1]
HEIGHT, WIDTH = 24, 40
LENGTHS = (13, 2, 7, 30)
KEY = "observation.image"


def shades(count: int, first: int) -> np.ndarray:
    """Frames of which each has a shade of its own, uint8 (count, H, W, 3)."""
    shade = (np.arange(first, first + count) * 4 + 8)[:, None, None, None]
    return np.broadcast_to(shade + np.array([0, 10, 20]), (count, HEIGHT, WIDTH, 3)).astype(np.uint8)


def recorded(out: Path, actions: object = None, lengths: tuple[int, ...] = LENGTHS, fps: float = 15) -> Path:
    """A data set of shades; frame i of all is followed by action i % 5."""
    source = {"environment": "Shades-v0"} | ({"actions": actions} if actions else {})
    with DatasetWriter(out, source=source, frame_size=(HEIGHT, WIDTH), fps=fps) as writer:
        for length in lengths:
            ids = np.arange(writer.frames, writer.frames + length - 1) % 5
            writer.add_episode(shades(length, writer.frames), ids)
    return out


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lerobot")
    recorded(folder / "set")
    write_lerobot({"train": folder / "set"}, folder / "out", quiet=True)
    return folder / "out"


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """A data set to be damaged."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def seen(folder: Path) -> list[tuple[list[int], list[float]]]:
    """The shade of each frame and the action beside it, by episode."""
    source = LeRobotFolder(folder)
    found = []
    for episode in source.episodes():
        frames = np.stack([picture.rgb() for picture in episode.pictures])
        assert frames.shape == (episode.frames, HEIGHT, WIDTH, 3) and episode.actions is not None
        assert np.ptp(frames.astype(int) - [0, 10, 20], axis=(1, 2, 3)).max() <= 6, "each frame has one shade"
        found.append((((frames[:, 5, 5, 0] + 1.0 - 8) // 4).astype(int).tolist(), episode.actions[:, 0].tolist()))
    return found


def whole(lengths: tuple[int, ...] = LENGTHS) -> list[tuple[list[int], list[float]]]:
    """What `seen` is to find: the last action of an episode stands twice."""
    ends = np.cumsum(lengths)
    numbers = [list(range(end - length, end)) for end, length in zip(ends, lengths, strict=True)]
    return [(each, [float(i % 5) for i in [*each[:-1], each[-2]]]) for each in numbers]


def test_frames_and_actions_come_back_as_they_went(exported: Path) -> None:
    assert is_lerobot(exported) and not is_lerobot(exported.parent / "set")
    assert seen(exported) == whole()


def test_the_layout_is_that_of_version_3(exported: Path) -> None:
    files = {path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()}
    assert files == {
        "README.md",
        "meta/info.json",
        "meta/stats.json",
        "meta/tasks.parquet",
        "meta/episodes/chunk-000/file-000.parquet",
        "data/chunk-000/file-000.parquet",
        f"videos/{KEY}/chunk-000/file-000.mp4",
    }
    info = json.loads((exported / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["splits"]) == ("v3.0", 15, {"train": "0:4"})
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (4, sum(LENGTHS), 1)
    assert info["features"][KEY]["shape"] == [HEIGHT, WIDTH, 3]
    rows = pq.read_table(exported / "data/chunk-000/file-000.parquet")
    assert set(rows.column_names) == set(info["features"]) - {KEY}
    assert rows["index"].to_pylist() == list(range(sum(LENGTHS)))
    assert rows["frame_index"].to_pylist()[:15] == [*range(13), 0, 1]
    assert rows["timestamp"].to_pylist()[12] == pytest.approx(12 / 15)


def test_what_the_real_library_writes_is_read(tmp_path: Path) -> None:
    """tests/data/lerobot was written by lerobot 0.4.4: a square moves as `action` says and is where the state says."""
    source = LeRobotFolder(ROOT / "tests/data/lerobot")
    assert source.info.videos == ("observation.images.front", "observation.images.wrist") and source.info.fps == 10
    states = np.array(pq.read_table(source.folder / "data/chunk-000/file-000.parquet")["observation.state"].to_pylist())
    for place, episode in zip(source.places, source.episodes(), strict=True):
        found = [np.argwhere(picture.rgb()[..., 0] > 125).min(0)[::-1] for picture in episode.pictures]
        assert np.abs(np.array(found) - states[slice(*place.rows)]).max() <= 1
    told = prepare_lerobot(source.folder, tmp_path / "out", quiet=True)
    assert (
        "read 3 episodes" in told and "left out the videos observation.images.wrist; choose one with --camera" in told
    )
    prepared = VideoDataset(tmp_path / "out/train")
    assert prepared.info.source["actions"] == [[-1, 0], [0, -1], [0, 0], [0, 1], [1, 0]]
    wrist = LeRobotFolder(source.folder, "observation.images.wrist")
    shades = [[int(picture.rgb()[5, 5, 0]) for picture in episode.pictures] for episode in wrist.episodes()]
    assert all(np.abs(np.array(each) - 5 * np.arange(len(each))).max() <= 2 for each in shades)


def test_pandas_finds_the_tasks_by_name(exported: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas comes with gradio")
    tasks = pandas.read_parquet(exported / "meta/tasks.parquet")
    assert tasks.index.name == "task" and tasks.loc["Shades-v0"].task_index == 0


def test_several_files_of_each_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_files, "LONGEST_S", 0.5)
    monkeypatch.setattr("genie_core.data.lerobot.rows.DATA_MB", 0)
    for module in ("video_files", "rows"):
        monkeypatch.setattr(f"genie_core.data.lerobot.{module}.CHUNK_FILES", 2)
    write_lerobot({"train": recorded(tmp_path / "set")}, tmp_path / "out", quiet=True)
    assert len(list(tmp_path.glob("out/videos/*/*/*.mp4"))) == len(list(tmp_path.glob("out/data/*/*"))) - 1 == 3
    assert (tmp_path / "out/data/chunk-001/file-001.parquet").exists()
    assert seen(tmp_path / "out") == whole()


def test_train_and_test_are_splits_of_one(tmp_path: Path) -> None:
    sets = {name: recorded(tmp_path / name, lengths=(5, 6)) for name in ("train", "test")}
    write_lerobot(sets, tmp_path / "out", quiet=True)
    info = json.loads((tmp_path / "out/meta/info.json").read_text())
    assert info["splits"] == {"train": "0:2", "test": "2:4"}


def test_actions_that_are_vectors_stay_vectors(tmp_path: Path) -> None:
    vectors = [[0.0, 0.5], [1.0, 0.0], [-1.0, 0.25], [0.0, 1.0], [0.0, 0.0]]
    write_lerobot({"train": recorded(tmp_path / "set", vectors)}, tmp_path / "out", quiet=True)
    assert LeRobotFolder(tmp_path / "out").info.action == 2
    first = next(LeRobotFolder(tmp_path / "out").actions())
    assert first[:4].tolist() == vectors[:4]
    prepare_lerobot(tmp_path / "out", tmp_path / "back", quiet=True)
    back = VideoDataset(tmp_path / "back/train")
    told = [back.info.source["actions"][i] for i in back.true_actions(0, 6)]
    assert told == [vectors[i % 5] for i in range(5)]


def test_statistics_are_those_of_all_frames(exported: Path) -> None:
    stats = json.loads((exported / "meta/stats.json").read_text())
    frames = VideoDataset(exported.parent / "set").clip(0, 13)
    counts = PixelCounts()
    counts.add(frames[:6])
    counts.add(frames[6:])
    ours, pixels = counts.statistics(), frames.reshape(-1, 3) / 255
    assert np.ravel(ours["mean"]) == pytest.approx(pixels.mean(0))
    assert np.ravel(ours["std"]) == pytest.approx(pixels.std(0))
    assert np.ravel(ours["q90"]) == pytest.approx(np.quantile(pixels, 0.9, axis=0, method="inverted_cdf"))
    assert (np.ravel(ours["min"]), np.shape(ours["max"])) == (pytest.approx(pixels.min(0)), (3, 1, 1))
    assert stats[KEY]["count"] == [sum(LENGTHS)] and stats["action"]["max"] == [4]
    assert of_rows(np.arange(101))["q10"] == [10]


def test_prepared_for_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lerobot({"train": recorded(tmp_path / "set", lengths=(5,) * 12, fps=30)}, tmp_path / "in", quiet=True)
    call = ["--prepare", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--frame-size", "24x24", "--fps", "15"]
    assert launch.main(call) == 0
    assert "read 12 episodes of video observation.image" in capsys.readouterr().out
    train, test = (VideoDataset(tmp_path / "out" / name) for name in ("train", "test"))
    assert (train.info.episodes, test.info.episodes, train.info.fps, train.info.frame_size) == (11, 1, 15, (24, 24))
    assert train.episodes[:, 1].tolist() == [3] * 11, "of 30 frames a second every other"
    assert train.true_actions(0, 3).tolist() == [0, 2]
    assert test.true_actions(0, 3).tolist() == [45 % 5, 47 % 5], "the tenth episode"
    assert np.abs(test.clip(1, 1).astype(int) - shades(1, 47)[:, :, :24]).max() <= 4


def test_an_interrupted_preparation_goes_on_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of the eighth episode, and between the ends of the two data sets."""
    write_lerobot({"train": recorded(tmp_path / "set", lengths=(5,) * 22)}, tmp_path / "in", quiet=True)
    small = functools.partial(DatasetWriter, shard_bytes=12 * 3 * HEIGHT * WIDTH)
    monkeypatch.setattr("genie_core.data.lerobot.prepare.DatasetWriter", small)

    def preparation(out: Path) -> dict[str, bytes]:
        prepare_lerobot(tmp_path / "in", out, (HEIGHT, WIDTH), quiet=True)
        return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}

    whole, written = preparation(tmp_path / "whole"), []
    end, finish = DatasetWriter.end_episode, DatasetWriter._finish
    with monkeypatch.context() as patch:
        patch.setattr(
            DatasetWriter, "end_episode", lambda *a, **k: written.append(stop() if len(written) == 8 else end(*a, **k))
        )
        with pytest.raises(KeyboardInterrupt):
            preparation(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] and not list((tmp_path / "out").glob("t*"))
    with monkeypatch.context() as patch:
        patch.setattr(DatasetWriter, "_finish", lambda writer: stop() if writer.out.name == "train" else finish(writer))
        patch.setattr(DatasetWriter, "end_episode", lambda *a, **k: written.append(end(*a, **k)))
        with pytest.raises(KeyboardInterrupt):
            preparation(tmp_path / "out")
    assert len(written) < 8 + 22 and (tmp_path / "out/test").exists()
    with pytest.raises(DataError, match="was begun with another source, fps; give the same options again"):
        prepare_lerobot(tmp_path / "in", tmp_path / "out", (HEIGHT, WIDTH), 5, quiet=True)
    assert preparation(tmp_path / "out") == whole


def stop() -> None:
    raise KeyboardInterrupt


def test_the_command_line_records_and_prepares_in_this_form(tmp_path: Path) -> None:
    pytest.importorskip("gymnasium", reason="gymnasium is only in tests/requirements.txt")
    call = ["--collect", "tiny_environments:Shades-v0", "--frames", "30", "--format", "lerobot", "--quiet"]
    assert launch.main([*call, "--out", str(tmp_path / "one")]) == 0
    assert LeRobotFolder(tmp_path / "one").info.frames == 30
    call = ["--prepare", str(tmp_path / "one"), "--format", "lerobot", "--fps", "90", "--quiet"]
    assert launch.main([*call, "--out", str(tmp_path / "two")]) == 0
    assert LeRobotFolder(tmp_path / "two").info[:3] == LeRobotFolder(tmp_path / "one").info[:3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    assert launch.main([*call, "--out", str(tmp_path / "two")]) == 1, "there is something already"


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(28, "No space left on device")], ids=["ctrl-c", "full"])
@pytest.mark.parametrize("mode", ["--collect", "--prepare"])
def test_what_was_filled_is_written_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: BaseException, mode: str
) -> None:
    """Hours of recording must not be lost to a full disk, or Ctrl-C, in the minutes after them."""
    monkeypatch.chdir(tmp_path)
    if mode == "--prepare":
        write_lerobot({"train": recorded(tmp_path / "set")}, tmp_path / "in", quiet=True)
    given = ["tiny_environments:Shades-v0", "--frames", "30"] if mode == "--collect" else ["in", "--fps", "90"]
    call = [mode, *given, "--format", "lerobot", "--out", "one"]

    def fail(*_: object) -> None:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(write._Writing, "_episode", fail)
        assert launch.main(call) in (1, 130)
    assert "nothing was kept" not in capsys.readouterr().err
    assert launch.main([*call, "--fps", "30"]) == 1
    assert "holds what another command has recorded" in capsys.readouterr().err
    assert launch.main(call) == 0
    assert "what an earlier call had" in capsys.readouterr().out
    assert LeRobotFolder(tmp_path / "one").info.frames == (30 if mode == "--collect" else sum(LENGTHS))
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"one"} | ({"in", "set"} if mode == "--prepare" else set())


def test_a_second_call_meanwhile_touches_nothing(tmp_path: Path) -> None:
    with written_as_lerobot(tmp_path / "out", quiet=True) as sets:
        assert sets is not None
        recorded(sets)
        with (
            pytest.raises(DataError, match="is being written by another process"),
            written_as_lerobot(tmp_path / "out", quiet=True),
        ):
            pass
    assert LeRobotFolder(tmp_path / "out").info.frames == sum(LENGTHS)


def test_the_folder_one_is_in_can_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with written_as_lerobot(Path(), quiet=True) as sets:
        assert sets is not None
        recorded(sets)
    assert LeRobotFolder(tmp_path / "here").info.frames == sum(LENGTHS)


def test_more_actions_than_fit_are_refused_before_they_are_read(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genie_core.data.lerobot.read.MOST_NUMBERS", 20)
    with pytest.raises(DataError, match="numbers of actions, at most 20 are read"):
        list(LeRobotFolder(copy).actions())


def test_actions_of_any_value_are_not_kept_and_that_is_told(copy: Path, tmp_path: Path) -> None:
    file = copy / "data/chunk-000/file-000.parquet"
    table = pq.read_table(file).drop_columns("action")
    pq.write_table(table.append_column("action", pa.array(np.random.default_rng(0).random(52))), file)
    info = json.loads((copy / "meta/info.json").read_text())
    info["features"]["action"]["dtype"] = "float32"
    (copy / "meta/info.json").write_text(json.dumps(info))
    prepare_lerobot(copy, tmp_path / "kept", quiet=True)
    assert VideoDataset(tmp_path / "kept/train").has_true_actions, "52 are few enough"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("genie_core.data.lerobot.prepare.MOST_ACTIONS", 20)
        told = prepare_lerobot(copy, tmp_path / "out", quiet=True)
    assert "its actions were not kept" in told
    assert not VideoDataset(tmp_path / "out/train").has_true_actions


def change(folder: Path, name: str, value: object) -> None:
    info = json.loads((folder / "meta/info.json").read_text())
    info[name] = value
    (folder / "meta/info.json").write_text(json.dumps(info))


def edit_rows(folder: Path, column: str, row: int, value: object) -> None:
    file = folder / "meta/episodes/chunk-000/file-000.parquet"
    rows = pq.read_table(file).to_pylist()
    rows[row][column] = value
    pq.write_table(pa.Table.from_pylist(rows), file)


def swap_rows(file: Path) -> None:
    rows = pq.read_table(file).to_pylist()
    pq.write_table(pa.Table.from_pylist(rows[::-1]), file)


VIDEO = f"videos/{KEY}/chunk-000/file-000.mp4"
DAMAGES = {
    "version": (lambda f: change(f, "codebase_version", "v2.1"), "version 'v2.1', expected v3.0; convert it"),
    "json": (lambda f: (f / "meta/info.json").write_text("{"), "does not describe a LeRobotDataset"),
    "template": (lambda f: change(f, "video_path", "../../{video_key}.mp4"), "has another video_path"),
    "fps": (lambda f: change(f, "fps", 0), "unusable fps: 0"),
    "key": (lambda f: change(f, "features", {"../../x": {"dtype": "video"}}), "a video called '../../x'"),
    "images": (lambda f: change(f, "features", {"x": {"dtype": "image"}}), "has no video"),
    "no episodes": (lambda f: shutil.rmtree(f / "meta/episodes"), "describes 0 episodes"),
    "gap": (lambda f: edit_rows(f, "dataset_from_index", 1, 14), "do not lie end to end"),
    "null": (lambda f: edit_rows(f, "data/file_index", 1, None), "without its place"),
    "negative": (lambda f: edit_rows(f, "data/file_index", 1, -1), "at a place that cannot be"),
    "no such file": (lambda f: edit_rows(f, "data/file_index", 1, 7), "there is no file"),
    "too many": (lambda f: change(f, "total_episodes", 3), "has 4 rows, expected at most 3"),
    "late": (lambda f: edit_rows(f, f"videos/{KEY}/from_timestamp", 3, 2.5), "lacks frame"),
    "no video": (lambda f: (f / VIDEO).unlink(), "is missing, damaged or no video"),
    "cut": (lambda f: (f / VIDEO).write_bytes((f / VIDEO).read_bytes()[:900]), "is missing, damaged or no video"),
    "other rows": (lambda f: swap_rows(f / "data/chunk-000/file-000.parquet"), "actions of episode 3 where those of"),
    "table": (lambda f: (f / "data/chunk-000/file-000.parquet").write_bytes(b"PAR1junk"), "truncated or damaged"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_told_and_leaves_nothing(copy: Path, tmp_path: Path, damage: str) -> None:
    spoil, words = DAMAGES[damage]
    spoil(copy)
    with pytest.raises(DataError) as caught:
        prepare_lerobot(copy, tmp_path / "out", quiet=True)
    assert words in str(caught.value)
    assert not list(tmp_path.glob("out/*")) and not list(tmp_path.glob("out/.*"))


def test_an_unknown_camera(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no video 'wrist'; it has observation\.image"):
        prepare_lerobot(exported, tmp_path / "out", video="wrist", quiet=True)


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="only POSIX can limit the size of files")
    recorded(tmp_path / "set")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(WriteError, match="File too large; choose another --out, or make room"):
            write_lerobot({"train": tmp_path / "set"}, tmp_path / "out", quiet=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
