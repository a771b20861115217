"""Recordings, read back by the libraries that others would read them with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import ACTIONS
from PIL import Image

from app.media.write import RecordingError, check_target, gif_durations_ms, save_frames

NAMES = [action.name for action in ACTIONS]


@pytest.fixture
def frames(prompt: np.ndarray) -> np.ndarray:
    """uint8 (10, 64, 64, 3): the prompt moving to the left."""
    return np.stack([np.roll(prompt, -3 * i, axis=1) for i in range(10)])


@pytest.fixture
def taken() -> np.ndarray:
    return np.array([0, 0, 1, 2, 3, 4, 5, 6, 7], np.int64)


def mean_difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("fps", [15, 29.97, 7.5])
def test_mp4(tmp_path: Path, frames: np.ndarray, taken: np.ndarray, fps: float) -> None:
    save_frames(tmp_path / "p.mp4", frames, taken, fps, NAMES)
    with av.open(str(tmp_path / "p.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        assert float(stream.average_rate) == pytest.approx(fps, rel=1e-3)
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert float(Fraction(stream.duration) * stream.time_base) == pytest.approx(10 / fps, rel=1e-3)
    assert len(pictures) == 10
    for picture, frame in zip(pictures, frames, strict=True):
        assert picture.shape == (384, 384, 3)
        assert mean_difference(picture[3::6, 3::6], frame) < 5


@pytest.mark.parametrize(("name", "bar"), [("p.mp4", True), ("p.gif", True), ("p.mp4", False)])
def test_what_takes_long_to_write_has_a_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, bar: bool
) -> None:
    monkeypatch.setattr("app.media.write.BAR_AFTER", 0)
    frames = np.zeros((5, 16, 16, 3), np.uint8)
    save_frames(tmp_path / name, frames, np.zeros(4, np.int64), 15, NAMES, bar=bar)
    assert ("writing: 100%" in capsys.readouterr().err) is bar


def test_frames_need_not_be_square(tmp_path: Path) -> None:
    """A video, a GIF and a sheet of 9 by 15 pixels, an odd size besides."""
    wide = np.random.default_rng(0).integers(0, 256, (3, 9, 15, 3), dtype=np.uint8)
    for suffix, size in {"mp4": (90, 54), "gif": (60, 36)}.items():
        save_frames(tmp_path / f"p.{suffix}", wide, np.zeros(2, np.int64), 15, NAMES)
        with av.open(str(tmp_path / f"p.{suffix}")) as container:
            assert (container.streams.video[0].width, container.streams.video[0].height) == size
    save_frames(tmp_path / "p.png", wide, np.zeros(2, np.int64), 15, NAMES)
    sheet = np.asarray(Image.open(tmp_path / "p.png").convert("RGB"))
    assert np.array_equal(sheet[24:42:2, 6:36:2], wide[0])


def test_gif(tmp_path: Path, frames: np.ndarray, taken: np.ndarray) -> None:
    save_frames(tmp_path / "p.gif", frames, taken, 15, NAMES)
    with Image.open(tmp_path / "p.gif") as gif:
        assert gif.n_frames == 10 and gif.size == (256, 256) and gif.info["loop"] == 0
        shown_ms = 0
        for index, frame in enumerate(frames):
            gif.seek(index)
            shown_ms += gif.info["duration"]
            picture = np.asarray(gif.convert("RGB"))
            assert np.array_equal(picture, picture[::4, ::4].repeat(4, 0).repeat(4, 1)), "enlarged crisply"
            assert mean_difference(picture[::4, ::4], frame) < 8
    assert shown_ms == 670


def test_gif_keeps_its_length_over_a_pause(tmp_path: Path, frames: np.ndarray) -> None:
    """Pillow joins frames that are alike; the time they are shown must add up."""
    still = frames[[0, 0, 0, 0, 1, 1]]
    save_frames(tmp_path / "p.gif", still, np.zeros(5, np.int64), 10, NAMES)
    with Image.open(tmp_path / "p.gif") as gif:
        shown_ms = 0
        for index in range(gif.n_frames):
            gif.seek(index)
            shown_ms += gif.info["duration"]
    assert shown_ms == 600


@pytest.mark.parametrize("fps", [60, 100, 250])
def test_a_fast_gif_has_the_length_of_the_play_in_browsers(tmp_path: Path, fps: float) -> None:
    """They show a frame of 10 ms for ten times as long."""
    frames = np.random.default_rng(0).integers(0, 256, (61, 8, 8, 3), dtype=np.uint8)
    save_frames(tmp_path / "p.gif", frames, np.zeros(60, np.int64), fps, NAMES)
    shown_ms = []
    with Image.open(tmp_path / "p.gif") as gif:
        for index in range(gif.n_frames):
            gif.seek(index)
            shown_ms.append(gif.info["duration"])
    assert min(shown_ms) >= 20 and sum(shown_ms) == pytest.approx(1000 * 61 / fps, abs=20)


def test_gif_keeps_rare_colours(tmp_path: Path) -> None:
    """A coin of four pixels, late, before thousands of other colours."""
    scenery = np.random.default_rng(0).integers([0, 0, 0], [200, 200, 255], (20, 64, 64, 3)).astype(np.uint8)
    scenery[17:, 30:32, 30:32] = (250, 40, 20)
    save_frames(tmp_path / "p.gif", scenery, np.zeros(19, np.int64), 15, NAMES)
    with Image.open(tmp_path / "p.gif") as gif:
        gif.seek(18)
        assert np.abs(np.subtract(gif.convert("RGB").getpixel((122, 122)), (250, 40, 20))).max() < 12


@pytest.mark.parametrize("fps", [15, 10, 24, 29.97, 50, 4])
def test_gif_durations_keep_the_pace(fps: float) -> None:
    durations = gif_durations_ms(300, fps)
    assert len(durations) == 300 and all(duration % 10 == 0 for duration in durations)
    assert max(durations) - min(durations) <= 10
    assert abs(sum(durations) - 300_000 / fps) <= 5


def test_contact_sheet_shows_the_frames(tmp_path: Path, frames: np.ndarray, taken: np.ndarray) -> None:
    save_frames(tmp_path / "p.png", frames, taken, 15, NAMES)
    sheet = np.asarray(Image.open(tmp_path / "p.png").convert("RGB"))
    for frame in frames:
        enlarged = frame.repeat(2, 0).repeat(2, 1)
        views = np.lib.stride_tricks.sliding_window_view(sheet, enlarged.shape)[..., 0, :, :, :]
        starts = (views[:, :, 0, :4] == enlarged[0, :4]).all((-1, -2))
        assert any(np.array_equal(views[y, x], enlarged) for y, x in np.argwhere(starts))


def test_contact_sheet_of_a_long_playthrough_stays_small(tmp_path: Path, frames: np.ndarray) -> None:
    save_frames(tmp_path / "p.png", np.tile(frames, (100, 1, 1, 1)), np.zeros(999, np.int64), 15, NAMES)
    with Image.open(tmp_path / "p.png") as sheet:
        assert max(sheet.size) < 2000


def test_npz_is_exact(tmp_path: Path, frames: np.ndarray, taken: np.ndarray) -> None:
    save_frames(tmp_path / "p.npz", frames, taken, 15, NAMES)
    with np.load(tmp_path / "p.npz", allow_pickle=False) as saved:
        assert sorted(saved) == ["actions", "frames"]
        assert saved["frames"].dtype == np.uint8 and np.array_equal(saved["frames"], frames)
        assert saved["actions"].dtype == np.int64 and np.array_equal(saved["actions"], taken)


@pytest.mark.parametrize("suffix", ["mp4", "gif", "png", "npz", "GIF"])
def test_only_the_recording_is_left(tmp_path: Path, frames: np.ndarray, suffix: str) -> None:
    for count in (1, 3):  # the second replaces the first
        save_frames(tmp_path / f"p.{suffix}", frames[:count], np.zeros(count - 1, np.int64), 15, NAMES)
    assert [path.name for path in tmp_path.iterdir()] == [f"p.{suffix}"]


@contextmanager
def full_disk(most_bytes: int = 200) -> Iterator[None]:
    """No file may grow beyond so many bytes: for the one call alone, or pytest's own report could not grow either."""
    resource = pytest.importorskip("resource", reason="only POSIX can limit the size of files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("suffix", ["mp4", "gif", "png", "npz"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, frames: np.ndarray, taken: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"p.{suffix}"
    path.write_bytes(b"the recording of yesterday")
    with full_disk(), pytest.raises(RecordingError, match="cannot be written"):
        save_frames(path, frames, taken, 15, NAMES)
    assert path.read_bytes() == b"the recording of yesterday"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["p.avi", "p", "p.mp4.txt", ".mp4"])
def test_unknown_suffixes_name_the_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordingError, match=r"\.mp4, \.gif, \.png, \.npz"):
        check_target(tmp_path / name)


def test_targets_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "folder.gif").mkdir()
    (tmp_path / "folder").mkdir()
    for folder in ("folder.gif", "folder"):
        with pytest.raises(RecordingError, match="is a folder; name a file inside it that ends in one of"):
            check_target(tmp_path / folder)
    with pytest.raises(RecordingError, match=r"no folder .*nowhere"):
        check_target(tmp_path / "nowhere" / "p.gif")
