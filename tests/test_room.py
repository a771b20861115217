"""A data set that no reader would take is never written: bounds are told before hours of work, or end it whole."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from genie_core.data import DatasetWriter, VideoDataset
from genie_core.data.environments.record import record_environment
from genie_core.data.prepare.assemble import Piece, fitting
from genie_core.data.prepare.run import prepare
from genie_core.data.prepare.sift import Scene
from genie_core.data.room import FullError, Room
from genie_core.errors import DataError
from genie_core.limits import DATASET_EPISODES, DATASET_FRAMES, DESCRIPTION_BYTES


def filled(frames: int, episodes: int = 1, size: tuple[int, int] = (8, 8)) -> Room:
    room = Room({}, size, 1000)
    room.frames, room.episodes = frames, episodes
    return room


@pytest.mark.parametrize(
    ("room", "frames", "origin", "words"),
    [
        (filled(DATASET_FRAMES - 5), 5, {}, None),
        (filled(DATASET_FRAMES - 5), 6, {}, "33,554,433 frames, at most 33,554,432"),
        (filled(9, DATASET_EPISODES - 1), 5, {}, None),
        (filled(9, DATASET_EPISODES), 5, {}, "4,194,305 episodes, at most 4,194,304"),
        (Room({}, (4096, 4096), 1), 2**16, {}, "bytes of dataset.json, at most 16,777,216"),
    ],
)
def test_each_bound_of_a_reader_is_one_of_the_writer(room: Room, frames: int, origin: dict, words: str | None) -> None:
    why = room.lacks(frames, origin)
    assert why is None if words is None else why and words in why


def test_what_a_data_set_takes_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genie_core.data.room.PROVENANCE_BYTES", 400)
    room = Room({}, (8, 8), 1000)
    for _ in range(3):
        assert room.lacks(5, {"video": "x" * 100}) is None
        room.take(5, {"video": "x" * 100})
    assert (room.frames, room.episodes) == (15, 3)
    assert room.lacks(5, {"video": "x" * 100}) == "463 bytes of provenance.json, at most 400"


def test_what_does_not_fit_at_all_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="frames of 8x4097 are too large"):
        DatasetWriter(tmp_path, source={}, frame_size=(4097, 8))
    with pytest.raises(DataError, match="source takes"):
        DatasetWriter(tmp_path, source={"words": "x" * DESCRIPTION_BYTES}, frame_size=(8, 8))


def test_the_room_of_a_shard_is_what_its_description_takes(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path, source={"game": "noise"}, frame_size=(8, 8), shard_bytes=192) as writer:
        for _ in range(20):
            writer.add_episode(np.zeros((2, 8, 8, 3), np.uint8))
    size = (tmp_path / "dataset.json").stat().st_size
    told = Room({"game": "noise"}, (8, 8), 1)
    assert size <= told._told + 40 * 256, "the writer's estimate is an upper bound"


def write_twice(out: Path, frames: np.ndarray) -> None:
    with DatasetWriter(out, source={}, frame_size=(8, 8)) as writer:
        for _ in range(2):
            writer.add_episode(frames)


def test_a_full_data_set_is_whole_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genie_core.data.room.DATASET_FRAMES", 12)
    out, frames = tmp_path / "set", np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
    words = "is full with 9 frames in 1 episodes: one more would give 18 frames, at most 12; write the others to"
    with pytest.raises(FullError, match=words):
        write_twice(out, frames)
    assert np.array_equal(VideoDataset(out).clip(0, 9), frames)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_hours_that_no_data_set_holds_are_refused_before_they_are_recorded(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--frames 33554433 gives 33,554,433 frames, at most 33,554,432 in one data"):
        record_environment(tmp_path / "set", "tiny_environments:Shades-v0", DATASET_FRAMES + 1, progress=False)
    assert not list(tmp_path.iterdir())


def test_hours_of_video_that_no_data_set_holds_are_refused_before_they_are_read(tmp_path: Path) -> None:
    film, out = tmp_path / "long.mkv", tmp_path / "set"
    with av.open(film, "w") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        for hour in (0, 700):
            for packet in stream.encode(av.VideoFrame(32, 32, "yuvj420p")):
                packet.pts = packet.dts = hour * 3600
                container.mux(packet)
    with pytest.raises(DataError, match=r"700 hours of video at 15 a second gives 37,8.*, at most 33,554,432"):
        prepare([film], out, fps=15, quiet=True)
    assert not out.exists()


def test_scenes_that_a_data_set_has_no_room_for_are_left_out_and_counted() -> None:
    lengths = [2**24, 2**24 - 5, 9, 100]
    pieces = [Piece("a.mp4", Path(), 0, Scene(length, 0.0, 1.0), length) for length in lengths]
    kept, beyond = fitting(pieces, (8, 8))
    assert (kept, beyond) == (pieces[:2], 109)
    assert fitting(pieces[:2], (8, 8)) == (pieces[:2], 0)
    assert fitting([], (8, 8)) == ([], 0)
