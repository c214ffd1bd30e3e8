"""Options that several commands share, and functions that turn their values into objects."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from fer_bench.config.bundled import trackers
from fer_bench.core.backend import BACKENDS
from fer_bench.core.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from fer_bench.datasets import DataConfig

Decorator = Callable[[Any], Any]

# The panels of `--help`. A panel of one command alone is named by its options' `panel`.
what_option = partial(click.option, panel="What to train")
how_option = partial(click.option, panel="How to train")
run_option = partial(click.option, panel="How the sweep runs")
data_option = partial(click.option, panel="Data")
results_option = partial(click.option, panel="Results")
rows_option = partial(click.option, panel="Which rows")
model_option = partial(click.option, panel="Which model")


def options(*groups: list[Decorator]) -> Decorator:
    """Return a decorator that adds the options of all groups to a command."""

    def decorate(command: Any) -> Any:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


def parse_duration(_: object, parameter: click.Parameter | None, text: str | None) -> float | None:
    """Parse 90, 90s, 30m, 2h or 1h30m into seconds, as a click callback. 0 gives None: no limit."""
    if text is None:
        return None
    number = r"(\d+(?:\.\d+)?)"
    seconds = re.fullmatch(number, text.strip())
    units = re.fullmatch(f"(?:{number}h)?(?:{number}m)?(?:{number}s)?", text.strip())
    if not text.strip() or not (seconds or units):
        raise click.BadParameter(f"'{text}' is not a duration such as 90s, 30m, 2h or 1h30m.", param=parameter)
    if seconds:
        return float(seconds[0]) or None
    assert units
    return sum(factor * float(value or 0) for factor, value in zip((3600, 60, 1), units.groups(), strict=True)) or None


duration_option = partial(run_option, callback=parse_duration, metavar="TIME")

PATH = click.Path(path_type=Path)
COUNT = click.IntRange(1)
BACKEND_HELP = "Keras backend. Default: KERAS_BACKEND, else tensorflow."
DATASET_HELP = "Default: fer2013 if it is found, else synthetic."
PROTOCOL_HELP = "A protocol of `list`, 'cross:TRAIN->TEST' or file:PATH."

RESULTS_OPTIONS: list[Decorator] = [
    results_option(
        "--results-dir", type=PATH, metavar="DIR", default="results", help="Folder of the records. Default: results."
    ),
]
DATA_OPTIONS: list[Decorator] = [
    data_option("--data-dir", type=PATH, metavar="DIR", help="Folder of the datasets. Default: data.")
]
SKIP_INVALID_OPTION: list[Decorator] = [
    data_option("--skip-invalid", is_flag=True, help="Skip rows and images that cannot be read, and count them."),
]
READ_OPTIONS: list[Decorator] = [
    *SKIP_INVALID_OPTION,
    data_option("--refresh", is_flag=True, help="Read the files again, even if they are cached."),
]
_extra_architectures = partial(
    click.option,
    "--extra-architectures",
    type=PATH,
    multiple=True,
    help="A file or folder of further architectures. Their code runs. Repeatable.",
)
ARCHITECTURE_OPTIONS: list[Decorator] = [_extra_architectures(panel="Architectures")]
TRAIN_OPTIONS: list[Decorator] = [
    _extra_architectures(panel="What to train"),
    how_option(
        "--recipe",
        "recipes",
        metavar="NAMES",
        help="Named recipes or YAML files, separated by commas: frozen, finetune, … Default: each model's own.",
    ),
    how_option("--epochs", type=COUNT, metavar="N", help="Epochs of every trial."),
    how_option("--batch-size", type=COUNT, metavar="N", help="Batch size of every trial."),
    how_option("--weights", type=click.Choice(["auto", "imagenet", "random"]), help="Initial weights."),
    how_option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Any other value of the recipe, such as optimizer.learning_rate=3e-4. Overrides all recipes. Repeatable.",
    ),
    how_option(
        "--weights-dir",
        type=PATH,
        metavar="DIR",
        help="Folder of <name>_notop.weights.h5 files. Default: FER_BENCH_WEIGHTS, then Keras' cache.",
    ),
    how_option("--backend", type=click.Choice(BACKENDS), help=BACKEND_HELP),
    run_option("--dry-run", is_flag=True, help="Print the plan, the estimate and what would be skipped, and exit."),
    run_option("--overwrite", is_flag=True, help="Run recorded trials again."),
    run_option("--retry-failed", is_flag=True, help="Run failed trials again."),
    duration_option("--budget", help="Run only the trials that fit into this time, such as 2h."),
    duration_option("--trial-timeout", help="Stop a trial that takes longer, such as 2h. Default: no limit."),
    duration_option(
        "--stall-timeout",
        default="30m",
        help="Stop a trial that completes no step for this long; 0 means never. Default: 30m.",
    ),
    run_option("--fail-fast", is_flag=True, help="Stop at the first trial that fails or diverges."),
    run_option(
        "--jobs",
        type=COUNT,
        metavar="N",
        help="Number of concurrent trials, which share the machine. Default: one per GPU; without a GPU, several of "
        "those that were measured to train faster that way.",
    ),
    run_option("--exclusive", is_flag=True, help="Run one trial at a time on all cores, so that times are comparable."),
    run_option(
        "--executor",
        type=click.Choice(["processes", "in-process", "ray"]),
        default="processes",
        help="Where trials run: in processes of their own, in this process (for debuggers) or on Ray. "
        "Default: processes.",
    ),
    run_option(
        "--ray-address",
        metavar="ADDRESS",
        help="Address of a Ray cluster, such as auto. Default: start one on this machine.",
    ),
    run_option("--cpus-per-trial", type=COUNT, metavar="N", help="Only with Ray. Default: all of the smallest node."),
    run_option(
        "--devices-per-trial",
        type=COUNT,
        metavar="N",
        default=1,
        help="Number of GPUs that share each batch of a trial (JAX). Default: 1.",
    ),
    results_option(
        "--keep-models",
        is_flag=True,
        help="Save each trained model as model.keras beside its record. For recorded trials add --overwrite.",
    ),
    results_option(
        "--tracker",
        "trackers",
        type=click.Choice(trackers()),
        multiple=True,
        help="Also log each trial to this tracker. Repeatable.",
    ),
]


def recipe_overrides(
    epochs: int | None, batch_size: int | None, weights: str | None, settings: tuple[str, ...]
) -> dict[str, Any]:
    """Return the recipe overrides of --epochs, --batch-size, --weights and --set, with dotted keys.

    Raise UserError if a --set is not KEY=VALUE or its value is not YAML.
    """
    flags = {"epochs": epochs, "batch_size": batch_size, "initial_weights": weights}
    overrides: dict[str, Any] = {key: value for key, value in flags.items() if value is not None}
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals or not key:
            raise UserError(f"--set {setting}: give a key and a value, such as --set optimizer.learning_rate=3e-4.")
        overrides.pop(key, None)  # the last one counts, also if an earlier one sets a whole section
        overrides[key] = _parse_yaml(setting, value)
    return overrides


def _parse_yaml(setting: str, text: str) -> Any:
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"--set {setting}: '{text}' is not a YAML value.") from None
    if isinstance(value, str) and re.fullmatch(r"[-+]?[\d.]+[eE][-+]?\d+", value):
        return float(value)  # YAML 1.1 reads 3e-4 as a string
    return value


def make_data_config(data_dir: Path | None, skip_invalid: bool = False, refresh: bool = False) -> DataConfig:
    """Return where datasets lie and how they are read, with a progress bar."""
    from fer_bench.core.progress import ProgressBar
    from fer_bench.datasets import DataConfig

    return DataConfig(data_dir or Path("data"), progress=ProgressBar(), skip_invalid=skip_invalid, refresh=refresh)


def default_dataset_name(data_dir: Path | None) -> str:
    """Return the dataset of a command that names none."""
    from fer_bench.datasets import default_dataset

    return default_dataset(data_dir)


def add_extra_architectures(paths: tuple[Path, ...]) -> None:
    """Register the architectures of --extra-architectures."""
    from fer_bench.registry.architectures import ARCHITECTURES

    for path in paths:
        ARCHITECTURES.scan(path)


def console() -> Console:
    """Return a console on standard output."""
    from rich.console import Console

    return Console()


def print_text(console: Console, text: str, markup: bool = False) -> None:
    """Print a sentence without highlighting; lines break only where the terminal ends."""
    console.print(text, markup=markup, highlight=False, soft_wrap=True)
