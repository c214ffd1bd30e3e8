"""The command that lets recorded trials vote together."""

from __future__ import annotations

from pathlib import Path

import click

from fer_bench.cli.options import RESULTS_OPTIONS, console, options
from fer_bench.core.errors import UserError

SHOWN = 10  # seeds and folds that are left out, by name


@click.command()
@options(
    [
        click.option("--members", multiple=True, metavar="A,B,…", help="Rows of the leaderboard, see above."),
        click.option("--greedy", type=click.IntRange(1), metavar="N", help="Choose N of them, with replacement."),
        click.option("--weighted", is_flag=True, help="Weigh members by the log loss of their vote on validation."),
        click.option("--across-seeds", is_flag=True, help="All seeds of the members in one vote."),
        click.option("--dataset", help="Only rows of this dataset."),
        click.option("--protocol", help="Only rows of this protocol."),
    ],
    RESULTS_OPTIONS,
)
def ensemble(
    members: tuple[str, ...],
    greedy: int | None,
    weighted: bool,
    across_seeds: bool,
    dataset: str | None,
    protocol: str | None,
    results_dir: Path,
) -> None:
    """Let trials vote with their recorded probabilities, and record that as a row of the leaderboard.

    \b
    ensemble --members cnn,vgg16              the mean of what they say
    ensemble --members 'vgg*,cnn' --weighted  weights of the least log loss on validation
    ensemble --greedy 5 --dataset fer2013     of all rows, those whose vote is best on validation

    Members are named as the leaderboard does: label, model, the identity of a row in leaderboard.csv (6 characters or
    more), or a pattern; --members may be repeated. Other ensembles are members only where they are named without a
    pattern.

    An ensemble is made for each seed and fold that all of them have, and those are the seeds and folds of its row: with
    --across-seeds for each fold, of all seeds. Greedy selection (Caruana et al., 2004) takes members one by one, the
    same again if that is best. It and the weights are made anew for each seed and fold, on its validation part; test
    predictions are only averaged. The same members and method replace their earlier record.
    """
    from fer_bench.leaderboard import ensemble as voting
    from fer_bench.leaderboard.ensemble_members import candidates

    if not members and greedy is None:
        raise UserError("Name the --members, or let --greedy N choose N of all rows.")
    found = candidates(results_dir, members, dataset, protocol)
    made = voting.make(results_dir, found, voting.Method(greedy, weighted, across_seeds))
    terminal = console()
    for one in made:
        trial, shares = one.record.trial, sorted(one.record.members, key=lambda member: -member.weight)
        fold = f" fold {trial.fold}" if trial.fold or len({m.record.trial.fold for m in made}) > 1 else ""
        place = f"All seeds{fold}" if across_seeds else f"Seed {trial.seed}{fold}"
        shown = ", ".join(_share(member, across_seeds) for member in shares)
        terminal.print(f"{place}: {shown}", markup=False, highlight=False, soft_wrap=True)
        if one.validation is not None:
            said = f"validation {100 * one.validation:.2f} %, the best member alone {100 * one.best_member:.2f} %"
            terminal.print(f"  {said}", highlight=False, soft_wrap=True)
    if missing := found.without(across_seeds):
        named = ", ".join(f"seed {seed} fold {fold}" for seed, fold in missing[:SHOWN])
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        terminal.print(f"Left out, since not all members have it: {named}{more}.", highlight=False, soft_wrap=True)
    if found.left_out:
        terminal.print(f"Left out, since they cannot be read ({len(found.left_out)}):", highlight=False)
        for path, reason in found.left_out:
            terminal.print(f"  {path.name}: {reason}", markup=False, highlight=False, soft_wrap=True)
    count = "record" if len(made) == 1 else "records"
    terminal.print(
        f"Written: {len(made)} {count} of '{made[0].record.trial.recipe_name}' below {results_dir}/records; "
        "`report` shows its row.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _share(member, across_seeds: bool) -> str:
    seed = f" seed {member.seed}" if across_seeds else ""
    return f"{member.architecture} ({member.recipe_name}){seed} {100 * member.weight:.1f} %"
