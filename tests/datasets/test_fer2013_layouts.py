"""FER2013's other csv files, and skipped rows."""

from dataclasses import replace

import numpy as np
from made_up_fer2013 import IMAGES, LABELS, SPLIT, csv_rows, write_csv, write_folder

from fer_bench.datasets import find, load


def test_icml_face_data_reads_the_same(data_config):
    rows = [",".join([e, u, p]) for e, p, u in (row.split(",") for row in csv_rows())]
    write_csv(data_config.data_dir / "icml_face_data.csv", rows, "emotion, Usage, pixels")
    data = load("fer2013", data_config)
    assert np.array_equal(data.images, IMAGES) and np.array_equal(data.split, SPLIT)
    assert np.array_equal(data.labels, LABELS)


def test_train_csv_contains_only_training(data_config):
    rows = csv_rows(usage=False)
    write_csv(data_config.data_dir / "train.csv", rows, "emotion,pixels")
    write_csv(data_config.data_dir / "test.csv", [row.partition(",")[2] for row in rows], "pixels")
    data = load("fer2013", data_config)
    assert data.split.tolist() == [0] * len(LABELS) and np.array_equal(data.images, IMAGES)
    (note,) = [note for note in data.notes if "train.csv" in note]
    assert "no official split" in note and "test.csv" in note and "no labels" in note


def test_train_csv_of_another_dataset(data_config):
    write_csv(data_config.data_dir / "train.csv", ["1,2"], "id,label")
    assert find("fer2013", data_config) is None


def test_preferred_copy(data_config):
    train = write_csv(data_config.data_dir / "train.csv", csv_rows(usage=False), "emotion,pixels")
    assert find("fer2013", data_config) == train
    folder = write_folder(data_config.data_dir / "x" / "images")
    assert find("fer2013", data_config) == folder
    icml = write_csv(data_config.data_dir / "x" / "y" / "z" / "icml_face_data.csv")
    assert find("fer2013", data_config) == icml
    csv = write_csv(data_config.data_dir / "fer2013" / "fer2013.csv")
    assert find("fer2013", data_config) == csv


def test_skipped_rows_are_counted(data_config, load_error):
    rows = csv_rows()
    rows[2] = "0,1 2 3,Training"
    rows[9] = rows[9].replace("Training", "Trainig")
    write_csv(data_config.data_dir / "fer2013.csv", rows)
    assert "line 4: 3 pixels instead of 2304" in load_error("fer2013")
    for _ in range(2):  # read, then from the cache
        data = load("fer2013", replace(data_config, skip_invalid=True))
        assert np.array_equal(data.images, np.delete(IMAGES, [2, 9], axis=0))
        assert data.ids[2] == "fer2013-00003" and "fer2013-00009" not in data.ids  # the others keep their ids
        assert data.notes[0].startswith("2 rows were skipped of the 28 in fer2013.csv; the first: line 4:")
    assert "line 4" in load_error("fer2013")  # without skip_invalid the cache is not used
    assert len(load("fer2013", replace(data_config, skip_invalid=True))) == 26


def test_complete_copy_is_cached_once_for_both_modes(data_config, cached_names):
    write_csv(data_config.data_dir / "fer2013.csv")
    load("fer2013", data_config)
    (name,) = cached_names()
    folder = data_config.cache_dir / name
    before = (folder / "meta.json").stat().st_mtime_ns
    data = load("fer2013", replace(data_config, skip_invalid=True))
    assert (folder / "meta.json").stat().st_mtime_ns == before and not any("skipped" in note for note in data.notes)


def test_truncated_row_can_be_skipped(data_config, load_error):
    path = write_csv(data_config.data_dir / "fer2013.csv")
    path.write_bytes(path.read_bytes()[:-500])
    assert "truncated" in load_error("fer2013")
    data = load("fer2013", replace(data_config, skip_invalid=True))
    assert len(data) == 27 and "truncated" in data.notes[0]


def test_only_invalid_rows(data_config, load_error):
    write_csv(data_config.data_dir / "fer2013.csv", ["0,1,Training"] * 3)
    assert "no valid row" in load_error("fer2013", replace(data_config, skip_invalid=True))


def test_unpublished_counts_are_noted(data_config):
    write_csv(data_config.data_dir / "fer2013.csv")
    notes = " ".join(load("fer2013", data_config).notes)
    assert "training counts are not the published ones: angry 2 instead of 3,995" in notes
