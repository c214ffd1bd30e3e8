"""Which trials of a sweep fit into the time that it may take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from fer_bench.records.schema import Epoch, Record
from fer_bench.sweep.estimate import Estimator
from fer_bench.training.callback import Callback
from fer_bench.training.planned_trial import PlannedTrial


class BudgetSpent(KeyboardInterrupt):
    """The time is over: running trials stop as they do on Ctrl-C."""


class Budget(Callback):
    """The time until a deadline; as a callback it stops the sweep there.

    Args:
        deadline: Time of the clock at which the sweep ends; None for no limit.
        estimator: Expected seconds per trial.
        concurrency: Number of concurrent trials.
        slowdown: How much longer each trial takes than alone.
        clock: Returns seconds.
    """

    def __init__(
        self,
        deadline: float | None,
        estimator: Estimator,
        concurrency: int = 1,
        slowdown: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deadline, self._clock = deadline, clock
        self._estimator = estimator
        self._concurrency, self._slowdown = concurrency, slowdown
        self._started: dict[str, float] = {}  # by key
        self._expected = self._actual = 0.0  # seconds of the trials that have ended

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return None if self._deadline is None else max(0.0, self._deadline - self._clock())

    def expected_seconds(self, trials: Sequence[PlannedTrial]) -> float:
        """Return the expected wall-clock seconds of all trials together."""
        alone = sum(self._estimator.seconds(planned) or 0.0 for planned in trials)
        return alone * self._slowdown / self._concurrency

    def split(self, trials: Sequence[PlannedTrial]) -> tuple[list[PlannedTrial], list[PlannedTrial]]:
        """Divide trials into those that fit and those that do not, each in the plan's order.

        A trial that is too long makes room for shorter ones behind it; a trial without an estimate counts as nothing.
        Trials whose pretraining does not fit do not fit either.
        """
        if self.seconds_left is None:
            return list(trials), []
        available, fitting, skipped = self.seconds_left * self._concurrency, [], []
        skipped_keys: set[str] = set()
        for planned in trials:
            seconds = self._slowdown * (self._estimator.seconds(planned) or 0.0)
            if planned.required_key not in skipped_keys and seconds <= min(available, self.seconds_left):
                fitting.append(planned)
                available -= seconds
            else:
                skipped.append(planned)
                skipped_keys.add(planned.key)
        return fitting, skipped

    def can_finish(self, planned: PlannedTrial) -> bool:
        """Whether a trial is expected to end in time, given how earlier trials compared with their estimates."""
        if self.seconds_left is None:
            return True
        pace = self._actual / self._expected if self._expected else self._slowdown
        return pace * (self._estimator.seconds(planned) or 0.0) <= self.seconds_left

    def on_poll(self) -> None:
        if self.seconds_left is not None and self.seconds_left <= 0:
            raise BudgetSpent

    def on_trial_begin(self, planned: PlannedTrial) -> None:
        self._started.setdefault(planned.key, self._clock())

    def on_step_end(self, planned: PlannedTrial, step: int, steps: int, loss: float) -> None:
        self.on_poll()

    def on_epoch_end(self, planned: PlannedTrial, epoch: Epoch) -> None:
        self.on_poll()

    def on_trial_end(self, planned: PlannedTrial, record: Record) -> None:
        if record.status == "finished" and (expected := self._estimator.seconds(planned)):
            self._expected += expected
            self._actual += self._clock() - self._started.pop(planned.key)
