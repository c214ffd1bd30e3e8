"""Estimate how long a trial will take, from earlier records of this machine or else from a reference machine."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from fer_bench.config.recipe import Recipe
from fer_bench.config.stages import last_value, value_at
from fer_bench.records.schema import Record
from fer_bench.registry.architectures import describe
from fer_bench.training.planned_trial import PlannedTrial

# Where benchmarks/steps.py measured the registry's `reference_images_per_second`: two cores of an AMD EPYC (family 25,
# model 1), TensorFlow 2.21, float32, batch 64. This is the rate of its float32 matrix product.
REFERENCE_GFLOPS = 186.0
SAME_MACHINE_FIELDS = ("processor", "cores", "accelerator")  # what decides how fast a machine is
OVERHEAD_SECONDS = 12.0  # building and tracing a model
PREDICTION_SPEEDUP = 3.5  # images/s in prediction over images/s in training
FROZEN_COST, PARTLY_COST = 0.35, 0.65  # of a training step with a frozen backbone, or with its last blocks trained
NUM_VIEWS = {"1": 1, "flip": 2, "ten-crop": 10}


def matrix_product_gflops(side: int = 1024, repeats: int = 5) -> float:
    """Return the rate of this machine's float32 matrix product in GFLOP/s: the best of a few repeats."""
    a = np.ones((side, side), np.float32)
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best / 1e9


class Estimator:
    """Estimates seconds per trial on this machine.

    Args:
        records: Records from which speeds are learned, if they are of the same kind of machine.
        machine: This machine, as `describe_machine` returns it.
    """

    def __init__(self, records: Iterable[Record], machine: Mapping[str, Any]) -> None:
        speeds: dict[tuple[Any, ...], list[float]] = {}
        for record in records:
            # A trial with a share of the cores records that as the number of cores: it is another kind of machine.
            if record.costs and not record.trial.exported and _same_machine(record.machine, machine):
                key = speed_key(record.trial.architecture, record.trial.recipe)
                speeds.setdefault(key, []).append(record.costs.images_per_second)
        self._measured = {key: statistics.median(values) for key, values in speeds.items()}
        self._scale = matrix_product_gflops() / REFERENCE_GFLOPS

    def has_measured(self, planned: PlannedTrial) -> bool:
        """Whether this machine has trained trials of this kind."""
        return speed_key(planned.trial.architecture, planned.trial.recipe) in self._measured

    def learn(self, planned: PlannedTrial, speed: float) -> None:
        """Set the training speed of this kind of trial in images per second."""
        self._measured[speed_key(planned.trial.architecture, planned.trial.recipe)] = speed

    def seconds(self, planned: PlannedTrial) -> float | None:
        """Return the expected seconds of all epochs, tracing and prediction; None if nothing is known."""
        recipe = planned.trial.recipe
        reference = describe(planned.trial.architecture).reference_images_per_second
        size = last_value(recipe["input_size"])
        speed = self._measured.get(speed_key(planned.trial.architecture, recipe))
        if speed is None:
            if not reference:
                return None
            speed = self._scale / _seconds_per_image(size, reference) / _relative_cost(recipe)
        fold, views = planned.fold, NUM_VIEWS[recipe["tta"]]
        images = len(fold.training) + len(fold.validation) / PREDICTION_SPEEDUP
        tested = views * len(fold.test) + (views > 1) * views * len(fold.validation)
        trained = _full_size_epochs(recipe, reference) * images
        return OVERHEAD_SECONDS + (trained + tested / PREDICTION_SPEEDUP) / speed


def speed_key(architecture: str, recipe: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what decides the speed of a trial at its final input size, apart from the machine and the batch size."""
    trainable = json.dumps(recipe.get("backbone", {}).get("trainable_blocks", "all"))  # absent in older records
    return architecture, last_value(recipe["input_size"]), recipe["precision"], trainable


def _seconds_per_image(size: int, reference: Mapping[int, float]) -> float:
    """Return the training time per image at an input size: a power of the size, through the speeds at the nearest two.

    With the speed at one size, it is proportional to the number of pixels; so it is without any, but has no unit.
    """
    known = sorted(reference, key=lambda other: abs(other - size))[:2] or [1]
    speeds = [reference.get(other, 1.0) for other in known]
    exponent = math.log(speeds[0] / speeds[1]) / math.log(known[1] / known[0]) if len(known) == 2 else 2
    return (size / known[0]) ** exponent / speeds[0]


def _full_size_epochs(recipe: Mapping[str, Any], reference: Mapping[int, float]) -> float:
    """Return the number of epochs at the final input size that take as long as all epochs of a recipe."""
    stages = Recipe.model_validate(recipe).stages
    sizes = [value_at(stages, epoch).input_size for epoch in range(1, recipe["epochs"] + 1)]
    return sum(_seconds_per_image(size, reference) for size in sizes) / _seconds_per_image(
        last_value(recipe["input_size"]), reference
    )


def _relative_cost(recipe: Mapping[str, Any]) -> float:
    """Return the cost of a training step relative to one that trains all layers, as the mean over all epochs.

    If the features of a frozen backbone are cached, the epochs after those that compute them cost nothing.
    """
    stages = Recipe.model_validate(recipe).backbone.stages(recipe["epochs"])
    starts = [*stages, recipe["epochs"] + 1]
    views = recipe["backbone"].get("cached_augmentations") or recipe["epochs"]
    total = 0.0
    for n, blocks in enumerate(stages.values()):
        epochs = starts[n + 1] - starts[n]
        if blocks == 0:
            total += FROZEN_COST * min(epochs, views)
        else:
            total += epochs * (1.0 if blocks == "all" else PARTLY_COST)
    return total / recipe["epochs"]


def _same_machine(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one.get(field) == other.get(field) for field in SAME_MACHINE_FIELDS)
