"""How fast kinds of trials train on this machine, from a few steps of each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from fer_bench.records.schema import Epoch, Record
from fer_bench.sweep.estimate import Estimator, speed_key
from fer_bench.sweep.executors.executor import Executor, Follower
from fer_bench.sweep.measurement_cache import Remembered
from fer_bench.sweep.plan import PlannedTrial
from fer_bench.sweep.queue import Turns

STEPS = 24  # of a trial that measures
FILE = "speeds.json"


def calibrate(
    missing: list[PlannedTrial],
    estimator: Estimator,
    machine: Mapping,
    cache_dir: Path,
    say: Callable[[str], None],
    executor: Executor,
) -> None:
    """Let the estimator know the speed of each kind of trial that this machine has no record of.

    Measured with a few steps of real trials, and remembered in the cache for this machine.
    """
    remembered = Remembered(cache_dir / FILE, machine)
    speeds = remembered.read()
    kinds = {str(speed_key(p.trial.architecture, p.trial.recipe)): p for p in missing if not estimator.has_seen(p)}
    unknown = {key: planned for key, planned in kinds.items() if key not in speeds}
    if unknown:
        names = ", ".join(dict.fromkeys(planned.trial.architecture for planned in unknown.values()))
        say(f"Measuring a few steps of {names}.")
        for key, planned in unknown.items():
            speeds[key] = images_per_second(executor, [short(planned)])
        remembered.write({key: speed for key, speed in speeds.items() if speed})
    for key, planned in kinds.items():
        if speeds[key]:
            estimator.learn(planned, speeds[key])


def images_per_second(executor: Executor, trials: list[PlannedTrial]) -> float:
    """Of all together; 0 where one fails, which the sweep itself will tell."""
    with tempfile.TemporaryDirectory(prefix="fer-bench-") as folder:
        records = [outcome.record for outcome in executor(Turns(trials, Path(folder)), lambda _: _Nobody())]
    costs = [record.costs for record in records]
    return sum(of.images_per_second for of in costs if of) if all(costs) else 0.0


def short(planned: PlannedTrial) -> PlannedTrial:
    """A trial like another, of a few steps."""
    batch = planned.trial.recipe["batch_size"]
    recipe = planned.trial.recipe | {"epochs": 1, "patience": None}
    if isinstance(recipe["backbone"]["trainable_blocks"], list):  # stages need their epochs
        recipe["backbone"] = recipe["backbone"] | {"trainable_blocks": "all"}
    fold = replace(
        planned.fold,
        training=planned.fold.training[: STEPS * batch],
        validation=planned.fold.validation[:batch],
        test=planned.fold.test[:batch],
        clean=None,
    )
    return replace(planned, trial=planned.trial.model_copy(update={"recipe": recipe}), fold=fold)


class _Nobody(Follower):
    """Follows a trial that measures, and tells nobody."""

    def on_step_end(self, step: int, steps: int, loss: float) -> None: ...

    def on_epoch_end(self, epoch: Epoch, epochs: int) -> None: ...

    def on_trial_end(self, record: Record) -> None: ...
