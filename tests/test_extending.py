"""The examples of docs/extending.md work as they are printed."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

import fer_bench.datasets
import fer_bench.sweep.tracking
from fer_bench.datasets import DATASETS, DataConfig
from fer_bench.leaderboard.columns import BY_KEY
from fer_bench.registry.architectures import ARCHITECTURES, describe
from fer_bench.sweep.run import run
from fer_bench.sweep.tracking.tracker import TrackerCallback, create_tracker

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")


@pytest.fixture
def example(tmp_path):
    """Write the new files of the page whose paths begin with a folder; return the folder of the copy."""

    def write(folder: str) -> Path:
        diffs = "".join(re.findall(r"```diff\n(.*?)```", PAGE, re.S))
        for path, body in re.findall(r"^--- /dev/null\n\+\+\+ b/(\S+)\n@@\n((?:^\+.*\n)+)", diffs, re.M):
            if path.startswith(folder):
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_text(re.sub(r"^\+", "", body, flags=re.M))
        return tmp_path / folder

    return write


def test_the_metric_is_a_column():
    assert set(re.findall(r'\+ +_metric\("(\w+)"', PAGE)) <= BY_KEY.keys()


def test_the_architecture_is_registered(example):
    with ARCHITECTURES.temporary():
        ARCHITECTURES.scan(example("architectures"))
        assert describe("my_net").num_parameters == 94_247


def test_the_dataset_is_read(example, tmp_path, monkeypatch):
    folder = example("fer_bench/datasets")
    monkeypatch.setattr(fer_bench.datasets, "__path__", [*fer_bench.datasets.__path__, str(folder)])
    (tmp_path / "data" / "my_faces").mkdir(parents=True)
    for number, name in enumerate(("P07_happy_03", "P07_sad_01", "P11_happy_02")):
        pixels = np.full((60, 60), 40 * number, np.uint8)
        cv2.imwrite(str(tmp_path / "data" / "my_faces" / f"{name}.png"), pixels)
    with DATASETS.temporary():
        DATASETS.scan(folder, package="fer_bench.datasets")
        dataset = fer_bench.datasets.load("my_faces", DataConfig(tmp_path / "data", tmp_path / "cache"))
    assert dataset.images.shape == (3, 48, 48)
    assert [dataset.classes[label] for label in dataset.labels] == ["happy", "sad", "happy"]
    assert dataset.subjects is not None and dataset.subjects.tolist() == ["P07", "P07", "P11"]


def test_the_tracker_logs_epochs(example, planned_of, tiny_architectures, tmp_path, monkeypatch):
    tracking = fer_bench.sweep.tracking
    monkeypatch.setattr(tracking, "__path__", [*tracking.__path__, str(example("fer_bench/sweep/tracking"))])
    results = tmp_path / "results"
    tracker = create_tracker("jsonl", results, "faces")
    run([planned_of("tiny", epochs=2)], results, [TrackerCallback(tracker)])
    assert len((results / "epochs.jsonl").read_text().splitlines()) == 2
