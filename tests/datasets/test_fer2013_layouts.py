"""FER2013's other csv files, and bad rows that may be left out."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_fer2013 import IMAGES, LABELS, SPLIT, csv_rows, write_csv, write_folder

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig, find, load


@pytest.fixture
def places(tmp_path):
    (tmp_path / "data").mkdir()
    return DataConfig(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


def test_icml_face_data_reads_the_same(places):
    rows = [",".join([e, u, p]) for e, p, u in (row.split(",") for row in csv_rows())]
    write_csv(places.data_dir / "icml_face_data.csv", rows, "emotion, Usage, pixels")
    data = load("fer2013", places)
    assert np.array_equal(data.images, IMAGES) and np.array_equal(data.split, SPLIT)
    assert np.array_equal(data.labels, LABELS)


def test_train_csv_is_training_alone_and_says_so(places):
    rows = csv_rows(usage=False)
    write_csv(places.data_dir / "train.csv", rows, "emotion,pixels")
    write_csv(places.data_dir / "test.csv", [row.partition(",")[2] for row in rows], "pixels")
    data = load("fer2013", places)
    assert data.split.tolist() == [0] * len(LABELS) and np.array_equal(data.images, IMAGES)
    (note,) = [note for note in data.notes if "train.csv" in note]
    assert "no official split" in note and "test.csv" in note and "no labels" in note


def test_train_csv_of_something_else_is_not_taken(places):
    write_csv(places.data_dir / "train.csv", ["1,2"], "id,label")
    assert find("fer2013", places) is None


def test_which_copy_is_preferred(places):
    train = write_csv(places.data_dir / "train.csv", csv_rows(usage=False), "emotion,pixels")
    assert find("fer2013", places) == train
    folder = write_folder(places.data_dir / "x" / "images")
    assert find("fer2013", places) == folder
    icml = write_csv(places.data_dir / "x" / "y" / "z" / "icml_face_data.csv")
    assert find("fer2013", places) == icml
    csv = write_csv(places.data_dir / "fer2013" / "fer2013.csv")
    assert find("fer2013", places) == csv


def with_bad_rows() -> list[str]:
    rows = csv_rows()
    rows[2] = "0,1 2 3,Training"
    rows[9] = rows[9].replace("Training", "Trainig")
    return rows


def test_bad_rows_are_refused_by_default_and_leave_nothing(places):
    write_csv(places.data_dir / "fer2013.csv", with_bad_rows())
    with pytest.raises(UserError, match="line 4: 3 pixels instead of 2304"):
        load("fer2013", places)
    assert not list(places.cache_dir.iterdir())


def test_bad_rows_may_be_left_out_and_are_counted(places):
    write_csv(places.data_dir / "fer2013.csv", with_bad_rows())
    for _ in range(2):  # read, then from the cache
        data = load("fer2013", replace(places, skip_bad=True))
        assert np.array_equal(data.images, np.delete(IMAGES, [2, 9], axis=0))
        assert data.ids[2] == "fer2013-00003" and "fer2013-00009" not in data.ids  # the others keep their rows
        assert data.notes[0].startswith("2 rows were left out of the 28 in fer2013.csv; the first: line 4:")
    with pytest.raises(UserError, match="line 4"):  # who does not ask for it is not given the rest
        load("fer2013", places)
    assert len(load("fer2013", replace(places, skip_bad=True))) == 26


def test_a_whole_copy_serves_with_and_without_leaving_out(places):
    write_csv(places.data_dir / "fer2013.csv")
    load("fer2013", places)
    (folder,) = places.cache_dir.iterdir()
    before = (folder / "meta.json").stat().st_mtime_ns
    data = load("fer2013", replace(places, skip_bad=True))
    assert (folder / "meta.json").stat().st_mtime_ns == before and not any("left out" in note for note in data.notes)


def test_a_csv_cut_in_a_row_can_be_read_without_it(places):
    path = write_csv(places.data_dir / "fer2013.csv")
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(UserError, match="cut off"):
        load("fer2013", places)
    data = load("fer2013", replace(places, skip_bad=True))
    assert len(data) == 27 and "cut off" in data.notes[0]


def test_nothing_but_bad_rows_is_an_error(places):
    write_csv(places.data_dir / "fer2013.csv", ["0,1,Training"] * 3)
    with pytest.raises(UserError, match="no good row"):
        load("fer2013", replace(places, skip_bad=True))
    assert not list(places.cache_dir.iterdir())


def test_counts_that_are_not_the_published_ones_are_noted(places):
    write_csv(places.data_dir / "fer2013.csv")
    notes = " ".join(load("fer2013", places).notes)
    assert "training counts are not the published ones: angry 2 instead of 3,995" in notes
