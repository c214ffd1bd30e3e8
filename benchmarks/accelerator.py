"""Measure the training loops on a GPU or TPU with JAX, one architecture after another.

    python benchmarks/accelerator.py --models all --output accelerator.json

The data are random 48×48 images with the augmentation of each architecture's own recipe. Methods:

- `resident`: the data are on the device and an epoch is one compiled program (`training/jax_loop.py`). Several seeds
  are trained together by `vmap`.
- `streamed`: every batch is sent to the device (`training/loop.py`).
- `processes`: one process per seed, all on one device, each with a resident trial.

A row has the images per second of all seeds together (median over the epochs after the first), and their share of the
device's matrix rate if a training step takes three times the operations of a prediction.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

os.environ["KERAS_BACKEND"] = "jax"
IMAGE_SHAPE, NUM_CLASSES = (48, 48), 7
MATRIX_SIZE, NUM_PRODUCTS = 8192, 20


def matrix_rate(dtype: str) -> float:
    """Return the operations per second of a product of square random matrices, the median of 5 runs."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    a, b = (jax.random.normal(jax.random.key(seed), (MATRIX_SIZE, MATRIX_SIZE), jnp.dtype(dtype)) for seed in (0, 1))
    product = jax.jit(lambda a, b: jax.lax.fori_loop(0, NUM_PRODUCTS, lambda _, c: a @ c * jnp.asarray(1e-2, dtype), b))
    product(a, b).block_until_ready()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        product(a, b).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return 2 * MATRIX_SIZE**3 * NUM_PRODUCTS / float(np.median(seconds))


def train(
    name: str, method: str, precision: str, seeds: Sequence[int], steps: int, epochs: int, barrier: Any = None
) -> dict[str, Any]:
    """Train an architecture by the method "resident" or "streamed", one model per seed, and return the row.

    The first epoch is not measured. Processes with a common barrier start their second epoch together.
    """
    import keras
    import numpy as np

    from fer_bench.config.recipe import resolve
    from fer_bench.datasets import default_cache_dir
    from fer_bench.registry.architectures import describe
    from fer_bench.training import jax_backend, jax_loop, loop
    from fer_bench.training.flops import count_flops
    from fer_bench.training.history import Diverged
    from fer_bench.training.train import build_model

    jax_backend.make_deterministic()
    jax_backend.enable_compilation_cache(default_cache_dir() / "xla")
    architecture = describe(name)
    overrides = {"epochs": epochs, "initial_weights": "random", "precision": precision, "patience": None}
    recipe = resolve(architecture.recipe, overrides)
    rng = np.random.default_rng(0)
    shape = (8, *IMAGE_SHAPE) if architecture.input_kind == "sequences" else IMAGE_SHAPE
    images = rng.integers(0, 256, (steps * recipe.batch_size, *shape), dtype=np.uint8)
    labels = rng.integers(0, NUM_CLASSES, len(images))
    keras.config.set_dtype_policy(precision)
    start = time.perf_counter()
    models = []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        models.append(build_model(name, recipe, shape, NUM_CLASSES))
    build_seconds = time.perf_counter() - start
    epoch_ends: list[float] = []

    def on_epoch_end(*_: Any) -> None:
        if barrier is not None and not epoch_ends:
            barrier.wait()
        epoch_ends.append(time.time())

    data = (images, labels, images[:256], labels[:256])
    results: list[loop.FitResult | Diverged] = (
        [loop.fit(models[0], *data, recipe, seeds[0], on_epoch_end=on_epoch_end)]
        if method == "streamed"
        else jax_loop.fit_together(models, *data, recipe, seeds, on_epoch_end=on_epoch_end)
    )
    fits = [result for result in results if isinstance(result, loop.FitResult)]
    if len(fits) < len(results):
        raise RuntimeError(f"A model diverged: {results}")
    # The time of an epoch is divided among the seeds that are trained together.
    rates = sorted(len(images) / epoch.train_seconds for epoch in fits[0].history[1:])
    return {
        "model": name,
        "method": method,
        "precision": precision,
        "seeds": len(seeds),
        "images_per_second": float(np.median(rates)),
        "slowest": rates[0],
        "fastest": rates[-1],
        "build_seconds": build_seconds,
        "compile_seconds": len(seeds) * fits[0].compile_seconds,
        "flops": count_flops(models[0]),
        "batch": recipe.batch_size,
        "input_size": recipe.input_size,
        "loss": fits[0].history[-1].loss,
        "began": epoch_ends[0],
        "ended": epoch_ends[-1],
        "images": len(seeds) * len(images) * (epochs - 1),
    }


def train_in_processes(name: str, precision: str, num_processes: int, steps: int, epochs: int) -> dict[str, Any]:
    """Train one seed per process on one device. The rate is all images over the time from first start to last end."""
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(num_processes) as pool:
        barrier = manager.Barrier(num_processes)
        arguments = [(name, "resident", precision, [seed], steps, epochs, barrier) for seed in range(num_processes)]
        rows = pool.starmap(train, arguments)
    seconds = max(row["ended"] for row in rows) - min(row["began"] for row in rows)
    images = sum(row["images"] for row in rows)
    summary = {"method": "processes", "seeds": num_processes, "images_per_second": images / seconds, "images": images}
    return rows[0] | summary


@click.command()
@click.option("--models", default="all", help="Names, separated by commas.")
@click.option("--methods", default="resident", help="streamed, resident, processes; separated by commas.")
@click.option("--precisions", default="float32,mixed_bfloat16", help="Dtype policies, separated by commas.")
@click.option("--seeds", default="1", help="Numbers of seeds trained at the same time, separated by commas.")
@click.option("--steps", default=200, help="Steps per epoch.")
@click.option("--epochs", default=6, help="Number of epochs; the first is not measured.")
@click.option("--output", type=click.Path(path_type=Path), default="accelerator.json", help="The file to write.")
def main(models: str, methods: str, precisions: str, seeds: str, steps: int, epochs: int, output: Path) -> None:
    """Measure the training loops on a GPU or TPU."""
    from fer_bench.registry.architectures import ARCHITECTURES
    from fer_bench.training.machine import describe_machine

    names = ARCHITECTURES.names() if models == "all" else models.split(",")
    rates = {"float32": matrix_rate("float32"), "mixed_bfloat16": matrix_rate("bfloat16")}
    click.echo(f"matrix product: {', '.join(f'{k} {v / 1e12:.1f} TFLOP/s' for k, v in rates.items())}")
    runs = [
        (name, method, precision, count)
        for name in names
        for precision in precisions.split(",")
        for method in methods.split(",")
        for count in ([1] if method == "streamed" else map(int, seeds.split(",")))
        if method != "processes" or count > 1
    ]
    rows: list[dict[str, Any]] = []
    for name, method, precision, count in runs:
        start = time.perf_counter()
        try:
            if method == "processes":
                row = train_in_processes(name, precision, count, steps, epochs)
            else:
                row = train(name, method, precision, range(count), steps, epochs)
        except Exception as error:
            message = f"{type(error).__name__}: {str(error)[:300]}"
            row = {"model": name, "method": method, "precision": precision, "seeds": count, "error": message}
            click.echo(f"{name} {method} {precision} {count}: {message}")
        else:
            row["share"] = 3 * row["flops"] * row["images_per_second"] / rates[precision]
            click.echo(
                f"{name:24} {method:9} {precision:15} {count} seeds {row['images_per_second']:9.0f} images/s "
                f"({row['slowest']:.0f} to {row['fastest']:.0f}) {row['share']:6.2%} of the matrix rate, "
                f"compiled in {row['compile_seconds']:.0f} s, {time.perf_counter() - start:.0f} s in total"
            )
        rows.append(row)
        output.write_text(json.dumps({"machine": describe_machine("jax"), "rates": rates, "rows": rows}))


if __name__ == "__main__":
    main()
