"""The main job: plan, say what will be done, do it, write the leaderboard.

It stands above `sweep` and `report`, so that neither knows of the other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from fer_bench import records
from fer_bench.config.experiment import Experiment, save
from fer_bench.datasets import DataConfig
from fer_bench.leaderboard.leaderboard import plural
from fer_bench.report.markdown import to_terminal
from fer_bench.report.write import not_drawn, read_board, write_board
from fer_bench.sweep.budget import Budget
from fer_bench.sweep.calibrate import calibrate
from fer_bench.sweep.estimate import Estimator
from fer_bench.sweep.options import Ground, Manner, in_turn, processes_of, survey
from fer_bench.sweep.pending import Todo, clear_checkpoints, damaged, open_results, todo
from fer_bench.sweep.plan import Plan, PlannedTrial, make_plan
from fer_bench.sweep.progress import View, duration
from fer_bench.sweep.queue import LOGS
from fer_bench.sweep.run import Ended, SweepWatcher, Ways, run
from fer_bench.sweep.status_file import Journal
from fer_bench.sweep.tracking.tracker import Tracking, tracker
from fer_bench.training.weights import weights_folder


def sweep_and_report(
    experiment: Experiment,
    places: DataConfig,
    weights_dir: Path | None,
    results: Path,
    console: Console,
    manner: Manner,
    import_keras: Callable[[], None],
) -> int:
    """Run what is missing of an experiment and write its leaderboard; how many of its trials have failed.

    `import_keras` is called where trials run in this process; the backend is the manner's.
    UserError, before any training, for whatever is wrong with the request.
    """
    open_results(results)
    plan = make_plan(experiment, places, weights_folder(weights_dir), manner.backend)
    save(_resolved(plan), results / "experiments")
    left, ground = _left(plan, results, manner, import_keras)
    _announce(plan, left, ground and ground.estimator, results, console)
    if manner.keep_models and left.without_model:
        console.print(
            f"{plural(left.without_model, 'trial')} recorded already without a model, which --keep-models leaves so; "
            "with --overwrite they are trained again and it is kept.",
            soft_wrap=True,
            highlight=False,
        )
    ended: Ended = "all had their turn"
    if ground:
        ended = _run(plan, left, results, manner, ground, places, console)
    if ended == "all had their turn":
        _run_damaged(plan, results, manner, places, console, import_keras)
    if not any((results / records.store.FOLDER).glob("*/record.json")):
        return 0  # there was no time for any
    return _report(plan, results, console)


def _run_damaged(
    plan: Plan,
    results: Path,
    manner: Manner,
    places: DataConfig,
    console: Console,
    import_keras: Callable[[], None],
) -> None:
    """Run again what a damaged disk, or a copy that was cut short, has made useless."""
    again = damaged(plan, records.load(results))
    if again.missing:
        count = plural(len(again.missing), "trial")
        console.print(f"The predictions of {count} cannot be read: run again.", highlight=False)
        _run(plan, again, results, manner, survey(again.missing, (), manner, import_keras), places, console)


def _run(
    plan: Plan,
    left: Todo,
    results: Path,
    manner: Manner,
    ground: Ground,
    places: DataConfig,
    console: Console,
) -> Ended:
    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    keepers = [tracker(name, results, plan.experiment.name) for name in manner.track]
    estimator = ground.estimator
    lineup = in_turn(left.missing, manner, ground, places.cache_dir, say)
    missing, budget = lineup.trials, Budget(manner.ends, estimator, lineup.at_a_time, lineup.slowdown)
    if manner.ends is not None:
        single = lineup.executor if manner.executor == "in-process" else processes_of(1, manner, ground)
        calibrate(missing, estimator, ground.machine, places.cache_dir, say, single)
        missing, left_out = budget.divide(missing)
        _tell_budget(missing, left_out, estimator, budget, say)
    ways = Ways(lineup.executor, manner.keep_models, manner.fail_fast, left.replaced, budget)
    with ExitStack() as stack:
        view = stack.enter_context(View(console, missing, estimator, lineup.at_a_time, lineup.slowdown, budget))
        watcher: SweepWatcher = view
        for keeper in keepers:
            watcher = stack.enter_context(Tracking(keeper, watcher))
        journal = Journal(results, plan.experiment.name, plan.trials, watcher, view.seconds_left)
        ended = run(missing, results, stack.enter_context(journal), ways)
    if ended == "at a failure":
        say("Stopped at the first failure, as --fail-fast asks; the same command goes on from there.")
    if ended == "in time":
        say("The budget is spent; the same command goes on from there.")
    return ended


def _tell_budget(
    kept: list[PlannedTrial],
    left_out: list[PlannedTrial],
    estimator: Estimator,
    budget: Budget,
    say: Callable[[str], None],
) -> None:
    """What fits and what does not, each model with how many of its trials."""
    say(
        f"{plural(len(kept), 'trial')} of {len(kept) + len(left_out)} fit into the {duration(budget.left or 0)} "
        f"that are left of the budget: about {duration(budget.seconds(kept))}."
    )
    if left_out:
        each = {planned.trial.architecture: duration(estimator.seconds(planned) or 0.0) for planned in left_out}
        count = Counter(planned.trial.architecture for planned in left_out)
        say(f"Left out: {', '.join(f'{name} ({count[name]} × {each[name]})' for name in count)}.")


def _left(plan: Plan, results: Path, manner: Manner, import_keras: Callable[[], None]) -> tuple[Todo, Ground | None]:
    """What is still to be run, and where anything is, on what ground.

    The records that tell it are let go: kept while the trials run, each trial's garbage collection would go through
    all of them.
    """
    known = records.load(results)
    left = todo(plan, known, manner.overwrite, manner.retry_failed)
    clear_checkpoints(results, known, left.missing)
    if not left.missing:
        return left, None
    return left, survey(left.missing, (stored.record for stored in known), manner, import_keras)


def _resolved(plan: Plan) -> Experiment:
    """The experiment with the models that its patterns stand for today; run again, it leaves out the same pairs."""
    models = list(dict.fromkeys(pair.architecture.name for pair in plan.pairs.pairs))
    return plan.experiment.model_copy(
        update={
            "models": models,
            "skip_incompatible": plan.experiment.skip_incompatible or bool(plan.pairs.skipped),
        }
    )


def _announce(plan: Plan, left: Todo, estimator: Estimator | None, results: Path, console: Console) -> None:
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
    if left.broken:
        console.print(f"{plural(left.broken, 'record')} cannot be read: run again.", highlight=False)
    if estimator:
        console.print(
            f"{len(left.missing)} to run: {_expected(left, estimator)}. Records go to {results}/records.",
            soft_wrap=True,
            highlight=False,
        )


def _size(plan: Plan, datasets: list[str]) -> str:
    """Models × recipes × datasets × seeds = trials, and how many pairs are missing from that product."""
    models = {pair.architecture.name for pair in plan.pairs.pairs}
    recipes = list(dict.fromkeys(pair.recipe_name for pair in plan.pairs.pairs))
    seeds = len(dict.fromkeys(plan.experiment.seeds))
    folds: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for planned in plan.trials:
        folds[planned.trial.protocol].add((planned.trial.dataset, planned.trial.fold))
    protocols = ", ".join(name + (f" ({len(of)} folds)" if len(of) > 1 else "") for name, of in folds.items())
    factors = [plural(len(models), "model"), ", ".join(recipes), ", ".join(datasets), plural(seeds, "seed")]
    if list(folds) != ["official"]:
        factors.insert(3, protocols)
    left_out = len({(left.model, left.recipe) for left in plan.pairs.skipped if left.model in models})
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
    failed = sum(record.status != "finished" for record in ours)
    if failed:
        console.print(
            f"{plural(failed, 'trial')} failed; {results}/{LOGS} tells more, and --retry-failed runs them again.",
            soft_wrap=True,
            highlight=False,
        )
    return failed
