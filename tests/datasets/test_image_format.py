"""Which files are images, by their suffix or their first bytes."""

import io

import numpy as np
import pytest
from PIL import Image

from fer_bench.datasets.image_format import is_image_file

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)


def encode(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "JPEG2000", "PPM", "SGI", "PCX"])
@pytest.mark.parametrize("name", ["IMG_0001", "photo.dat"])
def test_content_decides_without_a_suffix(tmp_path, kind, name):
    (tmp_path / name).write_bytes(encode(kind))
    assert is_image_file(tmp_path / name)


@pytest.mark.parametrize("name", ["photo.png.bak", "photo.jpg.part", "photo.png~", "._photo.png", ".photo.png"])
def test_backups_and_hidden_files_are_no_images(tmp_path, name):
    (tmp_path / name).write_bytes(encode("PNG"))
    assert not is_image_file(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", b"P5 is the name of a person"),
        ("cars.txt", b"BMW, Audi and other cars that are long enough"),
        ("anim.gif", b"GIF89a"),
        ("IMG_1.HEIC", b"not read"),
        ("film.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0"),
        ("empty", b""),
    ],
)
def test_other_files_are_no_images(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert not is_image_file(tmp_path / name)


def test_a_usual_suffix_promises_an_image(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert is_image_file(tmp_path / "empty.jpg") and not is_image_file(tmp_path / "missing")
