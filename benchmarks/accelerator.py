"""How fast the training loops are on a GPU or TPU, architecture by architecture, and what several seeds at once bring.

    python benchmarks/accelerator.py --models all --output accelerator.json

Random 48×48 images and labels, the augmentation of each architecture's own recipe, JAX. Of each way to train: images a
second over all seeds, the median over the epochs after the first, and the share of the machine's matrix product that
3 × the counted operations of a prediction make. `resident` keeps the data on the device and compiles an epoch as one
program (`training/jax_loop.py`), `streamed` sends every batch (`training/loop.py`), `beside` is as many processes, each
with a resident trial.
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
IMAGE, CLASSES = (48, 48), 7
MATRIX, PRODUCTS = 8192, 20


def matrix_rate(dtype: str) -> float:
    """Floating-point operations a second of a square matrix product of random numbers, median of 5."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    a, b = (jax.random.normal(jax.random.key(seed), (MATRIX, MATRIX), jnp.dtype(dtype)) for seed in (0, 1))
    product = jax.jit(lambda a, b: jax.lax.fori_loop(0, PRODUCTS, lambda _, c: a @ c * jnp.asarray(1e-2, dtype), b))
    product(a, b).block_until_ready()
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        product(a, b).block_until_ready()
        seconds.append(time.perf_counter() - began)
    return 2 * MATRIX**3 * PRODUCTS / float(np.median(seconds))


def train(name: str, way: str, precision: str, seeds: Sequence[int], steps: int, epochs: int, barrier=None) -> dict:
    """One measurement; with a barrier, the epochs after the first begin together with those of other processes."""
    import keras
    import numpy as np

    from fer_bench.config.recipe import resolve
    from fer_bench.datasets import default_cache_dir
    from fer_bench.registry.architectures import describe
    from fer_bench.training import jax_backend, jax_loop, loop
    from fer_bench.training.flops import count_flops
    from fer_bench.training.train import build_model

    jax_backend.make_deterministic()
    jax_backend.keep_programs(default_cache_dir() / "xla")
    entry = describe(name)
    own = {"epochs": epochs, "initial_weights": "random", "precision": precision, "patience": None}
    recipe = resolve(entry.recipe, own)
    rng = np.random.default_rng(0)
    shape = (8, *IMAGE) if entry.input_kind == "sequences" else IMAGE
    images = rng.integers(0, 256, (steps * recipe.batch_size, *shape), dtype=np.uint8)
    labels = rng.integers(0, CLASSES, len(images))
    keras.config.set_dtype_policy(precision)
    began = time.perf_counter()
    models = []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        models.append(build_model(name, recipe, shape, CLASSES))
    built = time.perf_counter() - began
    marks: list[float] = []

    def on_epoch(*_: Any) -> None:
        if barrier is not None and not marks:
            barrier.wait()
        marks.append(time.time())

    data = (images, labels, images[:256], labels[:256])
    if way == "streamed":
        fitted = [loop.fit(models[0], *data, recipe, seeds[0], on_epoch=on_epoch)]
    else:
        fitted = jax_loop.fit_together(models, *data, recipe, seeds, on_epoch=on_epoch)
    assert not any(isinstance(of, loop.Diverged) for of in fitted), fitted
    epoch_seconds = [len(seeds) * epoch.train_seconds for epoch in fitted[0].history[1:]]
    rates = sorted(len(seeds) * len(images) / seconds for seconds in epoch_seconds)
    return {
        "model": name,
        "way": way,
        "precision": precision,
        "seeds": len(seeds),
        "images_per_second": float(np.median(rates)),
        "slowest": rates[0],
        "fastest": rates[-1],
        "build_seconds": built,
        "compile_seconds": len(seeds) * fitted[0].compile_seconds,
        "flops": count_flops(models[0]),
        "batch": recipe.batch_size,
        "input_size": recipe.input_size,
        "loss": fitted[0].history[-1].loss,
        "began": marks[0],
        "ended": marks[-1],
        "images": len(seeds) * len(images) * (epochs - 1),
    }


def beside(name: str, precision: str, processes: int, steps: int, epochs: int) -> dict:
    """As many processes on one device, a seed each; images over the time from the first start to the last end."""
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        barrier = manager.Barrier(processes)
        with context.Pool(processes) as pool:
            asked = [(name, "resident", precision, [seed], steps, epochs, barrier) for seed in range(processes)]
            found = pool.starmap(train, asked)
    seconds = max(of["ended"] for of in found) - min(of["began"] for of in found)
    images = sum(of["images"] for of in found)
    return found[0] | {"way": "beside", "seeds": processes, "images_per_second": images / seconds, "images": images}


@click.command()
@click.option("--models", default="all", help="Names, separated by commas.")
@click.option("--ways", default="resident", help="streamed, resident, beside; separated by commas.")
@click.option("--precisions", default="float32,mixed_bfloat16")
@click.option("--seeds", default="1", help="Numbers of seeds at once, separated by commas.")
@click.option("--steps", default=200, help="Steps an epoch.")
@click.option("--epochs", default=6)
@click.option("--output", type=click.Path(path_type=Path), default="accelerator.json")
def main(models: str, ways: str, precisions: str, seeds: str, steps: int, epochs: int, output: Path) -> None:
    from fer_bench.registry.architectures import ARCHITECTURES
    from fer_bench.training.machine import describe_machine

    names = ARCHITECTURES.names() if models == "all" else models.split(",")
    rates = {"float32": matrix_rate("float32"), "mixed_bfloat16": matrix_rate("bfloat16")}
    click.echo(f"matrix product: {', '.join(f'{k} {v / 1e12:.1f} TFLOP/s' for k, v in rates.items())}")
    rows: list[dict[str, Any]] = []
    for name in names:
        for precision in precisions.split(","):
            for way in ways.split(","):
                for count in [1] if way == "streamed" else map(int, seeds.split(",")):
                    if way == "beside" and count == 1:
                        continue
                    began = time.perf_counter()
                    try:
                        made = (
                            beside(name, precision, count, steps, epochs)
                            if way == "beside"
                            else train(name, way, precision, range(count), steps, epochs)
                        )
                    except Exception as error:
                        made = {"model": name, "way": way, "precision": precision, "seeds": count}
                        made["error"] = f"{type(error).__name__}: {str(error)[:300]}"
                        click.echo(f"{name} {way} {precision} {count}: {made['error']}")
                    else:
                        share = 3 * made["flops"] * made["images_per_second"] / rates[precision]
                        made["share"] = share
                        click.echo(
                            f"{name:24} {way:9} {precision:15} {count} seeds {made['images_per_second']:9.0f} images/s "
                            f"({made['slowest']:.0f} to {made['fastest']:.0f}) {share:6.2%} of the matrix rate, "
                            f"compiled in {made['compile_seconds']:.0f} s, {time.perf_counter() - began:.0f} s in all"
                        )
                    rows.append(made)
                    output.write_text(json.dumps({"machine": describe_machine("jax"), "rates": rates, "rows": rows}))


if __name__ == "__main__":
    main()
