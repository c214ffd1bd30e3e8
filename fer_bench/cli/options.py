"""Options that several commands share, and what their values stand for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_bench.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from fer_bench.datasets import Places

BACKENDS = ("tensorflow", "jax", "torch")

Command = Callable[..., Any]


def options(*groups: list[Command]) -> Command:
    """Decorator that gives a command the options of all groups."""

    def decorate(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


PATH = click.Path(path_type=Path)
RESULTS = [click.option("--results-dir", type=PATH, default="results", show_default=True, help="Where records lie.")]
DATA = [click.option("--data-dir", type=PATH, help="Where datasets lie.  [default: data]")]
OUTSIDE = [
    click.option(
        "--architectures", "outside", type=PATH, multiple=True, help="A file or folder with more architectures."
    )
]
TRAINING = [
    click.option("--epochs", type=click.IntRange(1), help="Epochs of every trial."),
    click.option("--batch-size", type=click.IntRange(1), help="Batch size of every trial."),
    click.option("--weights", type=click.Choice(["auto", "imagenet", "random"]), help="Initial weights."),
    click.option("--weights-dir", type=PATH, help="Folder of <name>_notop.weights.h5; or FER_BENCH_WEIGHTS."),
    click.option("--backend", type=click.Choice(BACKENDS), help="Keras backend; default: KERAS_BACKEND or tensorflow."),
    click.option("--overwrite", is_flag=True, help="Run again what is recorded already."),
    click.option("--retry-failed", is_flag=True, help="Run again what is recorded as failed."),
]


def import_keras(backend: str | None) -> None:
    """Import Keras on the chosen backend, without TensorFlow's start-up log unless the import fails."""
    import logging

    from fer_bench.quiet import stderr_held_back

    os.environ["KERAS_BACKEND"] = backend or os.environ.get("KERAS_BACKEND", BACKENDS[0])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        with stderr_held_back():
            import keras  # noqa: F401
    except ImportError as error:
        raise UserError(f"Keras cannot start on the backend '{os.environ['KERAS_BACKEND']}': {error}.") from None


def places_of(data_dir: Path | None) -> Places:
    """Where datasets lie: --data-dir, else data/."""
    from fer_bench.datasets import Places

    return Places(data_dir or Path("data"))


def add_outside(paths: tuple[Path, ...]) -> None:
    """Add the architectures of --architectures to the registry."""
    from fer_bench.architecture import ARCHITECTURES

    for path in paths:
        ARCHITECTURES.scan(path)


def console() -> Console:
    """The terminal."""
    from rich.console import Console

    return Console()
