"""Reading image files: all formats become gray, and unreadable files are named."""

import io
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig
from fer_bench.datasets.images import read_gray, read_images, skipped_note

RAMP = np.add.outer(np.arange(0, 240, 5), np.arange(0, 16, 1 / 3)).astype(np.uint8)  # 48×48


def noise(size: int = 48, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8)


def write(path: Path, pixels: np.ndarray) -> Path:
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def palette_tiff(path: Path, pixels: np.ndarray) -> Path:
    """An uncompressed TIFF with 8-bit indices into a palette: a gray ramp from white to black."""
    height, width = pixels.shape
    ramp = (255 - np.arange(256)) * 257
    entries = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),  # no compression
        (262, 3, 1, 3),  # a palette
        (273, 4, 1, 8),  # offset of the pixels
        (277, 3, 1, 1),
        (278, 3, 1, height),
        (279, 4, 1, height * width),
        (320, 3, 768, 8 + height * width),  # offset of the palette
    ]
    directory = 8 + height * width + 3 * 512
    with path.open("wb") as file:
        file.write(b"II*\0" + directory.to_bytes(4, "little"))
        file.write((255 - pixels).tobytes())
        file.write(np.tile(ramp, 3).astype("<u2").tobytes())
        file.write(len(entries).to_bytes(2, "little"))
        for tag, kind, count, value in entries:
            file.write(tag.to_bytes(2, "little") + kind.to_bytes(2, "little"))
            file.write(count.to_bytes(4, "little") + value.to_bytes(4, "little"))
        file.write(bytes(4))
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".pgm"])
def test_gray_pixels_are_unchanged(tmp_path, suffix):
    read = read_images([write(tmp_path / f"a{suffix}", noise())], None, DataConfig())
    assert np.array_equal(read.pixels, noise()[None]) and read.pixels.dtype == np.uint8
    assert read.indices.tolist() == [0] and read.indices.dtype == np.int64 and read.skipped == []


def test_palette_images(tmp_path):
    assert np.array_equal(read_images([palette_tiff(tmp_path / "a.tiff", RAMP)], None, DataConfig()).pixels[0], RAMP)


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("color.png", np.dstack([RAMP] * 3)),
        ("alpha.png", np.dstack([RAMP, RAMP, RAMP, noise()])),
        ("deep.png", RAMP.astype(np.uint16) * 257),
        ("deep.tiff", RAMP.astype(np.uint16) * 257),
        ("color.jpg", np.dstack([RAMP] * 3)),
        ("gray.jpg", RAMP),
    ],
)
def test_other_formats_give_the_same_gray(tmp_path, name, pixels):
    read = read_images([write(tmp_path / name, pixels)], None, DataConfig()).pixels[0]
    assert np.abs(read.astype(int) - RAMP).max() <= (4 if name.endswith("jpg") else 1)


def encode(kind: str, mode: str = "RGB", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([RAMP] * 3)).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.gif", encode("GIF")),
        ("a.avif", encode("AVIF", quality=100)),
        ("a.jp2", encode("JPEG2000")),
        ("a.ppm", encode("PPM")),
        ("a.jfif", encode("JPEG")),
        ("a.tga", encode("TGA")),
        ("a.pcx", encode("PCX")),
        ("a.qoi", encode("QOI")),
        ("cmyk.jpg", encode("JPEG", "CMYK")),
        ("really_webp.jpg", encode("WEBP")),
        ("a", encode("PNG")),
        ("int32.tiff", encode("TIFF", "I")),
        ("float.tiff", encode("TIFF", "F")),
    ],
)
def test_formats_that_browsers_and_phones_save(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    read = read_images([tmp_path / name], None, DataConfig()).pixels[0]
    assert np.abs(read.astype(int) - RAMP).max() <= 6


def test_fractions_are_scaled(tmp_path):
    Image.fromarray(RAMP.astype(np.float32) / 255).save(tmp_path / "a.tiff")
    assert read_images([tmp_path / "a.tiff"], None, DataConfig()).pixels[0].tolist() == RAMP.tolist()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "AVIF"])
def test_images_are_upright(tmp_path, kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # the orientation of a phone that was held upright
    (tmp_path / "a").write_bytes(encode(kind, exif=exif, quality=100))
    read = read_images([tmp_path / "a"], None, DataConfig()).pixels[0]
    assert np.abs(read.astype(int) - np.rot90(RAMP, -1)).max() <= 6


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.fromarray(pixels) for pixels in (RAMP, 255 - RAMP)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    read = read_images([tmp_path / "a.gif"], None, DataConfig()).pixels[0]
    assert np.abs(read.astype(int) - RAMP).max() <= 1


def test_heic_names_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))
    assert "pillow-heif" in error([tmp_path / "a.heic"])


def test_downloads_that_are_no_images(tmp_path):
    (tmp_path / "a.png").write_text("<!DOCTYPE html><title>Sign in</title>")
    (tmp_path / "b.png").write_text("version https://git-lfs.github.com/spec/v1")
    message = error([tmp_path / "a.png", tmp_path / "b.png"])
    assert "an HTML page" in message and "a Git LFS pointer" in message


@pytest.mark.parametrize("kind", ["GIF", "AVIF", "JPEG2000", "TGA", "PCX", "QOI", "WEBP"])
def test_truncated_files_of_other_formats(tmp_path, kind):
    content = encode(kind)
    (tmp_path / f"a.{kind.lower()}").write_bytes(content[: len(content) // 2])
    assert "cannot be read" in error([tmp_path / f"a.{kind.lower()}"])


def test_weights_of_colors(tmp_path):
    blue, green, red = (np.zeros((8, 8, 3), np.uint8) for _ in range(3))
    for channel, pixels in enumerate((blue, green, red)):
        pixels[..., channel] = 255
    paths = [write(tmp_path / f"{index}.png", pixels) for index, pixels in enumerate((blue, green, red))]
    assert read_images(paths, None, DataConfig()).pixels[:, 0, 0].tolist() == pytest.approx([29, 150, 76], abs=1)


def test_non_ascii_names(tmp_path):
    assert len(read_images([write(tmp_path / "笑顔 ünï.png", noise())], None, DataConfig()).pixels) == 1


def test_order_and_progress(tmp_path):
    paths = [write(tmp_path / f"{index:03d}.png", noise(8, index)) for index in range(300)][::-1]
    seen = []
    read = read_images(paths, None, DataConfig(progress=lambda *step: seen.append(step)), "faces")
    assert all(np.array_equal(pixels, noise(8, 299 - index)) for index, pixels in enumerate(read.pixels))
    assert seen[-1] == ("reading faces", 300, 300) and [done for _, done, _ in seen] == sorted(d for _, d, _ in seen)


def test_images_are_resized(tmp_path):
    small, large = (
        write(tmp_path / "small.png", noise(20)),
        write(tmp_path / "large.png", np.full((96, 96), 9, np.uint8)),
    )
    read = read_images([small, large], 48, DataConfig())
    assert read.pixels.shape == (2, 48, 48) and (read.pixels[1] == 9).all()


def test_reduction_averages_areas(tmp_path):
    board = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (48, 48))
    assert np.abs(read_images([write(tmp_path / "a.png", board)], 48, DataConfig()).pixels.astype(int) - 127).max() <= 1


def test_rectangular_images_are_stretched_or_cropped(tmp_path):
    wide = np.zeros((48, 96), np.uint8)
    wide[:, 24:72] = 200
    path = write(tmp_path / "wide.png", wide)
    assert (read_images([path], 48, DataConfig(), center_crop=True).pixels == 200).all()
    stretched = read_images([path], 48, DataConfig()).pixels[0]
    assert (stretched[:, 12:36] == 200).all() and (stretched[:, :12] == 0).all()


def error(paths, **options) -> str:
    with pytest.raises(UserError) as raised:
        read_images(paths, None, DataConfig(**options))
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")
    return str(raised.value)


def test_different_sizes(tmp_path):
    paths = [write(tmp_path / "a.png", noise(48)), write(tmp_path / "b.png", noise(50))]
    message = error(paths)
    assert "a.png is 48×48" in message and "b.png is 50×50" in message
    assert "40×30" in error([write(tmp_path / "wide.png", np.zeros((30, 40), np.uint8))])


@pytest.fixture
def broken(tmp_path):
    """Five files that cannot be read for different reasons, and a valid one between them."""
    whole = {suffix: cv2.imencode(suffix, noise())[1].tobytes() for suffix in (".png", ".jpg")}
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no image")
    write(tmp_path / "valid.png", noise())
    (tmp_path / "cut.png").write_bytes(whole[".png"][:-200])
    (tmp_path / "cut.jpg").write_bytes(whole[".jpg"][: len(whole[".jpg"]) // 2])
    names = ("empty.png", "text.png", "valid.png", "cut.png", "cut.jpg", "missing.png")
    return [tmp_path / name for name in names]


def test_unreadable_files_are_counted_and_the_first_are_named(broken):
    message = error(broken)
    assert message.startswith("5 of 6 images cannot be read: ") and "empty.png (0 bytes)" in message
    assert "text.png" in message and "cut.png" in message and "valid.png" not in message and "and 2 more." in message
    assert "truncated" in error([broken[4]]) and "No such file" in error([broken[5]])


def test_unreadable_files_are_skipped(broken):
    read = read_images(broken, 48, DataConfig(skip_invalid=True))
    assert read.indices.tolist() == [2] and np.array_equal(read.pixels, noise()[None])
    assert [path.name for path, _ in read.skipped] == [path.name for path in broken if path.name != "valid.png"]
    (note,) = skipped_note(read.skipped)
    assert note.startswith("5 files were skipped: ") and str(broken[0].parent.parent) not in note


def test_only_unreadable_files(broken):
    assert "2 of 2" in error(broken[:2], skip_invalid=True)


def test_no_files():
    assert read_images([], 48, DataConfig()).pixels.shape == (0, 48, 48) and skipped_note([]) == ()


def test_opencv_prints_nothing(broken, capfd):
    read_images(broken, 48, DataConfig(skip_invalid=True))
    assert capfd.readouterr() == ("", "")


def test_damaged_png_is_never_read(data_config):
    path, rng = data_config.data_dir / "a.png", np.random.default_rng(0)
    content = cv2.imencode(".png", rng.integers(0, 256, (48, 48), np.uint8))[1].tobytes()
    for place in (*range(16, 29), *rng.integers(41, len(content) - 12, 20)):  # the header, then the pixels
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        assert isinstance(read_gray(path), str)
