"""Which trials of a plan run several at a time: those that this machine was measured to train faster so.

A small network does not fill several cores: two trials on a core each may take less time than one after the other on
both. Large ones fill them, and only get into each other's way.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fer_bench.sweep.estimate import Estimator, speed_key
from fer_bench.sweep.executors.executor import Executor, Follow, Follower, Outcome
from fer_bench.sweep.executors.here import here
from fer_bench.sweep.executors.processes import Processes
from fer_bench.sweep.plan import Planned
from fer_bench.trial import Epoch, Record

STEPS = 24  # of a trial that measures
WORTH_SECONDS = 600.0  # of training, below which measuring costs more than it can bring
FILE = "side_by_side.json"

Gains = dict[str, float]  # by `_key`: images a second of all at a time over images a second of one on all cores


@dataclass(frozen=True)
class Split:
    """An executor: the first `together` trials `count` at a time, then the others one after the other."""

    together: int
    count: int
    results: Path

    def __call__(self, missing: list[Planned], follow: Follow, models: Path | None) -> Iterator[Outcome]:
        first, rest = missing[: self.together], missing[self.together :]
        yield from Processes(self.count, self.results)(first, _of(missing, follow, 0), models)
        yield from here(rest, _of(missing, follow, self.together), models)


def in_order(missing: list[Planned], gains: Mapping[str, float]) -> tuple[list[Planned], int]:
    """The trials that gain by running together before the others, and how many those are."""
    together = [planned for planned in missing if gains.get(_key(planned), 0.0) > 1]
    if len(together) < 2:
        return missing, 0
    chosen = {id(planned) for planned in together}
    return together + [planned for planned in missing if id(planned) not in chosen], len(together)


def measured_gains(
    missing: list[Planned],
    count: int,
    machine: Mapping,
    estimator: Estimator,
    cache_dir: Path,
    say: Callable[[str], None],
    processes: Callable[[int, Path], Executor] = Processes,
) -> Gains:
    """What running `count` trials at a time brings, for each kind of trial where that is known or worth measuring.

    Measured with a few steps of real trials, and remembered in the cache for this machine.
    """
    file = cache_dir / FILE
    place = json.dumps([machine.get(field) for field in ("processor", "cores", "accelerator")] + [count])
    remembered = _read(file)
    gains: Gains = remembered.setdefault(place, {})
    unknown = [kind for kind in _worth_measuring(missing, estimator) if _key(kind) not in gains]
    if unknown:
        names = ", ".join(dict.fromkeys(planned.trial.architecture for planned in unknown))
        say(f"Measuring whether {count} trials at a time train faster than one: {names}.")
        for planned in unknown:
            gains[_key(planned)] = _gain(_short(planned), count, processes)
        _write(file, remembered)
    return gains


def _worth_measuring(missing: Iterable[Planned], estimator: Estimator) -> list[Planned]:
    """One trial of each kind of which there are several, and which take long enough."""
    kinds: dict[str, list[Planned]] = defaultdict(list)
    for planned in missing:
        if not isinstance(planned.trial.recipe["backbone"]["trained_blocks"], list):  # stages need their epochs
            kinds[_key(planned)].append(planned)
    return [
        same[0]
        for same in kinds.values()
        if len(same) > 1 and sum(estimator.seconds(planned) or 0.0 for planned in same) > WORTH_SECONDS
    ]


def _gain(planned: Planned, count: int, processes: Callable[[int, Path], Executor]) -> float:
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as folder:
        results = Path(folder)
        alone = _images_per_second(processes(1, results), [planned])
        beside = _images_per_second(processes(count, results), [planned] * count)
    return beside / alone if alone else 0.0


def _images_per_second(executor: Executor, trials: list[Planned]) -> float:
    """Of all together; 0 where one fails, which the sweep itself will tell."""
    records = [outcome.record for outcome in executor(trials, lambda *_: _Nobody(), None)]
    return sum(record.costs.images_per_second for record in records) if all(r.costs for r in records) else 0.0


def _short(planned: Planned) -> Planned:
    batch = planned.trial.recipe["batch_size"]
    recipe = planned.trial.recipe | {"epochs": 1, "patience": None}
    fold = replace(
        planned.fold,
        training=planned.fold.training[: STEPS * batch],
        validation=planned.fold.validation[:batch],
        test=planned.fold.test[:batch],
        clean=None,
    )
    return replace(planned, trial=planned.trial.model_copy(update={"recipe": recipe}), fold=fold)


def _key(planned: Planned) -> str:
    recipe = planned.trial.recipe
    return json.dumps([*speed_key(planned.trial.architecture, recipe), recipe["batch_size"], planned.trial.backend])


def _of(missing: list[Planned], follow: Follow, before: int) -> Follow:
    """The numbers of a part as those of the whole."""
    return lambda planned, number, of: follow(planned, before + number, len(missing))


def _read(file: Path) -> dict[str, Gains]:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError):
        return {}


def _write(file: Path, remembered: dict[str, Gains]) -> None:
    """What cannot be remembered is measured again."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.{os.getpid()}")
        part.write_text(json.dumps(remembered, indent=1))
        part.replace(file)
    except OSError:
        return


class _Nobody(Follower):
    """Follows a trial that measures, and tells nobody."""

    def step(self, step: int, steps: int, loss: float) -> None: ...

    def epoch(self, epoch: Epoch, epochs: int) -> None: ...

    def ends(self, record: Record) -> None: ...
