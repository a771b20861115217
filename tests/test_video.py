"""The one reader of videos: frames at a pace and a size, from what cameras, phones and browsers make.

Files called ramp are films of 30 grey levels: frame i has the grey 8·i.
"""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from films import encode
from PIL import Image

from app.media.write import save_frames
from genie_core.errors import PictureError
from genie_core.video import at_pace, is_animated, open_video, read_video, shown

SMALL = (16, 16)
FILES = Path(__file__).parent / "data" / "videos"
RED, GREEN, BLUE, WHITE, GREY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (128, 128, 128)


def greys(count: int, side: int = 32) -> np.ndarray:
    """uint8 (count, side, side, 3), each frame a little brighter than the one before."""
    return np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None] * 8, (count, side, side, 3)).copy()


def write(path: Path, frames: np.ndarray, fps: float) -> Path:
    save_frames(path, frames, np.zeros(len(frames) - 1, np.int64), fps, ["stay"])
    return path


def levels(frames: np.ndarray) -> list[int]:
    """Which frame of a ramp each is."""
    return [round(float(frame.mean()) / 8) for frame in frames]


def shades(path: Path, fps: float = 15, **options: int) -> list[int]:
    return levels(read_video(path, SMALL, fps, **options).frames)


def near(pixel: np.ndarray, colour: tuple[int, int, int], within: int = 6) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() <= within)


@pytest.mark.parametrize(
    "name", ["ramp-15fps.mp4", "ramp-15fps.gif", "ramp-15fps-in-25fps.mp4", "ramp-25fps.m2v", "ramp-no-times.h264"]
)
def test_no_frame_is_lost_or_doubled(name: str) -> None:
    film = read_video(FILES / name, SMALL, 15)
    assert levels(film.frames) == list(range(30)) and not film.warnings


@pytest.mark.parametrize(  # GIF has no 60 frames a second
    ("suffix", "fps"), [("mp4", 30), ("mp4", 60), ("mkv", 30), ("mkv", 60), ("gif", 30)]
)
def test_every_second_or_fourth_frame_is_taken_evenly(tmp_path: Path, fps: int, suffix: str) -> None:
    """Matroska rounds times to a millisecond and GIF to ten, so that the middle of a step lies now before, now after
    the edge of a frame."""
    frames = greys(30).repeat(fps // 15, axis=0)
    path = tmp_path / f"v.{suffix}"
    write(path, frames, fps) if suffix == "gif" else encode(path, frames, fps)
    assert shades(path) == list(range(30))


def test_a_clock_that_starts_anew_goes_on() -> None:
    film = read_video(FILES / "ramp-twice.ts", SMALL, 15)
    assert levels(film.frames) == 2 * list(range(30))
    assert film.warnings == ("the video's clock starts anew once; the parts were put end to end",)


def test_times_of_every_kind_give_one_clock(tmp_path: Path) -> None:
    """Variable frame rate: half of the frames are shown twice as long."""
    with av.open(str(tmp_path / "v.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height = stream.width = 32
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, 1000)
        at = 0
        for i, frame in enumerate(greys(30)):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = at, Fraction(1, 1000)
            container.mux(stream.encode(picture))
            at += 200 if i % 2 else 100
        container.mux(stream.encode())
    assert shades(tmp_path / "v.mkv", 10)[:9] == [0, 1, 1, 2, 3, 3, 4, 5, 5]


def test_browsers_show_frames_without_a_delay_for_100_ms() -> None:
    assert len(shades(FILES / "ramp-delay-0.gif")) == 45
    assert shades(FILES / "ramp-delay-0.gif", 10) == list(range(30))


@pytest.mark.parametrize("name", ["ramp-10fps.mp4", "ramp-delay-0.gif"])
def test_a_slower_video_is_told(name: str) -> None:
    (warning,) = read_video(FILES / name, SMALL, 15).warnings
    assert "10 frames a second, not 15" in warning
    assert not read_video(FILES / name, SMALL, 10).warnings


def test_a_phone_s_video_stands_upright() -> None:
    frame = read_video(FILES / "quarters-phone-portrait.mp4", (64, 64), 15).frames[0]
    corners = frame[4, 4], frame[4, -4], frame[-4, 4], frame[-4, -4]
    assert all(near(*each) for each in zip(corners, (RED, GREEN, BLUE, WHITE), strict=True))


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_part_of_a_turned_picture_is_the_part_that_is_seen(tmp_path: Path, turns: int, mirrored: bool) -> None:
    """All eight ways to hold a camera, of a picture that is not square."""
    right = np.random.default_rng(0).integers(0, 255, (3, 4, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    lying = np.rot90(right, -turns)
    lying = lying[:, ::-1] if mirrored else lying
    path = encode(tmp_path / "v.mp4", np.stack([lying] * 3), crf="1")
    with_display(path, 90 * turns, mirrored)
    with open_video(path) as video:
        picture = next(video.frames()).picture
        whole, part = picture.rgb(), picture.rgb((16, 32, 32, 16), (4, 2))
    assert whole.shape == right.shape and np.abs(whole.astype(int) - right).mean() < 8
    assert np.abs(part.astype(int) - right[16:48, 32:48][4::8, 4::8]).mean() < 8


def with_display(path: Path, degrees: int, mirrored: bool) -> None:
    """Writes into the header of an MP4 how its picture is to be turned to the left, after it was mirrored."""
    data, angle = bytearray(path.read_bytes()), np.deg2rad(-degrees)
    a, b, c, d = (round(65536 * x) for x in (np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)))
    a, b = (-a, -b) if mirrored else (a, b)
    values = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = values
    path.write_bytes(data)


def test_wide_pixels_are_shown_wide() -> None:
    frame = read_video(FILES / "band-anamorphic.mp4", (64, 64), 15).frames[0]
    assert (frame[:, 32, 0] > 150).sum() == 16


def test_what_is_clear_is_mid_grey() -> None:
    frames = read_video(FILES / "clear-background.gif", (64, 64), 15).frames
    assert near(frames[0, 0, 0], GREY) and near(frames[-1, -1, 0], GREY)


def test_clear_parts_of_a_video_are_mid_grey(tmp_path: Path) -> None:
    rgba = np.zeros((3, 32, 32, 4), np.uint8)
    rgba[:, :16] = (255, 0, 0, 255)
    with av.open(str(tmp_path / "v.mov"), "w") as container:
        stream = container.add_stream("qtrle", rate=15)
        stream.height = stream.width = 32
        stream.pix_fmt = "argb"
        for frame in rgba:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgba").reformat(format="argb")))
        container.mux(stream.encode())
    frame = read_video(tmp_path / "v.mov", SMALL, 15).frames[0]
    assert near(frame[2, 2], RED) and near(frame[-2, 2], GREY)


@pytest.mark.parametrize("form", ["yuv420p10le", "yuv444p", "yuv422p"])
def test_frames_of_every_depth_are_read(tmp_path: Path, form: str) -> None:
    assert shades(encode(tmp_path / "v.mkv", greys(20), pix_fmt=form)) == list(range(20))


def test_tagged_colours_come_out_as_they_were_meant(tmp_path: Path) -> None:
    """HD video is tagged BT.709, whose reds are not those of BT.601."""
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=15)
        stream.height = stream.width = 32
        stream.pix_fmt, stream.codec_context.colorspace = "yuv420p", 1
        picture = av.VideoFrame.from_ndarray(np.full((32, 32, 3), (200, 40, 60), np.uint8), format="rgb24")
        container.mux(stream.encode(picture.reformat(format="yuv420p", dst_colorspace=1)))
        container.mux(stream.encode())
    assert near(read_video(tmp_path / "v.mp4", SMALL, 15).frames[0, 5, 5], (200, 40, 60), 5)


def test_odd_sizes_are_read(tmp_path: Path) -> None:
    frames = np.full((3, 31, 47, 3), 90, np.uint8)
    assert read_video(encode(tmp_path / "v.mkv", frames, codec="ffv1", pix_fmt="bgr0"), (31, 47), 15).frames.shape[
        1:
    ] == (
        *(31, 47),
        3,
    )


def test_a_film_cut_short_gives_its_whole_frames(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (60, 64, 64, 3), np.uint8)
    ramp = (np.arange(60, dtype=np.uint8) * 3)[:, None, None, None]
    whole = encode(tmp_path / "v.mp4", noise + ramp).read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    every = read_video(tmp_path / "v.mp4", (64, 64), 15).frames
    film = read_video(tmp_path / "half.mp4", (64, 64), 15)
    assert 15 < len(film.frames) < 45 and np.array_equal(film.frames, every[: len(film.frames)])
    assert "cut short" in film.warnings[-1] and "of its 4.0 s" in film.warnings[-1]


def test_a_file_whose_first_frame_is_cut_holds_none() -> None:
    with pytest.raises(PictureError, match="no whole frame"):
        read_video(FILES / "ramp-half-downloaded.mp4", SMALL, 15)


def test_damage_in_the_middle_leaves_out_what_hangs_on_it(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (60, 64, 64, 3), np.uint8)
    ramp = (np.arange(60, dtype=np.uint8) * 3)[:, None, None, None]
    path = encode(tmp_path / "v.mp4", noise + ramp, g="10", bf="0")
    every = read_video(path, (64, 64), 15).frames
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = np.random.default_rng(1).bytes(300)
    path.write_bytes(data)
    film = read_video(path, (64, 64), 15)
    kept = [int(np.abs(every.astype(int) - frame).mean((1, 2, 3)).argmin()) for frame in film.frames]
    assert 40 <= len(kept) < 60 and kept == sorted(set(kept)) and kept[0] == 0 and kept[-1] == 59
    assert any("damaged in one place" in warning for warning in film.warnings)


def test_a_long_video_is_never_cut_without_a_word() -> None:
    film = read_video(FILES / "ramp-15fps.mp4", SMALL, 15, most_frames=15)
    assert len(film.frames) == 15 and film.warnings == (
        "only the first 1 s of 2 s were read; cut the video to choose another part",
    )


def test_memory_does_not_grow_with_the_video() -> None:
    """No more than one picture is held: each is converted when it is asked for."""
    with open_video(FILES / "ramp-15fps.mp4") as video:
        steps = at_pace(shown(video), 15)
        first = next(steps)
        assert levels(np.stack([step.picture.rgb() for step in steps])) == list(range(1, 30))
        assert first.picture.rgb().shape == (64, 64, 3) and video.account.frames == 30


def test_a_name_like_an_address_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(FILES / "ramp-15fps.mp4", tmp_path / "2026-01-01T12:30:00.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(shades(Path("2026-01-01T12:30:00.mp4"))) == 30


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    for name in ("playlist-names-another-file.m3u8", "ramp-twice.ts"):
        shutil.copy(FILES / name, tmp_path)
    playlist = tmp_path / "playlist-names-another-file.m3u8"
    for name in (playlist.name, "film.mp4", "film.ts"):
        path = playlist.rename(tmp_path / name) if name != playlist.name else playlist
        with pytest.raises(PictureError, match="no format that is read here"):
            read_video(path, SMALL, 15)
        playlist = path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("quarters-camera-mpf-exif6.jpg", False),
        ("animated-1.bin", False),
        ("animated-2.bin", False),
        ("half-floats.dds", False),
        ("damaged-no-item.avif", False),
        ("ramp-15fps.gif", True),
        ("ramp-10fps.mp4", True),
    ],
)
def test_what_moves_is_told_from_pictures_and_rubbish(name: str, expected: bool) -> None:
    assert is_animated(FILES / name) is expected


def test_numbered_pictures_are_a_film(tmp_path: Path) -> None:
    for i, frame in enumerate(greys(12)):
        Image.fromarray(frame).save(tmp_path / f"frame{i}.png")  # frame10 comes after frame9
    (tmp_path / "frame5.png").write_bytes(b"broken")
    film = read_video(tmp_path, SMALL, 15)
    assert levels(film.frames) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert "damaged in one place" in film.warnings[0]


@pytest.mark.parametrize("suffix", ["webp", "png"])
def test_animated_pictures_are_read(tmp_path: Path, suffix: str) -> None:
    first, *rest = map(Image.fromarray, greys(10))
    options = {"lossless": True} if suffix == "webp" else {}
    first.save(tmp_path / f"v.{suffix}", save_all=True, append_images=rest, duration=100, **options)
    assert shades(tmp_path / f"v.{suffix}", 10) == list(range(10))


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
def test_frames_come_at_the_pace_of_the_world(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"v.{suffix}", greys(20), 10)
    assert shades(path, 10) == list(range(20))
    assert shades(path, 5) == list(range(1, 20, 2))
    assert shades(path, 20)[:6] == [0, 0, 1, 1, 2, 2]
    assert shades(path, 10, most_frames=4) == [0, 1, 2, 3]
    assert read_video(path, SMALL, 10).frames.shape == (20, 16, 16, 3)


def test_frames_are_fitted(tmp_path: Path) -> None:
    frames = np.zeros((3, 32, 64, 3), np.uint8)
    frames[:, :, :16] = 255
    path = write(tmp_path / "v.mp4", frames, 10)
    assert np.array_equal(read_video(path, (16, 32), 10).frames[0, :, 16] < 10, np.ones((16, 3), bool))
    assert read_video(path, (16, 32), 10).frames.shape == (3, 16, 32, 3)
    assert read_video(path, (32, 32), 10).frames.mean() < 10
    assert read_video(path, (32, 32), 10, "stretch").frames.mean() > 10


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
            assert read_video(tmp_path / "v.mp4", SMALL, 10).frames.shape[1:] == (16, 16, 3)
        except PictureError:
            continue


def test_a_still_picture_is_a_video_of_one_frame(tmp_path: Path) -> None:
    Image.fromarray(greys(3)[2]).save(tmp_path / "p.png")
    assert shades(tmp_path / "p.png", 10) == [2]
