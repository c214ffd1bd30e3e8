"""The registry of datasets: light to import, with clear messages; and the search through the data folder."""

import os
import subprocess
import sys

import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS, DataConfig, find, find_all, load, tree
from fer_bench.datasets.tree import MAX_ENTRIES, CachedWalk, list_folder, walk


def test_listing_and_finding_import_nothing_heavy(tmp_path):
    code = (
        "import sys; from pathlib import Path; from fer_bench.datasets import *; "
        "print(*DATASETS.names()); "
        f"config = DataConfig(Path({str(tmp_path)!r}), Path({str(tmp_path)!r})); "
        "assert [find(n, config) for n in DATASETS.names()] and available('synthetic', config); "
        "print(sorted({'numpy', 'cv2', 'pandas', 'keras', 'tensorflow'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[1] == "[]"
    assert {"fer2013", "synthetic"} <= set(result.stdout.split())


@pytest.mark.parametrize("function", [load, find])
def test_unknown_name_suggests_the_nearest(function, tmp_path):
    with pytest.raises(UserError, match="fer2013"):
        function("fer2103", DataConfig(tmp_path, tmp_path))


def test_every_entry_is_described():
    for entry in DATASETS:
        assert entry.summary and entry.options["title"] and entry.options["source"]
        assert ("locate" in entry.options) == ("layouts" in entry.options)


def test_drawn_datasets_are_always_found(tmp_path):
    assert find_all(DataConfig(tmp_path, tmp_path)) == {"synthetic": None, "synthetic_sequences": None}


def test_walk_skips_class_folders_and_limits_entries(tmp_path):
    (tmp_path / "train" / "happy" / "deeper").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    many = tmp_path / "many"
    many.mkdir()
    for number in range(MAX_ENTRIES + 10):
        (many / f"{number}.png").touch()
    assert [folder.path.name for folder in walk(tmp_path)] == [tmp_path.name, "many", "train"]
    assert len(list_folder(many).files) == MAX_ENTRIES and len(list_folder(many, None).files) == MAX_ENTRIES + 10


def test_walk_ends_with_circular_links(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
    assert [folder.path.name for folder in walk(tmp_path)] == [tmp_path.name, "a"]


def test_searches_share_one_walk(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    listed = count_listings(monkeypatch)
    shared = CachedWalk(tmp_path)
    assert [folder.path.name for folder in shared] == [folder.path.name for folder in shared]
    assert len(listed) == 3


def test_few_folders_are_listed_to_find_many_images(tmp_path, monkeypatch):
    for split in ("train", "test"):
        for name in ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "0.png").touch()
    listed = count_listings(monkeypatch)
    assert set(find_all(DataConfig(tmp_path, tmp_path))) == {"fer2013", "synthetic", "synthetic_sequences"}
    in_class_folders = [path for path in listed if os.path.basename(path) not in (tmp_path.name, "train", "test")]
    assert len(in_class_folders) <= 5 * 14  # some searches look into class folders, none into their files


def count_listings(monkeypatch) -> list:
    """Return a list to which each folder that is listed is appended."""
    listed, scandir = [], os.scandir
    monkeypatch.setattr(tree.os, "scandir", lambda path: (listed.append(path), scandir(path))[1])
    return listed
