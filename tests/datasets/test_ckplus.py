"""CK+ in its three layouts, as images, with neutral and as sequences; and the messages for malformed copies."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_bench.datasets import available, find, load
from fer_bench.datasets.ckplus.read import load_originals

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "contempt")
FOLDERS = {1: "anger", 2: "contempt", 3: "disgust", 4: "fear", 5: "happy", 6: "sadness", 7: "surprise"}

# Sequence → its expression's code in the Emotion files; two subjects show two expressions each.
SEQUENCES = {
    "S005_001": 3,
    "S010_002": 7,
    "S010_004": 1,
    "S011_001": 4,
    "S052_004": 5,
    "S052_006": 6,
    "S138_008": 2,
}
LENGTH = 6  # frames of an original sequence


def noise(sequence: str, number: int, shape: tuple[int, ...] = (48, 48)) -> np.ndarray:
    return np.random.default_rng([int(sequence[1:4]), int(sequence[5:]), number]).integers(0, 256, shape, np.uint8)


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return path


def write_folders(data_config, root: str = "CK+48") -> Path:
    """The last three frames of each sequence in class folders."""
    for sequence, code in SEQUENCES.items():
        for number in range(LENGTH - 2, LENGTH + 1):
            folder = data_config.data_dir / root / FOLDERS[code]
            write(folder / f"{sequence}_{number:08d}.png", noise(sequence, number))
    return data_config.data_dir / root


def write_original(data_config, images: str = "cohn-kanade-images", labels: str = "Emotion") -> Path:
    """All frames of each sequence, 60×48, with labels; and a sequence without a label."""
    root = data_config.data_dir / images
    for sequence in [*SEQUENCES, "S005_002"]:
        subject, number = sequence.split("_")
        for frame in range(1, LENGTH + 1):
            whole = np.pad(noise(sequence, frame), ((0, 0), (6, 6)))
            write(root / subject / number / f"{sequence}_{frame:08d}.png", whole)
        (root / subject / ".DS_Store").touch()
        folder = data_config.data_dir / labels / subject / number
        folder.mkdir(parents=True)
        if sequence in SEQUENCES:
            file = folder / f"{sequence}_{LENGTH:08d}_emotion.txt"
            file.write_text(f"   {SEQUENCES[sequence]:.7e}\n")
    return root


def write_csv(data_config, rows: list[str] | None = None, header: str = "emotion,pixels,Usage") -> Path:
    """One row of each class, and a second neutral one."""
    usual = [f"{code},{text(code)},{'Training' if code % 2 else 'PrivateTest'}" for code in (0, 1, 2, 3, 4, 5, 6, 7, 6)]
    path = data_config.data_dir / "ckextended.csv"
    path.write_text("\n".join([header, *(usual if rows is None else rows)]) + "\n")
    return path


def text(seed: int) -> str:
    return " ".join(map(str, noise("S000_000", seed).ravel()))


@pytest.mark.parametrize("layout", [write_folders, write_original])
def test_last_three_frames_are_the_samples(data_config, layout):
    layout(data_config)
    data = load("ckplus", data_config)
    assert data.images.shape == (21, 48, 48) and data.images.dtype == np.uint8 and data.split is None
    assert data.classes == CLASSES and np.bincount(data.labels).tolist() == [3] * 7
    assert data.ids[:3].tolist() == [f"S005_001_{number:08d}" for number in (4, 5, 6)]
    assert data.subjects[0] == "S005" and len(set(data.subjects)) == 5
    assert data.sequences[0] == "S005_001" and len(set(data.sequences)) == 7
    for index, name in enumerate(data.ids):
        assert np.array_equal(data.images[index], noise(name[:8], int(name[9:])))
        assert FOLDERS[SEQUENCES[name[:8]]].startswith(data.classes[data.labels[index]][:3])
    assert any("instead of 135" in note for note in data.notes)


@pytest.mark.parametrize("layout", [write_folders, write_original])
def test_sequences_have_three_frames_in_time_order(data_config, layout):
    layout(data_config)
    data = load("ckplus_sequences", data_config)
    assert data.images.shape == (7, 3, 48, 48) and data.classes == CLASSES and data.ids.tolist() == sorted(SEQUENCES)
    assert np.bincount(data.labels).tolist() == [1] * 7 and data.subjects.tolist() == [s[:4] for s in sorted(SEQUENCES)]
    for index, name in enumerate(data.ids):
        assert np.array_equal(data.images[index], [noise(name, number) for number in (4, 5, 6)])


def test_first_frame_is_neutral(data_config):
    write_original(data_config)
    data = load("ckplus+neutral", data_config)
    neutral = data.labels == data.classes.index("neutral")
    assert data.classes == (*CLASSES[:-1], "neutral", "contempt") and len(data) == 28
    assert data.ids[neutral].tolist() == [f"{sequence}_00000001" for sequence in sorted(SEQUENCES)]
    assert data.sequences[0] == "S005_001" and np.array_equal(data.images[0], noise("S005_001", 1))
    assert any("full frames" in note for note in data.notes)


def test_class_folders_have_no_neutral_images(data_config, load_error):
    write_folders(data_config)
    assert not available("ckplus+neutral", data_config) and "cohn-kanade-images" in load_error("ckplus+neutral")


@pytest.mark.parametrize("name", ["", "CK+48", "ckplus/archive/CK+48"])
def test_class_folders_are_found_at_any_depth(data_config, name):
    assert find("ckplus", data_config) is None
    folder = write_folders(data_config, name)
    assert find("ckplus", data_config) == find("ckplus_sequences", data_config) == folder


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("cohn-kanade-images", "Emotion_labels/Emotion"),
        ("extended-cohn-kanade-images/cohn-kanade-images", "Emotion_labels/Emotion"),
        ("ck/cohn-kanade-images/cohn-kanade-images", "ck/emotion"),
    ],
)
def test_original_tree_is_found_as_its_archives_unpack(data_config, images, labels):
    root = write_original(data_config, images, labels)
    assert find("ckplus", data_config) == find("ckplus+neutral", data_config) == root
    assert len(load("ckplus", data_config)) == 21


def test_cropped_faces_are_preferred(data_config):
    write_original(data_config)
    write_csv(data_config)
    root = write_folders(data_config, "deep/below/CK+48")
    assert find("ckplus", data_config) == root


def test_csv_has_neither_subjects_nor_split(data_config):
    path = write_csv(data_config)
    data = load("ckplus", data_config)
    assert data.images.shape == (7, 48, 48) and data.labels.tolist() == list(range(7)) and data.classes == CLASSES
    assert data.ids.tolist() == [f"ckextended-{row:03d}" for row in (0, 1, 2, 3, 4, 5, 7)]
    assert np.array_equal(data.images[6], noise("S000_000", 7))
    assert data.subjects is None and data.sequences is None and data.split is None
    assert any("Usage" in note for note in data.notes) and any("2 neutral" in note for note in data.notes)
    assert find("ckplus", data_config) == path and not available("ckplus_sequences", data_config)
    assert np.bincount(load("ckplus+neutral", data_config).labels).tolist() == [1, 1, 1, 1, 1, 1, 2, 1]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (None, ["line 1", "must name emotion,pixels"]),
        ([f"9,{text(0)},Training"], ["line 2", "label '9'"]),
        ([f"0,{text(0)},Training", "1,1 2 3,Training"], ["line 3", "3 pixels instead of 2304"]),
        ([f"0,{text(0)[:-3]}999,Training"], ["line 2", "999"]),
        ([f"0,{text(0)[:-2]} x,Training"], ["line 2"]),
        ([], ["no rows"]),
        ([f"6,{text(0)},Training"], ["no rows of angry"]),
    ],
)
def test_malformed_csv(data_config, load_error, rows, words):
    write_csv(data_config, rows, header="emotion,pixels,Usage" if rows is not None else "label,image")
    assert all(word in load_error("ckplus") for word in ["ckextended.csv", *words])


def test_skip_invalid_rows(data_config):
    write_csv(data_config, [f"0,{text(0)},Training", "0,1 2 3,Training", f"7,{text(7)},PublicTest"])
    data = load("ckplus", replace(data_config, skip_invalid=True))
    assert data.ids.tolist() == ["ckextended-000", "ckextended-002"]
    assert any("1 invalid row was skipped" in note and "line 3" in note for note in data.notes)


def test_missing_labels(data_config, load_error):
    write_original(data_config)
    shutil.rmtree(data_config.data_dir / "Emotion")
    assert "no folder Emotion" in load_error("ckplus")
    (data_config.data_dir / "Emotion").mkdir()
    assert "no label files" in load_error("ckplus")


@pytest.mark.parametrize(("content", "words"), [("x", "code 'x'"), ("", "empty"), ("5.0000000e+0x", "5.0000000e+0x")])
def test_invalid_label_file(data_config, load_error, monkeypatch, content, words):
    monkeypatch.setitem(SEQUENCES, "S011_002", 4)  # another sequence of the class
    write_original(data_config)
    path = data_config.data_dir / "Emotion" / "S011" / "001" / "S011_001_00000006_emotion.txt"
    path.write_text(content)
    assert words in load_error("ckplus") and str(path) in load_error("ckplus")
    data = load("ckplus", replace(data_config, skip_invalid=True))
    assert len(data) == 21 and "S011_001" not in data.sequences
    assert any(path.name in note and str(data_config.data_dir) not in note for note in data.notes)


@pytest.mark.parametrize(("change", "words"), [({4: 9}, "'9'"), ({4: 0}, "'0'"), ({7: 0}, "counted from 0")])
def test_codes_of_another_list_are_never_skipped(data_config, load_error, change, words):
    write_original(data_config)
    for path in (data_config.data_dir / "Emotion").rglob("*.txt"):
        code = int(float(path.read_text()))
        path.write_text(f"   {change.get(code, code):.7e}\n")
    assert words in load_error("ckplus", replace(data_config, skip_invalid=True))


def test_two_folders_for_one_class(data_config, load_error):
    root = write_folders(data_config)
    (root / "fear").rename(root / "Happiness")
    assert "two folders for happy" in load_error("ckplus")


def test_a_sequence_in_a_folder_named_for_an_expression(data_config, load_error):
    root = write_original(data_config)
    (root / "S011" / "001").rename(root / "S011" / "sad")
    assert "one class only" in load_error("ckplus")


def test_a_whole_class_is_never_skipped(data_config, load_error):
    root = write_folders(data_config)
    for path in (root / "fear").iterdir():
        path.write_bytes(b"")
    assert "fear" in load_error("ckplus", replace(data_config, skip_invalid=True))


def test_sequence_without_images(data_config, load_error):
    root = write_original(data_config)
    for path in (root / "S011" / "001").iterdir():
        path.unlink()
    assert str(root / "S011" / "001") in load_error("ckplus") and "no images" in load_error("ckplus")
    shutil.rmtree(root / "S011")
    assert str(root / "S011" / "001") in load_error("ckplus")


def test_empty_and_unknown_class_folder(data_config, load_error):
    root = write_folders(data_config)
    (root / "fear").rename(root / "boredom")
    assert str(root / "boredom") in load_error("ckplus")
    shutil.rmtree(root / "boredom")
    (root / "fear").mkdir()
    assert f"{root / 'fear'} has no images" in load_error("ckplus")


def test_unexpected_file_name(data_config, load_error):
    root = write_folders(data_config)
    shutil.copy(root / "fear" / "S011_001_00000006.png", root / "fear" / "copy of S011.png")
    assert "copy of S011.png" in load_error("ckplus") and "S010_004_00000017.png" in load_error("ckplus")
    data = load("ckplus", replace(data_config, skip_invalid=True))
    assert len(data) == 21 and any("fear/copy of S011.png" in note for note in data.notes)


def test_sequence_in_two_classes(data_config, load_error):
    root = write_folders(data_config)
    shutil.move(root / "fear" / "S011_001_00000006.png", root / "happy")
    assert "S011_001 is in two classes" in load_error("ckplus")


def test_frame_that_exists_twice(data_config, load_error):
    root = write_folders(data_config)
    shutil.copy(root / "fear" / "S011_001_00000006.png", root / "fear" / "s011_001_00000006.bmp")
    assert "S011_001_00000006 exists twice" in load_error("ckplus")


def test_neutral_images_in_class_folders_are_skipped(data_config):
    root = write_folders(data_config)
    write(root / "neutral" / "S005_001_00000001.png", noise("S005_001", 1))
    data = load("ckplus", data_config)
    assert len(data) == 21 and any("1 neutral image was skipped" in note for note in data.notes)


def test_empty_image(data_config, load_error, monkeypatch):
    monkeypatch.setitem(SEQUENCES, "S011_002", 4)  # another sequence of the class
    root = write_folders(data_config)
    path = root / "fear" / "S011_001_00000005.png"
    path.write_bytes(b"")
    assert f"{path} (0 bytes)" in load_error("ckplus")
    skipping = replace(data_config, skip_invalid=True)
    assert len(load("ckplus", skipping)) == 23
    assert load("ckplus_sequences", skipping).ids.tolist() == sorted({*SEQUENCES} - {"S011_001"})


def test_incomplete_sequence(data_config, load_error):
    root = write_folders(data_config)
    (root / "fear" / "S011_001_00000005.png").unlink()
    assert len(load("ckplus", replace(data_config, cache_dir=data_config.cache_dir.with_name("other")))) == 20
    assert "S011_001 has 2 frames" in load_error("ckplus_sequences")


def test_load_originals(data_config):
    write_original(data_config)
    files = load_originals("ckplus+neutral", data_config)
    assert list(files) == load("ckplus+neutral", data_config).ids.tolist()
    assert files["S005_001_00000001"] == data_config.data_dir / "cohn-kanade-images/S005/001/S005_001_00000001.png"
    root = write_folders(data_config)
    assert load_originals("ckplus", data_config)["S005_001_00000004"] == root / "disgust" / "S005_001_00000004.png"


def test_own_splits_above_class_folders(data_config):
    root = write_folders(data_config)
    expected = load("ckplus", data_config)
    for split, members in (("train", slice(1, None, 2)), ("test", slice(0, None, 2))):
        for path in sorted(root.glob("*/*.png"))[members]:
            target = data_config.data_dir / "mine" / split / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    shutil.rmtree(root)
    data = load("ckplus", data_config)
    assert data.fingerprint == expected.fingerprint
    assert any("test, train are no official splits" in note for note in data.notes)
