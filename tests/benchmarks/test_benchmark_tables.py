"""The tables of benchmarks/README.md are computed from the results."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from sample_records import make_epoch, make_record, make_trial

from fer_bench.config.recipe import Recipe

FOLDER = Path(__file__).resolve().parent.parent.parent / "benchmarks"
MACHINE = {"processor": "A processor", "cores": 2, "versions": {"tensorflow": "2.21.0", "keras": "3.15.1"}}


def load_program(name: str):
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", FOLDER / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tables():
    return load_program("write_tables")


LOOP = {
    "model": "cnn",
    "batch": 64,
    "images": 1280,
    "flops": 200e6,
    "matrix_rates": [300e9, 340e9],
    "matrix_processor_rates": [150e9, 170e9],
    "rates": {
        "step": [400.0, 200.0, 420.0],  # the machine was slow in the second round, for all methods alike
        "ours": [380.0, 194.0, 420.0],
        "model_fit": [190.0, 97.0, 210.0],
        "image_data_generator": [152.0, 97.0, 168.0],
    },
    # Less is better.
    "processor": {"step": [4e-3] * 3, "ours": [5e-3] * 3, "model_fit": [8e-3] * 3, "image_data_generator": [0.01] * 3},
    "shares": {"step": [0.97, 0.96, 0.98], "wait": [0.01, 0.01, 0.01], "rest": [0.02, 0.03, 0.01]},
    "batch_seconds": 0.002,
    "load": [3.25, 2, 1],
}


def make_run(method: str, repeat: int, seconds: float, processor_seconds: float, accuracy: float) -> dict:
    constant = {"model": "cnn", "precision": "float32", "epochs": 2, "images": 2000, "read_seconds": 2.0}
    measured = {"seconds": seconds, "processor_seconds": processor_seconds, "load": [2, 2, 2]}
    accuracies = {"validation_accuracy": accuracy, "test_accuracy": 0.5}
    return {"method": method, "repeat": repeat, **constant, **measured, **accuracies}


RUNS = [
    make_run("image_data_generator", 0, 90, 60, 0.45),
    make_run("ours", 0, 45, 50, 0.5),
    make_run("image_data_generator", 1, 30, 60, 0.4),
    make_run("ours", 1, 20, 50, 0.4),
]
SWEEP = {"models": ["cnn"], "epochs": 2}
SWEEP |= {"seconds": 100.0, "train": 80.0, "validation": 8.0, "compile": 4.0, "build": 2.0}
SCRIPT = {
    "machine": MACHINE,
    "epochs": 2,
    "target": 0.62,
    "sweep": {"seconds": 200, "validation_accuracy": 0.5},
    "sweep_auto": {"seconds": 100, "validation_accuracy": 0.5},
    "script": {"seconds": 320, "epochs": 2, "validation_accuracy": 0.4, "reached": False},
    "fast": {"seconds": 100, "validation_accuracy": 0.63},
    "script_to_target": {"seconds": 650, "epochs": 7, "validation_accuracy": 0.55, "reached": False},
}
ACCELERATOR = {
    "rows": [
        {"model": "cnn", "precision": "float32", "method": "resident", "seeds": 1, "images_per_second": 90000.0}
        | {"slowest": 89000.0, "fastest": 91000.0, "share": 0.05, "compile_seconds": 3.0},
        {"model": "cnn", "precision": "float32", "method": "processes", "seeds": 3, "images_per_second": 45000.0}
        | {"slowest": 14000.0, "fastest": 15000.0, "share": 0.02, "compile_seconds": 3.0},
        {"model": "cnn", "precision": "float32", "method": "streamed", "seeds": 1, "error": "Diverged: the loss"},
    ]
}


STEPS = [
    {"architecture": "cnn", "images_per_second": {"keras": 1000.0, "fast": 1250.0, "bfloat16": 900.0}}
    | {"ratio": {"fast": 1.28, "bfloat16": 0.9, "no_normalization": 1.4}},
    {"architecture": "vgg16", "images_per_second": {"keras": 50.0, "fast": 50.0, "bfloat16": 100.0}}
    | {"ratio": {"fast": 0.98, "bfloat16": 2.0}},
]


ABLATION = [
    {"change": "fast", "validation_accuracies": [[0.61, 0.62], [0.6, 0.64], [0.63, 0.5]]}
    | {
        "accuracies": [0.63, 0.65, 0.64],
        "kinds": ["32 pixels", "48 pixels"],
        "seconds_per_epoch": {"32 pixels": 20.0, "48 pixels": 51.0},
    },
    {"change": "all at 48 pixels", "validation_accuracies": [[0.5, 0.61], [0.5, 0.59], [0.5, 0.58]]}
    | {"accuracies": [0.62, 0.6, 0.6], "kinds": ["48 pixels", "48 pixels"], "seconds_per_epoch": {"48 pixels": 50.0}},
]


EXPORTS = [
    {"architecture": "cnn", "format": "onnx", "images": 300, "max_difference": 4e-7, "same_labels": 1.0}
    | {"accuracy": 0.65, "original_accuracy": 0.65, "mebibytes": 4.4, "images_per_second": 1200.0}
    | {"latency_p50_seconds": 0.001, "latency_p95_seconds": 0.002},
    {"architecture": "cnn", "format": "litert-int8", "error": "The file disagrees with Keras."},
    {"architecture": "sequence_gru", "format": "onnx", "images": 33, "max_difference": 2e-7, "same_labels": 1.0}
    | {"accuracy": 0.8, "original_accuracy": 0.8, "mebibytes": 1.7, "images_per_second": None}
    | {"latency_p50_seconds": 0.001, "latency_p95_seconds": 0.002},
]


def cells(table: str) -> list[dict[str, str]]:
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_methods_are_compared_within_a_round(tables):
    [row] = cells(tables.loops_table([LOOP]))
    assert row["ours / (a)"] == "0.97 (0.95–1.00)"
    assert row["ours / (b)"] == "2.00 (2.00–2.00)"
    assert row["ours / (c)"] == "2.50 (2.00–2.50)"
    assert row["ours / (a), CPU time"] == "0.80 (0.80–0.80)"
    assert row["ours, images/s"] == "380 (194–420)"


def test_a_step_has_the_operations_of_three_predictions(tables):
    [row] = cells(tables.profile_table([LOOP]))
    assert row["GFLOP/s, ours"] == "228 (116–252)"
    assert (row["share, ours"], row["share, ours, CPU time"]) == ("71%", "75%")
    assert (row["in the step"], row["the rest"]) == ("97.0% (96.0%–98.0%)", "2.00% (1.00%–3.00%)")


def test_runs_from_the_csv_file_are_compared_within_a_repeat(tables):
    generator, ours = cells(tables.csv_table(RUNS))
    assert (generator["speedup over (c)"], ours["speedup over (c)"]) == ("1.00 (1.00–1.00)", "1.75 (1.50–2.00)")
    assert ours["speedup over (c), CPU time"] == "1.20 (1.20–1.20)"
    accuracies = [row["validation accuracy, %"] for row in (generator, ours)]
    assert accuracies == ["42.5 (40.0–45.0)", "45.0 (40.0–50.0)"]


def test_the_parts_of_a_sweep_add_up_to_its_wall_clock(tables):
    [row] = cells(tables.sweep_table([SWEEP]))
    assert (row["train"], row["the rest"], row["wall-clock / training"]) == ("80 s (80%)", "6 s (6%)", "1.25")


def test_steps_end_with_their_geometric_mean(tables):
    cnn, vgg16, mean = cells(tables.steps_table(STEPS))
    assert (cnn["fast, images/s"], cnn["fast / plain"], vgg16["fast / plain"]) == ("1,250", "1.28", "0.98")
    assert (mean["architecture"], mean["fast / plain"]) == ("geometric mean", "1.12")
    assert [row["faster of both / plain"] for row in (cnn, vgg16, mean)] == ["1.28", "2.00", "1.60"]
    assert [row["no normalization / plain"] for row in (cnn, vgg16, mean)] == ["1.40", "", ""]


def test_a_script_that_was_stopped_is_slower_by_more_than_the_ratio(tables):
    float32, auto, target = cells(tables.script_table(SCRIPT))
    assert (float32["fer-bench, s"], float32["ratio"], auto["ratio"]) == ("200", "1.60", "3.20")
    assert (target["script, s"], target["ratio"]) == ("more than 650 (7 epochs, at most 55.0 %)", "more than 6.5")
    stopped = SCRIPT["script_to_target"] | {"reached": True}
    assert cells(tables.script_table(SCRIPT | {"script_to_target": stopped}))[-1]["ratio"] == "6.5"


def test_a_run_that_misses_the_target_counts_as_infinite(tables):
    fast, large = cells(tables.ablation_table(ABLATION))
    assert (fast["epochs to 60%"], fast["seconds to 60%"]) == ("1", "20")
    assert (fast["epochs to 62%"], fast["seconds to 62%"]) == ("2", "70")  # the fastest epochs of all rows
    assert (large["epochs to 60%"], large["seconds to 62%"]) == ("missed (2 of 3 missed)", "missed (3 of 3 missed)")
    assert fast["with all views, %"] == "64.0 (63.0–65.0)"
    assert (fast["PublicTest, %"], large["seconds of the run"]) == ("63.0 (62.0–64.0)", "100")


def test_the_fastest_epoch_of_each_input_size_is_measured():
    recipe = Recipe(epochs=3, patience=None, input_size=((0, 32), (0.5, 48))).model_dump(mode="json")
    seconds = [[10.0, 50.0, 30.0], [12.0, 9.0, 20.0]]
    records = [
        make_record(
            seed,
            trial=make_trial(seed).model_copy(update={"recipe": recipe}),
            history=[
                make_epoch(n, accuracy).model_copy(update={"train_seconds": s - 1, "validation_seconds": 1})
                for n, s, accuracy in zip((1, 2, 3), times, (0.5, 0.6, 0.64), strict=True)
            ],
        )
        for seed, times in enumerate(seconds)
    ]
    row = load_program("ablation").measure(records)
    small, large = "cnn, adamw, 32 pixels", "cnn, adamw, 48 pixels"
    assert row["kinds"] == [small, small, large] and row["seconds_per_epoch"] == {small: 9, large: 20}
    assert row["validation_accuracies"] == [[0.5, 0.6, 0.64]] * 2


def test_an_export_that_failed_says_why(tables):
    text = tables.exports_tables({"machine": MACHINE, "rows": EXPORTS})
    assert "- `cnn`, litert-int8: The file disagrees with Keras." in text
    agreement, _, latency, *_ = (" ".join(row.split()) for row in text.splitlines() if row.startswith("| `cnn`"))
    assert agreement == "| `cnn` | 100.00 (4e-07) | – |"
    assert latency == "| `cnn` | 1.0 (2.0) | – |"
    *_, rate, size = (" ".join(row.split()) for row in text.splitlines() if row.startswith("| `sequence_gru`"))
    assert (rate, size) == ("| `sequence_gru` | – | – |", "| `sequence_gru` | 1.7 | – |")


def test_a_failed_measurement_has_no_speed(tables):
    rows = cells(tables.accelerator_table([ACCELERATOR]))
    assert [(row["method"], row["images/s, all seeds"]) for row in rows] == [
        ("resident", "90,000 (89,000–91,000)"),
        ("streamed", "diverged"),
        ("processes", "45,000"),
    ]


def test_only_the_text_between_the_markers_changes(tables, tmp_path):
    results = tmp_path / "results"
    (results / "gpu").mkdir(parents=True)
    (results / "gpu" / "methods.json").write_text(json.dumps(ACCELERATOR))
    parts = {"loops": [LOOP], "csv": RUNS, "sweep": [SWEEP | {"load": [1, 1, 1]}]}
    loops = {name: {"machine": MACHINE, "data": "fer2013", "rows": rows} for name, rows in parts.items()}
    (results / "loops.json").write_text(json.dumps(loops))
    steps = {"machine": MACHINE, "data": "random images", "rows": [row | {"load": [1, 1, 1]} for row in STEPS]}
    (results / "steps.json").write_text(json.dumps(steps))
    (results / "script.json").write_text(json.dumps(SCRIPT))
    (results / "ablation.json").write_text(json.dumps({"rows": ABLATION}))
    (results / "exports.json").write_text(json.dumps({"machine": MACHINE, "rows": EXPORTS}))
    readme, fast, export = (tmp_path / name for name in ("README.md", "fast.md", "export.md"))
    fast.write_text("<!-- ablation -->\nold\n<!-- /ablation -->\n")
    export.write_text("<!-- exports -->\nold\n<!-- /exports -->\n")
    readme.write_text(
        "Prose.\n" + "".join(f"<!-- {name} -->\nold\n<!-- /{name} -->\n" for name in (*parts, "steps", "script", "gpu"))
    )
    for _ in range(2):
        flags = {"--results": results, "--readme": readme, "--fast": fast, "--export": export}
        result = CliRunner().invoke(tables.main, [str(part) for flag in flags.items() for part in flag])
        assert result.exit_code == 0, result.output
    text = readme.read_text()
    assert text.startswith("Prose.\n")
    assert "old" not in text + fast.read_text() + export.read_text()
    assert "all at 48 pixels" in fast.read_text()
    assert text.count("A processor, 2 cores, TensorFlow 2.21.0") == 5
    assert text.count("90,000 (89,000–91,000)") == 1
    assert (results / "loops.svg").read_text().startswith("<?xml")
