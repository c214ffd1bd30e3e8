"""The main job: plan, say what will be done, do it, write the leaderboard.

It stands above `sweep` and `report`, so that neither knows of the other.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from fer_bench import records
from fer_bench.datasets import Places
from fer_bench.experiment import Experiment, save
from fer_bench.report.leaderboard import plural
from fer_bench.report.tables import to_terminal
from fer_bench.report.write import not_drawn, read_board, write_board
from fer_bench.sweep.estimate import Estimator
from fer_bench.sweep.executors.executor import Executor
from fer_bench.sweep.executors.here import here
from fer_bench.sweep.executors.processes import Processes, available_cores
from fer_bench.sweep.plan import Plan, Planned, make_plan
from fer_bench.sweep.run import Todo, open_results, run, todo
from fer_bench.sweep.side_by_side import Split, in_order, measured_gains
from fer_bench.sweep.view import View, duration
from fer_bench.training.machine import describe_machine
from fer_bench.training.weights import weights_folder

MEMORY_OF_A_TRIAL = 2 * 2**30  # bytes; what the larger ones among small networks take


def sweep_and_report(
    experiment: Experiment,
    places: Places,
    weights_dir: Path | None,
    results: Path,
    console: Console,
    overwrite: bool = False,
    retry_failed: bool = False,
    keep_models: bool = False,
    jobs: int | None = 1,
) -> int:
    """Run what is missing of an experiment and write its leaderboard; how many of its trials have failed.

    jobs: trials at a time; None: several of those that are measured to train faster so.

    UserError, before any training, for whatever is wrong with the request.
    """
    backend = keras.backend.backend()
    open_results(results)
    plan = make_plan(experiment, places, weights_folder(weights_dir), backend)
    save(_resolved(plan), results / "experiments")
    machine = describe_machine(backend)
    left, estimator = _left(plan, results, machine, overwrite, retry_failed)
    _announce(plan, left, estimator, results, console)
    if keep_models and left.without_model:
        console.print(
            f"{plural(left.without_model, 'trial')} recorded already without a model, which --keep-models leaves so; "
            "with --overwrite they are trained again and it is kept.",
            soft_wrap=True,
            highlight=False,
        )
    if left.missing:
        missing, executor, at_a_time = _in_turn(left.missing, jobs, results, machine, estimator, places, console)
        with View(console, missing, estimator, at_a_time) as view:
            run(missing, results, view, keep_models, executor)
    return _report(plan, results, console)


def _left(
    plan: Plan, results: Path, machine: dict[str, Any], overwrite: bool, retry_failed: bool
) -> tuple[Todo, Estimator]:
    """What is still to be run, and how long it may take.

    The records that tell it are let go: kept while the trials run, each trial's garbage collection would go through
    all of them.
    """
    known = records.load(results)
    left = todo(plan, known, overwrite, retry_failed)
    return left, Estimator((stored.record for stored in known), machine)


def _in_turn(
    missing: list[Planned],
    jobs: int | None,
    results: Path,
    machine: dict[str, Any],
    estimator: Estimator,
    places: Places,
    console: Console,
) -> tuple[list[Planned], Executor, int]:
    """The trials in the order they run, who runs them, and how many at a time."""
    if len(missing) < 2 or jobs == 1:
        return missing, here, 1
    if jobs:
        return missing, Processes(jobs, results), jobs
    memory = machine["memory_bytes"] or 0
    count = min(len(available_cores()), max(1, memory // MEMORY_OF_A_TRIAL))
    if count == 1 or machine["accelerator"] != "none":
        return missing, here, 1  # a GPU is shared out by time, not by cores

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    gains = measured_gains(missing, count, machine, estimator, places.cache_dir, say)
    ordered, together = in_order(missing, gains)
    if not together:
        return missing, here, 1
    names = ", ".join(dict.fromkeys(planned.trial.architecture for planned in ordered[:together]))
    say(f"{count} at a time, which is faster here: {names}. --exclusive runs and times them one by one.")
    return ordered, Split(together, count, results), count


def _resolved(plan: Plan) -> Experiment:
    """The experiment with the models that its patterns stand for today; run again, it leaves out the same pairs."""
    models = list(dict.fromkeys(pair.architecture.name for pair in plan.pairs.possible))
    return plan.experiment.model_copy(
        update={
            "models": models,
            "leave_out_impossible": plan.experiment.leave_out_impossible or bool(plan.pairs.left_out),
        }
    )


def _announce(plan: Plan, left: Todo, estimator: Estimator, results: Path, console: Console) -> None:
    datasets = list(dict.fromkeys(planned.trial.dataset for planned in plan.trials))
    console.print(f"[bold]{plan.experiment.name}[/]: {_size(plan, datasets)}", highlight=False, soft_wrap=True)
    if "synthetic" in datasets:
        console.print(
            "synthetic: drawn faces, not a benchmark. For the real thing, put fer2013.csv below data/ or name its "
            "folder with --data-dir (see data/README.md).",
            soft_wrap=True,
            highlight=False,
        )
    for note in plan.notes:
        console.print(f"[yellow]note[/]: {note}", soft_wrap=True, highlight=False)
    if left.finished or left.failed:
        failed = f" ({left.failed} of them failed; --retry-failed runs those again)" if left.failed else ""
        console.print(f"{left.finished + left.failed} recorded already{failed}.", highlight=False)
    if left.missing:
        console.print(
            f"{len(left.missing)} to run: {_expected(left, estimator)}. Records go to {results}/records.",
            soft_wrap=True,
            highlight=False,
        )


def _size(plan: Plan, datasets: list[str]) -> str:
    """Models × recipes × datasets × seeds = trials, and how many pairs are missing from that product."""
    models = {pair.architecture.name for pair in plan.pairs.possible}
    recipes = list(dict.fromkeys(pair.asked for pair in plan.pairs.possible))
    seeds = len(dict.fromkeys(plan.experiment.seeds))
    folds: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for planned in plan.trials:
        folds[planned.trial.protocol].add((planned.trial.dataset, planned.trial.fold))
    protocols = ", ".join(name + (f" ({len(of)} folds)" if len(of) > 1 else "") for name, of in folds.items())
    factors = [plural(len(models), "model"), ", ".join(recipes), ", ".join(datasets), plural(seeds, "seed")]
    if list(folds) != ["official"]:
        factors.insert(3, protocols)
    left_out = len({(left.model, left.recipe) for left in plan.pairs.left_out if left.model in models})
    less = f", {plural(left_out, 'impossible pair')} left out" if left_out else ""
    return f"{' × '.join(factors)} = {plural(len(plan.trials), 'trial')}{less}"


def _expected(left: Todo, estimator: Estimator) -> str:
    seconds = [(planned.trial.architecture, estimator.seconds(planned)) for planned in left.missing]
    unknown = list(dict.fromkeys(name for name, value in seconds if value is None))
    known = sum(value for _, value in seconds if value is not None)
    if not known:
        return "how long is not known yet"
    rest = f", and the time of {', '.join(unknown)}, not known yet" if unknown else ""
    return f"about {duration(known)} on this machine{rest}"


def _report(plan: Plan, results: Path, console: Console) -> int:
    """Show the leaderboards that this experiment has a part in; write the files over all records of the folder."""
    keys = {planned.key for planned in plan.trials}
    board = read_board(results)
    ours = [record for row in board.rows.values() for record in row.records if record.trial.key in keys]
    touched = {(record.trial.dataset, record.trial.protocol, record.trial.fingerprint) for record in ours}
    shown = [identity for identity, row in board.rows.items() if row.section in touched]
    to_terminal(board.frame.loc[shown], console, board.left_out)
    written = write_board(board, results)
    console.print(
        f"Over all records there: {results}/leaderboard.md, leaderboard.csv, leaderboard.tex, leaderboard.html, "
        f"{sum(path.suffix == '.png' for path in written)} figures in {results}/figures.",
        soft_wrap=True,
        highlight=False,
    )
    if note := not_drawn(board):
        console.print(note, soft_wrap=True, highlight=False)
    return sum(record.status != "finished" for record in ours)
