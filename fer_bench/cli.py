"""The command line. The default command is the sweep: `python benchmark.py --models all`.

Whatever a command needs is imported inside it: `--help` and `list` must answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_bench import __version__
from fer_bench.errors import UserError

if TYPE_CHECKING:
    from fer_bench.datasets import Places
    from fer_bench.experiment import Experiment

DEFAULT_COMMAND = "sweep"
BACKENDS = ("tensorflow", "jax", "torch")

Command = Callable[..., Any]


class _Main(click.Group):
    """A group whose options, given without a command, are those of the default command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h", "--version")):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sweep = self.commands[DEFAULT_COMMAND]
        rows = [row for p in sweep.params if (row := p.get_help_record(ctx))]
        with formatter.section("Options of the default command, sweep"):
            formatter.write_dl(rows)


def _options(*groups: list[Command]) -> Command:
    def decorate(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


_path = click.Path(path_type=Path)
RESULTS = [click.option("--results-dir", type=_path, default="results", show_default=True, help="Where records lie.")]
DATA = [click.option("--data-dir", type=_path, help="Where datasets lie.  [default: data]")]
OUTSIDE = [
    click.option(
        "--architectures", "outside", type=_path, multiple=True, help="A file or folder with more architectures."
    )
]
TRAINING = [
    click.option("--epochs", type=click.IntRange(1), help="Epochs of every trial."),
    click.option("--batch-size", type=click.IntRange(1), help="Batch size of every trial."),
    click.option("--weights", type=click.Choice(["auto", "imagenet", "random"]), help="Initial weights."),
    click.option("--weights-dir", type=_path, help="Folder of <name>_notop.weights.h5; or FER_BENCH_WEIGHTS."),
    click.option("--backend", type=click.Choice(BACKENDS), help="Keras backend; default: KERAS_BACKEND or tensorflow."),
    click.option("--overwrite", is_flag=True, help="Run again what is recorded already."),
    click.option("--retry-failed", is_flag=True, help="Run again what is recorded as failed."),
]


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="fer-bench")
def cli() -> None:
    """Train facial expression recognition models under fixed protocols and compare them.

    \b
    python benchmark.py --models all                  every architecture, on what data there is
    python benchmark.py --models 'vgg*',cnn --seeds 3
    python benchmark.py --experiment fer2013_short --data-dir DIR
    """


@cli.command()
@_options(
    [
        click.option("--models", help="Names or patterns, separated by commas; or all."),
        click.option("--datasets", help="Names, separated by commas; default: FER2013 if found, else synthetic."),
        click.option("--experiment", "experiment_file", help="A shipped experiment or a YAML file; flags override it."),
        click.option("--seeds", type=click.IntRange(1), help="How many seeds each trial runs with."),
    ],
    TRAINING,
    OUTSIDE,
    DATA,
    RESULTS,
)
def sweep(**flags: Any) -> None:
    """Train models and write the leaderboard (the default command)."""
    _sweep(**flags)


@cli.command()
@_options(
    [
        click.option("--model", "models", required=True, help="One architecture of `list`."),
        click.option("--dataset", "datasets", help="Default: FER2013 if found, else synthetic."),
        click.option("--seeds", type=click.IntRange(1), help="How many seeds to train it with."),
    ],
    TRAINING,
    OUTSIDE,
    DATA,
    RESULTS,
)
def train(**flags: Any) -> None:
    """Train one model: a sweep of one."""
    _sweep(**flags, experiment_file=None)


@cli.command()
@_options(
    [
        click.option("--model", required=True, help="An architecture that has been trained."),
        click.option("--dataset", help="Only this dataset."),
    ],
    RESULTS,
)
def evaluate(model: str, dataset: str | None, results_dir: Path) -> None:
    """Score one trained model from its recorded predictions, class by class."""
    from fer_bench.report.classes import show_classes

    show_classes(results_dir, model, dataset, _console())


@cli.command()
@_options(RESULTS)
def report(results_dir: Path) -> None:
    """Write leaderboard.md, leaderboard.csv and the figures from the records alone."""
    from fer_bench.report.tables import to_terminal
    from fer_bench.report.write import read_board, write_board

    console = _console()
    board = read_board(results_dir)
    to_terminal(board.frame, console, board.left_out)
    _say_written(write_board(board, results_dir), results_dir, console)


@cli.command()
@_options(RESULTS)
def visualize(results_dir: Path) -> None:
    """Draw the figures: confusion matrices, training curves, accuracy against time."""
    from fer_bench.report.write import write_report

    written = [path for path in write_report(results_dir) if path.suffix == ".png"]
    for path in written:
        click.echo(path)


@cli.command()
@click.argument("names", nargs=-1)
@_options(DATA)
def prepare(names: tuple[str, ...], data_dir: Path | None) -> None:
    """Read datasets once into their memory-mapped cache. Default: all that are found."""
    import numpy as np

    from fer_bench.datasets import DATASETS, available, load

    places = _places(data_dir)
    chosen = names or [name for name in DATASETS.names() if available(name, places)]
    for name in chosen:
        dataset = load(name, places)
        per_class = np.bincount(dataset.labels, minlength=len(dataset.classes))
        counts = ", ".join(f"{label} {n:,}" for label, n in zip(dataset.classes, per_class, strict=True))
        click.echo(f"{name}: {len(dataset):,} images of {dataset.images.shape[2]}×{dataset.images.shape[1]}: {counts}")


@cli.command("list")
@_options(OUTSIDE, DATA)
def list_(outside: tuple[Path, ...], data_dir: Path | None) -> None:
    """List architectures, datasets, protocols and experiments."""
    from fer_bench.listing import print_listing

    _add_outside(outside)
    print_listing(_places(data_dir), _console())


def main() -> None:
    """Entry point: a UserError is one sentence and status 2, Ctrl-C is status 130."""
    try:
        sys.exit(cli.main(standalone_mode=False))
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except UserError as error:
        click.echo(f"fer-bench: {error}", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nInterrupted. What is recorded stays; the same command goes on from there.", err=True)
        sys.exit(130)


def _sweep(
    models: str | None,
    datasets: str | None,
    experiment_file: str | None,
    seeds: int | None,
    epochs: int | None,
    batch_size: int | None,
    weights: str | None,
    weights_dir: Path | None,
    backend: str | None,
    overwrite: bool,
    retry_failed: bool,
    outside: tuple[Path, ...],
    data_dir: Path | None,
    results_dir: Path,
) -> None:
    _add_outside(outside)
    places = _places(data_dir)
    recipe = {"epochs": epochs, "batch_size": batch_size, "initial_weights": weights}
    experiment = _experiment(experiment_file, datasets or _default_dataset(data_dir)).with_flags(
        {key: value for key, value in recipe.items() if value is not None},
        models=models,
        datasets=datasets,
        seeds=seeds,
    )
    from fer_bench.sweep.plan import recipes_of

    recipes_of(experiment)  # what is misspelt is said before Keras takes its seconds to import
    _import_keras(backend)
    from fer_bench.job import sweep_and_report

    failed = sweep_and_report(experiment, places, weights_dir, results_dir, _console(), overwrite, retry_failed)
    sys.exit(1 if failed else 0)


def _experiment(name_or_path: str | None, datasets: str) -> Experiment:
    """The experiment that was asked for; else the one shipped for the data."""
    from fer_bench import experiment
    from fer_bench.shipped import experiments

    if name_or_path or datasets in experiments():
        return experiment.read(name_or_path or datasets)
    return experiment.validated({"name": "custom", "datasets": datasets}, "the flags")


def _default_dataset(data_dir: Path | None) -> str:
    """FER2013 where it is found, else synthetic. Who names a data folder is not given drawn faces instead."""
    from fer_bench.datasets import available

    return "fer2013" if data_dir or available("fer2013", _places(data_dir)) else "synthetic"


def _import_keras(backend: str | None) -> None:
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


def _places(data_dir: Path | None) -> Places:
    from fer_bench.datasets import Places

    return Places(data_dir or Path("data"))


def _add_outside(paths: tuple[Path, ...]) -> None:
    from fer_bench.architecture import ARCHITECTURES

    for path in paths:
        ARCHITECTURES.scan(path)


def _console():
    from rich.console import Console

    return Console()


def _say_written(paths: list[Path], results_dir: Path, console) -> None:
    tables = [str(path) for path in paths if path.suffix != ".png"]
    pictures = sum(path.suffix == ".png" for path in paths)
    console.print(f"Written: {', '.join(tables)} and {pictures} figures below {results_dir}/figures.", soft_wrap=True)
