"""The progress of a sweep on screen: bars in a terminal or a notebook, one line per epoch in a log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.util import find_spec
from statistics import fmean

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from fer_bench.config.recipe_names import shorten_recipe
from fer_bench.core.console import print_text
from fer_bench.core.progress import make_bar
from fer_bench.core.text import duration
from fer_bench.records.schema import Epoch, Record
from fer_bench.sweep.budget import Budget
from fer_bench.sweep.estimate import Estimator
from fer_bench.training.callback import Callback
from fer_bench.training.planned_trial import PlannedTrial

UPDATE_SECONDS = 1.0  # between two updates of the bar of the sweep


class ProgressDisplay(Callback):
    """Shows the progress of a sweep.

    Args:
        console: The terminal, notebook or log.
        trials: The trials, in the order in which they start.
        estimator: Expected seconds per trial.
        concurrency: Number of concurrent trials.
        slowdown: How much longer each trial takes than alone.
        budget: The time that the sweep may take.
    """

    def __init__(
        self,
        console: Console,
        trials: Sequence[PlannedTrial],
        estimator: Estimator,
        concurrency: int = 1,
        slowdown: float = 1.0,
        budget: Budget | None = None,
    ) -> None:
        self._console, self._budget = console, budget
        # rich draws bars in a notebook with ipywidgets only.
        self._live = find_spec("ipywidgets") is not None if console.is_jupyter else console.is_terminal
        self._concurrency, self._slowdown = concurrency, slowdown
        self._expected = {planned.key: estimator.seconds(planned) for planned in trials}
        self._delegated: set[str] = set()  # keys of trials that another sweep runs or has run
        self._running: dict[str, _TrialProgress] = {}
        self._spent: dict[str, float] = {}  # seconds of the trials that have ended
        self._progress = Progress(
            TextColumn("{task.description}"),
            make_bar(console.width),
            _StateColumn(),
            console=console,
            transient=True,
            disable=not self._live,
            refresh_per_second=4,
        )
        shown = len(trials) > 1 or budget is not None  # the bar of a single trial says everything
        self._sweep_task: TaskID = self._progress.add_task("sweep", total=1.0, state="", visible=shown)
        self._started = self._updated = time.monotonic()

    def on_sweep_begin(self, trials: Sequence[PlannedTrial]) -> None:
        self._progress.start()

    def on_sweep_end(self, stop_reason: str) -> None:
        self._progress.stop()

    def on_trial_begin(self, planned: PlannedTrial) -> None:
        trial = planned.trial
        recipe = escape(shorten_recipe(trial.recipe_name))
        self._print(
            f"[bold]trial {planned.number} of {planned.total}[/] · {trial} · {recipe} · "
            f"{escape(trial.start)} · {len(planned.fold.training):,} images"
        )
        self._delegated.discard(planned.key)
        task = self._progress.add_task(trial.architecture, total=None, state="preparing")
        self._running[planned.key] = _TrialProgress(planned, task)
        self._update_sweep()

    def on_trial_delegated(self, planned: PlannedTrial) -> None:
        if not self._delegated:
            self._print("Another sweep runs on this folder: each of the two leaves the other's trials to it.")
        self._delegated.add(planned.key)

    def on_step_end(self, planned: PlannedTrial, step: int, steps: int, loss: float) -> None:
        if self._live:
            running = self._running[planned.key]
            state = running.describe_step(step, steps, loss)
            self._progress.update(running.task, completed=step, total=steps, state=state)
            if time.monotonic() - self._updated > UPDATE_SECONDS:
                self._update_sweep()

    def on_epoch_end(self, planned: PlannedTrial, epoch: Epoch) -> None:
        self._running[planned.key].add_epoch(epoch)
        if not self._live:
            prefix = f"{planned.number}, {planned.trial.architecture} " if self._concurrency > 1 else ""
            self._print(
                f"  {prefix}epoch {epoch.epoch}/{planned.trial.recipe['epochs']}: loss {epoch.loss:.3f}, "
                f"accuracy {epoch.accuracy:.1%}, validation {epoch.validation_accuracy:.1%}, "
                f"{epoch.train_seconds + epoch.validation_seconds:.0f} s"
            )
        self._update_sweep()

    def on_trial_end(self, planned: PlannedTrial, record: Record) -> None:
        running = self._running.pop(planned.key)
        if record.status == "finished":
            best = record.history[(record.best_epoch or 1) - 1]
            result = f"[green]validation {best.validation_accuracy:.2%}[/] at epoch {best.epoch}"
        else:
            result = f"[red]{record.status}[/]: {escape(record.reason.splitlines()[0])}"
        prefix = f"{planned.number}, " if self._concurrency > 1 else ""
        took = duration(running.seconds, approximate=True)
        self._print(f"  {prefix}{record.trial.architecture}: {result}, {took} in total")
        self._progress.remove_task(running.task)
        self._spent[planned.key] = running.seconds

    def seconds_left(self) -> float | None:
        """Return the expected seconds to the end of the sweep; None while too little is known.

        Estimates are corrected by how the trials so far compared with theirs. A trial without an estimate counts as
        the mean of the trials that have ended.
        """
        known = [(spent, e) for key, spent in self._spent.items() if (e := self._expected.get(key))]
        pace = sum(spent for spent, _ in known) / sum(e for _, e in known) if known else self._slowdown
        mean = fmean(self._spent.values()) if self._spent else None
        left = 0.0
        for key in self._expected.keys() - self._spent.keys() - self._delegated:
            expected = self._expected[key]
            seconds = mean if expected is None else pace * expected
            if seconds is None:
                return None
            elapsed = self._running[key].seconds if key in self._running else 0.0
            left += max(0.0, seconds - elapsed)
        return left / self._concurrency

    def _update_sweep(self) -> None:
        self._updated = time.monotonic()
        numbers = sorted(running.planned.number for running in self._running.values())
        if not numbers:
            return
        state = f"trial {numbers[0]}" if len(numbers) == 1 else f"trials {', '.join(map(str, numbers))}"
        state += f" of {len(self._expected)}"
        completed = len(self._spent) / (len(self._expected) - len(self._delegated))
        if (left := self.seconds_left()) is not None:
            elapsed = self._updated - self._started
            completed = elapsed / (elapsed + left)
            state += f" · {duration(left, approximate=True)} left"
        if self._budget and self._budget.seconds_left is not None:
            state += f" · budget {duration(self._budget.seconds_left, approximate=True)}"
        self._progress.update(self._sweep_task, completed=completed, state=state)

    def _print(self, text: str) -> None:
        print_text(self._console, text, markup=True)


class _StateColumn(ProgressColumn):
    """What stands beside a bar. A narrow terminal cuts the end of this column alone."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["state"], no_wrap=True, overflow="ellipsis")


class _TrialProgress:
    """The state of one running trial."""

    def __init__(self, planned: PlannedTrial, task: TaskID) -> None:
        self.planned, self.task = planned, task
        self._started = time.monotonic()
        self._first_step: tuple[float, int] | None = None  # when, and which of the whole trial
        self._last: Epoch | None = None
        self._best = 0.0

    @property
    def seconds(self) -> float:
        """Seconds since the trial started."""
        return time.monotonic() - self._started

    def add_epoch(self, epoch: Epoch) -> None:
        self._last = epoch
        self._best = max(self._best, epoch.validation_accuracy)

    def describe_step(self, step: int, steps: int, loss: float) -> str:
        """Return what stands beside the trial's bar, the most important first."""
        epochs = self.planned.trial.recipe["epochs"]
        epoch = (self._last.epoch if self._last else 0) + 1
        done = (epoch - 1) * steps + step
        if self._first_step is None:
            self._first_step = time.monotonic(), done
        parts = [f"epoch {epoch}/{epochs}"]
        started, first = self._first_step
        if done > first + 1:  # the first step includes tracing and says nothing about the pace
            left = (time.monotonic() - started) / (done - first) * (epochs * steps - done)
            parts.append(f"{duration(left, approximate=True)} left")
        if self._last:
            parts.append(f"validation {self._last.validation_accuracy:.1%} (best {self._best:.1%})")
        return " · ".join([*parts, f"loss {loss:.3f}"])
