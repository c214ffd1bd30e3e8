"""What a user sees while a sweep runs: a live view in a terminal, a line an epoch in a log."""

from __future__ import annotations

import time
from statistics import fmean

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from fer_bench.sweep.estimate import Estimator
from fer_bench.sweep.plan import Planned
from fer_bench.trial import Epoch, Record


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 12 min, 3 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class View:
    """Follows a sweep. A context manager; `live` is off where the output is not a terminal."""

    def __init__(self, console: Console, missing: list[Planned], estimator: Estimator) -> None:
        self._console = console
        self._expected = [estimator.seconds(planned) for planned in missing]
        self._spent: list[float] = []  # seconds of the trials that are done
        self._live = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]}"),
            console=console,
            transient=True,
            disable=not self._live,
            refresh_per_second=4,
        )
        self._sweep: TaskID = self._progress.add_task("sweep", total=len(missing), state="")
        self._epochs: TaskID = self._progress.add_task("", total=None, visible=False, state="")

    def __enter__(self) -> View:
        self._progress.start()
        return self

    def __exit__(self, *_) -> None:
        self._progress.stop()

    def trial_begins(self, planned: Planned, number: int, of: int) -> None:
        self._number, self._of, self._planned = number, of, planned
        self._began = time.monotonic()
        self._first_step: float | None = None
        self._last: Epoch | None = None
        self._best = 0.0
        trial = planned.trial
        weights = trial.initial_weights.partition(":")[0]
        self._say(
            f"[bold]trial {number} of {of}[/] · {trial} · {trial.recipe_name} · {weights} weights"
            f" · {len(planned.fold.training):,} images"
        )
        self._progress.update(self._epochs, visible=True, completed=0, total=None, state="preparing")
        self._show_sweep()

    def step(self, step: int, steps: int, loss: float) -> None:
        if not self._live:
            return
        now = time.monotonic()
        self._first_step = self._first_step or now
        epochs = self._planned.trial.recipe["epochs"]
        epoch = (self._last.epoch if self._last else 0) + 1
        state = f"loss {loss:.3f}"
        if self._last:
            state += f" · validation {self._last.validation_accuracy:.1%} (best {self._best:.1%})"
        done = (epoch - 1) * steps + step
        if done > 2:  # the first step is traced: it says nothing about the pace
            left = (now - self._first_step) / (done - 1) * (epochs * steps - done)
            state += f" · {duration(left)} left"
        self._progress.update(
            self._epochs,
            description=f"{self._planned.trial.architecture} epoch {epoch}/{epochs}",
            completed=step,
            total=steps,
            state=state,
        )

    def epoch(self, epoch: Epoch, epochs: int) -> None:
        self._last = epoch
        self._best = max(self._best, epoch.validation_accuracy)
        if not self._live:
            self._say(
                f"  epoch {epoch.epoch}/{epochs}: loss {epoch.loss:.3f}, accuracy {epoch.accuracy:.1%},"
                f" validation {epoch.validation_accuracy:.1%}, {epoch.train_seconds + epoch.validation_seconds:.0f} s"
            )
        self._show_sweep()

    def trial_ends(self, record: Record) -> None:
        took = time.monotonic() - self._began
        self._spent.append(took)
        if record.status == "finished":
            best = record.history[(record.best_epoch or 1) - 1]
            outcome = f"[green]validation {best.validation_accuracy:.2%}[/] at epoch {best.epoch}"
        else:
            outcome = f"[red]{record.status}[/]: {escape(record.reason.splitlines()[0])}"
        self._say(f"  {record.trial.architecture}: {outcome}, {duration(took)} in all")
        self._progress.update(self._epochs, visible=False)
        self._progress.update(self._sweep, completed=self._number)

    def _show_sweep(self) -> None:
        left = self._left()
        state = f"trial {self._number} of {self._of}" + (f" · about {duration(left)} left" if left is not None else "")
        self._progress.update(self._sweep, state=state)

    def _left(self) -> float | None:
        """Seconds to the end of the sweep; None while too little is known.

        Estimates are corrected by how the trials so far compared with theirs; a trial without an estimate counts as
        the mean of those that are done.
        """
        known = [(took, e) for took, e in zip(self._spent, self._expected, strict=False) if e]
        pace = sum(took for took, _ in known) / sum(e for _, e in known) if known else 1.0
        usual = fmean(self._spent) if self._spent else None
        expected = [usual if e is None else pace * e for e in self._expected[self._number - 1 :]]
        if None in expected:
            return None
        current, *rest = expected
        return max(0.0, current - (time.monotonic() - self._began)) + sum(rest)

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)
