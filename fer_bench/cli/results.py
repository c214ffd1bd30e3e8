"""Commands that read records. They import Keras only to score an external model."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from fer_bench.cli.options import (
    PATH,
    PROTOCOL_HELP,
    accept_classes_option,
    console,
    data_dir_option,
    make_data_config,
    model_option,
    results_dir_option,
    results_option,
    rows_option,
    skip_invalid_option,
    target_option,
)
from fer_bench.core.backend import import_keras
from fer_bench.core.console import print_text
from fer_bench.core.errors import UserError
from fer_bench.core.text import split_names

if TYPE_CHECKING:
    from rich.console import Console

external_option = partial(click.option, panel="An external model")
FIGURE_SUFFIXES = {".png", ".svg"}
all_figures_option = results_option(
    "--all-figures", is_flag=True, help="Draw figures of every row, not only of the best of each table."
)


@click.command()
@model_option("--model", metavar="NAME", help="A trained architecture.")
@model_option("--dataset", metavar="NAME", help="Only this dataset; with --model-file, the dataset to score it on.")
@external_option("--model-file", type=PATH, metavar="FILE", help="Keras, TensorFlow.js, ONNX, LiteRT or SavedModel.")
@external_option("--preprocessing", type=PATH, metavar="FILE", help="Its preprocessing: a YAML file as above.")
@external_option("--protocol", metavar="NAME", help=f"{PROTOCOL_HELP} Default: official.")
@external_option("--name", metavar="NAME", help="The name of its row. Default: the file's name.")
@external_option("--trust-model", is_flag=True, help="Load a SavedModel, whose operations can also access files.")
@data_dir_option
@skip_invalid_option
@accept_classes_option
@results_dir_option
def evaluate(
    model: str | None,
    model_file: Path | None,
    dataset: str | None,
    results_dir: Path,
    data_dir: Path | None,
    **external_options: Any,
) -> None:
    """Score a trained model class by class, or score an external model.

    Examples:

        evaluate --model vgg19
        evaluate --model-file M.onnx --preprocessing P.yaml --dataset fer2013

    The first command reads recorded predictions. The second one predicts validation and test with a Keras, ONNX, LiteRT
    or TensorFlow classifier and records a row with the badge 'external'. P.yaml describes the model's inputs and
    outputs. The first three keys are required:

        input_size: 64     # one number, or [height, width]
        scaling: -1..1     # none, 0..1, -1..1; per_image, min_max: of each image;
                           # tf, torch, caffe: as in keras.applications;
                           # {mean: 0.5, std: 0.25}: (x/255 - mean) / std;
                           # {mean: 91, std: 1, range: 255}: (x - mean) / std;
                           # mean and std are numbers, lists or per_image
        labels: [angry, disgust, fear, happy, sad, surprise, neutral]
                           # its outputs in order; null ignores an output. Or the
                           # name of an order: fer2013, ferplus, alphabetical, …
        channels: 1        # or 3
        color_mode: rgb    # or bgr: read color images; default: grayscale
        equalize: clahe    # or histogram; default: none
        resize_size: 72    # resize to this size, then crop the middle
        interpolation: area  # or bilinear, nearest, bicubic, lanczos, antialias
        layout: nchw       # or nhwc; default: inferred from the model
        outputs: logits    # or probabilities, sigmoid; default: by the values

    If the model takes larger images than the dataset has in its cache, they are read from the dataset's image files.
    A model with some of the classes is scored on the images of these, in a table of its own.
    """
    from fer_bench.report.classes import print_classes

    if model_file is not None and model is None:
        model, dataset = _score_external(model_file, dataset, data_dir, results_dir, **external_options)
    elif model is None or model_file is not None:
        raise UserError("Choose either --model, a trained architecture, or --model-file, an external model.")
    elif extra := [f"--{key}" for key in ("preprocessing", "protocol", "name") if external_options[key] is not None]:
        raise UserError(f"{extra[0]} requires --model-file; it does not apply to --model.")
    print_classes(results_dir, model, dataset, console())


def _score_external(
    model_file: Path,
    dataset: str | None,
    data_dir: Path | None,
    results_dir: Path,
    preprocessing: Path | None,
    protocol: str | None,
    name: str | None,
    skip_invalid: bool,
    accept_classes: bool,
    trust_model: bool,
) -> tuple[str, str]:
    """Record an external model; return the name of its row, and the dataset's."""
    from fer_bench.datasets import default_dataset
    from fer_bench.inference.external import scoring

    if preprocessing is None:
        raise UserError("--model-file requires --preprocessing; `evaluate --help` describes that file.")
    data_config = make_data_config(data_dir, skip_invalid, accept_classes=accept_classes)
    dataset = dataset or default_dataset(data_dir)
    request = scoring.build_request(
        model_file, preprocessing, dataset, protocol or "official", data_config, name, trust_model
    )
    if request.needs_keras:
        import_keras(None)
    for note in request.dataset.notes:
        click.echo(note)
    written = scoring.score(request, results_dir, data_config)
    more = f" and {len(written) - 1} more folds" if len(written) > 1 else ""
    click.echo(f"Recorded in {results_dir}: {written[0].name}{more}.")
    return request.name, request.dataset.name


@click.command()
@rows_option("--dataset", metavar="NAMES", help="Only these datasets, separated by commas. The rest is counted.")
@rows_option("--protocol", metavar="NAMES", help="Only these protocols, separated by commas.")
@rows_option(
    "--metric", metavar="NAME", default="accuracy", help="Rank by this score of leaderboard.csv. Default: accuracy."
)
@rows_option("--group-by", metavar="COLUMN", help="One table per recipe, model, weights, backend, precision, …")
@target_option
@results_option("--output", type=PATH, metavar="DIR", help="Folder to write to. Default: the results folder.")
@all_figures_option
@results_dir_option
def report(
    dataset: str | None,
    protocol: str | None,
    metric: str,
    group_by: str | None,
    targets: str,
    output: Path | None,
    all_figures: bool,
    results_dir: Path,
) -> None:
    """Write the leaderboard and its figures from the records.

    The leaderboard is written to leaderboard.md, .csv, .tex and .html. Examples:

        report --dataset fer2013 --output tables
        report --metric macro_f1 --group-by recipe
        report --target 0.60,0.65

    --metric ranks rows, has the first interval and decides which rows are tied with the best; AUC and calibration error
    (ece) only rank. --group-by divides the rows of a table into groups, each with ranks of its own; intervals and tests
    remain those of the whole table. Only the filters apply to leaderboard.html, which sorts and filters by any column
    and ranks by accuracy.
    """
    from fer_bench.leaderboard.filter import filter_rows, group_rows
    from fer_bench.leaderboard.ranking import rank_by
    from fer_bench.records import load
    from fer_bench.records.time_to_target import parse_targets
    from fer_bench.report.terminal import to_terminal
    from fer_bench.report.write import MAX_FIGURE_ROWS, missing_figures_note, read_leaderboard, write_leaderboard

    accuracies = parse_targets(targets)
    terminal, records = console(), load(results_dir)
    everything = read_leaderboard(results_dir, records, accuracies)
    page = filter_rows(everything, split_names(dataset or ""), split_names(protocol or ""))
    leaderboard = rank_by(page, metric, records)
    if group_by is not None:
        leaderboard = group_rows(leaderboard, group_by)
    to_terminal(leaderboard.frame, terminal, leaderboard.skipped, leaderboard.options)
    max_figure_rows = None if all_figures else MAX_FIGURE_ROWS
    written = write_leaderboard(leaderboard, results_dir, max_figure_rows=max_figure_rows, output=output, page=page)
    _print_written(written, output or results_dir, terminal)
    if note := missing_figures_note(leaderboard, max_figure_rows):
        print_text(terminal, f"{note} --all-figures draws all of them.")


@click.command()
@all_figures_option
@results_dir_option
def visualize(all_figures: bool, results_dir: Path) -> None:
    """Draw only the figures, such as confusion matrices."""
    from fer_bench.report.write import MAX_FIGURE_ROWS, write_report

    for path in write_report(results_dir, max_figure_rows=None if all_figures else MAX_FIGURE_ROWS):
        if path.suffix in FIGURE_SUFFIXES:
            click.echo(path)


def _print_written(paths: list[Path], folder: Path, terminal: Console) -> None:
    tables = [str(path) for path in paths if path.suffix not in FIGURE_SUFFIXES]
    figures = sum(path.suffix == ".png" for path in paths)
    print_text(terminal, f"Written: {', '.join(tables)} and {figures} figures, as PNG and SVG, in {folder}/figures.")
