"""How long a plan will take, before it starts: from earlier records of this machine, else from a reference machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable

import numpy as np

from fer_bench.architecture import describe
from fer_bench.sweep.plan import Planned
from fer_bench.trial import Record

# The machine on which the registry's `reference_speed` figures were measured: two cores of an AMD EPYC
# (family 25, model 17), TensorFlow 2.21, float32, batch 64. This is its float32 matrix product rate.
REFERENCE_GFLOPS = 205.0
OVERHEAD_SECONDS = 12.0  # building and tracing a model
VALIDATION_SPEED = 3.5  # images/s in prediction over images/s in training


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
            if record.costs and _same_machine(record.machine, machine):
                key = _speed_key(record.trial.architecture, record.trial.recipe)
                speeds.setdefault(key, []).append(record.costs.images_per_second)
        self._measured = {key: statistics.median(values) for key, values in speeds.items()}
        self._scale = matrix_product_gflops() / REFERENCE_GFLOPS

    def seconds(self, planned: Planned) -> float | None:
        """Expected wall-clock of all epochs, tracing and prediction."""
        recipe = planned.trial.recipe
        speed = self._measured.get(_speed_key(planned.trial.architecture, recipe))
        if speed is None:
            reference = describe(planned.trial.architecture).reference_speed
            if reference is None:
                return None
            speed = reference * self._scale * (48 / recipe["input_size"]) ** 2
        fold = planned.fold
        images = len(fold.training) + len(fold.validation) / VALIDATION_SPEED
        return OVERHEAD_SECONDS + recipe["epochs"] * images / speed + len(fold.test) / VALIDATION_SPEED / speed


def _speed_key(architecture: str, recipe: dict) -> tuple:
    return architecture, recipe["input_size"], recipe["precision"]


def _same_machine(one: dict, other: dict) -> bool:
    return all(one.get(field) == other.get(field) for field in ("processor", "cores", "accelerator"))
