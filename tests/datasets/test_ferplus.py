"""FER+: the authors' rules for labels, and how votes are joined with images."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from made_up_fer2013 import IMAGES, LABELS, SPLIT, USAGES, csv_rows, write_csv, write_folder

from fer_bench.core.errors import UserError
from fer_bench.datasets import available, load
from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset
from fer_bench.datasets.emotions import EMOTIONS
from fer_bench.datasets.ferplus.read import join_fer2013
from fer_bench.datasets.ferplus.votes import EXPRESSIONS, Votes, majority, soft_labels

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def votes(**counts: int) -> list[int]:
    names = (*EXPRESSIONS, "unknown", "nf")
    return [counts.get(name, 0) for name in names]


# Most rows have votes for FER2013's own label; the others are special cases.
VOTES = [votes(**{EMOTIONS[label]: 8, "unknown": 2}) for label in LABELS]
VOTES[1] = votes(contempt=7, neutral=3)
VOTES[4] = votes(happy=5, sad=5)  # no majority
VOTES[6] = votes(nf=10)
VOTES[8] = votes(unknown=6, fear=4)
DROPPED = [4, 6, 8]
NAMES = [f"fer{row:07d}.png" for row in range(len(LABELS))]
NAMES[5:10] = ["fer0000006.png", "", "fer0000005.png", "fer0000010.png", "fer0000010.png"]  # no rows, and one twice


def write_table(data_config, names=None, table=None, usages=None):
    names, table = names or NAMES, table or VOTES
    usages = usages or [USAGES[number] for number in SPLIT]
    rows = [",".join([u, n, *map(str, v)]) for u, n, v in zip(usages, names, table, strict=True)]
    path = data_config.data_dir / "ferplus" / "fer2013new.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def test_joins_by_row_and_drops_rows_without_a_majority(data_config):
    write_csv(data_config.data_dir / "fer2013.csv")
    write_table(data_config)
    for _ in range(2):  # read, then from the cache
        data = load("ferplus", data_config)
        kept = np.setdiff1d(np.arange(len(LABELS)), DROPPED)
        assert data.ids.tolist() == [f"ferplus-{row:05d}" for row in kept]
        assert np.array_equal(data.images, IMAGES[kept]) and np.array_equal(data.split, SPLIT[kept])
        expected = LABELS.copy()
        expected[1] = EMOTIONS.index("contempt")
        assert np.array_equal(data.labels, expected[kept]) and data.classes == EMOTIONS
        assert data.soft_labels.shape == (len(kept), 8) and data.soft_labels.dtype == np.float32
        assert np.allclose(data.soft_labels.sum(axis=1), 1)
        assert data.soft_labels[1].tolist() == pytest.approx([0, 0, 0, 0, 0, 0, 0.3, 0.7])


def test_soft_labels_enter_the_fingerprint(data_config):
    write_csv(data_config.data_dir / "fer2013.csv")
    write_table(data_config)
    before = load("ferplus", data_config)
    table = [list(row) for row in VOTES]
    table[1] = votes(contempt=8, neutral=2)
    write_table(data_config, table=table)
    after = load("ferplus", data_config)
    assert np.array_equal(before.labels, after.labels) and before.fingerprint != after.fingerprint


@pytest.mark.parametrize(
    ("counts", "label", "soft"),
    [
        ({"happy": 10}, "happy", {"happy": 1}),
        ({"happy": 5, "sad": 1, "fear": 1, "angry": 1, "disgust": 1, "neutral": 1}, "happy", {"happy": 1}),
        ({"happy": 5, "sad": 5}, None, None),
        ({"happy": 5, "sad": 3, "fear": 2}, None, None),  # half is no majority
        ({"happy": 6, "sad": 4}, "happy", {"happy": 0.6, "sad": 0.4}),
        ({"happy": 8, "sad": 2}, "happy", {"happy": 1}),  # 8 of 10 is three quarters
        ({"happy": 6, "sad": 2, "neutral": 2}, "happy", {"happy": 0.75, "neutral": 0.25}),  # then ties go by column
        ({"happy": 6, "unknown": 3}, "happy", {"happy": 1}),
        ({"happy": 6, "unknown": 2, "contempt": 2}, "happy", {"happy": 0.75, "contempt": 0.25}),
        ({"unknown": 6, "happy": 4}, None, None),
        ({"nf": 9, "happy": 1}, None, None),
        ({}, None, None),
    ],
)
def test_rules_of_the_authors(counts, label, soft):
    row = np.array([votes(**counts)])
    assert majority(row)[0] == (EMOTIONS.index(label) if label else -1)
    if soft:
        assert soft_labels(row)[0].tolist() == pytest.approx([soft.get(name, 0) for name in EMOTIONS])


def test_skipped_rows_of_the_csv_do_not_shift_others(data_config):
    rows = csv_rows()
    rows[3] = "x,1,Training"
    write_csv(data_config.data_dir / "fer2013.csv", rows)
    write_table(data_config)
    data = load("ferplus", replace(data_config, skip_invalid=True))
    kept = np.setdiff1d(np.arange(len(LABELS)), [3, *DROPPED])
    assert np.array_equal(data.images, IMAGES[kept])
    assert any("row was skipped" in note for note in data.notes)


def test_image_folder_with_row_numbers_joins_by_row(data_config):
    write_folder(data_config.data_dir / "fer2013")
    write_table(data_config)
    assert np.array_equal(load("ferplus", data_config).images, np.delete(IMAGES, DROPPED, axis=0))


def test_folders_of_the_authors_join_by_file_name(data_config):
    for number, folder in enumerate(("FER2013Train", "FER2013Valid", "FER2013Test")):
        (data_config.data_dir / "images" / folder).mkdir(parents=True)
        for row in np.flatnonzero(np.equal(SPLIT, number)):
            if NAMES[row]:  # their program overwrites the earlier of two files of one name
                cv2.imwrite(str(data_config.data_dir / "images" / folder / NAMES[row]), IMAGES[row])
    write_table(data_config)
    data = load("ferplus", data_config)
    kept = np.setdiff1d(np.arange(len(LABELS)), [*DROPPED, 8, 9, 10])
    assert "fer0000010.png" in (NAMES[8], NAMES[9], NAMES[10])  # the row of that name is ambiguous
    assert data.ids.tolist() == [f"ferplus-{row:05d}" for row in kept]
    assert np.array_equal(data.images, IMAGES[kept])
    assert any("1 image was skipped" in note for note in data.notes)


def test_votes_without_images(data_config, load_error):
    assert not available("ferplus", data_config)
    table = write_table(data_config)
    assert not available("ferplus", data_config)
    message = load_error("ferplus")
    assert str(table) in message and "FER2013 was not found" in message


def test_images_without_votes(data_config, load_error):
    write_csv(data_config.data_dir / "fer2013.csv")
    assert not available("ferplus", data_config)
    assert "fer2013new.csv" in load_error("ferplus") and "github.com/microsoft/FERPlus" in load_error("ferplus")


def test_different_rows(data_config, load_error):
    usages = [USAGES[number] for number in SPLIT]
    usages[20] = "PrivateTest"
    write_csv(data_config.data_dir / "fer2013.csv", csv_rows()[:-1])
    write_table(data_config, usages=usages)
    assert "28 rows" in load_error("ferplus") and "27" in load_error("ferplus")
    write_csv(data_config.data_dir / "fer2013.csv")
    assert "line 22" in load_error("ferplus")


def test_different_order_of_rows():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 300)
    base = np.array([votes(**{EMOTIONS[label]: 10}) for label in labels])
    shifted = Votes(np.zeros(300, np.int8), ("",) * 300, np.roll(base, 1, axis=0))
    images = Dataset(
        name="fer2013",
        images=np.zeros((300, 48, 48), np.uint8),
        labels=labels,
        ids=np.array([f"fer2013-{row:05d}" for row in range(300)]),
        classes=FER2013_CLASSES,
        fingerprint="",
        split=np.zeros(300, np.int8),
    )
    with pytest.raises(UserError, match="order"):
        join_fer2013("fer2013new.csv", shifted, images)
    assert len(join_fer2013("fer2013new.csv", replace(shifted, votes=base), images)) == 300


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_table_of_a_spreadsheet(data_config, encoding):
    write_csv(data_config.data_dir / "fer2013.csv")
    path = write_table(data_config)
    expected = load("ferplus", data_config)
    path.write_bytes(path.read_text().replace(",", ";").replace("\n", "\r\n").encode(encoding))
    data = load("ferplus", data_config)
    assert data.fingerprint == expected.fingerprint and data.ids.tolist() == expected.ids.tolist()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        (HEADER + "\n", "no rows"),
        (HEADER + "\nTraining,x,1,2,3,4,5,0,0,0,0,0\n", "votes of 10 people"),
        (HEADER + "\nTraining,x,-1,2,0,0,0,0,0,0,0,0\n", "votes of 10 people"),
        (HEADER + "\nTraining,x,1,2,0,0,0,0,0,0,0,0,0\n", "votes of 10 people"),
        (HEADER.replace("fear", "anger") + "\n0\n", "no fear"),
        (HEADER + ",NF\n0\n", "twice"),
        ("a,b\n1,2\n", "line 1: the header has no usage"),
        (HEADER + "\nTraining,x,1,2\n", "line 2"),
        (HEADER + "\nTrain,x,1,2,0,0,0,0,0,0,0,0\n", "line 2"),
        (HEADER + "\nTraining,x,1,2,a,0,0,0,0,0,0,0\n", "line 2"),
    ],
)
def test_malformed_table(data_config, load_error, text, words):
    write_csv(data_config.data_dir / "fer2013.csv")
    path = write_table(data_config)
    path.write_text(text)
    message = load_error("ferplus")
    assert str(path) in message and words in message


def test_a_missing_row_is_an_error_even_if_invalid_rows_are_skipped(data_config, load_error):
    rows = csv_rows()
    del rows[-3]
    write_csv(data_config.data_dir / "fer2013.csv", rows)
    write_table(data_config)
    assert "28 rows" in load_error("ferplus", replace(data_config, skip_invalid=True))
