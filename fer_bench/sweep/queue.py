"""The trials of a sweep that have not started, handed out one at a time to whatever runs them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from fer_bench.records.store import model_file, record_dir
from fer_bench.training.planned_trial import PlannedTrial

CHECKPOINTS_DIR, LOGS_DIR = "checkpoints", "logs"
NUM_HALVES = 2  # parts of a batch whose gradients are accumulated if a whole batch does not fit into memory

# Whether a trial may start now, may start later, or need not start at all.
Admission = Literal["start", "defer", "skip"]
AdmissionCheck = Callable[[PlannedTrial], Admission]


def number_trials(
    trials: Iterable[PlannedTrial], results: Path, models_dir: Path | None = None, keep_models: bool = True
) -> list[PlannedTrial]:
    """Give each trial its number and its files.

    Args:
        trials: Trials in the order in which they run.
        results: The results folder, for logs and checkpoints, and with the models of pretraining trials.
        models_dir: Folder for trained models until they are recorded; None if none are kept.
        keep_models: Whether all models are kept; otherwise only those that other trials start from.
    """
    trials = list(trials)
    return [
        replace(
            planned,
            number=number,
            total=len(trials),
            log_file=results / LOGS_DIR / f"{record_dir(results, planned.trial).name}.log",
            checkpoint_dir=results / CHECKPOINTS_DIR / record_dir(results, planned.trial).name,
            model_file=models_dir / f"{number}.keras" if models_dir and (keep_models or planned.keep_model) else None,
            pretrained_file=model_file(results, planned.requires) if planned.requires else planned.pretrained_file,
        )
        for number, planned in enumerate(trials, start=1)
    ]


def with_half_batches(planned: PlannedTrial) -> PlannedTrial:
    """Return the trial with batches computed in two parts."""
    return replace(planned, accumulate=NUM_HALVES)


class TrialQueue:
    """A queue of trials. A trial that may not start yet goes to its end.

    Args:
        trials: Numbered trials; see `number_trials`.
        admit: Decides whether a trial may start.
    """

    def __init__(self, trials: Iterable[PlannedTrial], admit: AdmissionCheck = lambda planned: "start") -> None:
        self._trials = deque(trials)
        self._admit = admit
        self._numbers: Container[int] = range(1, len(self._trials) + 1)

    def has_pending(self) -> bool:
        """Whether any trial is left, now or later."""
        return any(planned.number in self._numbers for planned in self._trials)

    def pop_ready(self) -> PlannedTrial | None:
        """Remove and return the next trial that may start now; None if none may."""
        for _ in range(len(self._trials)):
            planned = self._trials.popleft()
            admission = self._admit(planned) if planned.number in self._numbers else "defer"
            if admission == "start":
                return planned
            if admission == "defer":
                self._trials.append(planned)
        return None

    def requeue(self, planned: PlannedTrial) -> None:
        """Put a trial first."""
        self._trials.appendleft(planned)

    def subset(self, numbers: Container[int]) -> TrialQueue:
        """Return a view of the trials with these numbers; a trial popped there is popped here."""
        view = TrialQueue((), self._admit)
        view._numbers, view._trials = numbers, self._trials
        return view
