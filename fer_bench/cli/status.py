"""The command `status`: what sweeps are doing."""

from __future__ import annotations

import time
from pathlib import Path

import rich_click as click

from fer_bench.cli.options import console, results_dir_option
from fer_bench.core.console import print_text
from fer_bench.core.errors import UserError


@click.command()
@results_dir_option
@click.option("--all", "show_all", is_flag=True, help="List every unfinished trial, not only the next few.")
def status(results_dir: Path, show_all: bool) -> None:
    """Show the progress and the failures of running and finished sweeps."""
    from fer_bench import records
    from fer_bench.sweep.status_file import read_sweeps, status_lines

    sweeps = read_sweeps(results_dir)
    if not sweeps:
        raise UserError(f"No sweep has run in {results_dir}. Name its folder with --results-dir.")
    known = {key: stored.record for key, stored in records.load(results_dir).stored.items()}
    for sweep in sweeps:
        for line in status_lines(sweep, known, time.time(), show_all):
            print_text(console(), line, markup=True)
