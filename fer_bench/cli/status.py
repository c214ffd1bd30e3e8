"""What sweeps are doing."""

from __future__ import annotations

import time
from pathlib import Path

import click

from fer_bench.cli.options import RESULTS_OPTIONS, console, options


@click.command()
@options(RESULTS_OPTIONS)
@click.option("--all", "everything", is_flag=True, help="Name every trial that is left, not the next few.")
def status(results_dir: Path, everything: bool) -> None:
    """Show what sweeps are running or have run: done, failed and why, left."""
    from fer_bench import records
    from fer_bench.core.errors import UserError
    from fer_bench.sweep.status_file import sweeps
    from fer_bench.sweep.status_view import lines

    found = sweeps(results_dir)
    if not found:
        raise UserError(f"No sweep is known in {results_dir}: name its folder with --results-dir.")
    known = {key: stored.record for key, stored in records.load(results_dir).stored.items()}
    for sweep in found:
        for line in lines(sweep, known, time.time(), everything):
            console().print(line, highlight=False, soft_wrap=True)
