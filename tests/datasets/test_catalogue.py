"""The catalogue: light to import, and clear about names."""

import subprocess
import sys

import pytest

from fer_bench.datasets import DATASETS, Places, find, load
from fer_bench.errors import UserError


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
    with pytest.raises(UserError, match="did you mean fer2013"):
        function("fer2103", Places(tmp_path, tmp_path))


def test_every_entry_says_what_it_is():
    for entry in DATASETS:
        assert entry.summary and entry.options["title"] and entry.options["source"]
