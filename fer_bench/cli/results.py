"""Commands that read records: no training, and no Keras but to score a model that others trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fer_bench.cli.options import (
    DATA_OPTIONS,
    PATH,
    RESULTS_OPTIONS,
    SKIP_INVALID_OPTION,
    console,
    default_dataset_name,
    import_keras,
    make_data_config,
    options,
)
from fer_bench.core.errors import UserError

PICTURES = {".png", ".svg"}


@click.command()
@options(
    [
        click.option("--model", help="An architecture that has been trained."),
        click.option("--model-file", type=PATH, help="A model that others trained: .keras, .h5, .hdf5 or .onnx."),
        click.option("--preprocessing", type=PATH, help="What that model wants: a YAML file, see above."),
        click.option("--dataset", help="Only this dataset; of --model-file, what to score it on."),
        click.option("--protocol", help="Of --model-file: one of `list`, or 'cross:TRAIN->TEST'.  [default: official]"),
        click.option("--name", help="Of --model-file: what its row is called.  [default: the file's name]"),
    ],
    DATA_OPTIONS,
    SKIP_INVALID_OPTION,
    RESULTS_OPTIONS,
)
def evaluate(
    model: str | None,
    model_file: Path | None,
    dataset: str | None,
    results_dir: Path,
    data_dir: Path | None,
    **asked: Any,
) -> None:
    """Score a trained model from its recorded predictions, class by class; or a model that others trained.

    \b
    evaluate --model vgg19
    evaluate --model-file M.onnx --preprocessing P.yaml --dataset fer2013 --protocol official

    The second predicts validation and test with a Keras or ONNX classifier and records that as a row of its own, with
    the badge 'external'. P.yaml says what the model wants:

    \b
    input_size: 64           one number, or [height, width]
    scaling: -1..1           none, 0..1, -1..1, or {mean: 0.5, std: 0.25} of x/255
    labels: [angry, disgust, fear, happy, sad, surprise, neutral]   its outputs in order; null for one to leave out
    channels: 1              or 3
    layout: nchw             or nhwc; found from the model where it can be
    outputs: logits          or probabilities; found from the figures where it can be
    """
    if (model is None) == (model_file is None):
        raise UserError("Name one of --model, an architecture that has been trained, and --model-file.")
    if model_file is not None:
        model, dataset = _score(model_file, dataset, data_dir, results_dir, **asked)
    elif stray := [f"--{key}" for key in ("preprocessing", "protocol", "name") if asked[key] is not None]:
        raise UserError(f"{stray[0]} goes with --model-file, not with --model.")
    from fer_bench.report.classes import show_classes

    show_classes(results_dir, model, dataset, console())


def _score(
    model_file: Path,
    dataset: str | None,
    data_dir: Path | None,
    results_dir: Path,
    preprocessing: Path | None,
    protocol: str | None,
    name: str | None,
    skip_invalid: bool,
) -> tuple[str, str]:
    """Record a model of others; the name of its row, and the dataset's."""
    from fer_bench.inference import external

    if preprocessing is None:
        raise UserError("--model-file needs --preprocessing: `evaluate --help` says what that file holds.")
    places = make_data_config(data_dir, skip_invalid)
    asked = external.request(
        model_file, preprocessing, dataset or default_dataset_name(data_dir), protocol or "official", places, name
    )
    if asked.needs_keras:
        import_keras(None)
    for note in asked.dataset.notes:
        click.echo(note)
    written = external.score(asked, results_dir, places)
    more = f" and {len(written) - 1} more folds" if len(written) > 1 else ""
    click.echo(f"Recorded below {results_dir}: {written[0].name}{more}.")
    return asked.name, asked.dataset.name


ALL_FIGURES = [click.option("--all-figures", is_flag=True, help="Draw every row, not only the best of each table.")]


SHOWN = [
    click.option("--dataset", metavar="NAME[,NAME]", help="Only these datasets; what is left out is counted."),
    click.option("--protocol", metavar="NAME[,NAME]", help="Only these protocols; the same."),
    click.option("--metric", default="accuracy", show_default=True, help="What ranks: a score of leaderboard.csv."),
    click.option("--by", metavar="COLUMN", help="A table for each recipe, model, weights, backend, precision, …"),
    click.option("--output", type=PATH, metavar="DIR", help="Where to write.  [default: the results folder]"),
]


@click.command()
@options(SHOWN, ALL_FIGURES, RESULTS_OPTIONS)
def report(
    dataset: str | None,
    protocol: str | None,
    metric: str,
    by: str | None,
    output: Path | None,
    all_figures: bool,
    results_dir: Path,
) -> None:
    """Write leaderboard.md, .csv, .tex and .html and the figures from the records alone.

    \b
    report --dataset fer2013 --output tables
    report --metric macro_f1 --by recipe

    --metric ranks rows, bears the first interval and decides which rows cannot be told from the best; AUC and
    calibration error (ece) rank alone. --by puts the rows of a table into groups, each ranked within; intervals and
    tests stay those of the whole table. leaderboard.html takes the filters alone: it sorts and filters by any column,
    and its ranks are by accuracy.
    """
    from fer_bench.leaderboard.filter import filtered, grouped
    from fer_bench.leaderboard.ranking import ranked
    from fer_bench.records import load
    from fer_bench.report.markdown import to_terminal
    from fer_bench.report.write import MOST_DRAWN, not_drawn, read_board, write_board

    terminal = console()
    page = filtered(read_board(results_dir), _names(dataset), _names(protocol))
    board = page if metric == "accuracy" else ranked(page, metric, load(results_dir))
    board = board if by is None else grouped(board, by)
    to_terminal(board.frame, terminal, board.left_out, board.view)
    most = None if all_figures else MOST_DRAWN
    written = write_board(board, results_dir, most=most, output=output, page=page)
    _say_written(written, output or results_dir, terminal)
    if note := not_drawn(board, most):
        terminal.print(f"{note} --all-figures draws them all.", soft_wrap=True)


@click.command()
@options(ALL_FIGURES, RESULTS_OPTIONS)
def visualize(all_figures: bool, results_dir: Path) -> None:
    """Draw the figures: confusion matrices, training curves, accuracy against time."""
    from fer_bench.report.write import MOST_DRAWN, write_report

    for path in write_report(results_dir, most=None if all_figures else MOST_DRAWN):
        if path.suffix in PICTURES:
            click.echo(path)


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _say_written(paths: list[Path], folder: Path, console) -> None:
    tables = [str(path) for path in paths if path.suffix not in PICTURES]
    figures = sum(path.suffix == ".png" for path in paths)
    console.print(
        f"Written: {', '.join(tables)} and {figures} figures, as PNG and SVG, below {folder}/figures.",
        soft_wrap=True,
    )
