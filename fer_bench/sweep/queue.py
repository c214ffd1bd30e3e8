"""The trials of a sweep that are still to be run, handed out one at a time to whoever runs them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from fer_bench.records.store import folder_of
from fer_bench.sweep.plan import PlannedTrial

CHECKPOINTS, LOGS = "checkpoints", "logs"
HALVES = 2  # parts of a batch whose gradients are accumulated where the whole does not fit into memory


@dataclass(frozen=True)
class Turn:
    """A trial that may begin: its number from 1, of how many, and where its files go."""

    number: int
    of: int
    planned: PlannedTrial
    log: Path
    checkpoint: Path
    model_file: Path | None = None  # where its trained model is to be kept
    accumulate: int = 1  # parts of a batch, one after the other, whose gradients make one step

    @property
    def in_halves(self) -> Turn:
        return replace(self, accumulate=HALVES)


# Whether a trial may begin now, perhaps later, or need not: another sweep has recorded it.
Gate = Callable[[PlannedTrial], Literal["now", "later", "never"]]


class Turns:
    """Turns to take; true while any is left, be it for later.

    `check` raises where the sweep is to end: who runs trials calls it every second or so.
    """

    def __init__(
        self,
        missing: Iterable[PlannedTrial],
        results: Path,
        models: Path | None = None,
        gate: Gate = lambda planned: "now",
        check: Callable[[], None] = lambda: None,
    ) -> None:
        trials = list(missing)
        self.check = check
        self._gate = gate
        self._numbers: Container[int] = range(1, len(trials) + 1)
        self._waiting = deque(
            Turn(
                number,
                len(trials),
                planned,
                results / LOGS / f"{folder_of(results, planned.trial).name}.log",
                results / CHECKPOINTS / folder_of(results, planned.trial).name,
                None if models is None else models / f"{number}.keras",
            )
            for number, planned in enumerate(trials, start=1)
        )

    def __bool__(self) -> bool:
        return any(turn.number in self._numbers for turn in self._waiting)

    def take(self) -> Turn | None:
        """The next trial that may begin now, if any may."""
        for _ in range(len(self._waiting)):
            turn = self._waiting.popleft()
            when = self._gate(turn.planned) if turn.number in self._numbers else "later"
            if when == "now":
                return turn
            if when == "later":
                self._waiting.append(turn)
        return None

    def again(self, turn: Turn) -> None:
        """Put a trial before all others."""
        self._waiting.appendleft(turn)

    def part(self, numbers: Container[int]) -> Turns:
        """Those of some numbers; what is taken there is taken here."""
        part = Turns((), Path(), gate=self._gate, check=self.check)
        part._numbers, part._waiting = numbers, self._waiting
        return part
