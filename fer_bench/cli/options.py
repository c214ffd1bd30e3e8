"""Options that several commands share, and functions that turn their values into objects."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

if TYPE_CHECKING:
    from rich.console import Console

    from fer_bench.datasets import DataConfig


def combine(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a decorator that adds several options, in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


# The panels of `--help` that several commands have.
data_option = partial(click.option, panel="Data")
results_option = partial(click.option, panel="Results")
rows_option = partial(click.option, panel="Which rows")
model_option = partial(click.option, panel="Which model")

PATH = click.Path(path_type=Path)
COUNT = click.IntRange(1)
BACKEND_HELP = "Keras backend. Default: KERAS_BACKEND, else tensorflow."
DATASET_HELP = "Default: fer2013 if it is found, else synthetic."
PROTOCOL_HELP = "A protocol of `list`, 'cross:TRAIN->TEST' or file:PATH."

results_dir_option = results_option(
    "--results-dir", type=PATH, metavar="DIR", default="results", help="Folder of the records. Default: results."
)
target_option = results_option(
    "--target",
    "targets",
    metavar="ACCURACIES",
    default="0.60",
    help="Validation accuracies, separated by commas, each with a column 'time to'. Default: 0.60.",
)
data_dir_option = data_option("--data-dir", type=PATH, metavar="DIR", help="Folder of the datasets. Default: data.")
skip_invalid_option = data_option(
    "--skip-invalid", is_flag=True, help="Skip rows and images that cannot be read, and count them."
)
accept_classes_option = data_option(
    "--accept-classes", is_flag=True, help="Read folders as classes even if they look like persons or splits."
)
refresh_option = data_option("--refresh", is_flag=True, help="Read the files again, even if they are cached.")
read_options = combine(skip_invalid_option, accept_classes_option, refresh_option, data_dir_option)
_face_option = partial(click.option, panel="How faces are found")
face_options = combine(
    _face_option(
        "--detector",
        type=click.Choice(["haar", "yunet", "none"]),
        help="Detector of faces; none takes images as cropped faces. Default: that of the model's dataset, else haar.",
    ),
    _face_option("--yunet-model", type=PATH, metavar="FILE", help="YuNet's model file, for --detector yunet."),
    _face_option("--align/--no-align", default=None, help="Align by the eyes. Default: as in the model's dataset."),
    _face_option(
        "--margin",
        type=click.FloatRange(0, 1),
        metavar="FRACTION",
        help="Added on each side of a face, as a fraction of its width. Default: as in the model's dataset.",
    ),
)
extra_architectures_option = partial(
    click.option,
    "--extra-architectures",
    type=PATH,
    multiple=True,
    panel="Architectures",
    help="A file or folder of further architectures. Their code runs. Repeatable.",
)


def pop_face_options(options: dict[str, Any]) -> dict[str, Any]:
    """Remove the values of `face_options` and return them as arguments of `make_face_finder`."""
    return {name: options.pop(name) for name in ("detector", "yunet_model", "align", "margin")}


def make_data_config(
    data_dir: Path | None, skip_invalid: bool = False, refresh: bool = False, accept_classes: bool = False
) -> DataConfig:
    """Return where datasets lie and how they are read, with a progress bar."""
    from fer_bench.core.progress import ProgressBar
    from fer_bench.datasets import DataConfig

    return DataConfig(
        data_dir or Path("data"),
        progress=ProgressBar(),
        skip_invalid=skip_invalid,
        refresh=refresh,
        accept_classes=accept_classes,
    )


def add_extra_architectures(paths: tuple[Path, ...]) -> None:
    """Register the architectures of --extra-architectures."""
    from fer_bench.registry.architectures import ARCHITECTURES

    for path in paths:
        ARCHITECTURES.scan(path)


def console() -> Console:
    """Return a console on standard output."""
    from rich.console import Console

    return Console(highlight=False)
