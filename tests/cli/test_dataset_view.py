"""What `data` prints about made-up copies of datasets."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from fer_bench.cli.dataset_view import print_datasets
from fer_bench.datasets import DataConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "datasets"))
from made_up_fer2013 import csv_rows, write_csv, write_folder


@pytest.fixture
def data_config(tmp_path):
    (tmp_path / "data").mkdir()
    return DataConfig(data_dir=tmp_path / "data")


def printed(data_config, *names) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=80)
    failed = print_datasets(data_config, console, names)
    return failed, console.file.getvalue()


def test_counts_are_printed_beside_the_published_ones(data_config):
    path = write_csv(data_config.data_dir / "fer2013.csv")
    failed, text = printed(data_config, "fer2013")
    assert failed == 0 and f"{path}: a csv file" in text
    header, training, validation, test = text.splitlines()[1:5]
    assert header.split() == ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "all"]
    assert training.split()[:4] == ["training", "2", "of", "3,995"] and training.endswith("14 of 28,709")
    assert validation.endswith("7 of 3,589") and test.endswith("7 of 3,589")
    assert "✗ The counts differ from the published ones" in text


def test_equal_counts_have_a_check_mark(data_config, monkeypatch):
    from fer_bench.datasets import DATASETS

    counts = {"training": (2,) * 7, "validation": (1,) * 7, "test": (1,) * 7}
    monkeypatch.setitem(DATASETS.get("fer2013").options, "counts", counts)
    write_csv(data_config.data_dir / "fer2013.csv")
    assert "✓ The counts are the published ones" in printed(data_config, "fer2013")[1]
    write_folder(data_config.data_dir / "x", "im{row}.png")
    (data_config.data_dir / "fer2013.csv").unlink()
    text = printed(data_config, "fer2013")[1]  # PublicTest and PrivateTest in one split
    assert "✓ The counts are the published ones" in text and "  note: " in text
    assert "folders test, train" in text


def test_an_unreadable_dataset_does_not_stop_the_others(data_config):
    write_csv(data_config.data_dir / "fer2013.csv", [*csv_rows()[:3], "0,1,Training"])
    failed, text = printed(data_config)
    assert failed == 1 and "line 5: 1 pixels instead of 2304" in text
    assert "synthetic  built in" in text and "Not found in" in text and "ckplus" in text


def test_notes_are_printed(data_config):
    write_csv(data_config.data_dir / "train.csv", csv_rows(usage=False), "emotion,pixels")
    assert "note: train.csv" in printed(data_config, "fer2013")[1]
