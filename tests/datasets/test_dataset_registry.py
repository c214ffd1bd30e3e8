"""The catalogue: light to import, and clear about names."""

import subprocess
import sys
import time

import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS, DataConfig, find, find_all, load
from fer_bench.datasets.tree import MAX_ENTRIES, list_folder, walk


def test_importing_and_listing_imports_nothing_heavy(tmp_path):
    code = (
        "import sys; from pathlib import Path; from fer_bench.datasets import *; "
        "print(*DATASETS.names()); "
        f"places = Places(Path({str(tmp_path)!r}), Path({str(tmp_path)!r})); "
        "assert [find(n, places) for n in DATASETS.names()] and available('synthetic', places); "
        "print(sorted({'numpy', 'cv2', 'pandas', 'keras', 'tensorflow'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[1] == "[]"
    assert {"fer2013", "synthetic"} <= set(result.stdout.split())


@pytest.mark.parametrize("function", [load, find])
def test_an_unknown_name_suggests_the_near_ones(function, tmp_path):
    with pytest.raises(UserError, match="Did you mean 'fer2013'"):
        function("fer2103", DataConfig(tmp_path, tmp_path))


def test_every_entry_says_what_it_is():
    for entry in DATASETS:
        assert entry.summary and entry.options["title"] and entry.options["source"]


def test_what_the_program_makes_is_always_found(tmp_path):
    assert find_all(DataConfig(tmp_path, tmp_path)) == {"synthetic": None, "synthetic_sequences": None}


def test_a_walk_does_not_enter_class_folders_nor_read_endless_ones(tmp_path):
    (tmp_path / "train" / "happy" / "deeper").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "many").mkdir()
    for number in range(MAX_ENTRIES + 10):
        (tmp_path / "many" / f"{number}.png").touch()
    assert [folder.path.name for folder in walk(tmp_path)] == [tmp_path.name, "many", "train"]
    assert len(list_folder(tmp_path / "many").files) == MAX_ENTRIES and len(list_folder(tmp_path / "many", None).files) == MAX_ENTRIES + 10


def test_a_walk_ends_where_links_go_round(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
    assert [folder.path.name for folder in walk(tmp_path)] == [tmp_path.name, "a"]


def test_looking_through_many_images_takes_no_time(tmp_path):
    for part in ("train", "test"):
        for name in ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(200):
                (tmp_path / part / name / f"{number}.png").touch()
    start = time.perf_counter()
    assert set(find_all(DataConfig(tmp_path, tmp_path))) == {"fer2013", "synthetic", "synthetic_sequences"}
    assert time.perf_counter() - start < 0.5
