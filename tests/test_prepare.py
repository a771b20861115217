"""`--prepare`: videos become data sets, train and test of different videos, and every omission is told."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from films import encode
from PIL import Image

from genie_core.data.dataset import VideoDataset
from genie_core.data.prepare import plan
from genie_core.data.prepare import run as run_module
from genie_core.data.prepare import work as work_module
from genie_core.data.prepare.assemble import Piece, split, without_copies
from genie_core.data.prepare.cuts import CutFinder
from genie_core.data.prepare.duplicates import Scenes, copies, hashes
from genie_core.data.prepare.find import Video, find_videos
from genie_core.data.prepare.look import look
from genie_core.data.prepare.pool import Processes
from genie_core.data.prepare.run import prepare
from genie_core.data.prepare.sift import Scene, Sieve, Sifted
from genie_core.data.prepare.work import Prepared, Task, part_frames, prepare_video
from genie_core.errors import ConfigError, DataError, PictureError
from genie_core.video import Picture
from genie_core.video.source import Part

ROOT = Path(__file__).parents[1]
FILES = ROOT / "tests" / "data" / "videos"
SIZE = (16, 16)


def scenery(count: int, seed: int = 0, size: tuple[int, int] = (48, 64), speed: int = 2) -> np.ndarray:
    """uint8 (count, H, W, 3) of a camera that moves over a picture of squares, as platform games show."""
    rng = np.random.default_rng(seed)
    squares = rng.integers(0, 255, (size[0] // 8, (size[1] + speed * count) // 8 + 1, 3), np.uint8)
    wide = squares.repeat(8, 0).repeat(8, 1)
    return np.stack([wide[:, speed * i : speed * i + size[1]] for i in range(count)])


def sift(frames: np.ndarray, fps: float = 15) -> tuple[Sifted, np.ndarray]:
    kept: list[np.ndarray] = []
    sieve = Sieve(fps, kept.append)
    for i, frame in enumerate(frames):
        sieve.add(frame, i / fps, True)
    return sieve.close(), np.concatenate(kept) if kept else frames[:0]


def frames_of(found: Sifted) -> int:
    return sum(scene.length for scene in found.scenes)


def cuts(frames: np.ndarray) -> list[int]:
    finder = CutFinder()
    return [i for i, frame in enumerate(frames) if finder.is_cut(frame)]


@pytest.mark.parametrize("speed", [1, 3, 6])
def test_a_cut_is_told_from_a_fast_camera_and_from_standing_still(speed: int) -> None:
    runs = [scenery(30, 0, speed=speed), scenery(1, 0).repeat(10, 0), scenery(30, 7, speed=speed)]
    assert cuts(np.concatenate([runs[0], runs[2]])) == [30]
    assert cuts(runs[0]) == [] and 40 in cuts(np.concatenate([runs[0], runs[1], runs[2]]))


def test_a_still_second_is_kept_and_the_rest_left_out() -> None:
    film = scenery(80)
    move, after = film[:40], film[39:]
    found, kept = sift(np.concatenate([move, move[-1:].repeat(100, 0), after]))
    first, second = found.scenes
    assert (first.length, second.length) == (40 + 15, 1 + 40) and second.start_s == pytest.approx(140 / 15, abs=0.01)
    assert (found.still, found.idle, found.short, found.cuts) == (100 + 1 - 15 - 1, 15, 0, 0)
    assert found.still + frames_of(found) == 40 + 100 + 41 and np.array_equal(kept[-41:], after)


def test_small_things_that_move_are_no_stillness() -> None:
    frames = np.zeros((60, 32, 32, 3), np.uint8)
    frames[np.arange(60), 5, np.arange(60) // 2] = 200
    found, _ = sift(frames)
    assert found.still == 0 and frames_of(found) == 60


def test_short_scenes_are_left_out_and_counted() -> None:
    found, kept = sift(np.concatenate([scenery(10, 1), scenery(50, 2), scenery(12, 3)]))
    assert [scene.length for scene in found.scenes] == [50] and found.short == 22 and found.cuts == 2
    assert np.array_equal(kept, scenery(50, 2))


def test_long_scenes_come_in_pieces_and_whole() -> None:
    frames = scenery(700)
    found, kept = sift(frames)
    assert frames_of(found) == 700 and np.array_equal(kept, frames)


def as_scenes(*films: np.ndarray) -> Scenes:
    lengths = np.array([len(film) for film in films])
    return Scenes(lengths, np.concatenate([hashes(film) for film in films]), lambda i, at, n: films[i][at : at + n])


@pytest.mark.parametrize("hard", [False, True])
def test_what_was_shown_before_is_found_in_another_encoding(hard: bool) -> None:
    """Hard edges, as of tiles, come out softer and a little aside."""
    film = scenery(200, 1)
    film = np.where(film > 128, 220, 30).astype(np.uint8) if hard else film
    noise = np.random.default_rng(0).integers(-3, 4, film.shape)
    aside = 0.75 * film + 0.25 * np.roll(film, 1, axis=2) if hard else film
    again = (aside + noise).clip(0, 255).astype(np.uint8)
    other = scenery(60, 2)
    found = copies(as_scenes(film, np.concatenate([other, again[50:120], scenery(60, 3)])), 15)
    assert set(found) == {-1, 0}
    places = np.flatnonzero(found == 0)
    assert 255 <= places[0] <= 262 and places[-1] == 200 + 60 + 69 and len(places) == places[-1] - places[0] + 1


def test_standing_still_and_playing_alike_is_no_copy() -> None:
    """A ball flies over the same ground each time, on another way."""
    ground = scenery(1)[0].repeat(1, 0)
    films = []
    for way in range(4):
        film = np.stack([ground] * 100)
        for i in range(100):
            film[i, (i * (way + 1) // 3) % 44 : (i * (way + 1) // 3) % 44 + 4, i % 60 : i % 60 + 4] = 255
        films.append(film)
    still = np.stack([ground] * 100)
    assert (copies(as_scenes(*films, still, still), 15) < 0).all()
    found = copies(as_scenes(*films, films[2]), 15)
    assert (found[:400] < 0).all() and (found[400:] == 2).mean() > 0.9


def a_part(folder: Path, frames: np.ndarray) -> Piece:
    folder.mkdir()
    (folder / "frames.bin").write_bytes(frames.tobytes())
    np.save(folder / "hashes.npy", hashes(frames))
    return Piece(folder.name, folder, 0, Scene(len(frames), 0.0, len(frames) / 15), len(frames))


def test_what_is_left_of_a_copied_video_goes_where_its_original_goes(tmp_path: Path) -> None:
    """The dim end of the copy is not recognised: in the test, it would show what was learnt."""
    film, dim = scenery(200, 1), scenery(200, 1) // 2
    every = [film, scenery(400, 2), np.concatenate([film[:140], dim[140:]]), scenery(300, 3)]
    pieces = [a_part(tmp_path / f"{number}", frames) for number, frames in enumerate(every)]
    videos, copied, short = without_copies(pieces, (48, 64), 15)
    assert [[piece.name for piece in video] for video in videos] == [["0", "2"], ["1"], ["3"]]
    assert 130 <= copied <= 140 and total(videos[0]) + copied == 400 and short == 0
    train, test = split(videos)
    assert {"0", "2"} <= {piece.name for piece in train} or {piece.name for piece in test} == {"0", "2"}


def test_black_bars_are_found_and_dark_scenes_are_not(tmp_path: Path) -> None:
    film = np.zeros((30, 64, 96, 3), np.uint8)
    film[:, 8:-8, 12:-12] = scenery(30, size=(48, 72)) // 2 + 60
    assert look(str(encode(tmp_path / "bars.mp4", film))).inside == (8, 12, 48, 72)
    dark = np.zeros((30, 64, 96, 3), np.uint8)
    dark[:, 20:40, 30:60] = 200
    dark[-1] = 90
    assert look(str(encode(tmp_path / "night.mp4", dark))).inside == (0, 0, 64, 96)


def a_video(count: int, number: int, first: int = 0) -> list[Piece]:
    return [Piece(f"v{number}", Path(f"{number}"), first, Scene(count, 0.0, count / 15), count)]


def total(pieces: list[Piece]) -> int:
    return sum(piece.scene.length for piece in pieces)


@pytest.mark.parametrize("lengths", [[100] * 20, [1000, 50, 60, 70, 900], [5000, 100], [300] * 5])
def test_test_videos_are_about_a_tenth_and_no_train_videos(lengths: list[int]) -> None:
    train, test = split([a_video(length, i) for i, length in enumerate(lengths)])
    assert total(train) + total(test) == sum(lengths) and 0 < total(test) <= 0.25 * sum(lengths)
    assert not {piece.name for piece in train} & {piece.name for piece in test}


@pytest.mark.parametrize("lengths", [[1000], [1000, 1100]])
def test_a_tenth_of_the_longest_is_the_test_where_videos_are_few(lengths: list[int]) -> None:
    train, test = split([a_video(length, i) for i, length in enumerate(lengths)])
    assert total(test) == pytest.approx(0.1 * sum(lengths), abs=2) and total(train) + total(test) == sum(lengths)
    assert test[0].first == train[-1].first + train[-1].scene.length
    assert test[0].scene.start_s == pytest.approx(train[-1].scene.end_s)


def test_videos_are_found_once_in_files_folders_and_patterns(tmp_path: Path) -> None:
    (tmp_path / "films" / "more").mkdir(parents=True)
    (tmp_path / "pictures").mkdir()
    for name in ("films/a.mp4", "films/more/b.mkv", "films/.hidden.mp4", "films/cover.jpg", "films/empty.mp4"):
        (tmp_path / name).write_bytes(b"" if "empty" in name else name.encode())
    shutil.copy(tmp_path / "films/a.mp4", tmp_path / "films/copy.mp4")
    for i in range(3):
        (tmp_path / "pictures" / f"{i}.png").write_bytes(b"x")
    found = find_videos([tmp_path / "films", f"{tmp_path}/films/*.mp4", tmp_path / "pictures"])
    assert [Path(video.name).name for video in found.videos] == ["a.mp4", "b.mkv", "pictures"]
    left_out = {Path(name).name: why for name, why in found.left_out}
    assert "copy of" in left_out["copy.mp4"] and "empty" in left_out["empty.mp4"]
    with pytest.raises(DataError, match=r"there is no video .*nothing"):
        find_videos([tmp_path / "nothing*.mp4"])


def die(task: int) -> int:
    if task == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return task * task


@pytest.mark.slow
def test_a_decoder_that_crashes_loses_its_own_video_only() -> None:
    with Processes() as processes:
        results = dict(processes.map(die, list(range(12)), lambda task: -1, lambda done_s: None))
    assert results == {i: -1 if i == 5 else i * i for i in range(12)}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Footage as people have it: formats of all kinds, a phone held upright, rubbish among it."""
    folder = tmp_path_factory.mktemp("films")
    encode(folder / "long.mp4", np.concatenate([scenery(150, 1), scenery(150, 2)]), 30)
    encode(folder / "second.mkv", scenery(120, 3))
    encode(folder / "other-copy.mkv", scenery(120, 3), crf="18")
    encode(folder / "third.webm", scenery(90, 4), codec="libvpx-vp9", **{"deadline": "realtime", "cpu-used": "8"})
    (folder / "numbered").mkdir()
    for i, frame in enumerate(scenery(30, 5)):
        Image.fromarray(frame).save(folder / "numbered" / f"{i}.png")
    shutil.copy(FILES / "ramp-half-downloaded.mp4", folder)
    (folder / "notes.txt").write_text("no video")
    (folder / "empty.mp4").touch()
    return folder


@pytest.fixture(scope="module")
def prepared(films: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("out") / "set"
    return out, prepare([films], out, quiet=True)


@pytest.mark.slow
def test_videos_become_two_data_sets(prepared: tuple[Path, str], films: Path) -> None:
    out, summary = prepared
    train, test = VideoDataset(out), VideoDataset(out, part="test")
    assert train.info.frame_size == (64, 88) and train.info.fps == 15  # the shape of most: 4 to 3
    assert len(train) + len(test) == 75 + 75 + 120 + 90 + 30 and len(train.episodes) + len(test.episodes) == 5
    told = [*train.provenance, *test.provenance]
    assert {Path(each["video"]).name for each in told} == {"long.mp4", "other-copy.mkv", "third.webm", "numbered"}
    assert not {each["video"] for each in train.provenance} & {each["video"] for each in test.provenance}
    assert (
        "left out: 8 s that an earlier place shows" in summary
        and "scene cuts" in summary
        and "warning: 0.4 minutes are little" in summary
    )
    for name in ("notes.txt", "empty.mp4", "ramp-half-downloaded.mp4"):
        assert f"{films / name}: it " in summary
    assert sorted(path.name for path in out.iterdir()) == ["contact-sheet.png", "report.json", "test", "train"]
    assert Image.open(out / "contact-sheet.png").size[0] > 500


@pytest.mark.slow
def test_what_is_learnt_is_what_the_video_shows(prepared: tuple[Path, str]) -> None:
    dataset = VideoDataset(prepared[0])
    place = next(i for i, each in enumerate(dataset.provenance) if each["video"].endswith("copy.mkv"))
    first, length = dataset.episodes[place, :2]
    assert (dataset.provenance[place]["start_s"], dataset.provenance[place]["end_s"]) == (0.0, 8.0)
    wanted = scenery(120, 3)[::20, 4:-4:8, 4:-4:8]
    shown = np.stack([dataset.clip(int(first) + i, 1)[0] for i in range(0, int(length), 20)])
    scaled = np.stack([np.array(Image.fromarray(frame).resize((64, 48), Image.Resampling.BOX)) for frame in shown])
    assert np.abs(scaled[:, 4:-4:8, 4:-4:8].astype(int) - wanted).mean() < 25


@pytest.mark.slow
def test_the_report_counts_everything(prepared: tuple[Path, str]) -> None:
    told = json.loads((prepared[0] / "report.json").read_text())
    assert told["frames"]["train"] + told["frames"]["test"] == 390 and told["cuts"] == 1
    assert len(told["refused"]) == 3 and len(told["videos"]) == 5
    long = next(video for video in told["videos"] if video["video"].endswith("long.mp4"))
    assert long["scenes"] == [[0.0, 5.0], [5.0, 10.0]] and long["seconds"] == 10


def test_a_second_run_into_the_same_folder_is_refused(prepared: tuple[Path, str], films: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds a finished data set; choose another --out"):
        prepare([films], prepared[0], quiet=True)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(DataError, match="holds something else"):
        prepare([films], tmp_path, quiet=True)


@pytest.mark.slow
def test_killed_and_run_again_it_goes_on(films: Path, prepared: tuple[Path, str], tmp_path: Path) -> None:
    """Killed once the first video is done. A second process meanwhile is refused; the result is the same in the end."""
    out = tmp_path / "set"
    command = [sys.executable, "launch.py", "--prepare", str(films), "--out", str(out), "--quiet"]
    first = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    parts = out / ".preparing" / "parts"
    until(lambda: (out / ".preparing" / "begun.json").exists())
    with pytest.raises(DataError, match="is being prepared by another process"):
        prepare([films], out, quiet=True)
    until(lambda: any(parts.glob("*/part.json")))
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    kept = list(parts.glob("*/part.json"))
    assert kept and not (out / "report.json").exists()
    assert prepare([films], out, quiet=True).splitlines()[1:] == prepared[1].splitlines()[1:]
    for name in ("train", "test"):
        mine, other = VideoDataset(out / name), VideoDataset(prepared[0] / name)
        assert np.array_equal(mine.episodes, other.episodes) and mine.provenance == other.provenance
        assert [shard.sha256 for shard in mine.info.shards] == [shard.sha256 for shard in other.info.shards]


def until(true: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def a_task(films: Path, folder: Path) -> Task:
    return Task(str(films / "second.mkv"), Part(0, 0, 48, 64), SIZE, 15.0, str(folder))


def test_a_part_that_is_done_is_not_done_again(films: Path, tmp_path: Path) -> None:
    task = a_task(films, tmp_path / "part")
    done = prepare_video(task)
    before = (tmp_path / "part" / "part.json").stat().st_mtime_ns
    assert prepare_video(task) == done and (tmp_path / "part" / "part.json").stat().st_mtime_ns == before


def test_two_that_do_the_same_part_at_once_make_one(films: Path, tmp_path: Path) -> None:
    """A cluster does a task again if it loses sight of the machine that was at it."""
    task = a_task(films, tmp_path / "part")
    other: list[Prepared] = []
    mine = prepare_video(task, lambda seconds: other.append(prepare_video(task)) if not other else None)
    assert other == [mine] and [path.name for path in tmp_path.iterdir()] == ["part"]


def test_a_long_video_is_done_in_stretches_none_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = scenery(300, 9)
    encode(tmp_path / "long.mkv", film, g="20")
    seen = look(str(tmp_path / "long.mkv"))
    monkeypatch.setattr(plan, "STRETCH_S", 6.0)
    video = Video("long", str(tmp_path / "long.mkv"), "")
    tasks = plan.Plan([video], [seen], (48, 64), 15.0).tasks(0, tmp_path)
    parts = [prepare_video(task) for task in tasks]
    frames = [part_frames(Path(task.folder), (48, 64), part.frames) for task, part in zip(tasks, parts, strict=True)]
    assert len(frames) == 3 and sum(map(len, frames)) == 300 and min(map(len, frames)) >= 99
    assert np.abs(np.concatenate(frames).astype(int) - film).mean() < 12
    assert [round(part.scenes[0].start_s, 1) for part in parts] == [0.0, 6.7, 13.3]
    assert not any(part.account.warnings(15) for part in parts)


@pytest.mark.slow
def test_a_stretch_that_cannot_be_read_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails for a moment must not cost ten minutes of a film without a word."""
    encode(tmp_path / "long.mkv", scenery(300, 9), g="20")
    monkeypatch.setattr(plan, "STRETCH_S", 6.0)
    monkeypatch.setattr(run_module, "Processes", Here)
    frames, failing = work_module._frame, [True]

    def read(picture: Picture, task: Task) -> np.ndarray:
        if failing[0] and 6 < task.start_s < 10:
            raise PictureError(f"{task.path} cannot be read as a video: Input/output error; copy it again")
        return frames(picture, task)

    monkeypatch.setattr(work_module, "_frame", read)
    task = a_task(tmp_path, tmp_path / "part")._replace(path=str(tmp_path / "long.mkv"), start_s=6.7, end_s=13.3)
    assert prepare_video(task).refused == "Input/output error"
    failing[0] = False
    assert prepare_video(task).frames == 99
    failing[0] = True
    summary = prepare([tmp_path / "long.mkv"], tmp_path / "out", quiet=True)
    assert re.search(r"not used: \S+long.mkv, 6.\d* s to 13.\d* s: Input/output error", summary)
    told = json.loads((tmp_path / "out" / "report.json").read_text())
    assert "Input/output error" in told["refused"][0]["why"] and len(told["videos"]) == 1


class Here:
    """Maps in this process."""

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, work: Any, tasks: Any, crashed: Any, told: Any) -> Any:
        return ((index, work(task)) for index, task in enumerate(tasks))


def test_a_size_too_small_to_tell_scenes_by_is_refused_before_anything_is_begun(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="frame_size is 4x64, expected 8x8 or more"):
        prepare([FILES], tmp_path / "out", (4, 64), quiet=True)
    assert not (tmp_path / "out").exists()


def test_what_is_left_of_the_work_does_not_open_a_finished_set(
    prepared: tuple[Path, str], films: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(prepared[0], tmp_path / "set")
    (out / ".preparing").mkdir()  # which a system would not remove
    with pytest.raises(DataError, match="holds a finished data set"):
        prepare([films], out, quiet=True)
    assert len(VideoDataset(out)) == len(VideoDataset(prepared[0]))


def test_a_full_disk_is_told_and_nothing_of_it_counts(films: Path, tmp_path: Path) -> None:
    """The system itself refuses: no file of this process may grow beyond 20 kB."""
    code = (
        "import resource, signal, sys\n"
        "sys.path.insert(0, 'tests')\n"
        "from pathlib import Path\n"
        "from test_prepare import a_task, prepare_video\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        f"prepare_video(a_task(Path({str(films)!r}), Path({str(tmp_path / 'part')!r})))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "WriteError" in ended.stderr and "what is done stays done" in ended.stderr
    assert not (tmp_path / "part" / "part.json").exists()
    assert prepare_video(a_task(films, tmp_path / "part")).frames == 120


def test_a_film_that_vanished_is_prepared_once_it_is_back(tmp_path: Path) -> None:
    """A disk that was unplugged half way; to remember "there is no file" would leave its films out for good."""
    film = tmp_path / "second.mkv"
    encode(tmp_path / "unplugged.mkv", scenery(60, 3))
    for work in (lambda: look(str(film)), lambda: prepare_video(a_task(tmp_path, tmp_path / "part"))):
        with pytest.raises(DataError, match=r"second\.mkv is no longer there; put it back"):
            work()
    assert not list(tmp_path.glob("*part*"))
    (tmp_path / "unplugged.mkv").rename(film)
    assert prepare_video(a_task(tmp_path, tmp_path / "part")).frames == 60


@pytest.mark.parametrize("name", ["audio.mkv", "empty.mp4", "notes.mp4"])
@pytest.mark.slow
def test_no_video_at_all_is_told(name: str, tmp_path: Path) -> None:
    if name == "audio.mkv":
        sound(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(b"" if name == "empty.mp4" else b"To whom it may concern")
    with pytest.raises(DataError, match="there is no video to learn from.*" + name):
        prepare([tmp_path / name], tmp_path / "out", quiet=True)


def sound(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
