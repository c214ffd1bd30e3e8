"""What our training loop costs beyond its arithmetic, and against the ways that others train.

    python benchmarks/loops.py --data-dir DIR

Three parts, each written to loops.json as it ends. `loops`: images a second of the training alone, of (a) the compiled
step on one batch in memory, ours with augmentation, (b) Model.fit on arrays, (c) ImageDataGenerator and Model.fit.
`csv`: from the csv file to the predictions of the test images, ours and (c). `sweep`: the whole wall-clock of a sweep
over the sum of its training steps. With FER2013 below --data-dir, else with random images of its shape. The ways take
turns, so that other work on the machine hits all alike; what is compared is of one turn.
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

ROOT = Path(__file__).resolve().parent.parent
USAGES = ("Training", "PublicTest", "PrivateTest")
MOST_HELD_OUT = 3589  # images each of FER2013's validation and test
MATRIX = 2048
PARTS = ("loops", "csv", "sweep")


def matrix_rate() -> tuple[float, float]:
    """Floating-point operations a second of a float32 product of square matrices in TensorFlow, median of 10.

    By the clock, and by the processor seconds of all threads.
    """
    import tensorflow as tf

    a, b = (tf.random.stateless_normal((MATRIX, MATRIX), (0, seed)) for seed in (0, 1))
    seconds = []
    for _ in range(11):
        began, processor = time.perf_counter(), time.process_time()
        tf.linalg.matmul(a, b).numpy()
        seconds.append((time.perf_counter() - began, time.process_time() - processor))
    clock, processor = np.median(seconds[1:], axis=0)
    return 2 * MATRIX**3 / float(clock), 2 * MATRIX**3 / float(processor)


def batch_seconds(images: np.ndarray, labels: np.ndarray, recipe: Any) -> float:
    """Processor seconds of making a batch of an epoch, with nothing else in the process."""
    from fer_bench.training import loop

    targets = np.eye(7, dtype=np.float32)[labels]
    began = time.process_time()
    made = sum(1 for _ in loop.batches(images, targets, recipe, 0, 1, labels))
    return (time.process_time() - began) / made


def write_csv(folder: Path, data_dir: Path | None, images: int) -> str:
    """fer2013.csv with so many training images, and as many to validate and test as FER2013 has or half of that.

    The first rows of the real file of each part, or random ones. Returns which.
    """
    from fer_bench.datasets import DataConfig, find

    wanted = {usage: images if usage == USAGES[0] else min(MOST_HELD_OUT, images // 2) for usage in USAGES}
    source = find("fer2013", DataConfig(data_dir)) if data_dir else None
    real = source is not None and source.suffix == ".csv"
    with (folder / "fer2013.csv").open("w") as file:
        file.write("emotion,pixels,Usage\n")
        for line in _rows(source) if real else _random_rows(wanted):
            usage = line.rstrip().rpartition(",")[2]
            if wanted.get(usage, 0) > 0:
                wanted[usage] -= 1
                file.write(line)
    return "fer2013" if real else "random"


def _rows(source: Path) -> Iterable[str]:
    with source.open() as file:
        header = next(file).strip()
        if header != "emotion,pixels,Usage":
            raise click.ClickException(f"{source} begins with '{header}' instead of 'emotion,pixels,Usage'.")
        yield from file


def _random_rows(wanted: dict[str, int]) -> Iterable[str]:
    rng = np.random.default_rng(0)
    for usage, count in wanted.items():
        for _ in range(count):
            yield f"{rng.integers(7)},{' '.join(map(str, rng.integers(0, 256, 48 * 48)))},{usage}\n"


def recipe_of(name: str, epochs: int, precision: str) -> Any:
    """The architecture's own recipe at 48 pixels and batches of 64, from random weights, stopping at no epoch."""
    from fer_bench.config.recipe import resolve
    from fer_bench.registry.architectures import describe

    own = {"epochs": epochs, "precision": precision, "patience": None, "initial_weights": "random"}
    return resolve(describe(name).recipe, own | {"input_size": 48, "batch_size": 64})


def begin(precision: str, seed: int) -> None:
    """The state in which a trial begins, and nothing of the model before."""
    import keras

    from fer_bench.training import tensorflow_backend

    keras.backend.clear_session()
    gc.collect()
    tensorflow_backend.make_deterministic()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)


def time_loops(name: str, images: np.ndarray, labels: np.ndarray, seconds: float, repeats: int) -> dict[str, Any]:
    """Images a second of each way in each repeat, over as many steps as take so many seconds, four at least."""
    import ways

    from fer_bench.training import loop
    from fer_bench.training.flops import count_flops
    from fer_bench.training.train import build_model

    begin("float32", 0)
    recipe = recipe_of(name, repeats + 1, "float32")
    model = build_model(name, recipe, ways.SHAPE, ways.CLASSES)
    loop.compile_model(model, recipe)
    least = ways.step_seconds(model, images, recipe)
    count = min(max(4, round(seconds / least)), len(images) // recipe.batch_size) * recipe.batch_size
    before = matrix_rate()
    timed = ways.loops(model, images[:count], labels[:count], recipe)
    rates = zip(before, matrix_rate(), strict=True)
    clock, processor = (list(pair) for pair in rates)
    return {
        "model": name,
        "batch": recipe.batch_size,
        "images": count,
        "flops": count_flops(model),
        "matrix_rates": clock,
        "matrix_processor_rates": processor,
        "rates": timed.rates,
        "processor": timed.processor,
        "shares": timed.shares,
        "batch_seconds": batch_seconds(images[:count], labels[:count], recipe),
        "load": os.getloadavg(),
    }


def time_from_csv(name: str, folder: Path, precisions: list[str], epochs: int, repeat: int) -> list[dict[str, Any]]:
    """A repeat of (c) in float32 and of ours in each precision, one after another."""
    import ways

    rows = []
    for way, precision in [("student", "float32"), *(("ours", precision) for precision in precisions)]:
        begin(precision, repeat)
        recipe = recipe_of(name, epochs, precision)
        processor = time.process_time()
        with tempfile.TemporaryDirectory() as cache:
            if way == "student":
                measured = ways.student_from_csv(folder, name, recipe, repeat)
            else:
                measured = ways.ours_from_csv(folder, name, recipe, repeat, Path(cache))
        measured["processor_seconds"] = time.process_time() - processor
        rows.append({"model": name, "way": way, "precision": precision, "repeat": repeat, "epochs": epochs, **measured})
        click.echo(
            f"{name:14} {way:8} {precision:15} {measured['images'] / measured['seconds']:7.0f} images/s, "
            f"{measured['seconds']:.0f} s, validation {measured['validation_accuracy']:.1%}"
        )
    return rows


def time_sweep(folder: Path, models: list[str], epochs: int) -> dict[str, Any]:
    """A sweep in a process of its own, from its start to its end, and what its records say of where the time went."""
    from fer_bench.records import store

    with tempfile.TemporaryDirectory() as place:
        flags = {"models": ",".join(models), "datasets": "fer2013", "epochs": epochs, "weights": "random"}
        flags |= {"data-dir": folder, "results-dir": place}
        command = [sys.executable, str(ROOT / "benchmark.py"), *(f"--{key}={value}" for key, value in flags.items())]
        began = time.perf_counter()
        subprocess.run(
            command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, env=os.environ | {"FER_BENCH_CACHE": place}
        )
        seconds = time.perf_counter() - began
        records = [stored.record for stored in store.load(Path(place))]
    costs = {
        key: sum(getattr(record.costs, f"{key}_seconds") for record in records)
        for key in ("train", "validation", "trace", "build")
    }
    click.echo(f"sweep: {seconds:.0f} s, of which {costs['train']:.0f} s training steps")
    return {"models": models, "epochs": epochs, "seconds": seconds, **costs, "load": os.getloadavg()}


@click.command()
@click.option("--models", default="cnn,mobilenet_v2,cnn_lstm,vgg16", help="Names, separated by commas.")
@click.option("--data-dir", type=click.Path(path_type=Path, exists=True), help="Where fer2013.csv lies.")
@click.option("--images", default=8000, help="Training images from the csv file.")
@click.option("--epochs", default=3, help="Epochs from the csv file, and of the sweep.")
@click.option("--seconds", default=10.0, help="How long each way trains in each repeat of the loops.")
@click.option("--repeats", default=5)
@click.option("--precisions", default="float32,mixed_bfloat16", help="Of ours, from the csv file.")
@click.option("--parts", default=",".join(PARTS), help="Others stay in loops.json as they are, as other models do.")
@click.option("--csv-models", help="For csv and sweep; default: all but vgg16, which takes hours.")
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
    from fer_bench.training.machine import describe_machine

    names = models.split(",")
    others = csv_models.split(",") if csv_models else [name for name in names if name != "vgg16"]
    output.mkdir(parents=True, exist_ok=True)
    file = output / "loops.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}

    def keep(part: str, rows: Any, source: str) -> None:
        found[part] = {"machine": describe_machine("tensorflow"), "data": source, "rows": rows}
        file.write_text(json.dumps(found, indent=1) + "\n")

    def others_of(part: str, models: list[str]) -> list[dict[str, Any]]:
        return [row for row in found.get(part, {"rows": []})["rows"] if row["model"] not in models]

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source = write_csv(folder, data_dir, images)
        if "loops" in parts:
            x, y = _training(folder)
            rows = others_of("loops", names)
            for name in names:
                rows.append(time_loops(name, x, y, seconds, repeats))
                _tell(rows[-1])
                keep("loops", rows, source)
        if "csv" in parts:
            rows = others_of("csv", others)
            matrix_rate()  # so that the first way does not start TensorFlow for the others
            for repeat in range(repeats):
                for name in others:
                    began = os.getloadavg()
                    made = time_from_csv(name, folder, precisions.split(","), epochs, repeat)
                    rows += [row | {"load": began} for row in made]
                    keep("csv", rows, source)
        if "sweep" in parts:
            keep("sweep", [time_sweep(folder, others, epochs)], source)


def _training(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    from fer_bench.datasets.fer2013.csv_file import read_csv

    dataset = read_csv(folder / "fer2013.csv")
    return dataset.images[dataset.split == 0], dataset.labels[dataset.split == 0]


def _tell(row: dict[str, Any]) -> None:
    rates = ", ".join(f"{way} {np.median(rates):.0f}" for way, rates in row["rates"].items())
    shares = ", ".join(f"{name} {np.median(share):.1%}" for name, share in row["shares"].items())
    click.echo(f"{row['model']:14} images/s: {rates}; of ours: {shares}")


if __name__ == "__main__":
    main()
