"""The command that makes ensembles of recorded trials."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from fer_bench.cli.options import COUNT, console, results_dir_option, rows_option
from fer_bench.core.console import print_text
from fer_bench.core.errors import UserError
from fer_bench.core.text import list_first, percent, plural

if TYPE_CHECKING:
    from fer_bench.leaderboard.ensemble import EnsembleResult
    from fer_bench.records.schema import Member

MAX_LISTED = 10  # seeds and folds
vote_option = partial(click.option, panel="How to vote")


@click.command()
@rows_option("--members", multiple=True, metavar="A,B,…", help="Labels, models, row ids, patterns. Repeatable.")
@rows_option("--dataset", metavar="NAME", help="Only rows of this dataset.")
@rows_option("--protocol", metavar="NAME", help="Only rows of this protocol.")
@vote_option("--greedy-size", type=COUNT, metavar="N", help="Select N of the rows, with replacement.")
@vote_option("--weighted", is_flag=True, help="Weight members by the log loss of their vote on validation.")
@vote_option("--across-seeds", is_flag=True, help="Let all seeds of the members vote together.")
@results_dir_option
def ensemble(
    members: tuple[str, ...],
    greedy_size: int | None,
    weighted: bool,
    across_seeds: bool,
    dataset: str | None,
    protocol: str | None,
    results_dir: Path,
) -> None:
    """Average the predictions of trials in a new row.

    Examples: the mean of two models, the weights with the lowest log loss on validation, and the rows whose vote is
    best on validation:

        ensemble --members cnn,vgg16
        ensemble --members 'vgg*,cnn' --weighted
        ensemble --greedy-size 5 --dataset fer2013

    A member is a label or a model of the leaderboard, the id of a row in leaderboard.csv (6 characters or more), or a
    pattern; --members can be repeated. Patterns never match other ensembles.

    There is one ensemble per seed and fold that all members have, or one per fold with --across-seeds. Greedy selection
    (Caruana et al., 2004) adds members one by one, the same one again if that is best. Selection and weights are
    computed for each seed and fold on its validation split; test predictions are only averaged. The same members and
    method replace their earlier record.
    """
    from fer_bench.leaderboard.ensemble import VotingMethod, create_ensembles
    from fer_bench.leaderboard.ensemble_members import select_candidates

    if not members and greedy_size is None:
        raise UserError("Name the --members, or select N of all rows with --greedy-size N.")
    candidates = select_candidates(results_dir, members, dataset, protocol)
    results = create_ensembles(results_dir, candidates, VotingMethod(greedy_size, weighted, across_seeds))
    echo = partial(print_text, console())
    several_folds = len({result.record.trial.fold for result in results}) > 1
    for result in results:
        for line in _describe(result, across_seeds, several_folds):
            echo(line)
    if incomplete := candidates.incomplete_seed_folds(across_seeds):
        listed = list_first([f"seed {seed} fold {fold}" for seed, fold in incomplete], MAX_LISTED)
        echo(f"Skipped because not all members have it: {listed}.")
    if candidates.skipped:
        echo(f"Skipped records that cannot be read ({len(candidates.skipped)}):")
        for path, reason in candidates.skipped:
            echo(f"  {path.name}: {reason}")
    name = results[0].record.trial.recipe_name
    echo(f"Written: {plural(len(results), 'record')} of '{name}' in {results_dir}/records; `report` shows the row.")


def _describe(result: EnsembleResult, across_seeds: bool, several_folds: bool) -> list[str]:
    trial = result.record.trial
    fold = f" fold {trial.fold}" if trial.fold or several_folds else ""
    members = sorted(result.record.members, key=lambda member: -member.weight)
    shown = ", ".join(_describe_member(member, across_seeds) for member in members)
    lines = [f"All seeds{fold}: {shown}" if across_seeds else f"Seed {trial.seed}{fold}: {shown}"]
    if result.validation_accuracy is not None and result.best_member_accuracy is not None:
        alone = percent(result.best_member_accuracy)
        lines.append(f"  validation {percent(result.validation_accuracy)} %, the best member alone {alone} %")
    return lines


def _describe_member(member: Member, across_seeds: bool) -> str:
    seed = f" seed {member.seed}" if across_seeds else ""
    return f"{member.architecture} ({member.recipe_name}){seed} {100 * member.weight:.1f} %"
