"""The export command: kept models as ONNX, LiteRT, SavedModel and Keras files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from fer_bench.cli.options import (
    PATH,
    accept_classes_option,
    add_extra_architectures,
    console,
    data_dir_option,
    extra_architectures_option,
    make_data_config,
    model_option,
    results_dir_option,
    skip_invalid_option,
)
from fer_bench.core.backend import import_keras
from fer_bench.core.console import print_text
from fer_bench.core.errors import UserError
from fer_bench.core.files import check_output_folder
from fer_bench.core.text import megabytes, milliseconds, percent, plural, rate, split_names

if TYPE_CHECKING:
    from rich.table import Table

    from fer_bench.inference.export.export import Export

export_option = partial(click.option, panel="What to write")


@click.command()
@model_option("--model", metavar="NAME", help="A trained architecture. Default: the best model.")
@model_option("--model-file", type=PATH, metavar="FILE", help="The model.keras in the folder of a record.")
@model_option("--dataset", metavar="NAME", help="With --model: only this dataset.")
@model_option("--protocol", metavar="NAME", help="With --model: only this protocol.")
@export_option(
    "--format",
    "formats",
    metavar="NAMES",
    default="onnx",
    help="Of onnx, litert, saved_model and keras, separated by commas. Default: onnx.",
)
@export_option("--int8", is_flag=True, help="Quantize ONNX and LiteRT to 8 bits, calibrated on training images.")
@export_option(
    "--output", type=PATH, metavar="DIR", help="Folder of the files. Default: exports/ in the results folder."
)
@data_dir_option
@skip_invalid_option
@accept_classes_option
@extra_architectures_option()
@results_dir_option
def export(
    model: str | None,
    model_file: Path | None,
    dataset: str | None,
    protocol: str | None,
    formats: str,
    int8: bool,
    output: Path | None,
    data_dir: Path | None,
    skip_invalid: bool,
    accept_classes: bool,
    extra_architectures: tuple[Path, ...],
    results_dir: Path,
) -> None:
    """Export a kept model to ONNX, LiteRT, SavedModel or Keras.

    Examples:

        export --model cnn --format onnx,litert
        export --model cnn --format litert --int8

    Each file is loaded by its own runtime and compared with Keras on test images; a file that disagrees is deleted. Its
    accuracy, size, latency and throughput are recorded as a row of the leaderboard. The model takes gray faces with
    pixels from 0 to 255 and returns logits; FILE.yaml beside it names its size and classes, and `predict --model-file`
    and `evaluate --preprocessing` read it. Of several models, the one that `predict` would use is exported.
    """
    from fer_bench.inference.export.export import check_formats, export_record, select_record

    names = check_formats(split_names(formats), int8)
    if output:
        check_output_folder(output, "--output")
    add_extra_architectures(extra_architectures)
    stored = select_record(results_dir, model, model_file, dataset, protocol)
    data_config, terminal = make_data_config(data_dir, skip_invalid, accept_classes=accept_classes), console()
    import_keras("tensorflow")
    print_text(terminal, f"Exporting {stored.record.trial}.")
    exports, failures = [], []
    for name in names:
        try:
            exports.append(export_record(stored, name, data_config, output, int8))
        except UserError as error:
            failures.append(str(error))
    if exports:
        terminal.print(_table(exports))
        compared = plural(exports[0].agreement.num_images, "test image")
        print_text(
            terminal,
            f"accuracy and agree in %; max diff (of a probability) and agree: with Keras on {compared}; p50 and p95: "
            "latency of one image.",
        )
        print_text(terminal, f"Written to {exports[0].file.parent}: {', '.join(e.file.name for e in exports)}.")
        print_text(terminal, "Run `python benchmark.py report` to see them on the leaderboard.")
    if failures:
        raise UserError(" ".join(failures))


def _table(exports: list[Export]) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("format", no_wrap=True)
    for name in ("accuracy", "Keras", "max diff", "agree", "size", "p50 ms", "p95 ms", "images/s"):
        table.add_column(name, justify="right", no_wrap=True)
    for e in exports:
        costs = e.record.costs
        assert costs is not None
        p50, p95, speed = (
            float("nan") if value is None else value
            for value in (costs.latency_p50_seconds, costs.latency_p95_seconds, costs.predict_images_per_second)
        )
        table.add_row(
            e.file_format,
            percent(e.accuracy),
            percent(e.original_accuracy),
            f"{e.agreement.max_difference:.1e}",
            percent(e.agreement.same_labels),
            megabytes(costs.model_bytes or float("nan")),
            milliseconds(p50).removesuffix(" ms"),
            milliseconds(p95).removesuffix(" ms"),
            rate(speed),
        )
    return table
