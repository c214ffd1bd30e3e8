"""Which trials of a plan run several at a time: those that this machine was measured to train faster so.

A small network does not fill several cores: two trials on a core each may take less time than one after the other on
both. Large ones fill them, and only get into each other's way.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fer_bench.sweep.calibrate import images_per_second, short
from fer_bench.sweep.estimate import Estimator, speed_key
from fer_bench.sweep.executors.executor import Executor, Follow, Outcome
from fer_bench.sweep.measurement_cache import Remembered
from fer_bench.sweep.plan import PlannedTrial
from fer_bench.sweep.queue import Turns

WORTH_SECONDS = 600.0  # of training, below which measuring costs more than it can bring
FILE = "side_by_side.json"

Gains = dict[str, float]  # by `_key`: images a second of all at a time over images a second of one on all cores


@dataclass(frozen=True)
class Split:
    """An executor: the first `together` trials by one that runs several at a time, then the others by another."""

    together: int
    several: Executor
    single: Executor

    def __call__(self, turns: Turns, follow: Follow) -> Iterator[Outcome]:
        yield from self.several(turns.part(range(1, self.together + 1)), follow)
        yield from self.single(turns, follow)


def in_order(missing: list[PlannedTrial], gains: Mapping[str, float]) -> tuple[list[PlannedTrial], int]:
    """The trials that gain by running together before the others, and how many those are."""
    together = [planned for planned in missing if gains.get(_key(planned), 0.0) > 1]
    if len(together) < 2:
        return missing, 0
    chosen = {id(planned) for planned in together}
    return together + [planned for planned in missing if id(planned) not in chosen], len(together)


def measured_gains(
    missing: list[PlannedTrial],
    count: int,
    machine: Mapping,
    estimator: Estimator,
    cache_dir: Path,
    say: Callable[[str], None],
    processes: Callable[[int], Executor],
) -> Gains:
    """What running `count` trials at a time brings, for each kind of trial where that is known or worth measuring.

    `processes` makes what runs so many at a time. Measured with a few steps of real trials, and remembered in the
    cache for this machine.
    """
    remembered = Remembered(cache_dir / FILE, machine, count)
    gains: Gains = remembered.read()
    unknown = [kind for kind in _worth_measuring(missing, estimator) if _key(kind) not in gains]
    if unknown:
        names = ", ".join(dict.fromkeys(planned.trial.architecture for planned in unknown))
        say(f"Measuring whether {count} trials at a time train faster than one: {names}.")
        for planned in unknown:
            gains[_key(planned)] = _gain(planned, count, processes)
        remembered.write(gains)
    return gains


def _worth_measuring(missing: Iterable[PlannedTrial], estimator: Estimator) -> list[PlannedTrial]:
    """One trial of each kind of which there are several, and which take long enough."""
    kinds: dict[str, list[PlannedTrial]] = defaultdict(list)
    for planned in missing:
        if not isinstance(planned.trial.recipe["backbone"]["trainable_blocks"], list):  # stages need their epochs
            kinds[_key(planned)].append(planned)
    return [
        same[0]
        for same in kinds.values()
        if len(same) > 1 and sum(estimator.seconds(planned) or 0.0 for planned in same) > WORTH_SECONDS
    ]


def _gain(planned: PlannedTrial, count: int, processes: Callable[[int], Executor]) -> float:
    planned = short(planned)
    alone = images_per_second(processes(1), [planned])
    beside = images_per_second(processes(count), [planned] * count)
    return beside / alone if alone else 0.0


def _key(planned: PlannedTrial) -> str:
    recipe = planned.trial.recipe
    return json.dumps([*speed_key(planned.trial.architecture, recipe), recipe["batch_size"], planned.trial.backend])
