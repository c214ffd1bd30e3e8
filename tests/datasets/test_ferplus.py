"""FER+: the authors' rules for labels, and which votes belong to which image."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from made_up_fer2013 import IMAGES, LABELS, SPLIT, USAGES, csv_rows, write_csv, write_folder

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig, available, load
from fer_bench.datasets.emotions import EMOTIONS
from fer_bench.datasets.ferplus import from_fer2013
from fer_bench.datasets.ferplus.votes import EXPRESSIONS, Votes, majority, soft_labels

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def votes(**counts: int) -> list[int]:
    names = (*EXPRESSIONS, "unknown", "nf")
    return [counts.get(name, 0) for name in names]


# What the made-up rows hold: mostly votes for FER2013's own label, and one of each special case.
VOTES = [votes(**{EMOTIONS[label]: 8, "unknown": 2}) for label in LABELS]
VOTES[1] = votes(contempt=7, neutral=3)
VOTES[4] = votes(happy=5, sad=5)  # no majority
VOTES[6] = votes(nf=10)
VOTES[8] = votes(unknown=6, fear=4)
DROPPED = [4, 6, 8]
NAMES = [f"fer{row:07d}.png" for row in range(len(LABELS))]
NAMES[5:10] = ["fer0000006.png", "", "fer0000005.png", "fer0000010.png", "fer0000010.png"]  # no rows, and one twice


@pytest.fixture
def places(tmp_path):
    (tmp_path / "data").mkdir()
    return DataConfig(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


def write_table(places, names=None, table=None, usages=None):
    names, table = names or NAMES, table or VOTES
    usages = usages or [USAGES[part] for part in SPLIT]
    rows = [",".join([u, n, *map(str, v)]) for u, n, v in zip(usages, names, table, strict=True)]
    path = places.data_dir / "ferplus" / "fer2013new.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def test_joins_by_row_and_drops_rows_without_a_majority(places):
    write_csv(places.data_dir / "fer2013.csv")
    write_table(places)
    for _ in range(2):  # read, then from the cache
        data = load("ferplus", places)
        kept = np.setdiff1d(np.arange(len(LABELS)), DROPPED)
        assert data.ids.tolist() == [f"ferplus-{row:05d}" for row in kept]
        assert np.array_equal(data.images, IMAGES[kept]) and np.array_equal(data.split, SPLIT[kept])
        expected = LABELS.copy()
        expected[1] = EMOTIONS.index("contempt")
        assert np.array_equal(data.labels, expected[kept]) and data.classes == EMOTIONS
        assert data.soft_labels.shape == (len(kept), 8) and data.soft_labels.dtype == np.float32
        assert np.allclose(data.soft_labels.sum(axis=1), 1)
        assert data.soft_labels[1].tolist() == pytest.approx([0, 0, 0, 0, 0, 0, 0.3, 0.7])


def test_the_soft_labels_are_part_of_the_fingerprint(places):
    write_csv(places.data_dir / "fer2013.csv")
    write_table(places)
    before = load("ferplus", places)
    table = [list(row) for row in VOTES]
    table[1] = votes(contempt=8, neutral=2)
    write_table(places, table=table)
    after = load("ferplus", places)
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
def test_the_authors_rules(counts, label, soft):
    row = np.array([votes(**counts)])
    assert majority(row)[0] == (EMOTIONS.index(label) if label else -1)
    if soft:
        assert soft_labels(row)[0].tolist() == pytest.approx([soft.get(name, 0) for name in EMOTIONS])


def test_rows_that_were_left_out_of_the_csv_keep_the_others_in_place(places):
    rows = csv_rows()
    rows[3] = "x,1,Training"
    write_csv(places.data_dir / "fer2013.csv", rows)
    write_table(places)
    data = load("ferplus", replace(places, skip_bad=True))
    kept = np.setdiff1d(np.arange(len(LABELS)), [3, *DROPPED])
    assert np.array_equal(data.images, IMAGES[kept])
    assert any("row was left out" in note for note in data.notes)


def test_an_image_folder_with_row_numbers_joins_by_row(places):
    write_folder(places.data_dir / "fer2013")
    write_table(places)
    assert np.array_equal(load("ferplus", places).images, np.delete(IMAGES, DROPPED, axis=0))


def test_the_authors_folders_join_by_the_name_in_the_file_not_by_its_number(places):
    for part, folder in enumerate(("FER2013Train", "FER2013Valid", "FER2013Test")):
        (places.data_dir / "images" / folder).mkdir(parents=True)
        for row in np.flatnonzero(np.equal(SPLIT, part)):
            if NAMES[row]:  # the later of two of one name is what their program leaves
                cv2.imwrite(str(places.data_dir / "images" / folder / NAMES[row]), IMAGES[row])
    write_table(places)
    data = load("ferplus", places)
    kept = np.setdiff1d(np.arange(len(LABELS)), [*DROPPED, 8, 9, 10])
    assert "fer0000010.png" in (NAMES[8], NAMES[9], NAMES[10])  # three rows of that name: none is certain
    assert data.ids.tolist() == [f"ferplus-{row:05d}" for row in kept]
    assert np.array_equal(data.images, IMAGES[kept])
    assert any("1 image was left out" in note for note in data.notes)


def message(places, **changes) -> str:
    with pytest.raises(UserError) as raised:
        load("ferplus", replace(places, **changes))
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")
    assert not list(places.cache_dir.glob("ferplus*"))
    return str(raised.value)


def test_votes_without_images_say_what_is_missing(places):
    assert not available("ferplus", places)
    table = write_table(places)
    assert not available("ferplus", places)
    told = message(places)
    assert str(table) in told and "FER2013 was not found" in told


def test_without_votes_it_is_not_found(places):
    write_csv(places.data_dir / "fer2013.csv")
    assert not available("ferplus", places)
    assert "fer2013new.csv" in message(places) and "github.com/microsoft/FERPlus" in message(places)


def test_another_number_of_rows_is_refused(places):
    write_csv(places.data_dir / "fer2013.csv", csv_rows()[:-1])
    write_table(places)
    assert "28 rows" in message(places) and "27" in message(places)


def test_another_usage_is_refused_with_its_line(places):
    write_csv(places.data_dir / "fer2013.csv")
    usages = [USAGES[part] for part in SPLIT]
    usages[20] = "PrivateTest"
    write_table(places, usages=usages)
    assert "line 22" in message(places)


def test_rows_in_another_order_are_refused():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 300)
    base = np.array([votes(**{EMOTIONS[label]: 10}) for label in labels])
    made = Votes(np.zeros(300, np.int8), ("",) * 300, np.roll(base, 1, axis=0))
    from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset

    images = Dataset(
        name="fer2013",
        images=np.zeros((300, 48, 48), np.uint8),
        labels=labels,
        ids=np.array([f"fer2013-{row:05d}" for row in range(300)]),
        classes=FER2013_CLASSES,
        fingerprint="",
        split=np.zeros(300, np.int8),
    )
    with pytest.raises(UserError, match="not in the same order"):
        from_fer2013("fer2013new.csv", made, images)
    assert len(from_fer2013("fer2013new.csv", replace(made, votes=base), images)) == 300


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows"),
        (HEADER + "\n", "no rows"),
        ("a,b\n1,2\n", "line 1: the header has no usage"),
        (HEADER + "\nTraining,x,1,2\n", "line 2"),
        (HEADER + "\nTrain,x,1,2,0,0,0,0,0,0,0,0\n", "line 2"),
        (HEADER + "\nTraining,x,1,2,a,0,0,0,0,0,0,0\n", "line 2"),
    ],
)
def test_a_malformed_table_is_named(places, text, words):
    write_csv(places.data_dir / "fer2013.csv")
    path = write_table(places)
    path.write_text(text)
    told = message(places)
    assert str(path) in told and words in told
