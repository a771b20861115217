"""Videos made while one plays: in a thread of their own, whole fragment by fragment."""

from __future__ import annotations

import contextlib
from pathlib import Path

import av
import numpy as np
import pytest

from app.media.recorder import Background, VideoRecorder
from app.media.write import RecordingError


def noise(count: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def decoded(path: Path) -> list[np.ndarray]:
    """The frames of a video, as far as it is whole."""
    frames = []
    with av.open(str(path)) as container, contextlib.suppress(av.error.InvalidDataError):
        for frame in container.decode(video=0):
            frames.append(frame.to_ndarray(format="rgb24"))
    return frames


def test_every_frame_arrives_in_order(tmp_path: Path) -> None:
    recorder = VideoRecorder(tmp_path / "v.mp4", 15)
    shades = [np.full((64, 64, 3), 8 * step, np.uint8) for step in range(30)]
    for shade in shades:
        recorder.add(shade)
    assert recorder.close() == "saved v.mp4, 2.0 s"
    frames = decoded(tmp_path / "v.mp4")
    assert [round(float(frame.mean()) / 8) for frame in frames] == list(range(30))
    assert frames[0].shape == (384, 384, 3)
    with av.open(str(tmp_path / "v.mp4")) as container:
        assert float(container.streams.video[0].average_rate) == pytest.approx(15)


def test_a_window_of_odd_size_that_changes(tmp_path: Path) -> None:
    recorder = VideoRecorder(tmp_path / "v.mp4", 15)
    for shape in ((301, 403, 3), (100, 100, 3), (301, 403, 3), (401, 503, 3)):
        recorder.add(np.full(shape, 200, np.uint8))
    recorder.close()
    frames = decoded(tmp_path / "v.mp4")
    assert [frame.shape for frame in frames] == [(300, 402, 3)] * 4
    assert frames[1][20:80, 20:80].min() > 190 and frames[1][120:, 120:].max() < 10, "a smaller window is not lost"


def test_large_frames_that_wait_are_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.media.recorder.WAITING_BYTES", 3 * 64 * 64 * 3)
    monkeypatch.setattr(VideoRecorder, "_write", lambda self: None)
    recorder = VideoRecorder(tmp_path / "v.mp4", 15)
    for frame in noise(10):
        recorder.add(frame)
    assert (recorder.frames, recorder.left_out) == (3, 7)


def test_handing_over_never_waits_for_the_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.media.recorder.WAITING", 3)
    monkeypatch.setattr(VideoRecorder, "_write", lambda self: None)  # a disk that takes nothing in
    recorder = VideoRecorder(tmp_path / "v.mp4", 15)
    for frame in noise(10):
        recorder.add(frame)
    assert (recorder.frames, recorder.left_out) == (3, 7)
    assert "the disk was too slow, and 7 frames left out" in recorder.close()


def test_a_full_disk_is_told_and_loses_nothing_already_written(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="only POSIX can limit the size of files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    recorder = VideoRecorder(tmp_path / "v.mp4", 15)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, before[1]))
    try:
        for frame in noise(200):
            recorder.add(frame)
        with pytest.raises(RecordingError, match=r"v\.mp4 cannot be written on: .* up to here plays; make room"):
            recorder.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert 15 < len(decoded(tmp_path / "v.mp4")) < 200
    recorder.add(noise(1)[0])  # is not taken, and does no harm


def test_nothing_recorded_leaves_no_file(tmp_path: Path) -> None:
    VideoRecorder(tmp_path / "v.mp4", 15).close()
    assert not list(tmp_path.iterdir())


def test_jobs_are_done_in_order_and_told(tmp_path: Path) -> None:
    background = Background()
    done: list[int] = []

    def job(number: int) -> str:
        done.append(number)
        if number == 1:
            raise RecordingError("no room")
        return f"job {number}"

    for number in range(3):
        background.submit(lambda number=number: job(number))
    assert background.close() == [(True, "job 0"), (False, "no room"), (True, "job 2")]
    assert done == [0, 1, 2]
