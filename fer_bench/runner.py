"""Plan, run, report: the whole benchmark in one call.

This module stands above `sweep` and `report`, so that neither knows the other.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from fer_bench import records
from fer_bench.config import experiment as experiments
from fer_bench.config.combinations import resolve_combinations
from fer_bench.config.experiment import Experiment
from fer_bench.core.backend import choose_backend
from fer_bench.core.console import print_text
from fer_bench.core.progress import ProgressBar
from fer_bench.core.text import plural, split_names
from fer_bench.datasets import DataConfig, default_dataset
from fer_bench.datasets.class_selection import with_classes
from fer_bench.leaderboard.leaderboard import compute_leaderboard
from fer_bench.protocols.registry import ARROW, CROSS_PREFIX, parse_cross
from fer_bench.records.schema import Record
from fer_bench.records.time_to_target import DEFAULT_TARGETS, parse_targets
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.report.terminal import to_terminal
from fer_bench.report.write import missing_figures_note, write_leaderboard
from fer_bench.sweep.budget import Budget
from fer_bench.sweep.calibrate import calibrate, measure_speeds, recall, remember
from fer_bench.sweep.estimate import Estimator
from fer_bench.sweep.executors.in_process import run_in_process
from fer_bench.sweep.options import SweepOptions
from fer_bench.sweep.pending import PendingTrials, clear_checkpoints, find_corrupt, find_pending, open_results
from fer_bench.sweep.plan import Plan, make_plan
from fer_bench.sweep.plan_view import budget_lines, plan_lines, plan_table
from fer_bench.sweep.precision import MeasureSpeeds
from fer_bench.sweep.progress import ProgressDisplay
from fer_bench.sweep.queue import LOGS_DIR
from fer_bench.sweep.run import StopReason, run
from fer_bench.sweep.schedule import ExecutionContext, make_process_executor, probe_machine, schedule_trials
from fer_bench.sweep.status_file import SweepStatusWriter
from fer_bench.sweep.tracking.tracker import TrackerCallback, create_tracker
from fer_bench.training.planned_trial import PlannedTrial
from fer_bench.training.weights import resolve_weights_dir

if TYPE_CHECKING:
    import pandas as pd

STOP_MESSAGES: dict[StopReason, str] = {
    "first_failure": "Stopped at the first failure, as --fail-fast asks. The same command resumes.",
    "budget_exhausted": "The budget is used up. The same command resumes.",
}


@dataclass(frozen=True)
class BenchmarkResult:
    """What `run_benchmark` returns.

    Attributes:
        leaderboard: One row per model, recipe, dataset and protocol, with the columns of leaderboard.csv. The tables
            of the experiment's datasets and protocols are complete: they include earlier results of the folder.
        records: The records of the experiment's trials.
        failed: Those of them that failed or diverged.
    """

    leaderboard: pd.DataFrame
    records: list[Record]

    @property
    def failed(self) -> list[Record]:
        return [record for record in self.records if record.status != "finished"]


def run_benchmark(
    models: Sequence[str] | str | None = None,
    datasets: Sequence[str] | str | None = None,
    protocols: Sequence[str] | str | None = None,
    recipes: Sequence[str] | str | None = None,
    seeds: Sequence[int] | int | None = None,
    *,
    classes: Sequence[str] | str = (),
    experiment: str | Path | None = None,
    recipe: Mapping[str, Any] | None = None,
    data_dir: str | Path | None = None,
    results_dir: str | Path = "results",
    weights_dir: str | Path | None = None,
    extra_architectures: Sequence[str | Path] = (),
    skip_invalid: bool = False,
    accept_classes: bool = False,
    backend: str | None = None,
    console: Console | None = None,
    targets: Sequence[float] = DEFAULT_TARGETS,
    **options: Any,
) -> BenchmarkResult:
    """Train models under fixed protocols and compare them.

    Trials that are recorded in the results folder do not run again, so that a stopped call resumes. The leaderboard,
    its page and its figures are written to the results folder.

    Args:
        models: Names or patterns such as "vgg*", or "all"; default: those of the experiment.
        datasets: Names of datasets; default: FER2013 if it is found, else drawn faces.
        protocols: Names of protocols; default: "official".
        recipes: Names of recipes, or YAML files; default: each model's own recipe.
        seeds: Seeds, or their number.
        classes: Train and test only on the images of these classes; default: all.
        experiment: A bundled experiment or a YAML file; the other arguments override it.
        recipe: Recipe fields that override every recipe, such as {"epochs": 5, "optimizer.learning_rate": 3e-4}.
        data_dir: Folder of the datasets; default: data.
        results_dir: Folder for records and leaderboards.
        weights_dir: Folder of initial weights, <name>_notop.weights.h5.
        extra_architectures: Files or folders with more architectures.
        skip_invalid: Skip rows and images that cannot be read.
        accept_classes: Read folders as classes even if they look like persons or splits.
        backend: Keras backend; default: KERAS_BACKEND, or else TensorFlow.
        console: Where progress is shown; default: standard output.
        targets: Validation accuracies, each with a column `seconds_to_<percent>`: infinite if the median trial never
            reaches it.
        **options: Fields of `fer_bench.sweep.options.SweepOptions`, such as `jobs=2` or `keep_models="all"`.

    Returns:
        The leaderboard, the records, and the failed records.

    Raises:
        UserError: Something in the request is wrong; raised before any training.

    Examples:
        >>> result = fer_bench.run_benchmark(models=["cnn_small", "mobilenet"], datasets=["jaffe"], seeds=3)
        >>> result.leaderboard[["label", "accuracy", "accuracy_sd"]]
    """
    for path in extra_architectures:
        ARCHITECTURES.scan(Path(path))
    benchmark = Benchmark(
        experiment=make_experiment(
            experiment,
            recipe or {},
            data_dir,
            models=models,
            datasets=datasets,
            protocols=protocols,
            recipes=recipes,
            seeds=seeds,
            classes=classes,
        ),
        data_config=DataConfig(
            Path(data_dir or "data"), progress=ProgressBar(), skip_invalid=skip_invalid, accept_classes=accept_classes
        ),
        weights_dir=Path(weights_dir) if weights_dir else None,
        results=Path(results_dir),
        options=SweepOptions(backend=choose_backend(backend), **options),
        console=console or Console(highlight=False),
        targets=parse_targets(targets),
    )
    return benchmark.run()


def make_experiment(
    name_or_path: str | Path | None,
    recipe: Mapping[str, Any],
    data_dir: str | Path | None,
    classes: Sequence[str] | str = (),
    **fields: Any,
) -> Experiment:
    """Return the experiment that is named, or else the bundled one for the data, with overrides.

    Args:
        name_or_path: A bundled experiment or a YAML file.
        recipe: Recipe fields that override every recipe.
        data_dir: Folder of the datasets.
        classes: The only classes of every dataset; default: all.
        **fields: Fields of the experiment; None keeps a field.

    Raises:
        UserError: A name is unknown or a field is invalid. No dataset is read for this.
    """
    if name_or_path is None:
        datasets = fields.get("datasets") or default_dataset(Path(data_dir) if data_dir else None)
        bundled = experiments.bundled_experiment(datasets)
    else:
        bundled = experiments.read(str(name_or_path))
    request = bundled.with_overrides(recipe, **fields)
    if classes:
        names = split_names(classes) if isinstance(classes, str) else classes
        request = request.with_overrides(
            {},
            datasets=[with_classes(name, names) for name in request.datasets],
            protocols=[_with_classes(protocol, names) for protocol in request.protocols],
        )
    resolve_combinations(request)
    return request


def _with_classes(protocol: str, classes: Sequence[str]) -> str:
    """Return a protocol; cross:TRAIN->TEST with only some classes of both datasets."""
    if not protocol.startswith(CROSS_PREFIX):
        return protocol
    pair = parse_cross(protocol.removeprefix(CROSS_PREFIX))
    return CROSS_PREFIX + ARROW.join(with_classes(name, classes) for name in pair)


@dataclass(frozen=True)
class Benchmark:
    """An experiment, with the data and the folders that it uses.

    Attributes:
        experiment: What to train.
        data_config: Where the datasets are and how they are read.
        weights_dir: Folder of initial weights; None for the default places.
        results: The results folder.
        options: How the trials run.
        console: Where plan, progress and leaderboard are shown.
        targets: The validation accuracies of the leaderboard's times to target.
    """

    experiment: Experiment
    data_config: DataConfig
    weights_dir: Path | None
    results: Path
    options: SweepOptions
    console: Console
    targets: tuple[float, ...] = DEFAULT_TARGETS

    def run(self) -> BenchmarkResult:
        """Run the trials that are not recorded yet, and write the leaderboard; see `run_benchmark`."""
        deadline = self._deadline()
        open_results(self.results)
        plan = self._plan(self._measure_speeds)
        experiments.save(_resolved(plan), self.results / "experiments")
        pending, context = self._find_pending(plan, clean=True)
        stop_reason: StopReason = "completed"
        if context:
            stop_reason = self._run_trials(plan, pending, context, deadline)
        known = records.load(self.results)
        if stop_reason == "completed":
            corrupt = find_corrupt(plan, known)
            if corrupt.trials:
                self._echo(f"The predictions of {plural(len(corrupt.trials), 'trial')} cannot be read: run again.")
                context = probe_machine(corrupt.trials, (), self.options)
                self._run_trials(plan, corrupt, context, deadline)
                known = records.load(self.results)
        return _report(plan, known, self.results, self.console, self.targets)

    def print_plan(self) -> None:
        """Print what `run` would train, how long that would take, and what would be skipped. Writes nothing."""
        deadline, plan = self._deadline(), self._plan()
        pending, context = self._find_pending(plan, clean=False)
        if context is None:
            return
        context.close()
        trials = pending.trials
        if deadline is not None:
            trials = self._fitting(trials, Budget(deadline, context.estimator), context.estimator)
        self.console.print(plan_table(trials, context.estimator))

    def _deadline(self) -> float | None:
        return None if self.options.budget is None else time.monotonic() + self.options.budget

    def _plan(self, measure: MeasureSpeeds | None = None) -> Plan:
        weights_dir = resolve_weights_dir(self.weights_dir)
        return make_plan(self.experiment, self.data_config, weights_dir, self.options.backend, measure)

    def _measure_speeds(self, trials: Sequence[PlannedTrial]) -> list[float]:
        """Measure trials of a few steps one after the other, for the precision "auto"."""
        names = ", ".join(dict.fromkeys(planned.trial.architecture for planned in trials))
        self._echo(f"Measuring a few training steps of {names} in float32 and in bfloat16.")
        context = probe_machine(trials, (), self.options)
        in_process = self.options.executor == "in-process"
        executor = run_in_process if in_process else make_process_executor(1, self.options, context)
        speeds = measure_speeds(executor, trials)
        remember(trials, speeds, context.machine, self.data_config.cache_dir)
        return speeds

    def _find_pending(self, plan: Plan, clean: bool) -> tuple[PendingTrials, ExecutionContext | None]:
        """Find and announce the trials to run, and what they run on if there are any.

        The records are not kept: the garbage collection of every trial would visit them.

        Args:
            plan: All trials.
            clean: Whether the checkpoints of finished trials are removed.
        """
        known = records.load(self.results)
        pending = find_pending(plan, known, self.options)
        if clean:
            clear_checkpoints(self.results, known, pending.trials)
        context = None
        if pending.trials:
            context = probe_machine(pending.trials, (stored.record for stored in known), self.options)
            recall(pending.trials, context.estimator, context.machine, self.data_config.cache_dir)
        estimator = context.estimator if context else None
        for line in plan_lines(plan, pending, estimator, self.results, self.options.keep_models):
            self._echo(line)
        return pending, context

    def _run_trials(
        self, plan: Plan, pending: PendingTrials, context: ExecutionContext, deadline: float | None
    ) -> StopReason:
        """Run trials; each is recorded as it ends."""
        options, estimator, name = self.options, context.estimator, self.experiment.name
        trackers = [create_tracker(tracker, self.results, name) for tracker in options.trackers]
        cache_dir = self.data_config.cache_dir
        schedule = schedule_trials(pending.trials, options, context, cache_dir, self._echo)
        trials, budget = schedule.trials, None
        if deadline is not None:
            budget = Budget(deadline, estimator, schedule.concurrency, schedule.slowdown)
            in_process = options.executor == "in-process"
            single = schedule.executor if in_process else make_process_executor(1, options, context)
            calibrate(trials, estimator, context.machine, cache_dir, self._echo, single)
            trials = self._fitting(trials, budget, estimator)
        progress = ProgressDisplay(self.console, trials, estimator, schedule.concurrency, schedule.slowdown, budget)
        callbacks = [
            progress,
            *(TrackerCallback(tracker) for tracker in trackers),
            SweepStatusWriter(self.results, name, plan.trials, progress.seconds_left),
        ]
        stop_reason = run(trials, self.results, callbacks, options, schedule.executor, pending.superseded, budget)
        if message := STOP_MESSAGES.get(stop_reason):
            self._echo(message)
        return stop_reason

    def _fitting(self, trials: list[PlannedTrial], budget: Budget, estimator: Estimator) -> list[PlannedTrial]:
        """Return the trials that fit into the budget, and print which do not."""
        fitting, skipped = budget.split(trials)
        for line in budget_lines(fitting, skipped, estimator, budget):
            self._echo(line)
        return fitting

    def _echo(self, text: str) -> None:
        print_text(self.console, text, markup=True)


def _resolved(plan: Plan) -> Experiment:
    """Return the experiment with the models that its patterns match today; if run again, it skips the same pairs."""
    combinations = plan.combinations
    return plan.experiment.model_copy(
        update={
            "models": list(dict.fromkeys(pair.architecture.name for pair in combinations.pairs)),
            "skip_incompatible": plan.experiment.skip_incompatible or bool(combinations.skipped),
        }
    )


def _report(
    plan: Plan, known: records.Records, results: Path, console: Console, targets: Sequence[float]
) -> BenchmarkResult:
    """Show the leaderboards that contain the experiment; write the files over all records of the folder."""
    import pandas as pd

    if not len(known):
        return BenchmarkResult(pd.DataFrame(), [])  # the budget was too small for any trial
    keys = {planned.key for planned in plan.trials}
    leaderboard = compute_leaderboard(known, known.skipped, targets)
    rows = leaderboard.rows
    ours = [record for row in rows.values() for record in row.records if record.trial.key in keys]
    touched = {row.section for row in rows.values() if any(record.trial.key in keys for record in row.records)}
    shown = leaderboard.frame.loc[[key for key, row in rows.items() if row.section in touched]]
    console.print()
    to_terminal(shown, console, leaderboard.skipped)
    written = write_leaderboard(leaderboard, results)
    figures = sum(path.suffix == ".png" for path in written)
    messages = [
        f"All records of the folder: {results}/leaderboard.md, leaderboard.csv, leaderboard.tex, leaderboard.html, "
        f"{figures} figures in {results}/figures.",
        missing_figures_note(leaderboard),
    ]
    result = BenchmarkResult(shown, ours)
    if result.failed:
        count = plural(len(result.failed), "trial")
        messages.append(f"{count} failed; {results}/{LOGS_DIR} has the details, and --retry-failed runs them again.")
    for message in filter(None, messages):
        print_text(console, message, markup=True)
    return result
