"""When a cache of several files and folders is current, and which arrays it contains."""

import os
from dataclasses import replace
from pathlib import Path

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
    """Return a function that loads from a folder and a file, and returns whether they were read."""
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


def test_unchanged_sources_are_not_read(load):
    assert not load() and not load()


@pytest.mark.parametrize("folder", ["set", "set/a", "set/a/b"])
def test_changed_source_is_read_again(load, tmp_path, folder):
    new, renamed = tmp_path / folder / "new", tmp_path / folder / "renamed"
    changes = [new.touch, lambda: new.rename(renamed), renamed.unlink, new.mkdir, new.rmdir]
    for change in [*changes, lambda: (tmp_path / "table.csv").write_text("12")]:
        change()
        assert load() and not load()


def test_refresh_reads_again(load):
    assert load(refresh=True) and load(refresh=True) and not load()


def test_cache_with_skipped_samples_is_only_used_with_skip_invalid(load):
    assert not load(skip_invalid=True)  # no sample of the cached dataset was skipped
    assert load(skip_invalid=True, refresh=True) and not load(skip_invalid=True)
    assert load() and not load() and not load(skip_invalid=True)


def test_removed_source(load, tmp_path):
    (tmp_path / "table.csv").unlink()
    with pytest.raises(UserError, match=r"table.csv cannot be read"):
        load()


def test_source_that_changes_during_the_read(tmp_path):
    source = tmp_path / "table.csv"
    source.write_text("1")

    def read() -> Dataset:
        source.write_text("12")
        return make()

    with pytest.raises(UserError, match="changed while it was read"):
        cached("tiny", source, tmp_path / "cache", read)


def test_soft_labels_sequences_and_notes_are_cached(tmp_path):
    soft = np.array([[0.5, 0.5], [0, 1], [1, 0]], np.float32)
    whole = make(soft_labels=soft, sequences=np.array(["s", "s", "t"]), notes=("One thing.", "Another."))
    for _ in range(2):
        data = cached("tiny", None, tmp_path / "cache", lambda: whole)
        assert np.array_equal(data.soft_labels, soft) and data.soft_labels.dtype == np.float32
        assert data.sequences.tolist() == ["s", "s", "t"] and data.notes == ("One thing.", "Another.")


def test_fingerprint_covers_optional_arrays():
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


def test_only_folders_are_checked(tmp_path, monkeypatch):
    """A dataset of tens of thousands of image files is checked by a few system calls."""
    for number in range(3):
        folder = tmp_path / "set" / str(number)
        folder.mkdir(parents=True)
        for file in range(20):
            (folder / f"{file}.png").touch()
    cached("tiny", tmp_path / "set", tmp_path / "cache", make)
    checked, stat = [], os.stat
    monkeypatch.setattr("os.stat", lambda path, **options: (checked.append(path), stat(path, **options))[1])
    cached("tiny", tmp_path / "set", tmp_path / "cache", make)
    assert {os.path.relpath(path, tmp_path / "set") for path in checked if ".png" in str(path)} == set()
    assert sum(tmp_path / "set" in (path, *path.parents) for path in map(Path, checked)) >= 4
