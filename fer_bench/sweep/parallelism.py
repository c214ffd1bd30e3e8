"""Decide which trials run concurrently: the kinds that this machine was measured to train faster that way.

A small network does not keep several cores busy: two trials on one core each may take less time than one after the
other on both. Large networks keep all cores busy, and only slow each other down.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_bench.sweep.calibrate import MeasurementCache, images_per_second, shortened
from fer_bench.sweep.estimate import Estimator, speed_key
from fer_bench.sweep.executors.executor import Executor, TrialResult
from fer_bench.sweep.queue import TrialQueue
from fer_bench.training.callback import Callback
from fer_bench.training.planned_trial import PlannedTrial

MIN_SECONDS = 600.0  # of training per kind of trial; for less, measuring costs more than it can save
FILE = "speedups.json"

# Throughput of concurrent trials over that of one trial on all cores, by kind of trial; see `_kind`.
Speedups = dict[str, float]


@dataclass(frozen=True)
class ParallelThenSerial:
    """An executor that runs the first trials concurrently and the others one after the other; see `Executor`."""

    num_parallel: int
    parallel: Executor
    serial: Executor

    def __call__(self, queue: TrialQueue, callback: Callback) -> Generator[TrialResult, None, None]:
        yield from self.parallel(queue.subset(range(1, self.num_parallel + 1)), callback)
        yield from self.serial(queue, callback)


def order_by_speedup(trials: Sequence[PlannedTrial], speedups: Mapping[str, float]) -> tuple[list[PlannedTrial], int]:
    """Put the trials that gain from running concurrently first; return the order and their number.

    Those that wait for a trial which does not gain come after it.
    """
    serial = {planned.key for planned in trials if speedups.get(_kind(planned), 0.0) <= 1}
    serial |= {planned.key for planned in trials if planned.required_key in serial}
    parallel = [planned for planned in trials if planned.key not in serial]
    if len(parallel) < 2:
        return list(trials), 0
    chosen = {id(planned) for planned in parallel}
    return parallel + [planned for planned in trials if id(planned) not in chosen], len(parallel)


def measure_speedups(
    trials: Sequence[PlannedTrial],
    concurrency: int,
    machine: Mapping[str, Any],
    estimator: Estimator,
    cache_dir: Path,
    echo: Callable[[str], None],
    make_executor: Callable[[int], Executor],
) -> Speedups:
    """Return the speed-up of each kind of trial for which it is known or worth measuring.

    Args:
        trials: The trials of a sweep.
        concurrency: Number of concurrent trials.
        machine: The machine, as `describe_machine` returns it.
        estimator: Expected seconds per trial.
        cache_dir: Folder in which speed-ups are remembered.
        echo: Prints a line for the user.
        make_executor: Returns an executor for a number of concurrent trials.
    """
    cache = MeasurementCache(cache_dir / FILE, machine, concurrency)
    speedups: Speedups = cache.read()
    unknown = [planned for planned in _worth_measuring(trials, estimator) if _kind(planned) not in speedups]
    if unknown:
        names = ", ".join(dict.fromkeys(planned.trial.architecture for planned in unknown))
        echo(f"Measuring whether {concurrency} concurrent trials train faster than one: {names}.")
        for planned in unknown:
            speedups[_kind(planned)] = _measure(shortened(planned), concurrency, make_executor)
        cache.update(speedups)
    return speedups


def _worth_measuring(trials: Iterable[PlannedTrial], estimator: Estimator) -> list[PlannedTrial]:
    """Return one trial of each kind that has several trials which take long enough together."""
    kinds: dict[str, list[PlannedTrial]] = defaultdict(list)
    for planned in trials:
        if not isinstance(planned.trial.recipe["backbone"]["trainable_blocks"], list):  # stages need more epochs
            kinds[_kind(planned)].append(planned)
    return [
        same[0]
        for same in kinds.values()
        if len(same) > 1 and sum(estimator.seconds(planned) or 0.0 for planned in same) > MIN_SECONDS
    ]


def _measure(planned: PlannedTrial, concurrency: int, make_executor: Callable[[int], Executor]) -> float:
    alone = images_per_second(make_executor(1), [planned])
    concurrent = images_per_second(make_executor(concurrency), [planned] * concurrency)
    return concurrent / alone if alone else 0.0


def _kind(planned: PlannedTrial) -> str:
    recipe = planned.trial.recipe
    return json.dumps([*speed_key(planned.trial.architecture, recipe), recipe["batch_size"], planned.trial.backend])
