"""Videos read at a frame rate and a size."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from app.media.read import read_video
from app.media.write import save_frames
from genie_core.errors import PictureError

SMALL = (16, 16)


def greys(count: int, side: int = 32) -> np.ndarray:
    """uint8 (count, side, side, 3), each frame a little brighter than the one before."""
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None] * 8, (count, side, side, 3)).copy()


def write(path: Path, frames: np.ndarray, fps: float) -> Path:
    save_frames(path, frames, np.zeros(len(frames) - 1, np.int64), fps, ["stay"])
    return path


def shades(frames: np.ndarray) -> list[int]:
    return [round(float(frame.mean()) / 8) for frame in frames]


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
def test_frames_come_at_the_pace_of_the_world(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"v.{suffix}", greys(20), 10)
    assert shades(read_video(path, SMALL, 10)) == list(range(20))
    assert shades(read_video(path, SMALL, 5)) == list(range(0, 20, 2))
    assert shades(read_video(path, SMALL, 20))[:6] == [0, 0, 1, 1, 2, 2]
    assert shades(read_video(path, SMALL, 10, most_frames=4)) == [0, 1, 2, 3]
    assert read_video(path, SMALL, 10).shape == (20, 16, 16, 3)


def test_frames_are_fitted(tmp_path: Path) -> None:
    frames = np.zeros((3, 32, 64, 3), np.uint8)
    frames[:, :, :16] = 255
    path = write(tmp_path / "v.mp4", frames, 10)
    assert np.array_equal(read_video(path, (16, 32), 10)[0, :, 16] < 10, np.ones((16, 3), bool))
    assert read_video(path, (16, 32), 10).shape == (3, 16, 32, 3)
    assert read_video(path, (32, 32), 10).mean() < 10 < read_video(path, (32, 32), 10, "stretch").mean()


@pytest.mark.parametrize("content", [None, b"", b"no video", b"\x00\x00\x00\x20ftypisom" + bytes(100)])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "v.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PictureError, match=r"v\.mp4.*expected a video.*python launch\.py --play") as caught:
        read_video(path, SMALL, 10)
    assert "Err" not in str(caught.value)


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "v.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(PictureError, match="no pictures in it"):
        read_video(tmp_path / "v.mkv", SMALL, 10)


def test_damaged_videos_never_crash(tmp_path: Path) -> None:
    good = write(tmp_path / "good.mp4", greys(20), 10).read_bytes()
    rng = np.random.default_rng(0)
    for case in range(20):
        damaged = bytearray(good[: rng.integers(20, len(good))] if case % 2 else good)
        for at in rng.integers(len(damaged), size=20):
            damaged[at] = rng.integers(256)
        (tmp_path / "v.mp4").write_bytes(damaged)
        try:
            assert read_video(tmp_path / "v.mp4", SMALL, 10).shape[1:] == (16, 16, 3)
        except PictureError:
            continue


def test_a_still_picture_is_a_video_of_one_frame(tmp_path: Path) -> None:
    Image.fromarray(greys(3)[2]).save(tmp_path / "p.png")
    assert shades(read_video(tmp_path / "p.png", SMALL, 10)) == [2]
