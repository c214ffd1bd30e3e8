"""Compare a training step of every architecture with that of plain Keras, in turns.

    python benchmarks/steps.py --models all --output steps.json

These steps are compared at the batch size of the default recipe, 48×48 pixels, images per second of
`train_on_batch` on one batch in memory:

- `keras`: the operations of Keras, float32.
- `fast`: with `fast_operations`, float32.
- `bfloat16`: with `fast_operations`, mixed_bfloat16, if the processor has instructions for it.
- `no_normalization`, with `--bound`: as `fast`, and batch normalization returns its input. No implementation of it can
  be faster than none.

All of them use oneDNN, which TensorFlow alone uses on some processors only: TF_ENABLE_ONEDNN_OPTS=0 turns it off.

A round measures each of them for some seconds; ratios are computed within one round, so that other load on the machine
affects all alike. A row has the medians over the rounds.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import click

from fer_bench.core.backend import choose_backend

choose_backend()
IMAGE_SHAPE, NUM_FRAMES, NUM_CLASSES = (48, 48), 8, 7
STEPS: dict[str, dict[str, Any]] = {
    "keras": {"fast_operations": False},
    "fast": {},
    "bfloat16": {"precision": "mixed_bfloat16"},
    "no_normalization": {},
}


def make_step(architecture: str, batch_size: int, name: str) -> Any:
    """Return a function that runs one training step, which is compiled already."""
    import keras
    import numpy as np

    from fer_bench.config.recipe import resolve
    from fer_bench.registry.architectures import describe
    from fer_bench.training import loop
    from fer_bench.training.train import build_model

    description = describe(architecture)
    recipe = resolve(description.recipe, {"batch_size": batch_size, "initial_weights": "random"}, STEPS[name])
    recipe = recipe.model_copy(update={"backbone": type(recipe.backbone)()})
    shape = (NUM_FRAMES, *IMAGE_SHAPE) if description.input_kind == "sequences" else IMAGE_SHAPE
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(recipe.precision)
    model = build_model(architecture, recipe, shape, NUM_CLASSES)
    loop.compile_model(model, recipe)
    if name == "no_normalization":
        for layer in model._flatten_layers(include_self=False):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.call = lambda inputs, **_: inputs
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (batch_size, *shape, 1), dtype=np.uint8)
    targets = np.eye(NUM_CLASSES, dtype=np.float32)[rng.integers(0, NUM_CLASSES, batch_size)]

    def step() -> None:
        model.train_on_batch(images, targets)

    for _ in range(2):
        step()
    return step


def images_per_second(step: Any, batch_size: int, seconds: float) -> float:
    """Return the speed of a step: the median over at least three steps."""
    import numpy as np

    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return batch_size / float(np.median(times))


def compare(architecture: str, batch_size: int, names: list[str], rounds: int, seconds: float) -> dict[str, Any]:
    """Return the speeds of steps of an architecture, and their ratios to plain Keras."""
    import keras
    import numpy as np

    steps = {name: make_step(architecture, batch_size, name) for name in names}
    speeds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            speeds[name].append(images_per_second(step, batch_size, seconds))
    ratios = {name: float(np.median(np.array(speeds[name]) / speeds["keras"])) for name in steps}
    steps.clear()
    keras.backend.clear_session()
    return {
        "architecture": architecture,
        "load": os.getloadavg(),
        "images_per_second": {name: round(float(np.median(values)), 1) for name, values in speeds.items()},
        "ratio": {name: round(ratio, 3) for name, ratio in ratios.items()},
    }


@click.command()
@click.option("--models", default="all", help="Names or patterns, separated by commas.")
@click.option("--batch-size", default=64)
@click.option("--rounds", default=3)
@click.option("--seconds", default=4.0, help="Per step and round.")
@click.option("--bound", is_flag=True, help="Also measure the step without normalization.")
@click.option("--output", type=click.Path(path_type=Path), default="steps.json")
def main(models: str, batch_size: int, rounds: int, seconds: float, bound: bool, output: Path) -> None:
    """Compare training steps; the file is written after every architecture and extended if it exists."""
    from fer_bench.registry.architectures import ARCHITECTURES
    from fer_bench.training.machine import describe_machine, may_have_fast_bfloat16

    left_out = {"bfloat16": not may_have_fast_bfloat16(), "no_normalization": not bound}
    steps = [name for name in STEPS if not left_out.get(name)]
    names = list(dict.fromkeys(name for pattern in models.split(",") for name in ARCHITECTURES.match(pattern)))
    found: dict[str, Any] = {"machine": describe_machine("tensorflow"), "data": "random images", "rows": []}
    if output.is_file():
        found = json.loads(output.read_text())
    rows: list[dict[str, Any]] = found["rows"]
    for name in names:
        if any(row["architecture"] == name for row in rows):
            continue
        rows.append(row := compare(name, batch_size, steps, rounds, seconds))
        output.write_text(json.dumps(found, indent=1) + "\n")
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
