"""README.md: its table is that of the CSV file, its links lead somewhere, its example and its badges are true."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import keras
import pytest
from code_blocks import blocks

from fer_bench.config.recipe import resolve
from fer_bench.records.schema import BENCHMARK_VERSION
from fer_bench.registry.architectures import ARCHITECTURES, describe
from fer_bench.training.train import build_model

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_is_that_of_its_csv_file(monkeypatch):
    pytest.importorskip("mkdocs", reason="the extra docs is not installed: pip install -e '.[docs]'")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "scripts"))
    import readme

    assert "| cnn " in readme.filled(README)
    assert readme.filled(README) == README, "run `python docs/scripts/readme.py`"


def test_links_and_pictures_exist():
    targets = re.findall(r"\]\(([^)#]+)\)|(?:src|srcset)=\"([^\"]+)\"", README)
    files = [first or second for first, second in targets if "://" not in first + second]
    assert len(files) > 15
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_the_badges_are_true():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11,<3.14" and "python-3.11_to_3.13" in README
    assert project["license"] == "MIT" and "license-MIT" in README
    assert f"benchmark_version-{BENCHMARK_VERSION}-" in README
    assert f"trains {len(ARCHITECTURES.names())} architectures" in README


def test_the_example_of_an_architecture_works(tmp_path):
    (code,) = blocks(ROOT / "README.md", "python")
    assert len(code.splitlines()) <= 12
    (tmp_path / "my_net.py").write_text(code)
    with ARCHITECTURES.temporary():
        ARCHITECTURES.scan(tmp_path / "my_net.py")
        model = build_model("my_net", resolve(describe("my_net").recipe), (48, 48), 7)
    assert model.output_shape == (None, 7) and isinstance(model, keras.Model)
    sys.modules.pop("_fer_bench_my_net", None)
