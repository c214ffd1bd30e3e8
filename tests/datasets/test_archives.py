"""Datasets in archives: read as if they were unpacked, within limits and only below the cache folder."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_fer2013 import IMAGES, LABELS, csv_rows, write_folder

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig, archives, find, find_all, load
from fer_bench.datasets.registry import available

CSV = ("\n".join(["emotion,pixels,Usage", *csv_rows()]) + "\n").encode()


def zipped(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


MEMBERS = {"fer2013/fer2013.csv": CSV, "fer2013/README": b"made up", "__MACOSX/fer2013/._fer2013.csv": b"\0"}


@pytest.fixture
def put(data_config):
    """Return a function that writes a file into the data folder."""

    def put(name: str, content: bytes) -> Path:
        path = data_config.data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return put


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("fer2013.tar", tarred(MEMBERS)),
        ("fer2013.csv", tarred(MEMBERS)),
        ("fer2013", tarred(MEMBERS)),
        ("fer2013.tar.gz", tarred(MEMBERS, "w:gz")),
        ("FER2013.TGZ", tarred(MEMBERS, "w:gz")),
        ("fer2013.zip", tarred(MEMBERS, "w:xz")),
        ("archive.zip", zipped(MEMBERS)),
        ("icml_face_data.csv", zipped({"icml_face_data.csv": CSV})),
        ("fer2013.csv.gz", gzip.compress(CSV)),
        ("fer2013.csv", gzip.compress(CSV)),
        ("fer2013.gz", gzip.compress(CSV)),
        ("fer2013.csv.bz2", bz2.compress(CSV)),
        ("deep/below/fer2013.csv.xz", lzma.compress(CSV)),
        ("challenges.zip", zipped({"fer2013.tar.gz": tarred(MEMBERS, "w:gz"), "readme.md": b""})),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("as_data_dir", [False, True], ids=["in the folder", "named itself"])
def test_a_table_in_an_archive_is_read(data_config, put, name, content, as_data_dir):
    path = put(name, content)
    config = replace(data_config, data_dir=path) if as_data_dir else data_config
    data = load("fer2013", config)
    assert np.array_equal(data.images, IMAGES) and data.labels.tolist() == LABELS.tolist()
    assert list(find_all(config)) == ["fer2013", "synthetic", "synthetic_sequences"]
    source = find("fer2013", config)
    assert source and archives.origin(source).endswith(str(path))


def test_images_in_an_archive_are_read(data_config, put, tmp_path):
    root = write_folder(tmp_path / "images")
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.png")}
    put("archive.zip", zipped(files))
    assert np.array_equal(load("fer2013", data_config).images, IMAGES)


def test_a_dataset_in_several_archives(data_config, put):
    from test_ferplus import HEADER, NAMES, SPLIT, USAGES, VOTES

    rows = [",".join([USAGES[s], n, *map(str, v)]) for s, n, v in zip(SPLIT, NAMES, VOTES, strict=True)]
    put("fer2013.tar.gz", tarred(MEMBERS, "w:gz"))
    put("FERPlus-master.zip", zipped({"FERPlus-master/fer2013new.csv": "\n".join([HEADER, *rows]).encode()}))
    assert len(load("ferplus", data_config)) == 25


def test_an_archive_of_images_beside_the_label_file(data_config, put):
    from test_rafdb import write_labels

    path = write_labels(data_config)
    expected = load("rafdb", data_config)
    aligned = path.parent.parent / "Image" / "aligned"
    files = {f"aligned/{file.name}": file.read_bytes() for file in aligned.iterdir()}
    for file in aligned.iterdir():
        file.unlink()
    aligned.rmdir()
    aligned.with_suffix(".zip").write_bytes(zipped(files))
    assert load("rafdb", data_config).fingerprint == expected.fingerprint


def test_an_archive_is_unpacked_once_and_again_when_it_changes(data_config, put):
    path = put("fer2013.zip", zipped(MEMBERS))
    first = load("fer2013", data_config)
    unpacked = find("fer2013", data_config)
    assert unpacked
    before = unpacked.stat().st_ino
    assert find("fer2013", data_config) == unpacked and unpacked.stat().st_ino == before
    put("fer2013.zip", zipped({"fer2013.csv": CSV.replace(b"\n0,", b"\n1,", 1)}))
    os.utime(path, (1, 1))
    assert load("fer2013", data_config).fingerprint != first.fingerprint
    assert len(list(unpacked.parents[2].iterdir())) == 1


def test_listing_unpacks_nothing(data_config, put):
    put("fer2013.zip", zipped(MEMBERS))
    assert find("fer2013", data_config, unpack=False) is None and not data_config.cache_dir.exists()
    assert available("fer2013", data_config)
    assert find("fer2013", data_config, unpack=False)


def link(kind: bytes) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        info = tarfile.TarInfo("fer2013.csv")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped({"../fer2013.csv": CSV}), "leads out"),
        (zipped({"/fer2013.csv": CSV}), "leads out"),
        (zipped({"a\\..\\..\\fer2013.csv": CSV}), "leads out"),
        (zipped({"C:/fer2013.csv": CSV}), "leads out"),
        (tarred({"a/../../fer2013.csv": CSV}), "leads out"),
        (link(tarfile.SYMTYPE), "link"),
        (link(tarfile.LNKTYPE), "link"),
        (link(tarfile.FIFOTYPE), "no regular file"),
        (zipped(MEMBERS)[:-40], "damaged"),
        (tarred(MEMBERS, "w:gz")[:-40], "damaged"),
        (tarred(MEMBERS)[:20_000], "damaged"),
        (tarred({"a": bytes(1024), "fer2013.csv": CSV})[:1536], "damaged"),
        (gzip.compress(CSV)[:-4], "damaged"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(100), "7-Zip"),
        (b"Rar!\x1a\x07\1\0" + bytes(100), "RAR"),
        (b"<html>Sign in</html>", "HTML page"),
    ],
)
def test_what_cannot_be_unpacked_is_named_and_nothing_remains(data_config, load_error, put, content, words):
    path = put("fer2013.zip", content)
    message = load_error("fer2013")
    assert words in message and str(path) in message
    outside = [file for file in data_config.cache_dir.parent.rglob("*") if file.is_file() and file != path]
    assert {file.name for file in outside} <= {archives.LOCK}


def test_limits(data_config, load_error, put, monkeypatch):
    put("fer2013.zip", zipped({"fer2013.csv": bytes(2**20)}))
    monkeypatch.setattr(archives, "MIN_LIMIT_BYTES", 2**19)
    assert "larger than" in load_error("fer2013")
    put("fer2013.zip", zipped({"fer2013.csv": CSV, "other.csv": b""}))
    monkeypatch.setattr(archives, "MIN_LIMIT_BYTES", 2**30)
    monkeypatch.setattr(archives, "MAX_FILES", 1)
    assert "more than 1 file" in load_error("fer2013")


def test_a_file_as_the_data_folder(tmp_path):
    config = DataConfig(tmp_path / "mine.csv", tmp_path / "cache")
    config.data_dir.write_bytes(CSV)
    (tmp_path / "icml_face_data.csv").write_bytes(b"")
    assert list(find_all(config)) == ["fer2013", "synthetic", "synthetic_sequences"]
    assert np.array_equal(load("fer2013", config).images, IMAGES)
    config.data_dir.write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(UserError, match="HTML page"):
        load("fer2013", config)
