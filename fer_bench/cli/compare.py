"""The command that compares two leaderboards."""

from __future__ import annotations

import sys
from pathlib import Path

import rich_click as click

from fer_bench.cli.options import PATH, console, results_option
from fer_bench.core.errors import UserError
from fer_bench.core.files import write_output


@click.command()
@click.argument("a", type=PATH)
@click.argument("b", type=PATH)
@results_option("--output", type=PATH, metavar="FILE", help="Also write the comparison to this Markdown file.")
@results_option("--fail-on-regression", is_flag=True, help="Exit with status 1 if a row got worse, as defined above.")
def compare(a: Path, b: Path, output: Path | None, fail_on_regression: bool) -> None:
    """Compare two results folders or two leaderboard.csv files.

    A is the state before, B the state after. Rows match by dataset, protocol, model, recipe name, initial weights and
    backend. Digests of source, data and resolved recipe do not count, so that two versions of the project or two
    machines can be compared; the table says what differs in them. If several rows of a side match, only rows of the
    same trials are compared.

    If both sides have predictions of the same test samples, a row is better or worse if paired bootstrap and McNemar's
    exact test both reject at 5 %, Holm-corrected over all tested rows.

    With --fail-on-regression the exit status is 1 if a row is significantly worse in that sense, or was scored in A and
    has only failed trials in B. Rows that are lost or cannot be tested are no regressions; if no row at all can be
    tested, that is an error (status 2).
    """
    from fer_bench.leaderboard import compare as leaderboards
    from fer_bench.report.comparison import to_markdown, to_terminal

    comparison = leaderboards.compare(leaderboards.read_side(a), leaderboards.read_side(b))
    to_terminal(comparison, console())
    if output:
        write_output(output, to_markdown(comparison))
        click.echo(f"Written: {output}")
    if not fail_on_regression:
        return
    if comparison.regressions:
        sys.exit(1)
    if not comparison.num_tested:
        raise UserError("Nothing could be tested: no row of A and B has predictions of the same test samples.")
