"""Files are recognized by their first bytes, whatever their names."""

import io
import tarfile

import pytest

from fer_bench.core.file_kind import identify, identify_file, remedy


def tar(form: int) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=form) as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return content.getvalue()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_archives_of_every_format(form):
    kind = identify(tar(form))
    assert kind and kind.archive == "tar"
    old = bytearray(tar(tarfile.USTAR_FORMAT))
    old[257:265] = bytes(8)  # without the mark, as old programs write it
    checksum = sum(old[:148]) + sum(old[156:512]) + 8 * ord(" ")
    old[148:156] = b"%06o\0 " % checksum
    kind = identify(bytes(old))
    assert kind and kind.archive == "tar"


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS"),
        (b"\xef\xbb\xbf\n <!DOCTYPE HTML><html>", "HTML"),
        (b'{"code":403,"message":"Permission denied"}', "JSON"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "7-Zip"),
        (b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "Excel"),
    ],
)
def test_what_downloads_turn_out_to_be(head, words):
    kind = identify(head)
    assert kind and words in kind.name and not kind.archive


@pytest.mark.parametrize("head", [b"emotion,pixels\n", b"train_1.jpg 5\n", b"\0" * 600, bytes(range(256)) * 4])
def test_tables_and_unknown_contents_have_no_mark(head):
    assert identify(head) is None


def test_the_remedy_names_the_file(tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(b"Rar!\x1a\x07\1\0")
    kind = identify_file(path)
    assert kind and remedy(kind, path) == f"Unpack it: unrar x {path}."
    assert identify_file(tmp_path / "missing") is None
