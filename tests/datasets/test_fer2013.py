"""FER2013 from its csv file, and the messages for malformed files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_bench.datasets import DataConfig, available, find, load
from fer_bench.datasets.dataset import FER2013_CLASSES
from fer_bench.datasets.fer2013.csv_file import read_csv

USAGES = ("Training", "PublicTest", "PrivateTest")
HEADER = "emotion,pixels,Usage"
SIZE = 48 * 48


def text(values) -> str:
    return " ".join(map(str, values))


IMAGES = np.random.default_rng(0).integers(0, 256, (9, SIZE))
ROWS = [f"{index % 7},{text(IMAGES[index])},{USAGES[index % 3]}" for index in range(9)]
VALID = text(IMAGES[0])


def write(data_config, content: str | bytes, name: str = "fer2013.csv") -> Path:
    path = data_config.data_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_reads_images_labels_split_and_ids(data_config):
    write(data_config, "\n".join([HEADER, *ROWS]) + "\n")
    data = load("fer2013", data_config)
    assert data.images.dtype == np.uint8 and data.images.shape == (9, 48, 48)
    assert np.array_equal(data.images.reshape(9, -1), IMAGES)
    assert data.labels.dtype == np.int64 and data.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert data.split.tolist() == [0, 1, 2] * 3
    assert data.ids[0] == "fer2013-00000" and data.ids[8] == "fer2013-00008"
    assert data.classes == FER2013_CLASSES and data.subjects is None
    assert len(data.fingerprint) == 64


NAMES = ["Angry", "disgusted", "fear", "Happiness", "sad", "surprise", "3_neutral"]
QUOTED = [",".join([a, f'"{b}"', c]) for a, b, c in (row.split(",") for row in ROWS)]
REORDERED = [",".join([a, c, b]) for a, b, c in (row.split(",") for row in ROWS)]


@pytest.mark.parametrize(
    "content",
    [
        "\r\n".join([HEADER, *ROWS]) + "\r\n",
        "\n".join([HEADER, *ROWS]),
        "\ufeff" + "\n".join([HEADER, *ROWS]) + "\n",
        "\n".join(['"emotion","pixels","Usage"', *QUOTED]) + "\n",
        "\ufeff" + "\r\n".join([HEADER, *QUOTED]),
        "\n".join([HEADER, *ROWS, "", ""]),
        "\n".join(["emotion, Usage, pixels", *REORDERED]) + "\n",
        "\r".join([HEADER, *ROWS]) + "\r",
        "\n".join([HEADER, *ROWS]).replace(",", ";"),
        "\n".join([HEADER, *QUOTED]).replace(",", "\t"),
        ("\ufeff" + "\r\n".join([HEADER, *ROWS])).encode("utf-16-le"),
        "\n".join([HEADER, *QUOTED]).encode("utf-16"),
        "\n".join([HEADER, *ROWS]).encode("utf-16-be"),
        "\n".join([f",{HEADER}", *(f"{index},{row}" for index, row in enumerate(ROWS))]),
        "\n".join([HEADER, *(row[0] + ".0" + row[1:] for row in ROWS)]),
        "\n".join([HEADER, *(NAMES[int(row[0])] + row[1:] for row in ROWS)]),
    ],
    ids=[
        *("crlf", "no-last-newline", "bom", "quoted", "bom-crlf-quoted", "blank-lines", "column-order", "cr"),
        *("semicolons", "tabs", "utf-16-windows", "utf-16", "utf-16-without-mark", "index", "decimals", "names"),
    ],
)
def test_variants_of_the_layout_read_the_same(data_config, content):
    data = read_csv(write(data_config, content), data_config)
    assert np.array_equal(data.images.reshape(9, -1), IMAGES)
    assert data.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 1]
    assert data.split.tolist() == [0, 1, 2] * 3


@pytest.mark.parametrize("name", ["fer2013.csv", "fer2013/fer2013.csv", "a/b/c/fer2013.csv"])
def test_finds_the_file_at_any_depth(data_config, name):
    assert find("fer2013", data_config) is None and not available("fer2013", data_config)
    path = write(data_config, "", name)
    assert find("fer2013", data_config) == path and available("fer2013", data_config)


def test_prefers_the_shallowest_file_despite_circular_links(data_config):
    (data_config.data_dir / "a").mkdir()
    (data_config.data_dir / "a" / "circle").symlink_to(data_config.data_dir)
    assert find("fer2013", data_config) is None
    write(data_config, "", "a/b/fer2013.csv")
    path = write(data_config, "", "z/fer2013.csv")
    assert find("fer2013", data_config) == path


def test_missing_file_names_the_layouts_and_the_origin(data_config, load_error):
    (data_config.data_dir / "README.md").touch()
    assert f"{data_config.data_dir} is empty" in load_error("fer2013")
    (data_config.data_dir / "other.txt").touch()
    message = load_error("fer2013")
    assert str(data_config.data_dir) in message and "fer2013.csv" in message and "icml_face_data.csv" in message
    assert "kaggle.com" in message and "challenges-in-representation-learning" in message and "--data-dir" in message
    missing = replace(data_config, data_dir=data_config.data_dir / "missing")
    assert f"no data folder {missing.data_dir}" in load_error("fer2013", missing)


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", None, "an empty file"),
        (HEADER, None, "no rows"),
        ("emotion,pixels\n0,1\n", 1, "no usage"),
        ("a,b,c\n", 1, "no emotion and no pixels and no usage"),
        (ROWS[0] + "\n", 1, "header"),
        (HEADER.encode("utf-16"), None, "no rows"),
        (bytes(range(256)) * 20, None, "binary"),
        (b"Rar!\x1a\x07" + bytes(range(256)) * 20, None, "RAR"),
        (b"<!DOCTYPE html><html>", None, "HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", None, "Git LFS"),
        (f"{HEADER},emotion\n", 1, "emotion twice"),
        (f"{HEADER}\n0,{text(IMAGES[0][:-1])},Training\n", 2, "2303 pixels instead of 2304"),
        (f"{HEADER}\n{ROWS[0]}\n0,{VALID} 7,Training\n", 3, "2305 pixels instead of 2304"),
        (f"{HEADER}\n0,,Training\n", 2, "0 pixels"),
        (f"{HEADER}\n0,  ,Training\n", 2, "0 pixels"),
        (f"{HEADER}\n{ROWS[0]}\n\n0,256 {text(IMAGES[0][1:])},Training\n", 4, "256 is over 255"),
        (f"{HEADER}\n0,65537 {text(IMAGES[0][1:])},Training\n", 2, "65537 is over 255"),
        (f"{HEADER}\n0,{2**64 + 1} {text(IMAGES[0][1:])},Training\n", 2, "over 255"),
        (f"{HEADER}\n0,-1 {text(IMAGES[0][1:])},Training\n", 2, "'-1'"),
        (f"{HEADER}\n0,+1 {text(IMAGES[0][1:])},Training\n", 2, "'+1'"),
        (f"{HEADER}\n0,1.5 {text(IMAGES[0][1:])},Training\n", 2, "'1.5'"),
        (f"{HEADER}\n0,1e2 {text(IMAGES[0][1:])},Training\n", 2, "'1e2'"),
        (f"{HEADER}\n0,{VALID} x,Training\n", 2, "'x'"),
        (f"{HEADER}\n0,{text(IMAGES[0][:-1])} nan,Training\n", 2, "'nan'"),
        (f"{HEADER}\n0,{VALID.replace(' ', chr(9), 1)},Training\n", 2, "pixel"),
        (f"{HEADER}\n7,{VALID},Training\n", 2, "unknown label '7'"),
        (f"{HEADER}\n-1,{VALID},Training\n", 2, "unknown label '-1'"),
        (f"{HEADER}\ncontempt,{VALID},Training\n", 2, "unknown label 'contempt'"),
        (f"{HEADER}\n3.5,{VALID},Training\n", 2, "unknown label '3.5'"),
        (f"{HEADER}\n,{VALID},Training\n", 2, "unknown label ''"),
        (f"{HEADER}\n0,{VALID},Test\n", 2, "unknown Usage 'Test'"),
        (f"{HEADER}\n0,{VALID},\n", 2, "unknown Usage ''"),
        (f"{HEADER}\n0,{VALID},Training,more\n", 2, "4 fields instead of 3"),
    ],
)
def test_malformed_file_is_named_with_its_line(data_config, load_error, content, line, words):
    path = write(data_config, content)
    message = load_error("fer2013")
    assert message.startswith(f"{path}, line {line}:" if line else str(path)) and words in message
    assert len(message) < 400 + len(str(path))


def labeled(codes) -> str:
    return "\n".join([HEADER, *(f"{code},{VALID},{USAGES[index % 3]}" for index, code in enumerate(codes))]) + "\n"


@pytest.mark.parametrize("skip_invalid", [False, True])
@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (list(range(1, 8)) * 3, "counted from 1, not from 0: subtract 1"),
        ([*range(1, 7), 7.0], "counted from 1"),
        ([*range(-1, 6)], "counted from -1"),
        (list(range(6)) * 4, "no label 6 (neutral)"),
        (list(range(1, 7)) * 4, "no label 0 (angry)"),
        ([*range(8)] * 3, "numbers of other classes"),
        ([*range(7), 9], "line 9"),
        ([*range(6), "neutrale"], "neutral"),
    ],
)
def test_codes_of_other_classes_are_never_skipped(data_config, load_error, codes, words, skip_invalid):
    write(data_config, labeled(codes))
    assert words in load_error("fer2013", replace(data_config, skip_invalid=skip_invalid))


@pytest.mark.parametrize("wrong", ["Test", "privatetest"])
def test_a_whole_split_is_never_skipped(data_config, load_error, wrong):
    write(data_config, labeled(list(range(7)) * 3).replace("PrivateTest", wrong))
    assert "PrivateTest" in load_error("fer2013", replace(data_config, skip_invalid=True))


def test_single_rows_are_skipped_but_not_most(data_config, load_error):
    good, bad = labeled(range(7)), f"0,{VALID},Tst\n"
    skipping = replace(data_config, skip_invalid=True)
    write(data_config, good + bad)
    assert len(load("fer2013", skipping)) == 7
    write(data_config, good + bad * 8)
    assert "8 invalid rows" in load_error("fer2013", skipping)


COMPLETE = "\n".join([HEADER, *ROWS[:2]])


@pytest.mark.parametrize("at", [-len("PublicTest") + 3, -len("PublicTest"), -40, -5000, -len(ROWS[1]) + 1])
def test_truncated_file(data_config, load_error, at):
    write(data_config, COMPLETE[:at])
    message = load_error("fer2013")
    assert "line 3" in message and "truncated" in message


def test_file_without_one_of_the_splits(data_config):
    write(data_config, "\n".join([HEADER, ROWS[0], ROWS[3]]))
    assert load("fer2013", data_config).split.tolist() == [0, 0]


def test_folder_named_like_the_file(data_config, load_error):
    (data_config.data_dir / "fer2013.csv").mkdir()
    assert "was not found" in load_error("fer2013")


def test_progress_ends_at_the_file_size(data_config):
    path = write(data_config, "\n".join([HEADER, *ROWS]))
    seen = []
    read_csv(path, DataConfig(progress=lambda *step: seen.append(step)))
    assert seen[-1] == ("reading fer2013.csv", path.stat().st_size, path.stat().st_size)


@st.composite
def samples(draw):
    count = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    high = draw(st.sampled_from([1, 10, 100, 256]))
    return (
        rng.integers(0, high, (count, SIZE)),
        draw(st.lists(st.integers(0, 6), min_size=count, max_size=count)),
        draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)),
    )


@given(samples(), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_written_samples_read_back_equal(tmp_path_factory, written, end, quoted, last_end):
    images, labels, split = written
    quote = '"' if quoted else ""
    rows = [
        f"{label},{quote}{text(image)}{quote},{USAGES[number]}"
        for image, label, number in zip(images, labels, split, strict=True)
    ]
    path = tmp_path_factory.mktemp("csv") / "fer2013.csv"
    path.write_bytes((end.join([HEADER, *rows]) + end * last_end).encode())
    data = read_csv(path, DataConfig())
    assert np.array_equal(data.images.reshape(len(images), -1), images)
    assert data.labels.tolist() == labels and data.split.tolist() == split
