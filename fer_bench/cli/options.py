"""Options that several commands share, and what their values stand for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_bench.config.bundled import trackers
from fer_bench.core.backend import BACKENDS
from fer_bench.core.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from fer_bench.datasets import DataConfig


Command = Callable[..., Any]


def options(*groups: list[Command]) -> Command:
    """Decorator that gives a command the options of all groups."""

    def decorate(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


def parse_duration(_: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    """A click callback: 90, 90s, 30m, 2h or 1h30m as seconds; 0 is None, for no limit."""
    if text is None:
        return None
    number = r"(\d+(?:\.\d+)?)"
    plain = re.fullmatch(number, text.strip())
    found = plain or re.fullmatch(f"(?:{number}h)?(?:{number}m)?(?:{number}s)?", text.strip())
    if not text.strip() or found is None:
        raise click.BadParameter(f"'{text}' is no duration such as 90s, 30m, 2h or 1h30m.", param=parameter)
    factors = (1,) if plain else (3600, 60, 1)
    return sum(factor * float(part or 0) for factor, part in zip(factors, found.groups(), strict=True)) or None


PATH = click.Path(path_type=Path)
RESULTS_OPTIONS = [
    click.option("--results-dir", type=PATH, default="results", show_default=True, help="Where records lie.")
]
DATA_OPTIONS = [click.option("--data-dir", type=PATH, help="Where datasets lie.  [default: data]")]
SKIP_INVALID_OPTION = [
    click.option(
        "--skip-invalid", is_flag=True, help="Leave out rows and images that cannot be read, and say how many."
    ),
]
READ_OPTIONS = [
    *SKIP_INVALID_OPTION,
    click.option("--refresh", is_flag=True, help="Read the files again, whatever the cache holds."),
]
ARCHITECTURE_OPTIONS = [
    click.option("--extra-architectures", type=PATH, multiple=True, help="A file or folder with more architectures.")
]
TRAIN_OPTIONS = [
    click.option(
        "--recipe",
        "recipes",
        help="Named recipes or YAML files, separated by commas: frozen, finetune, …  [default: each model's own]",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="A recipe's entry, such as optimizer.learning_rate=3e-4; wins over every recipe. Repeatable.",
    ),
    click.option("--epochs", type=click.IntRange(1), help="Epochs of every trial."),
    click.option("--batch-size", type=click.IntRange(1), help="Batch size of every trial."),
    click.option("--weights", type=click.Choice(["auto", "imagenet", "random"]), help="Initial weights."),
    click.option("--weights-dir", type=PATH, help="Folder of <name>_notop.weights.h5; or FER_BENCH_WEIGHTS."),
    click.option("--backend", type=click.Choice(BACKENDS), help="Keras backend; default: KERAS_BACKEND or tensorflow."),
    click.option("--overwrite", is_flag=True, help="Run again what is recorded already."),
    click.option("--retry-failed", is_flag=True, help="Run again what is recorded as failed."),
    click.option(
        "--jobs",
        type=click.IntRange(1),
        help="Trials at a time, each on its share of the machine.  [default: one for each GPU; without, several of "
        "those that this machine was measured to train faster so]",
    ),
    click.option(
        "--budget", callback=parse_duration, metavar="TIME", help="Run what fits into so much time, such as 2h."
    ),
    click.option(
        "--trial-timeout", callback=parse_duration, metavar="TIME", help="End a trial that takes longer, as 2h."
    ),
    click.option(
        "--stall-timeout",
        callback=parse_duration,
        metavar="TIME",
        default="30m",
        show_default=True,
        help="End a trial that has taken no step for so long; 0: never.",
    ),
    click.option("--dry-run", is_flag=True, help="Print the plan, the estimate and what would be skipped, and exit."),
    click.option("--fail-fast", is_flag=True, help="Stop at the first trial that fails or diverges."),
    click.option(
        "--executor",
        type=click.Choice(["processes", "in-process", "ray"]),
        default="processes",
        show_default=True,
        help="Where trials run: in processes of their own, in this process (for debuggers), or on Ray.",
    ),
    click.option("--ray-address", help="Of a Ray cluster, such as auto.  [default: one is started on this machine]"),
    click.option("--cpus-per-trial", type=click.IntRange(1), help="On Ray.  [default: all of the smallest node]"),
    click.option(
        "--devices-per-trial",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="GPUs that share the batches of one trial (JAX).",
    ),
    click.option(
        "--tracker",
        "trackers",
        type=click.Choice(trackers()),
        multiple=True,
        help="Tell it of each trial, too. Repeatable.",
    ),
    click.option("--exclusive", is_flag=True, help="One trial at a time on all cores, so that times compare."),
    click.option(
        "--keep-models",
        is_flag=True,
        help="Keep each trained model, as model.keras beside its record. For trials recorded before: with --overwrite.",
    ),
]


def recipe_overrides(
    epochs: int | None, batch_size: int | None, weights: str | None, settings: tuple[str, ...]
) -> dict:
    """The entries of a recipe that --epochs, --batch-size, --weights and --set give; keys may be dotted.

    UserError for a --set that is no KEY=VALUE, or whose value is no YAML.
    """
    flags = {"epochs": epochs, "batch_size": batch_size, "initial_weights": weights}
    given: dict[str, Any] = {key: value for key, value in flags.items() if value is not None}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set {setting}: give a key and a value, such as --set optimizer.learning_rate=3e-4.")
        given.pop(key.strip(), None)  # the last one counts, also over a whole part that it belongs to
        given[key.strip()] = _value(setting, value)
    return given


def _value(setting: str, text: str) -> Any:
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"--set {setting}: '{text}' is no valid YAML value.") from None
    if isinstance(value, str) and re.fullmatch(r"[-+]?[\d.]+[eE][-+]?\d+", value):
        return float(value)  # 3e-4 is a string to YAML 1.1
    return value


def make_data_config(data_dir: Path | None, skip_invalid: bool = False, refresh: bool = False) -> DataConfig:
    """Where datasets lie: --data-dir, else data/; and how their files are read."""
    from fer_bench.cli.progress import ProgressBar
    from fer_bench.datasets import DataConfig

    return DataConfig(data_dir or Path("data"), progress=ProgressBar(), skip_invalid=skip_invalid, refresh=refresh)


def default_dataset_name(data_dir: Path | None) -> str:
    """Return the dataset of a command that names none."""
    from fer_bench.datasets import default_dataset

    return default_dataset(data_dir)


def add_extra_architectures(paths: tuple[Path, ...]) -> None:
    """Add the architectures of --extra-architectures to the registry."""
    from fer_bench.registry.architectures import ARCHITECTURES

    for path in paths:
        ARCHITECTURES.scan(path)


def console() -> Console:
    """The terminal."""
    from rich.console import Console

    return Console()
