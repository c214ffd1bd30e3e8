"""Measure how fast trials train on this machine, with a few steps of each kind, and remember it in the cache."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fer_bench.config.stages import last_value
from fer_bench.core.files import write_atomically
from fer_bench.sweep.estimate import SAME_MACHINE_FIELDS, Estimator, speed_key
from fer_bench.sweep.executors.executor import Executor
from fer_bench.sweep.queue import TrialQueue, number_trials
from fer_bench.training.callback import Callback
from fer_bench.training.planned_trial import PlannedTrial

NUM_STEPS = 24  # of a trial that is only measured
FILE = "speeds.json"


class MeasurementCache:
    """Measured numbers by key, in a file of the cache folder. A file that cannot be read counts as empty.

    Args:
        file: The file, shared by all machines that use the cache folder.
        machine: The machine that the numbers hold for, as `describe_machine` returns it.
        *conditions: What else they depend on.
    """

    def __init__(self, file: Path, machine: Mapping[str, Any], *conditions: Any) -> None:
        self._file = file
        self._section = json.dumps([*(machine.get(field) for field in SAME_MACHINE_FIELDS), *conditions])

    def read(self) -> dict[str, float]:
        """Return the numbers."""
        return self._read_all().get(self._section, {})

    def update(self, numbers: Mapping[str, float]) -> None:
        """Add numbers. If the file cannot be written, they are measured again next time."""
        content = self._read_all()
        content[self._section] = content.get(self._section, {}) | dict(numbers)
        with suppress(OSError):
            write_atomically(self._file, json.dumps(content, indent=1))

    def _read_all(self) -> dict[str, dict[str, float]]:
        try:
            content = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}


def recall(trials: Iterable[PlannedTrial], estimator: Estimator, machine: Mapping[str, Any], cache_dir: Path) -> None:
    """Give the estimator the remembered speed of each kind of trial that this machine has no record of.

    Args:
        trials: The trials of a sweep.
        estimator: Learns the speeds.
        machine: The machine, as `describe_machine` returns it.
        cache_dir: Folder in which the speeds are remembered.
    """
    speeds = MeasurementCache(cache_dir / FILE, machine).read()
    for planned in trials:
        if (speed := speeds.get(_kind(planned))) and not estimator.has_measured(planned):
            estimator.learn(planned, speed)


def remember(
    trials: Iterable[PlannedTrial], speeds: Iterable[float], machine: Mapping[str, Any], cache_dir: Path
) -> None:
    """Remember the images per second of trials for `recall`; a speed of 0 is not remembered."""
    measured = {_kind(planned): speed for planned, speed in zip(trials, speeds, strict=True) if speed}
    MeasurementCache(cache_dir / FILE, machine).update(measured)


def calibrate(
    trials: Sequence[PlannedTrial],
    estimator: Estimator,
    machine: Mapping[str, Any],
    cache_dir: Path,
    echo: Callable[[str], None],
    executor: Executor,
) -> None:
    """Measure and remember the speed of each kind of trial that the estimator does not know, and give it to it.

    Args:
        trials: The trials of a sweep.
        estimator: Learns the speeds.
        machine: The machine, as `describe_machine` returns it.
        cache_dir: Folder in which the speeds are remembered.
        echo: Prints a line for the user.
        executor: Runs one trial at a time.
    """
    unknown = list({_kind(p): p for p in trials if not estimator.has_measured(p)}.values())
    if not unknown:
        return
    names = ", ".join(dict.fromkeys(planned.trial.architecture for planned in unknown))
    echo(f"Measuring a few training steps of {names}.")
    speeds = [images_per_second(executor, [shortened(planned)]) for planned in unknown]
    remember(unknown, speeds, machine, cache_dir)
    recall(unknown, estimator, machine, cache_dir)


def _kind(planned: PlannedTrial) -> str:
    return str(speed_key(planned.trial.architecture, planned.trial.recipe))


def images_per_second(executor: Executor, trials: Sequence[PlannedTrial]) -> float:
    """Return the throughput of all trials together; 0 if one fails, which the sweep itself will report."""
    speeds = measure_speeds(executor, trials)
    return sum(speeds) if all(speeds) else 0.0


def measure_speeds(executor: Executor, trials: Sequence[PlannedTrial]) -> list[float]:
    """Return the images per second of each trial; 0 for one that fails."""
    speeds = [0.0] * len(trials)
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as folder:
        queue = TrialQueue(number_trials(trials, Path(folder)))
        for planned, record, _ in executor(queue, Callback()):
            speeds[planned.number - 1] = record.costs.images_per_second if record.costs else 0.0
    return speeds


def shortened(planned: PlannedTrial, num_steps: int = NUM_STEPS) -> PlannedTrial:
    """Return the trial with a few training steps only, at its final input size."""
    batch = planned.trial.recipe["batch_size"]
    recipe = planned.trial.recipe | {"epochs": 1, "patience": None}
    recipe["input_size"] = last_value(recipe["input_size"])
    if isinstance(recipe["backbone"]["trainable_blocks"], list):  # stages of unfreezing need more epochs
        recipe["backbone"] = recipe["backbone"] | {"trainable_blocks": "all"}
    fold = replace(
        planned.fold,
        training=planned.fold.training[: num_steps * batch],
        validation=planned.fold.validation[:batch],
        test=planned.fold.test[:batch],
        no_duplicate=None,
    )
    trial = planned.trial.model_copy(update={"recipe": recipe})
    return replace(planned, trial=trial, fold=fold, requires=None, pretrained_file=None, keep_model=False)
