"""A plan in words: its size, its notes, what is recorded already, how long the rest will take."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.table import Table

from fer_bench.core.text import UNKNOWN, duration, plural
from fer_bench.sweep.budget import Budget
from fer_bench.sweep.disk_use import disk_use_line
from fer_bench.sweep.estimate import Estimator
from fer_bench.sweep.options import KeepModels
from fer_bench.sweep.pending import PendingTrials
from fer_bench.sweep.plan import Plan
from fer_bench.training.planned_trial import PlannedTrial


def plan_lines(
    plan: Plan, pending: PendingTrials, estimator: Estimator | None, results: Path, keep_models: KeepModels
) -> list[str]:
    """Return the announcement of a sweep, in lines of rich markup.

    Args:
        plan: The plan.
        pending: The trials that have to run.
        estimator: Expected seconds per trial; None if nothing has to run.
        results: The results folder.
        keep_models: Which trained models are kept.
    """
    lines = [f"[bold]{plan.experiment.name}[/]: {_size(plan)}"]
    if any(planned.trial.dataset == "synthetic" for planned in plan.trials):
        lines.append(
            "synthetic: drawn faces, not a benchmark. For real data, put fer2013.csv below data/ or name its folder "
            "with --data-dir (see data/README.md)."
        )
    lines += [f"[yellow]note[/]: {note}" for note in plan.notes]
    if recorded := pending.num_finished + pending.num_failed:
        failed = f" ({pending.num_failed} of them failed; --retry-failed runs those again)"
        lines.append(f"{recorded} recorded already{failed if pending.num_failed else ''}.")
    if pending.unreadable:
        lines.append(f"{plural(pending.unreadable, 'unreadable record')}: run again.")
    if pending.outdated:
        lines.append(f"{plural(pending.outdated, 'record')} of another benchmark version: run again.")
    if rerun := pending.without_needed_model:
        lines.append(f"Trained again because others start from their models, which were not saved: {_names(rerun)}.")
    if estimator:
        expected = _expected(pending.trials, estimator)
        lines.append(f"{len(pending.trials)} to run: {expected}. Records go to {results}/records.")
        if disk_use := disk_use_line(pending.trials, keep_models, pending.model_bytes, results):
            lines.append(disk_use)
    if keep_models == "all" and pending.without_saved_model:
        lines.append(
            f"{plural(pending.without_saved_model, 'trial')} recorded already without a saved model. "
            "--keep-models all does not train them again; add --overwrite to do so."
        )
    return lines


def budget_lines(
    fitting: Sequence[PlannedTrial], skipped: Sequence[PlannedTrial], estimator: Estimator, budget: Budget
) -> list[str]:
    """Return which trials fit into the budget and which do not, by model."""
    left, expected = budget.seconds_left or 0.0, budget.expected_seconds(fitting)
    lines = [
        f"{plural(len(fitting), 'trial')} of {len(fitting) + len(skipped)} fit into the remaining budget of "
        f"{duration(left, approximate=True)}: about {duration(expected, approximate=True)}."
    ]
    if skipped:
        seconds = {p.trial.architecture: estimator.seconds(p) or 0.0 for p in skipped}
        count = Counter(planned.trial.architecture for planned in skipped)
        named = (f"{name} ({count[name]} × {duration(seconds[name], approximate=True)})" for name in count)
        lines.append(f"Skipped: {', '.join(named)}.")
    return lines


def plan_table(trials: Sequence[PlannedTrial], estimator: Estimator) -> Table:
    """Return a table of trials: one row per model, recipe, dataset and protocol, with the expected time."""
    groups: dict[tuple[str, ...], list[PlannedTrial]] = defaultdict(list)
    for planned in trials:
        trial = planned.trial
        groups[trial.architecture, trial.recipe_name, trial.dataset, trial.protocol].append(planned)
    table = Table("model", "recipe", "dataset", "protocol", box=None, pad_edge=False)
    table.add_column("trials", justify="right")
    table.add_column("expected", justify="right")
    for group, members in groups.items():
        seconds = [estimator.seconds(planned) for planned in members]
        known = [value for value in seconds if value is not None]
        expected = duration(sum(known), approximate=True) if len(known) == len(seconds) else UNKNOWN
        table.add_row(*group, str(len(members)), expected)
    return table


def _names(trials: Iterable[PlannedTrial]) -> str:
    return ", ".join(str(planned.trial) for planned in trials)


def _size(plan: Plan) -> str:
    """Return models × recipes × datasets × seeds = trials, and how many pairs are missing from that product.

    Trials that are only needed for pretraining are counted separately, after it.
    """
    requested = [planned for planned in plan.trials if planned.key not in plan.pretraining]
    pairs = plan.combinations.pairs
    models = {pair.architecture.name for pair in pairs}
    recipes = list(dict.fromkeys(pair.recipe_name for pair in pairs))
    datasets = list(dict.fromkeys(planned.trial.dataset for planned in requested))
    seeds = len(dict.fromkeys(plan.experiment.seeds))
    folds: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for planned in requested:
        folds[planned.trial.protocol].add((planned.trial.dataset, planned.trial.fold))
    factors = [plural(len(models), "model"), ", ".join(recipes), ", ".join(datasets), plural(seeds, "seed")]
    if list(folds) != ["official"]:
        named = (name + (f" ({len(members)} folds)" if len(members) > 1 else "") for name, members in folds.items())
        factors.insert(3, ", ".join(named))
    num_skipped = len({(s.model, s.recipe) for s in plan.combinations.skipped if s.model in models})
    skipped = f", {plural(num_skipped, 'incompatible pair')} skipped" if num_skipped else ""
    before = f", after {plural(len(plan.pretraining), 'trial')} of pretraining" if plan.pretraining else ""
    return f"{' × '.join(factors)} = {plural(len(requested), 'trial')}{before}{skipped}"


def _expected(trials: Sequence[PlannedTrial], estimator: Estimator) -> str:
    seconds = [(planned.trial.architecture, estimator.seconds(planned)) for planned in trials]
    unknown = ", ".join(dict.fromkeys(name for name, value in seconds if value is None))
    known = sum(value for _, value in seconds if value is not None)
    if not known:
        return "the time is not known yet"
    rest = f", and the time of {unknown}, which is not known yet" if unknown else ""
    return f"about {duration(known, approximate=True)} on this machine{rest}"
