"""The card command: a folder with a model card for a model hub."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from fer_bench.cli.options import PATH, console, model_option, results_dir_option, results_option
from fer_bench.core.console import print_text
from fer_bench.core.files import check_output_folder


@click.command()
@model_option("--model", metavar="NAME", help="A trained architecture, or a row's id. Default: the best model.")
@model_option("--model-file", type=PATH, metavar="FILE", help="A file that `export` wrote into the results folder.")
@model_option("--dataset", metavar="NAME", help="With --model: only this dataset.")
@model_option("--protocol", metavar="NAME", help="With --model: only this protocol.")
@results_option("--output", type=PATH, metavar="DIR", help="The new folder. Default: in cards/ of the results folder.")
@results_dir_option
def card(
    model: str | None,
    model_file: Path | None,
    dataset: str | None,
    protocol: str | None,
    output: Path | None,
    results_dir: Path,
) -> None:
    """Write a model card and the model into a folder for a model hub.

    Examples:

        card --model cnn --output my-model
        hf upload USER/my-model my-model

    README.md has the metadata of the Hugging Face hub and says what the model is, what it was trained on, its scores
    with intervals, its limits, the terms of the training data and how to load it. Beside it are the model, its
    description and checksums. Nothing is uploaded: that is what the hub's own client does, in the second line. Read
    the card first, above all the terms of the training data.
    """
    from fer_bench.inference.export.model_card_folder import write_model_card

    if output:
        check_output_folder(output, "--output")
    folder = write_model_card(results_dir, model, model_file, dataset, protocol, output)
    terminal = console()
    print_text(terminal, f"Written to {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}.")
    print_text(terminal, f"Read README.md, then upload the folder: hf upload USER/NAME {folder}")
