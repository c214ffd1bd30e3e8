"""When a cache made from several files and folders is current, and what it keeps."""

import os
from dataclasses import replace

import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import cached, fingerprint
from fer_bench.datasets.dataset import Dataset


def make(**changes) -> Dataset:
    data = Dataset(
        name="tiny",
        images=np.zeros((3, 4, 4), np.uint8),
        labels=np.array([0, 1, 0]),
        ids=np.array(["a", "b", "c"]),
        classes=("no", "yes"),
        fingerprint="",
    )
    return replace(data, **changes)


@pytest.fixture
def load(tmp_path):
    """Load from a folder and a file; whether it was read anew."""
    (tmp_path / "set" / "a" / "b").mkdir(parents=True)
    (tmp_path / "table.csv").write_text("1")

    def load(data=None, **options) -> bool:
        calls = []

        def read() -> Dataset:
            calls.append(1)
            return data or make()

        cached("tiny", [tmp_path / "set", tmp_path / "table.csv"], tmp_path / "cache", read, **options)
        return bool(calls)

    load()
    return load


def test_nothing_changed_nothing_read(load):
    assert not load() and not load()


@pytest.mark.parametrize("name", ["set/new.png", "set/a/new.png", "set/a/b/new.png"])
def test_a_file_in_any_folder_is_noticed(load, tmp_path, name):
    (tmp_path / name).touch()
    assert load() and not load()
    (tmp_path / name).rename((tmp_path / name).with_name("renamed.png"))
    assert load() and not load()
    (tmp_path / name).with_name("renamed.png").unlink()
    assert load() and not load()


def test_a_folder_that_comes_or_goes_is_noticed(load, tmp_path):
    (tmp_path / "set" / "c").mkdir()
    assert load() and not load()
    (tmp_path / "set" / "c").rmdir()
    assert load() and not load()


def test_the_other_source_is_noticed(load, tmp_path):
    (tmp_path / "table.csv").write_text("12")
    assert load() and not load()


def test_refresh_reads_anew(load):
    assert load(refresh=True) and load(refresh=True) and not load()


def test_what_was_left_out_is_not_taken_for_the_whole(load):
    assert not load(skip_bad=True)  # nothing was left out of what is cached
    assert load(skip_bad=True, refresh=True) and not load(skip_bad=True)
    assert load() and not load() and not load(skip_bad=True)


def test_a_source_that_goes_away_is_named(load, tmp_path):
    (tmp_path / "table.csv").unlink()
    with pytest.raises(UserError, match=r"table.csv cannot be read"):
        load()


def test_a_source_that_changes_while_it_is_read_is_not_cached_as_current(tmp_path):
    source = tmp_path / "table.csv"
    source.write_text("1")

    def read() -> Dataset:
        source.write_text("12")
        return make()

    with pytest.raises(UserError, match="changed while it was read"):
        cached("tiny", source, tmp_path / "cache", read)


def test_soft_labels_sequences_and_notes_come_back(tmp_path):
    soft = np.array([[0.5, 0.5], [0, 1], [1, 0]], np.float32)
    whole = make(soft_labels=soft, sequences=np.array(["s", "s", "t"]), notes=("One thing.", "Another."))
    for _ in range(2):
        data = cached("tiny", None, tmp_path / "cache", lambda: whole)
        assert np.array_equal(data.soft_labels, soft) and data.soft_labels.dtype == np.float32
        assert data.sequences.tolist() == ["s", "s", "t"] and data.notes == ("One thing.", "Another.")


def test_the_fingerprint_covers_them_where_they_are():
    soft = np.full((3, 2), 0.5, np.float32)
    prints = [
        fingerprint(data)
        for data in (
            make(),
            make(soft_labels=soft),
            make(soft_labels=soft / 2),
            make(sequences=np.array(["s", "s", "t"])),
            make(sequences=np.array(["s", "t", "t"])),
        )
    ]
    assert len(set(prints)) == 5 and fingerprint(make(notes=("a note",))) == prints[0]


def test_a_tree_of_many_files_is_checked_fast(tmp_path):
    import time

    for number in range(20):
        folder = tmp_path / "set" / str(number)
        folder.mkdir(parents=True)
        for file in range(100):
            os.close(os.open(folder / f"{file}.png", os.O_CREAT))
    cached("tiny", tmp_path / "set", tmp_path / "cache", make)
    start = time.perf_counter()
    cached("tiny", tmp_path / "set", tmp_path / "cache", make)
    assert time.perf_counter() - start < 0.1
