"""What of a sweep fits into the time there is."""

from __future__ import annotations

import time

from fer_bench.sweep.estimate import Estimator
from fer_bench.sweep.plan import PlannedTrial


class BudgetSpent(KeyboardInterrupt):
    """The time is over: what is running stops as it does on Ctrl-C."""


class Budget:
    """The time until `ends`, of the monotonic clock; None: as much as it takes.

    at_a_time, slowdown: how many trials run at a time, and how much longer each takes so than alone.
    """

    def __init__(self, ends: float | None, estimator: Estimator, at_a_time: int = 1, slowdown: float = 1.0) -> None:
        self._ends = ends
        self._estimator = estimator
        self._at_a_time, self._slowdown = at_a_time, slowdown
        self._expected = self._taken = 0.0  # of the trials that ended

    @property
    def left(self) -> float | None:
        return None if self._ends is None else max(0.0, self._ends - time.monotonic())

    def check(self) -> None:
        """Raises BudgetSpent once it is."""
        if self.left is not None and self.left <= 0:
            raise BudgetSpent

    def seconds(self, trials: list[PlannedTrial]) -> float:
        """Wall-clock that trials are expected to take together."""
        alone = sum(self._estimator.seconds(planned) or 0.0 for planned in trials)
        return alone * self._slowdown / self._at_a_time

    def divide(self, missing: list[PlannedTrial]) -> tuple[list[PlannedTrial], list[PlannedTrial]]:
        """Those that fit, and those that do not: in the plan's order, every model once before any second seed.

        One that is too long makes room for shorter ones behind it; one of which nothing is known counts as nothing.
        """
        if self.left is None:
            return missing, []
        room, kept, left_out = self.left * self._at_a_time, [], []
        for planned in missing:
            seconds = self._slowdown * (self._estimator.seconds(planned) or 0.0)
            if seconds <= min(room, self.left):
                kept.append(planned)
                room -= seconds
            else:
                left_out.append(planned)
        return kept, left_out

    def fits(self, planned: PlannedTrial) -> bool:
        """Whether a trial would end in time, going by how those so far compared with what was expected."""
        if self.left is None:
            return True
        pace = self._taken / self._expected if self._expected else self._slowdown
        return pace * (self._estimator.seconds(planned) or 0.0) <= self.left

    def ended(self, planned: PlannedTrial, seconds: float) -> None:
        """A trial has taken so long."""
        if expected := self._estimator.seconds(planned):
            self._expected += expected
            self._taken += seconds
