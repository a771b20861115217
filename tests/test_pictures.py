"""Any picture file becomes a prompt, or is refused in one sentence."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from genie_core.errors import PictureError
from genie_core.pictures import fit, load_picture, match_palette, palette_of

CASES = Path(__file__).parent / "data/pictures"
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters() -> Image.Image:
    """32x16 pixels: red and green above blue and white."""
    picture = Image.new("RGB", (32, 16))
    for corner, colour in zip([(0, 0), (16, 0), (0, 8), (16, 8)], [RED, GREEN, BLUE, WHITE], strict=True):
        picture.paste(colour, (*corner, corner[0] + 16, corner[1] + 8))
    return picture


def corners(picture: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(picture[y, x].tolist()) for y in (0, -1) for x in (0, -1)]


def close(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return bool(np.abs(np.subtract(one, other)).max() <= 6)


@pytest.mark.parametrize("name", ["p.png", "p.jpg", "p.gif", "p.bmp", "p.webp", "p.tiff", "p.ppm", "p.tga"])
def test_formats(tmp_path: Path, name: str) -> None:
    quarters().save(tmp_path / name, quality=95)
    picture = load_picture(tmp_path / name)
    assert picture.dtype == np.uint8 and picture.shape == (16, 32, 3)
    assert all(map(close, corners(picture), [RED, GREEN, BLUE, WHITE]))


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    quarters().save(tmp_path / "really-a-png.jpg", "PNG")
    assert corners(load_picture(tmp_path / "really-a-png.jpg")) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("kind", ["jpg", "png", "tiff"])
def test_camera_rotation_is_applied(tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown a quarter turn clockwise
    quarters().save(tmp_path / f"p.{kind}", exif=exif, quality=95)
    picture = load_picture(tmp_path / f"p.{kind}")
    assert picture.shape == (32, 16, 3)
    assert all(map(close, corners(picture), [BLUE, RED, WHITE, GREEN]))


def transparent(mode: str) -> Image.Image:
    """4x4 pixels: the left half opaque white, the right half clear."""
    picture = Image.new("RGBA", (4, 4), (*WHITE, 255))
    picture.paste((255, 0, 0, 0), (2, 0, 4, 4))
    if mode != "P":
        return picture.convert(mode)
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([*RED, *WHITE])
    palette.paste(0, (2, 0, 4, 4))
    palette.info["transparency"] = 0
    return palette


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_shows_mid_grey(tmp_path: Path, mode: str) -> None:
    transparent(mode).save(tmp_path / "p.png")
    picture = load_picture(tmp_path / "p.png")
    assert picture[0, 0].tolist() == [255] * 3
    assert picture[0, 3].tolist() == [128] * 3


@pytest.mark.parametrize("mode", ["P", "L", "1", "CMYK"])
def test_other_colour_modes(tmp_path: Path, mode: str) -> None:
    quarters().convert(mode).save(tmp_path / "p.tiff")
    expected = np.asarray(quarters().convert(mode).convert("RGB"))
    assert np.array_equal(load_picture(tmp_path / "p.tiff"), expected)


def test_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    quarters().convert("CMYK").save(tmp_path / "p.jpg", quality=95)
    assert all(map(close, corners(load_picture(tmp_path / "p.jpg")), [RED, GREEN, BLUE, WHITE]))


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_sixteen_bit_greyscale_is_scaled(tmp_path: Path, kind: str) -> None:
    grey = np.array([[0, 257, 32896, 65535]], np.uint16)
    Image.fromarray(grey).save(tmp_path / f"p.{kind}")
    assert load_picture(tmp_path / f"p.{kind}")[0, :, 0].tolist() == [0, 1, 128, 255]


def test_sixteen_bit_colour_is_scaled(tmp_path: Path) -> None:
    """Pillow cannot write such a PNG, so this one is put together by hand."""
    row = b"\0" + struct.pack(">6H", 65535, 0, 0, 0x8080, 0x8080, 0x8080)
    (tmp_path / "p.png").write_bytes(png(2, 1, 16, 2, row))
    assert load_picture(tmp_path / "p.png").tolist() == [[[255, 0, 0], [128, 128, 128]]]


@pytest.mark.parametrize(("values", "expected"), [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 51.0, 255.0], [0, 51, 255])])
def test_floating_point_greyscale(tmp_path: Path, values: list[float], expected: list[int]) -> None:
    Image.fromarray(np.array([values], np.float32)).save(tmp_path / "p.tiff")
    assert load_picture(tmp_path / "p.tiff")[0, :, 0].tolist() == expected


@pytest.mark.parametrize("name", ["p.gif", "p.webp", "p.png"])
def test_animations_start_from_their_first_frame(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (GREEN, RED, BLUE)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
    assert tuple(load_picture(tmp_path / name)[4, 4].tolist()) == GREEN


@pytest.mark.parametrize(
    ("name", "top_left", "bottom_right"),
    [
        ("display-p3.jpg", (218, 67, 47), (218, 67, 47)),
        ("linear-light.png", (188, 137, 99), (188, 137, 99)),
        ("first-frame-part-of-canvas.gif", RED, (128, 128, 128)),
        ("red-green-alpha-unused.tga", RED, GREEN),
    ],
)
def test_colours_are_those_that_a_browser_shows(
    name: str, top_left: tuple[int, int, int], bottom_right: tuple[int, int, int]
) -> None:
    picture = load_picture(CASES / name)
    assert close(tuple(picture[0, 0].tolist()), top_left) and close(tuple(picture[-1, -1].tolist()), bottom_right)


LINEAR = Image.open(CASES / "linear-light.png").info["icc_profile"]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_profile_is_applied_in_every_mode(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGB", (4, 4), (128, 64, 32))
    picture = picture.quantize(2) if mode == "P" else picture.convert(mode)
    if mode == "RGBA":
        picture.paste((128, 64, 32, 0), (2, 0, 4, 4))
    picture.save(tmp_path / "p.png", icc_profile=LINEAR)
    shown = load_picture(tmp_path / "p.png")
    assert close(tuple(shown[0, 0].tolist()), (188, 137, 99))
    assert mode != "RGBA" or shown[0, 3].tolist() == [128] * 3, "what lies behind has no profile"


def test_the_gamma_of_a_png_is_applied(tmp_path: Path) -> None:
    told = PngInfo()
    told.add(b"gAMA", struct.pack(">I", 100_000))
    Image.new("RGB", (4, 4), (128, 64, 32)).save(tmp_path / "p.png", pnginfo=told)
    assert close(tuple(load_picture(tmp_path / "p.png")[0, 0].tolist()), (186, 136, 99))


def test_a_profile_of_srgb_changes_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(noise).save(tmp_path / "p.png", icc_profile=profile)
    assert np.array_equal(load_picture(tmp_path / "p.png"), noise)


def table_profile(points: int) -> bytes:
    """The profile of linear light with a tag more, which announces a table of points³ colours and brings none."""
    (count,) = struct.unpack_from(">I", LINEAR, 128)
    tag = b"mft2" + bytes(4) + bytes([3, 3, points, 0]) + bytes(40)
    at = len(LINEAR) + 12
    told = [struct.unpack_from(">4sII", LINEAR, 132 + 12 * i) for i in range(count)]
    tags = [(name, start + 12, size) for name, start, size in told] + [(b"A2B0", at, len(tag))]
    body = LINEAR[132 + 12 * count :] + tag
    head = struct.pack(">I", at + len(tag)) + LINEAR[4:128] + struct.pack(">I", count + 1)
    return head + b"".join(struct.pack(">4sII", *each) for each in tags) + body


@pytest.mark.parametrize("profile", [b"", b"junk" * 50, LINEAR[:200], table_profile(255)])
def test_a_profile_that_is_damaged_or_promises_too_much_is_left_out(tmp_path: Path, profile: bytes) -> None:
    Image.new("RGB", (4, 4), (128, 64, 32)).save(tmp_path / "p.png", icc_profile=profile)
    assert load_picture(tmp_path / "p.png")[0, 0].tolist() == [128, 64, 32]


def test_a_profile_of_other_colours_than_the_picture_is_left_out(tmp_path: Path) -> None:
    Image.new("L", (4, 4), 128).save(tmp_path / "p.png", icc_profile=LINEAR)
    assert load_picture(tmp_path / "p.png")[0, 0].tolist() == [128] * 3


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK"])
def test_a_large_picture_comes_at_a_reduced_scale(tmp_path: Path, mode: str) -> None:
    quarters().resize((3200, 1600), Image.Resampling.NEAREST).convert(mode).save(tmp_path / "p.tiff")
    picture = load_picture(tmp_path / "p.tiff")
    expected = np.asarray(quarters().convert(mode).convert("RGB"))
    assert picture.shape == (800, 1600, 3)
    assert all(map(close, corners(picture), corners(expected)))


@pytest.mark.slow
def test_a_photograph_of_54_megapixels(tmp_path: Path) -> None:
    Image.new("RGB", (9_000, 6_000), BLUE).save(tmp_path / "p.jpg")
    assert close(tuple(load_picture(tmp_path / "p.jpg")[10, 10].tolist()), BLUE)


def ppm(width: int, height: int) -> bytes:
    return f"P6 {width} {height} 255\n".encode() + bytes(100)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, kind: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def progressive_jpeg(width: int, height: int) -> bytes:
    saved = io.BytesIO()
    Image.new("RGB", (16, 16)).save(saved, "JPEG", progressive=True)
    before, after = saved.getvalue().split(b"\xff\xc2", 1)
    return before + b"\xff\xc2" + after[:3] + struct.pack(">HH", height, width) + after[7:]


def tiled_tiff(side: int, tile: int) -> bytes:
    tags = {256: side, 257: side, 258: 8, 259: 5, 262: 1, 277: 1, 322: tile, 323: tile, 324: 8, 325: 8}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def icns(inside: bytes) -> bytes:
    return b"icns" + struct.pack(">I4sI", 16 + len(inside), b"ic07", 8 + len(inside)) + inside


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (ppm(20_000, 10_000), "more pixels than are read"),
        (ppm(8_000, 8_000), "8000×8000 pixels; at most 34 million"),
        (ppm(70_000, 1), "65,535 along a side"),
        ((CASES / "tall-tiff.tiff").read_bytes(), "20×8388632 pixels"),
        (png(13_000, 13_000, 1, 0, b""), "13000×13000 pixels; at most 134 million"),
        (progressive_jpeg(5_000, 5_000), "5000×5000 pixels; at most 22 million"),
        (tiled_tiff(16, 65_536), "16×16 pixels"),
        (icns(png(7_000, 7_000, 8, 2, b"")), "7000×7000 pixels; at most 34 million"),
    ],
)
def test_beyond_the_largest(tmp_path: Path, content: bytes, words: str) -> None:
    """Only the header is needed for a refusal."""
    (tmp_path / "p").write_bytes(content)
    with pytest.raises(PictureError, match=words) as caught:
        load_picture(tmp_path / "p")
    assert "make it smaller" in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has devices among its files")
def test_a_device_is_no_picture() -> None:
    refused(Path("/dev/zero"), "no file but a device")


@pytest.mark.parametrize("name", ["eps-named-png.png", "endless-postscript.png"])
def test_nothing_that_runs_a_program(name: str) -> None:
    refused(CASES / name, "not a picture in a format known here")


def refused(path: Path, words: str) -> None:
    """The refusal is one line that names the file, what is wrong, and what to do next."""
    with pytest.raises(PictureError) as caught:
        load_picture(path)
    message = str(caught.value)
    assert words in message and str(path) in message and "\n" not in message
    assert "expected a picture" in message and "python launch.py --play" in message


def test_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.png", "there is no file")


def test_folder(tmp_path: Path) -> None:
    refused(tmp_path, "is a folder")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "p.png").touch()
    refused(tmp_path / "p.png", "is empty")


def test_text_called_png(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_text("not a picture at all\n" * 10)
    refused(tmp_path / "p.png", "not a picture in a format known here")


def test_name_that_no_disk_takes(tmp_path: Path) -> None:
    refused(tmp_path / ("p" * 5000), "cannot be read")


@pytest.mark.skipif(os.name != "posix", reason="only POSIX has files that their owner may not read")
def test_forbidden_file(tmp_path: Path) -> None:
    quarters().save(tmp_path / "p.png")
    (tmp_path / "p.png").chmod(0)
    user = os.geteuid()
    os.seteuid(user or 65534)  # root may read everything, so it is nobody for a moment
    try:
        refused(tmp_path / "p.png", "may not be read")
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("name", ["p.png", "p.jpg", "p.gif", "p.bmp", "p.webp"])
def test_truncated_files(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / name, "")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"])
def test_damaged_files_never_crash(tmp_path: Path, kind: str) -> None:
    """Bytes overwritten at random: either a picture or a PictureError comes of it."""
    path, random = tmp_path / "p", np.random.default_rng(0)
    quarters().save(path, kind)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(100):
        damaged = whole.copy()
        damaged[random.integers(0, len(whole), 5)] = random.integers(0, 256, 5)
        path.write_bytes(damaged.tobytes())
        with contextlib.suppress(PictureError):
            assert load_picture(path).dtype == np.uint8


def test_fit_leaves_a_frame_alone(prompt: np.ndarray) -> None:
    frame = fit(prompt, (64, 64))
    assert np.array_equal(frame, prompt)
    frame[:] = 0
    assert prompt.any(), "the result is the caller's own"


@pytest.mark.parametrize("times", [2, 3, 6, 10])
def test_fit_undoes_enlarging(times: int) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert np.array_equal(fit(frame.repeat(times, 0).repeat(times, 1), (64, 64)), frame)


def test_fit_enlarges_pixel_art_crisply(prompt: np.ndarray) -> None:
    assert np.array_equal(fit(prompt[::4, ::4], (64, 64)), prompt[::4, ::4].repeat(4, 0).repeat(4, 1))


def test_fit_keeps_the_middle() -> None:
    picture = np.zeros((30, 90, 3), np.uint8)
    picture[:, 30:60] = 200
    assert (fit(picture, (64, 64)) == 200).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 3), (63, 65), (1000, 7)])
def test_fit_takes_any_shape(shape: tuple[int, int]) -> None:
    frame = fit(np.full((*shape, 3), (10, 200, 30), np.uint8), (64, 64))
    assert frame.shape == (64, 64, 3) and frame.dtype == np.uint8
    assert (frame == (10, 200, 30)).all()


def test_fit_averages_when_it_shrinks() -> None:
    board = np.indices((640, 640)).sum(0) % 2 * 255
    assert np.abs(fit(np.stack([board.astype(np.uint8)] * 3, -1), (64, 64)).astype(int) - 127).max() <= 1


@pytest.mark.parametrize(
    "picture",
    [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3)), np.zeros((0, 8, 3), np.uint8)],
)
def test_fit_refuses_what_is_no_picture(picture: np.ndarray) -> None:
    with pytest.raises(PictureError, match="load_picture"):
        fit(picture, (64, 64))


def wide() -> np.ndarray:
    """Twice as wide as high: black, red in the middle, white at the right."""
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:, 8:24] = (200, 0, 0)
    picture[:, 24:] = 255
    return picture


def test_fits() -> None:
    crop, pad, stretch = (fit(wide(), (32, 32), how) for how in ("crop", "pad", "stretch"))
    assert (crop == (200, 0, 0)).all()
    assert np.array_equal(pad[8:24], wide()), "the whole picture is there"
    assert len(np.unique(pad[:8].reshape(-1, 3), axis=0)) == 1 and np.array_equal(pad[:8], pad[24:])
    assert np.array_equal(stretch[:, 0], stretch[::-1, 0])
    assert stretch[0, 0].max() < 9 and stretch[0, -1].min() > 246 and stretch[0, 16, 0] > 190
    with pytest.raises(PictureError, match="crop, pad, stretch, palette"):
        fit(wide(), (32, 32), "tile")


@pytest.mark.parametrize("how", ["crop", "pad", "stretch", "palette"])
@pytest.mark.parametrize("shape", [(64, 64), (1, 1), (1, 500), (200, 3), (63, 65)])
def test_every_fit_takes_any_shape_and_leaves_a_frame_alone(how: str, shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    fitted = fit(picture, (64, 64), how)
    assert fitted.shape == (64, 64, 3) and fitted.dtype == np.uint8
    assert np.array_equal(fit(fitted, (64, 64), how), fitted)


def test_palettes() -> None:
    palette = palette_of([wide(), wide()], 8)
    assert {tuple(colour) for colour in palette.tolist()} >= {(0, 0, 0), (200, 0, 0), (255, 255, 255)}
    odd = np.array([[[3, 1, 0], [210, 9, 4], [240, 250, 255]]], np.uint8)
    assert match_palette(odd, palette).tolist() == [[[0, 0, 0], [200, 0, 0], [255, 255, 255]]]
    assert fit(odd, (1, 1), "palette", palette).tolist() == [[[200, 0, 0]]]


@pytest.mark.parametrize("how", ["crop", "pad", "stretch", "palette"])
@pytest.mark.parametrize("size", [(90, 160), (64, 96), (20, 28), (3, 1)])
@pytest.mark.parametrize("shape", [(64, 64), (1, 500), (200, 3), (90, 160), (180, 320)])
def test_every_fit_makes_frames_of_any_shape(how: str, size: tuple[int, int], shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    fitted = fit(picture, size, how)
    assert fitted.shape == (*size, 3)
    assert np.array_equal(fit(fitted, size, how), fitted)


def test_a_frame_of_any_shape_is_undone_from_enlarging() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (18, 32, 3), dtype=np.uint8)
    for how in ("crop", "pad", "stretch"):
        assert np.array_equal(fit(frame.repeat(5, 0).repeat(5, 1), (18, 32), how), frame)
        assert np.array_equal(fit(frame, (36, 64), how), frame.repeat(2, 0).repeat(2, 1))


def test_crop_and_pad_keep_the_shape_of_what_they_show() -> None:
    """The red square of `wide` stays a square in frames of another shape."""
    for size, how, side in (((16, 64), "pad", 16), ((16, 64), "crop", 32), ((32, 32), "pad", 16), ((8, 16), "crop", 8)):
        red = (fit(wide(), size, how) == (200, 0, 0)).all(-1)
        assert (red.any(1).sum(), red.any(0).sum()) == (min(side, size[0]), side)


def test_a_thin_picture_is_padded_in_little_memory() -> None:
    thin = np.full((1, 60_000, 3), 200, np.uint8)
    assert (fit(thin, (64, 64), "pad") == 200).all()
