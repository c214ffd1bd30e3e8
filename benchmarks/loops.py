"""Compare our training loop with the arithmetic it has to do and with other training methods, on the CPU.

    python benchmarks/loops.py --data-dir DIR

The results go to loops.json in three parts, each written when it is complete:

- `loops`: images per second of training alone, by (a) the compiled step on one batch in memory, our loop with
  augmentation, (b) Model.fit on arrays, (c) ImageDataGenerator and Model.fit.
- `csv`: from the CSV file to the predictions of the test images, by our loop and by (c).
- `sweep`: the wall-clock of a whole sweep divided by its training steps.

The data are FER2013 if it is found in --data-dir, or else random images of its shape. The methods run in turn, so that
other load on the machine affects all of them alike, and ratios are computed within one round.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np

from fer_bench.datasets.fer2013.folder import USAGES

ROOT = Path(__file__).resolve().parent.parent
MAX_HELD_OUT = 3589  # validation and test images of FER2013, each
MATRIX_SIZE = 2048
PARTS = ("loops", "csv", "sweep")


def matrix_rate() -> tuple[float, float]:
    """Return the operations of a float32 matrix product in TensorFlow per second of wall-clock and of processor time.

    Both are medians of 10 runs.
    """
    import tensorflow as tf

    a, b = (tf.random.stateless_normal((MATRIX_SIZE, MATRIX_SIZE), (0, seed)) for seed in (0, 1))
    times = []
    for _ in range(11):
        start, start_cpu = time.perf_counter(), time.process_time()
        tf.linalg.matmul(a, b).numpy()
        times.append((time.perf_counter() - start, time.process_time() - start_cpu))
    seconds, cpu_seconds = np.median(times[1:], axis=0)
    return 2 * MATRIX_SIZE**3 / float(seconds), 2 * MATRIX_SIZE**3 / float(cpu_seconds)


def batch_cpu_seconds(images: np.ndarray, labels: np.ndarray, recipe: Any) -> float:
    """Return the processor seconds of making one training batch, with nothing else running in the process."""
    from fer_bench.training import loop

    targets = np.eye(7, dtype=np.float32)[labels]
    start = time.process_time()
    num_batches = sum(1 for _ in loop.training_batches(images, targets, recipe, 0, 1, labels))
    return (time.process_time() - start) / num_batches


def write_csv(folder: Path, data_dir: Path | None, num_images: int) -> str:
    """Write fer2013.csv with the first rows of each split of the real file, or with random images.

    Validation and test have half as many images as training each, at most as many as in FER2013.

    Returns:
        "fer2013" or "random".
    """
    from fer_bench.datasets import DataConfig, find

    remaining = {usage: num_images if usage == USAGES[0] else min(MAX_HELD_OUT, num_images // 2) for usage in USAGES}
    source = find("fer2013", DataConfig(data_dir)) if data_dir else None
    if source and source.suffix == ".csv":
        kind, rows = "fer2013", _read_rows(source)
    else:
        kind, rows = "random", _random_rows(remaining)
    with (folder / "fer2013.csv").open("w") as file:
        file.write("emotion,pixels,Usage\n")
        for line in rows:
            usage = line.rstrip().rpartition(",")[2]
            if remaining.get(usage, 0) > 0:
                remaining[usage] -= 1
                file.write(line)
    return kind


def _read_rows(source: Path) -> Iterable[str]:
    with source.open() as file:
        header = next(file).strip()
        if header != "emotion,pixels,Usage":
            raise click.ClickException(f"{source} starts with '{header}', expected 'emotion,pixels,Usage'.")
        yield from file


def _random_rows(counts: dict[str, int]) -> Iterable[str]:
    rng = np.random.default_rng(0)
    for usage, count in counts.copy().items():
        for _ in range(count):
            yield f"{rng.integers(7)},{' '.join(map(str, rng.integers(0, 256, 48 * 48)))},{usage}\n"


def make_recipe(name: str, epochs: int, precision: str) -> Any:
    """Return the architecture's default recipe at 48 pixels in batches of 64, from random weights, without patience."""
    from fer_bench.config.recipe import resolve
    from fer_bench.registry.architectures import describe

    overrides = {"epochs": epochs, "precision": precision, "patience": None, "initial_weights": "random"}
    return resolve(describe(name).recipe, overrides | {"input_size": 48, "batch_size": 64})


def reset_keras(precision: str, seed: int) -> None:
    """Set Keras to the state in which a trial starts, without earlier models."""
    import keras

    from fer_bench.training import tensorflow_backend

    keras.backend.clear_session()
    gc.collect()
    tensorflow_backend.make_deterministic()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)


def time_loops(name: str, images: np.ndarray, labels: np.ndarray, seconds: float, rounds: int) -> dict[str, Any]:
    """Measure every method in every round, over as many steps as take `seconds`, at least four."""
    import training_methods

    from fer_bench.training import loop
    from fer_bench.training.flops import count_flops
    from fer_bench.training.train import build_model

    reset_keras("float32", 0)
    recipe = make_recipe(name, rounds + 1, "float32")
    model = build_model(name, recipe, training_methods.IMAGE_SHAPE, training_methods.NUM_CLASSES)
    loop.compile_model(model, recipe)
    step_seconds = training_methods.measure_step_seconds(model, images, recipe)
    num_steps = min(max(4, round(seconds / step_seconds)), len(images) // recipe.batch_size)
    num_images = num_steps * recipe.batch_size
    before = matrix_rate()
    times = training_methods.time_methods(model, images[:num_images], labels[:num_images], recipe)
    matrix_rates, matrix_processor_rates = zip(before, matrix_rate(), strict=True)
    return {
        "model": name,
        "batch": recipe.batch_size,
        "images": num_images,
        "flops": count_flops(model),
        "matrix_rates": matrix_rates,
        "matrix_processor_rates": matrix_processor_rates,
        "rates": times.rates,
        "processor": times.processor,
        "shares": times.shares,
        "batch_seconds": batch_cpu_seconds(images[:num_images], labels[:num_images], recipe),
        "load": os.getloadavg(),
    }


def time_from_csv(name: str, folder: Path, precisions: list[str], epochs: int, repeat: int) -> list[dict[str, Any]]:
    """Measure (c) in float32 and our loop in each precision, one after another."""
    import training_methods

    rows = []
    runs = [("image_data_generator", "float32"), *(("ours", precision) for precision in precisions)]
    for method, precision in runs:
        reset_keras(precision, repeat)
        recipe = make_recipe(name, epochs, precision)
        start_cpu = time.process_time()
        with tempfile.TemporaryDirectory() as cache_dir:
            if method == "ours":
                measured = training_methods.run_ours_from_csv(folder, name, recipe, repeat, Path(cache_dir))
            else:
                measured = training_methods.run_generator_from_csv(folder, name, recipe, repeat)
        measured["processor_seconds"] = time.process_time() - start_cpu
        rows.append(
            {"model": name, "method": method, "precision": precision, "repeat": repeat, "epochs": epochs, **measured}
        )
        click.echo(
            f"{name:14} {method:20} {precision:15} {measured['images'] / measured['seconds']:7.0f} images/s, "
            f"{measured['seconds']:.0f} s, validation {measured['validation_accuracy']:.1%}"
        )
    return rows


def time_sweep(folder: Path, models: list[str], epochs: int) -> dict[str, Any]:
    """Measure a sweep in a subprocess from start to end, and sum up the times in its records."""
    from fer_bench.records import store

    with tempfile.TemporaryDirectory() as results_dir:
        flags = {"models": ",".join(models), "datasets": "fer2013", "epochs": epochs, "weights": "random"}
        flags |= {"data-dir": folder, "results-dir": results_dir}
        command = [sys.executable, str(ROOT / "benchmark.py"), *(f"--{key}={value}" for key, value in flags.items())]
        environment = os.environ | {"FER_BENCH_CACHE": results_dir}
        start = time.perf_counter()
        subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, env=environment)
        seconds = time.perf_counter() - start
        records = [stored.record for stored in store.load(Path(results_dir))]
    costs = {
        key: sum(getattr(record.costs, f"{key}_seconds") for record in records)
        for key in ("train", "validation", "compile", "build")
    }
    click.echo(f"sweep: {seconds:.0f} s, of which {costs['train']:.0f} s are training steps")
    return {"models": models, "epochs": epochs, "seconds": seconds, **costs, "load": os.getloadavg()}


@click.command()
@click.option("--models", default="cnn,mobilenet_v2,cnn_lstm,vgg16", help="Names, separated by commas.")
@click.option("--data-dir", type=click.Path(path_type=Path, exists=True), help="Folder that contains fer2013.csv.")
@click.option("--images", default=8000, help="Training images in the CSV file.")
@click.option("--epochs", default=3, help="Epochs of the parts csv and sweep.")
@click.option("--seconds", default=10.0, help="Training time of each method in each round of the part loops.")
@click.option("--repeats", default=5, help="Rounds of the parts loops and csv.")
@click.option("--precisions", default="float32,mixed_bfloat16", help="Precisions of our loop in the part csv.")
@click.option("--parts", default=",".join(PARTS), help="Parts to measure. The others stay unchanged in loops.json.")
@click.option("--csv-models", help="Models of the parts csv and sweep. Default: all but vgg16, which takes hours.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("build/loops"), help="Folder of loops.json.")
def main(
    models: str,
    data_dir: Path | None,
    images: int,
    epochs: int,
    seconds: float,
    repeats: int,
    precisions: str,
    parts: str,
    csv_models: str | None,
    output: Path,
) -> None:
    """Compare our training loop with other training methods."""
    from fer_bench.datasets import DataConfig
    from fer_bench.datasets.fer2013.csv_file import read_csv
    from fer_bench.training.machine import describe_machine

    names = models.split(",")
    csv_names = csv_models.split(",") if csv_models else [name for name in names if name != "vgg16"]
    output.mkdir(parents=True, exist_ok=True)
    file = output / "loops.json"
    results: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}

    def save(part: str, rows: Any) -> None:
        results[part] = {"machine": describe_machine("tensorflow"), "data": source, "rows": rows}
        file.write_text(json.dumps(results, indent=1) + "\n")

    def rows_of_other_models(part: str, replaced: list[str]) -> list[dict[str, Any]]:
        return [row for row in results.get(part, {"rows": []})["rows"] if row["model"] not in replaced]

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = write_csv(folder, data_dir, images)
        if "loops" in parts:
            dataset = read_csv(folder / "fer2013.csv", DataConfig())
            is_training = dataset.split == 0
            x, y = dataset.images[is_training], dataset.labels[is_training]
            rows = rows_of_other_models("loops", names)
            for name in names:
                rows.append(time_loops(name, x, y, seconds, repeats))
                _print_loops(rows[-1])
                save("loops", rows)
        if "csv" in parts:
            rows = rows_of_other_models("csv", csv_names)
            matrix_rate()  # starts TensorFlow, so that the first method does not pay for it
            for repeat in range(repeats):
                for name in csv_names:
                    load = os.getloadavg()
                    measured = time_from_csv(name, folder, precisions.split(","), epochs, repeat)
                    rows += [row | {"load": load} for row in measured]
                    save("csv", rows)
        if "sweep" in parts:
            save("sweep", [time_sweep(folder, csv_names, epochs)])


def _print_loops(row: dict[str, Any]) -> None:
    rates = ", ".join(f"{method} {np.median(rates):.0f}" for method, rates in row["rates"].items())
    shares = ", ".join(f"{name} {np.median(share):.1%}" for name, share in row["shares"].items())
    click.echo(f"{row['model']:14} images/s: {rates}; our loop's time: {shares}")


if __name__ == "__main__":
    main()
