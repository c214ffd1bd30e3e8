"""The command that compares two leaderboards."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from fer_bench.cli.options import PATH, console
from fer_bench.core.errors import UserError, write_error


@click.command()
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@click.option("--output", type=PATH, metavar="FILE.md", help="Write the comparison as Markdown too.")
@click.option("--fail-on-regression", is_flag=True, help="Exit with 1 where a row got worse; see above.")
def compare(a: Path, b: Path, output: Path | None, fail_on_regression: bool) -> None:
    """Compare two results folders, or two leaderboard.csv: A before, B after.

    Rows match by what was asked for: dataset, protocol, model, recipe name, initial weights and backend. Digests of
    source, data and resolved recipe do not count, so that two versions of the project or two machines can be compared;
    what differs in them is said beside the row. Where several rows of one side fit, only those that are the same trials
    match.

    Where both sides have predictions of the same test samples, a row is better or worse if paired bootstrap and
    McNemar's exact test both reject at 5 %, Holm-corrected over all rows tested.

    With --fail-on-regression the exit status is 1 where a row is significantly worse in that sense, or was scored in A
    and has only failed trials in B. A row that is lost, or cannot be tested, is no regression; where nothing at all can
    be tested, that is an error (status 2).
    """
    from fer_bench.leaderboard import compare as comparing
    from fer_bench.report.comparison import to_markdown, to_terminal

    made = comparing.compare(comparing.read_side(a), comparing.read_side(b))
    to_terminal(made, console())
    if output:
        try:
            output.write_text(to_markdown(made), encoding="utf-8")
        except OSError as error:
            raise write_error(output, error) from None
        click.echo(f"Written: {output}")
    if not fail_on_regression:
        return
    if made.regressions:
        sys.exit(1)
    if not made.tested:
        raise UserError("Nothing could be tested: no row of A and B has predictions of the same test samples.")
