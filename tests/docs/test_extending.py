"""The examples of docs/extending.md work as they are printed."""

import importlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

import fer_bench.datasets
import fer_bench.sweep.executors
import fer_bench.sweep.tracking
from fer_bench.datasets import DATASETS, DataConfig
from fer_bench.evaluation.metrics import METRICS
from fer_bench.leaderboard.columns import BY_KEY
from fer_bench.records import load
from fer_bench.registry.architectures import ARCHITECTURES, describe
from fer_bench.sweep.run import run
from fer_bench.sweep.tracking.tracker import TrackerCallback, create_tracker

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
DIFFS = "".join(re.findall(r"```diff\n(.*?)```", PAGE, re.S))
FILE = re.compile(r"^--- (\S+)\n\+\+\+ b/(\S+)\n((?:^(?!--- ).*\n)+)", re.M)


@pytest.fixture
def example(tmp_path):
    """Write the new files of the page whose paths begin with a folder; return the folder of the copy."""

    def write(folder: str) -> Path:
        for before, path, body in FILE.findall(DIFFS):
            if path.startswith(folder) and before == "/dev/null":
                (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / path).write_text("".join(re.findall(r"^\+(.*\n)", body, re.M)))
        return tmp_path / folder

    return write


def test_removed_and_unchanged_lines_are_those_of_the_files():
    """A diff of an existing file can be applied: the lines that it does not add are there."""
    for before, path, body in FILE.findall(DIFFS):
        if before != "/dev/null":
            text = (ROOT / path).read_text(encoding="utf-8")
            assert [line for line in re.findall(r"^[- ](.*)\n", body, re.M) if line not in text] == [], path
            assert [name for name in re.findall(r"^@@ (\w+)$", body, re.M) if name not in text] == [], path


def test_the_metric_is_computed_and_is_a_column():
    """The example shows how the metric MCC was added: its lines are in the files."""
    added = {
        path: re.findall(r"^\+(.+)\n", body, re.M) for before, path, body in FILE.findall(DIFFS) if before[0] == "a"
    }
    for path in ("fer_bench/evaluation/metrics.py", "fer_bench/leaderboard/columns.py"):
        text = (ROOT / path).read_text(encoding="utf-8")
        assert [line for line in added[path] if line not in text] == []
    assert "mcc" in METRICS and "mcc" in BY_KEY


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


def test_the_executor_runs_trials(example, planned_of, tiny_architectures, tmp_path, monkeypatch):
    executors = fer_bench.sweep.executors
    monkeypatch.setattr(executors, "__path__", [*executors.__path__, str(example("fer_bench/sweep/executors"))])
    module = importlib.import_module("fer_bench.sweep.executors.pool")
    results = tmp_path / "results"
    with ThreadPoolExecutor(1) as pool:
        run([planned_of("tiny", seed=s, epochs=1) for s in (0, 1)], results, executor=module.PoolExecutor(pool))
    assert [stored.record.status for stored in load(results)] == ["finished", "finished"]
