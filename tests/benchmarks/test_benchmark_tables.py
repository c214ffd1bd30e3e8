"""The tables of benchmarks/README.md say what was measured."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

FOLDER = Path(__file__).resolve().parent.parent.parent / "benchmarks"
MACHINE = {"processor": "A processor", "cores": 2, "versions": {"tensorflow": "2.21.0", "keras": "3.15.1"}}


@pytest.fixture(scope="module")
def write():
    spec = importlib.util.spec_from_file_location("benchmarks_write", FOLDER / "write.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LOOP = {
    "model": "cnn",
    "batch": 64,
    "images": 1280,
    "flops": 200e6,
    "matrix_rates": [300e9, 340e9],
    "matrix_processor_rates": [150e9, 170e9],
    "rates": {
        "step": [400.0, 200.0, 420.0],  # the machine was slow in the second turn, for all ways alike
        "ours": [380.0, 194.0, 420.0],
        "fit": [190.0, 97.0, 210.0],
        "student": [152.0, 97.0, 168.0],
    },
    "processor": {"step": [4e-3] * 3, "ours": [5e-3] * 3, "fit": [8e-3] * 3, "student": [10e-3] * 3},  # less is better
    "shares": {"step": [0.97, 0.96, 0.98], "wait": [0.01, 0.01, 0.01], "rest": [0.02, 0.03, 0.01]},
    "batch_seconds": 0.002,
    "load": [3.25, 2, 1],
}


def run(way: str, repeat: int, seconds: float, processor_seconds: float, accuracy: float) -> dict:
    known = {
        "model": "cnn",
        "precision": "float32",
        "epochs": 2,
        "images": 2000,
        "read_seconds": 2.0,
        "load": [2, 2, 2],
    }
    measured = {"seconds": seconds, "processor_seconds": processor_seconds}
    accuracies = {"validation_accuracy": accuracy, "test_accuracy": 0.5}
    return {"way": way, "repeat": repeat, **known, **measured, **accuracies}


RUNS = [
    run("student", 0, 90, 60, 0.45),
    run("ours", 0, 45, 50, 0.5),
    run("student", 1, 30, 60, 0.4),
    run("ours", 1, 20, 50, 0.4),
]
SWEEP = {"models": ["cnn"], "epochs": 2, "seconds": 100.0, "train": 80.0, "validation": 8.0, "trace": 4.0, "build": 2.0}
ACCELERATOR = {
    "rows": [
        {"model": "cnn", "precision": "float32", "way": "resident", "seeds": 1, "images_per_second": 90000.0}
        | {"slowest": 89000.0, "fastest": 91000.0, "share": 0.05, "compile_seconds": 3.0},
        {"model": "cnn", "precision": "float32", "way": "beside", "seeds": 3, "images_per_second": 45000.0}
        | {"slowest": 14000.0, "fastest": 15000.0, "share": 0.02, "compile_seconds": 3.0},
        {"model": "cnn", "precision": "float32", "way": "streamed", "seeds": 1, "error": "Diverged: the loss"},
    ]
}


def cells(table: str) -> list[dict[str, str]]:
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_ways_are_compared_turn_by_turn(write):
    [row] = cells(write.loops_table([LOOP]))
    assert row["ours / (a)"] == "0.97 (0.95–1.00)"
    assert row["ours / (b)"] == "2.00 (2.00–2.00)"
    assert row["ours / (c)"] == "2.50 (2.00–2.50)"
    assert row["ours / (a), processor"] == "0.80 (0.80–0.80)"
    assert row["ours, images/s"] == "380 (194–420)"


def test_operations_of_a_step_are_three_predictions(write):
    [row] = cells(write.profile_table([LOOP]))
    assert row["GFLOP/s, ours"] == "228 (116–252)"
    assert (row["share, ours"], row["share, ours, processor"]) == ("71%", "75%")
    assert (row["in the step"], row["the rest"]) == ("97.0% (96.0%–98.0%)", "2.00% (1.00%–3.00%)")


def test_runs_from_the_csv_file_are_compared_with_those_of_the_same_repeat(write):
    student, ours = cells(write.csv_table(RUNS))
    assert (student["over (c)"], ours["over (c)"]) == ("1.00 (1.00–1.00)", "1.75 (1.50–2.00)")
    assert ours["over (c), processor"] == "1.20 (1.20–1.20)"
    accuracies = [row["validation accuracy, %"] for row in (student, ours)]
    assert accuracies == ["42.5 (40.0–45.0)", "45.0 (40.0–50.0)"]


def test_a_sweep_is_taken_apart_without_remainder(write):
    [row] = cells(write.sweep_table([SWEEP]))
    assert (row["train"], row["the rest"], row["wall-clock / training"]) == ("80 s (80%)", "6 s (6%)", "1.25")


def test_an_accelerators_failure_is_no_speed(write):
    rows = cells(write.accelerator_table([ACCELERATOR]))
    assert [(row["way"], row["images/s, all seeds"]) for row in rows] == [
        ("resident", "90,000 (89,000–91,000)"),
        ("streamed", "diverged"),
        ("beside", "45,000"),
    ]


def test_the_page_keeps_what_people_wrote(write, tmp_path):
    results = tmp_path / "results"
    (results / "gpu").mkdir(parents=True)
    (results / "gpu" / "ways.json").write_text(json.dumps(ACCELERATOR))
    parts = {"loops": [LOOP], "csv": RUNS, "sweep": [SWEEP | {"load": [1, 1, 1]}]}
    found = {name: {"machine": MACHINE, "data": "fer2013", "rows": rows} for name, rows in parts.items()}
    (results / "loops.json").write_text(json.dumps(found))
    readme = tmp_path / "README.md"
    readme.write_text("Ours.\n" + "".join(f"<!-- {name} -->\nold\n<!-- /{name} -->\n" for name in (*parts, "gpu")))
    for _ in range(2):
        done = CliRunner().invoke(write.main, ["--results", str(results), "--readme", str(readme)])
        assert done.exit_code == 0, done.output
    text = readme.read_text()
    assert text.startswith("Ours.\n")
    assert "old" not in text
    assert text.count("A processor, 2 cores, TensorFlow 2.21.0") == 3
    assert text.count("90,000 (89,000–91,000)") == 1
    assert (results / "loops.svg").read_text().startswith("<?xml")
