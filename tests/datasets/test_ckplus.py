"""CK+ in its three layouts, as images, with neutral and as sequences; and what is said of a copy that is wrong."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig, available, ckplus, find, load

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "contempt")
FOLDERS = {1: "anger", 2: "contempt", 3: "disgust", 4: "fear", 5: "happy", 6: "sadness", 7: "surprise"}

# Sequence → its expression's code in the Emotion files; two people show two expressions each.
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


@pytest.fixture
def places(tmp_path):
    (tmp_path / "data").mkdir()
    return DataConfig(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


def noise(sequence: str, number: int, shape: tuple[int, ...] = (48, 48)) -> np.ndarray:
    return np.random.default_rng([int(sequence[1:4]), int(sequence[5:]), number]).integers(0, 256, shape, np.uint8)


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    return path


def write_folders(places, root: str = "CK+48") -> Path:
    """The last three frames of each sequence in class folders."""
    for sequence, code in SEQUENCES.items():
        for number in range(LENGTH - 2, LENGTH + 1):
            folder = places.data_dir / root / FOLDERS[code]
            write(folder / f"{sequence}_{number:08d}.png", noise(sequence, number))
    return places.data_dir / root


def write_original(places, images: str = "cohn-kanade-images", labels: str = "Emotion") -> Path:
    """All frames of each sequence, 60×48, with labels; and a sequence without a label."""
    root = places.data_dir / images
    for sequence in [*SEQUENCES, "S005_002"]:
        subject, number = sequence.split("_")
        for frame in range(1, LENGTH + 1):
            whole = np.pad(noise(sequence, frame), ((0, 0), (6, 6)))
            write(root / subject / number / f"{sequence}_{frame:08d}.png", whole)
        (root / subject / ".DS_Store").touch()
        folder = places.data_dir / labels / subject / number
        folder.mkdir(parents=True)
        if sequence in SEQUENCES:
            file = folder / f"{sequence}_{LENGTH:08d}_emotion.txt"
            file.write_text(f"   {SEQUENCES[sequence]:.7e}\n")
    return root


def write_csv(places, rows: list[str] | None = None, header: str = "emotion,pixels,Usage") -> Path:
    """One row of each class, and a second neutral one."""
    usual = [f"{code},{text(code)},{'Training' if code % 2 else 'PrivateTest'}" for code in (0, 1, 2, 3, 4, 5, 6, 7, 6)]
    path = places.data_dir / "ckextended.csv"
    path.write_text("\n".join([header, *(usual if rows is None else rows)]) + "\n")
    return path


def text(seed: int) -> str:
    return " ".join(map(str, noise("S000_000", seed).ravel()))


def message(places, name: str = "ckplus") -> str:
    """What the user is told; nothing may be left in the cache."""
    with pytest.raises(UserError) as raised:
        load(name, places)
    assert not list(places.cache_dir.glob("*")) and not list(places.cache_dir.glob(".*"))
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")
    return str(raised.value)


@pytest.mark.parametrize("layout", [write_folders, write_original])
def test_the_last_three_frames_are_the_samples(places, layout):
    layout(places)
    data = load("ckplus", places)
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
def test_sequences_are_three_frames_in_time_order(places, layout):
    layout(places)
    data = load("ckplus_sequences", places)
    assert data.images.shape == (7, 3, 48, 48) and data.classes == CLASSES and data.ids.tolist() == sorted(SEQUENCES)
    assert np.bincount(data.labels).tolist() == [1] * 7 and data.subjects.tolist() == [s[:4] for s in sorted(SEQUENCES)]
    for index, name in enumerate(data.ids):
        assert np.array_equal(data.images[index], [noise(name, number) for number in (4, 5, 6)])


def test_the_first_frame_is_neutral_where_asked(places):
    write_original(places)
    data = load("ckplus+neutral", places)
    neutral = data.labels == data.classes.index("neutral")
    assert data.classes == (*CLASSES[:-1], "neutral", "contempt") and len(data) == 28
    assert data.ids[neutral].tolist() == [f"{sequence}_00000001" for sequence in sorted(SEQUENCES)]
    assert data.sequences[0] == "S005_001" and np.array_equal(data.images[0], noise("S005_001", 1))
    assert any("whole frames" in note for note in data.notes)


def test_neutral_is_not_looked_for_in_a_copy_without_it(places):
    write_folders(places)
    assert not available("ckplus+neutral", places) and "cohn-kanade-images" in message(places, "ckplus+neutral")


@pytest.mark.parametrize("name", ["", "CK+48", "ckplus/archive/CK+48"])
def test_class_folders_are_found_anywhere(places, name):
    assert find("ckplus", places) is None
    folder = write_folders(places, name)
    assert find("ckplus", places) == find("ckplus_sequences", places) == folder


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("cohn-kanade-images", "Emotion_labels/Emotion"),
        ("extended-cohn-kanade-images/cohn-kanade-images", "Emotion_labels/Emotion"),
        ("ck/cohn-kanade-images/cohn-kanade-images", "ck/emotion"),
    ],
)
def test_the_original_is_found_as_its_archives_unpack(places, images, labels):
    root = write_original(places, images, labels)
    assert find("ckplus", places) == find("ckplus+neutral", places) == root
    assert len(load("ckplus", places)) == 21


def test_faces_that_are_cut_out_are_preferred(places):
    write_original(places)
    write_csv(places)
    root = write_folders(places, "deep/below/CK+48")
    assert find("ckplus", places) == root


def test_the_csv_has_neither_subjects_nor_split(places):
    path = write_csv(places)
    data = load("ckplus", places)
    assert data.images.shape == (7, 48, 48) and data.labels.tolist() == list(range(7)) and data.classes == CLASSES
    assert data.ids.tolist() == [f"ckextended-{row:03d}" for row in (0, 1, 2, 3, 4, 5, 7)]
    assert np.array_equal(data.images[6], noise("S000_000", 7))
    assert data.subjects is None and data.sequences is None and data.split is None
    assert any("Usage" in note for note in data.notes) and any("2 neutral" in note for note in data.notes)
    assert find("ckplus", places) == path and not available("ckplus_sequences", places)
    assert np.bincount(load("ckplus+neutral", places).labels).tolist() == [1, 1, 1, 1, 1, 1, 2, 1]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([f"9,{text(0)},Training"], ["line 2", "expression code '9'"]),
        ([f"0,{text(0)},Training", "1,1 2 3"], ["line 3", "3 pixels instead of 2,304"]),
        ([f"0,{text(0)[:-3]}999,Training"], ["line 2", "999"]),
        ([f"0,{text(0)[:-2]} x,Training"], ["line 2"]),
        ([], ["no rows"]),
        ([f"6,{text(0)},Training"], ["no rows of angry"]),
    ],
)
def test_a_csv_that_is_wrong(places, rows, told):
    write_csv(places, rows)
    assert all(part in message(places) for part in ["ckextended.csv", *told])


def test_a_csv_with_another_header(places):
    write_csv(places, header="label,image")
    assert "emotion and pixels" in message(places)


def test_bad_rows_are_left_out_where_that_is_asked_for(places):
    write_csv(places, [f"0,{text(0)},Training", "8,1 2 3,Training", f"7,{text(7)},PublicTest"])
    data = load("ckplus", DataConfig(places.data_dir, places.cache_dir, skip_invalid=True))
    assert data.ids.tolist() == ["ckextended-000", "ckextended-002"]
    assert any("1 bad row was left out" in note and "line 3" in note for note in data.notes)


def test_labels_that_are_missing(places):
    write_original(places)
    shutil.rmtree(places.data_dir / "Emotion")
    assert "no folder Emotion beside it" in message(places)
    (places.data_dir / "Emotion").mkdir()
    assert "no label files" in message(places)


@pytest.mark.parametrize(
    ("written", "told"), [("9.0", "code '9.0'"), ("0", "code '0'"), ("x", "code 'x'"), ("", "empty")]
)
def test_a_label_that_says_nothing(places, written, told):
    write_original(places)
    path = places.data_dir / "Emotion" / "S011" / "001" / "S011_001_00000006_emotion.txt"
    path.write_text(written)
    assert told in message(places) and str(path) in message(places)
    data = load("ckplus", DataConfig(places.data_dir, places.cache_dir, skip_invalid=True))
    assert len(data) == 18 and "S011_001" not in data.sequences
    assert any(path.name in note and str(places.data_dir) not in note for note in data.notes)


def test_a_sequence_without_images(places):
    root = write_original(places)
    for path in (root / "S011" / "001").iterdir():
        path.unlink()
    assert str(root / "S011" / "001") in message(places) and "no images" in message(places)
    shutil.rmtree(root / "S011")
    assert str(root / "S011" / "001") in message(places)


def test_a_class_folder_without_images(places):
    root = write_folders(places)
    shutil.rmtree(root / "fear")
    (root / "fear").mkdir()
    assert f"{root / 'fear'} has no images" in message(places)


def test_a_class_folder_of_another_name(places):
    root = write_folders(places)
    (root / "fear").rename(root / "boredom")
    assert str(root / "boredom") in message(places)


def test_a_file_of_another_name(places):
    root = write_folders(places)
    shutil.copy(root / "fear" / "S011_001_00000006.png", root / "fear" / "copy of S011.png")
    assert "copy of S011.png" in message(places) and "S010_004_00000017.png" in message(places)
    data = load("ckplus", DataConfig(places.data_dir, places.cache_dir, skip_invalid=True))
    assert len(data) == 21 and any("fear/copy of S011.png" in note for note in data.notes)


def test_a_sequence_in_two_classes(places):
    root = write_folders(places)
    shutil.move(root / "fear" / "S011_001_00000006.png", root / "happy")
    told = message(places)
    assert "S011_001" in told and "two classes" in told


def test_a_frame_that_is_there_twice(places):
    root = write_folders(places)
    shutil.copy(root / "fear" / "S011_001_00000006.png", root / "fear" / "s011_001_00000006.bmp")
    assert "S011_001_00000006 is there twice" in message(places)


def test_neutral_images_in_class_folders_are_left_out_and_told(places):
    root = write_folders(places)
    write(root / "neutral" / "S005_001_00000001.png", noise("S005_001", 1))
    data = load("ckplus", places)
    assert len(data) == 21 and any("1 neutral image was left out" in note for note in data.notes)


def test_an_empty_image(places):
    root = write_folders(places)
    path = root / "fear" / "S011_001_00000005.png"
    path.write_bytes(b"")
    assert f"{path} (0 bytes)" in message(places)
    skipping = DataConfig(places.data_dir, places.cache_dir, skip_invalid=True)
    assert len(load("ckplus", skipping)) == 20
    assert load("ckplus_sequences", skipping).ids.tolist() == sorted({*SEQUENCES} - {"S011_001"})


def test_a_sequence_with_a_frame_too_few(places):
    root = write_folders(places)
    (root / "fear" / "S011_001_00000005.png").unlink()
    assert len(load("ckplus", DataConfig(places.data_dir, places.cache_dir.with_name("other")))) == 20
    assert "S011_001 has 2 frames" in message(places, "ckplus_sequences")


def test_originals_are_the_files_of_the_ids(places):
    write_original(places)
    files = ckplus.originals("ckplus+neutral", places)
    assert list(files) == load("ckplus+neutral", places).ids.tolist()
    assert files["S005_001_00000001"] == places.data_dir / "cohn-kanade-images/S005/001/S005_001_00000001.png"
    root = write_folders(places)
    assert ckplus.originals("ckplus", places)["S005_001_00000004"] == root / "disgust" / "S005_001_00000004.png"
