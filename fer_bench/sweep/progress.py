"""What a user sees while a sweep runs: a live view in a terminal, a line an epoch in a log."""

from __future__ import annotations

import time
from statistics import fmean

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from fer_bench.records.schema import Epoch, Record
from fer_bench.sweep.budget import Budget
from fer_bench.sweep.estimate import Estimator
from fer_bench.sweep.plan import PlannedTrial


def duration(seconds: float) -> str:
    """Seconds as people say them: 45 s, 12 min, 3 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class View:
    """Follows a sweep. A context manager; `live` is off where the output is not a terminal.

    side_by_side, slowdown: how many trials run at a time, and how much longer each is taken to last so than alone.
    """

    def __init__(
        self,
        console: Console,
        missing: list[PlannedTrial],
        estimator: Estimator,
        side_by_side: int = 1,
        slowdown: float = 1.0,
        budget: Budget | None = None,
    ) -> None:
        self._budget = budget
        self._numbers = {planned.key: number for number, planned in enumerate(missing, start=1)}
        self._elsewhere: set[int] = set()  # numbers of trials that another sweep runs, or has run
        self._slowdown = slowdown
        self.live = console.is_terminal
        self.side_by_side = side_by_side
        self._console = console
        self._expected = [estimator.seconds(planned) for planned in missing]
        self._running: dict[int, TrialView] = {}  # by number
        self._spent: dict[int, float] = {}  # seconds of the trials that are done
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]}"),
            console=console,
            transient=True,
            disable=not self.live,
            refresh_per_second=4,
        )
        self._sweep: TaskID = self.progress.add_task("sweep", total=len(missing), state="")

    def __enter__(self) -> View:
        self.progress.start()
        return self

    def __exit__(self, *_) -> None:
        self.progress.stop()

    def trial_begins(self, planned: PlannedTrial, number: int, of: int) -> TrialView:
        trial = planned.trial
        weights = trial.initial_weights.partition(":")[0]
        self.say(
            f"[bold]trial {number} of {of}[/] · {trial} · {trial.recipe_name} · {weights} weights"
            f" · {len(planned.fold.training):,} images"
        )
        self._elsewhere.discard(number)
        self._running[number] = TrialView(self, planned, number)
        self.show_sweep()
        return self._running[number]

    def elsewhere(self, planned: PlannedTrial) -> None:
        if not self._elsewhere:
            self.say("Another sweep works on this folder, too: its trials are left to it.")
        self._elsewhere.add(self._numbers[planned.key])

    def trial_ended(self, number: int, seconds: float) -> None:
        del self._running[number]
        self._spent[number] = seconds
        total = len(self._expected) - len(self._elsewhere)
        self.progress.update(self._sweep, completed=len(self._spent), total=total)

    def show_sweep(self) -> None:
        left, numbers = self.seconds_left(), sorted(self._running)
        which = f"trial {numbers[0]}" if len(numbers) == 1 else f"trials {', '.join(map(str, numbers))}"
        about = f" · about {duration(left)} left" if left is not None else ""
        if self._budget and self._budget.left is not None:
            about += f" · {duration(self._budget.left)} of the budget"
        self.progress.update(self._sweep, state=f"{which} of {len(self._expected)}{about}" if numbers else "")

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)

    def seconds_left(self) -> float | None:
        """Seconds to the end of the sweep; None while too little is known.

        Estimates are corrected by how the trials so far compared with theirs; a trial without an estimate counts as
        the mean of those that are done.
        """
        expected = dict(enumerate(self._expected, start=1))
        known = [(took, e) for number, took in self._spent.items() if (e := expected[number])]
        pace = sum(took for took, _ in known) / sum(e for _, e in known) if known else self._slowdown
        usual = fmean(self._spent.values()) if self._spent else None
        left = 0.0
        for number in expected.keys() - self._spent.keys() - self._elsewhere:
            seconds = usual if expected[number] is None else pace * expected[number]
            if seconds is None:
                return None
            gone = self._running[number].seconds if number in self._running else 0.0
            left += max(0.0, seconds - gone)
        return left / self.side_by_side


class TrialView:
    """Follows one trial of a sweep."""

    def __init__(self, sweep: View, planned: PlannedTrial, number: int) -> None:
        self._sweep, self._planned, self._number = sweep, planned, number
        self._began = time.monotonic()
        self._first_step: float | None = None
        self._last: Epoch | None = None
        self._best = 0.0
        self._epochs: TaskID = sweep.progress.add_task("", total=None, state="preparing")

    @property
    def seconds(self) -> float:
        """Since the trial began."""
        return time.monotonic() - self._began

    def on_step_end(self, step: int, steps: int, loss: float) -> None:
        if not self._sweep.live:
            return
        now = time.monotonic()
        if self._first_step is None:
            self._first_step, self._first_done = now, step
        epochs = self._planned.trial.recipe["epochs"]
        epoch = (self._last.epoch if self._last else 0) + 1
        state = f"loss {loss:.3f}"
        if self._last:
            state += f" · validation {self._last.validation_accuracy:.1%} (best {self._best:.1%})"
        done = (epoch - 1) * steps + step
        if done > self._first_done + 1:  # the first step is traced: it says nothing about the pace
            left = (now - self._first_step) / (done - self._first_done) * (epochs * steps - done)
            state += f" · {duration(left)} left"
        self._sweep.progress.update(
            self._epochs,
            description=f"{self._planned.trial.architecture} epoch {epoch}/{epochs}",
            completed=step,
            total=steps,
            state=state,
        )

    def on_epoch_end(self, epoch: Epoch, epochs: int) -> None:
        self._last = epoch
        self._best = max(self._best, epoch.validation_accuracy)
        if not self._sweep.live:
            whose = f"{self._number}, {self._planned.trial.architecture} " if self._sweep.side_by_side > 1 else ""
            self._sweep.say(
                f"  {whose}epoch {epoch.epoch}/{epochs}: loss {epoch.loss:.3f}, accuracy {epoch.accuracy:.1%},"
                f" validation {epoch.validation_accuracy:.1%}, {epoch.train_seconds + epoch.validation_seconds:.0f} s"
            )
        self._sweep.show_sweep()

    def on_trial_end(self, record: Record) -> None:
        took = self.seconds
        if record.status == "finished":
            best = record.history[(record.best_epoch or 1) - 1]
            outcome = f"[green]validation {best.validation_accuracy:.2%}[/] at epoch {best.epoch}"
        else:
            outcome = f"[red]{record.status}[/]: {escape(record.reason.splitlines()[0])}"
        whose = f"{self._number}, " if self._sweep.side_by_side > 1 else ""
        self._sweep.say(f"  {whose}{record.trial.architecture}: {outcome}, {duration(took)} in all")
        self._sweep.progress.remove_task(self._epochs)
        self._sweep.trial_ended(self._number, took)
