"""Commands that read records: no training, no Keras."""

from __future__ import annotations

from pathlib import Path

import click

from fer_bench.cli.options import RESULTS, console, options


@click.command()
@options(
    [
        click.option("--model", required=True, help="An architecture that has been trained."),
        click.option("--dataset", help="Only this dataset."),
    ],
    RESULTS,
)
def evaluate(model: str, dataset: str | None, results_dir: Path) -> None:
    """Score one trained model from its recorded predictions, class by class."""
    from fer_bench.report.classes import show_classes

    show_classes(results_dir, model, dataset, console())


@click.command()
@options(RESULTS)
def report(results_dir: Path) -> None:
    """Write leaderboard.md, leaderboard.csv and the figures from the records alone."""
    from fer_bench.report.tables import to_terminal
    from fer_bench.report.write import read_board, write_board

    terminal = console()
    board = read_board(results_dir)
    to_terminal(board.frame, terminal, board.left_out)
    _say_written(write_board(board, results_dir), results_dir, terminal)


@click.command()
@options(RESULTS)
def visualize(results_dir: Path) -> None:
    """Draw the figures: confusion matrices, training curves, accuracy against time."""
    from fer_bench.report.write import write_report

    written = [path for path in write_report(results_dir) if path.suffix == ".png"]
    for path in written:
        click.echo(path)


def _say_written(paths: list[Path], results_dir: Path, console) -> None:
    tables = [str(path) for path in paths if path.suffix != ".png"]
    pictures = sum(path.suffix == ".png" for path in paths)
    console.print(f"Written: {', '.join(tables)} and {pictures} figures below {results_dir}/figures.", soft_wrap=True)
