"""How long a plan will take, before it starts: from earlier records of this machine, else from a reference machine."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable

import numpy as np

from fer_bench.config.recipe import Recipe
from fer_bench.records.schema import Record
from fer_bench.registry.architectures import describe
from fer_bench.sweep.plan import PlannedTrial

# The machine on which the registry's `reference_speed` figures were measured: two cores of an AMD EPYC
# (family 25, model 17), TensorFlow 2.21, float32, batch 64. This is its float32 matrix product rate.
REFERENCE_GFLOPS = 205.0
OVERHEAD_SECONDS = 12.0  # building and tracing a model
VALIDATION_SPEED = 3.5  # images/s in prediction over images/s in training
FROZEN_COST, PARTLY_COST = 0.35, 0.65  # of a training step whose backbone is frozen, or trained in its last blocks
VIEWS = {"1": 1, "flip": 2, "ten-crop": 10}


def matrix_product_gflops(side: int = 1024, repeats: int = 5) -> float:
    """This machine's float32 matrix product rate in GFLOP/s: the best of a few."""
    a = np.ones((side, side), np.float32)
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best / 1e9


class Estimator:
    """Seconds that a trial will take on this machine; None where nothing is known of its architecture."""

    def __init__(self, records: Iterable[Record], machine: dict) -> None:
        speeds: dict[tuple, list[float]] = {}
        for record in records:
            # Beside others a trial has a share of the cores: its machine is another.
            if record.costs and _same_machine(record.machine, machine):
                key = speed_key(record.trial.architecture, record.trial.recipe)
                speeds.setdefault(key, []).append(record.costs.images_per_second)
        self._measured = {key: statistics.median(values) for key, values in speeds.items()}
        self._scale = matrix_product_gflops() / REFERENCE_GFLOPS

    def has_seen(self, planned: PlannedTrial) -> bool:
        """Whether this machine has trained trials of that kind."""
        return speed_key(planned.trial.architecture, planned.trial.recipe) in self._measured

    def learn(self, planned: PlannedTrial, speed: float) -> None:
        """Trials of that kind train so many images a second here."""
        self._measured[speed_key(planned.trial.architecture, planned.trial.recipe)] = speed

    def seconds(self, planned: PlannedTrial) -> float | None:
        """Expected wall-clock of all epochs, tracing and prediction."""
        recipe = planned.trial.recipe
        speed = self._measured.get(speed_key(planned.trial.architecture, recipe))
        if speed is None:
            reference = describe(planned.trial.architecture).reference_images_per_second
            if reference is None:
                return None
            speed = reference * self._scale * (48 / recipe["input_size"]) ** 2 / _relative_cost(recipe)
        fold, views = planned.fold, VIEWS[recipe["tta"]]
        images = len(fold.training) + len(fold.validation) / VALIDATION_SPEED
        tested = views * len(fold.test) + (views > 1) * views * len(fold.validation)
        return OVERHEAD_SECONDS + recipe["epochs"] * images / speed + tested / VALIDATION_SPEED / speed


def speed_key(architecture: str, recipe: dict) -> tuple:
    """What decides the speed of a trial, but for the machine and the batch size."""
    trained = json.dumps(recipe.get("backbone", {}).get("trainable_blocks", "all"))  # absent in older records
    return architecture, recipe["input_size"], recipe["precision"], trained


def _relative_cost(recipe: dict) -> float:
    """Cost of a training step over one that trains everything, as the mean over the run's epochs.

    Where features of a frozen backbone are computed once, the epochs after those that compute them cost nothing.
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


def _same_machine(one: dict, other: dict) -> bool:
    return all(one.get(field) == other.get(field) for field in ("processor", "cores", "accelerator"))
