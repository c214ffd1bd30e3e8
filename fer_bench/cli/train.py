"""Commands that train: the sweep, and a sweep of one."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from fer_bench.cli.options import (
    ARCHITECTURE_OPTIONS,
    DATA_OPTIONS,
    RESULTS_OPTIONS,
    SKIP_INVALID_OPTION,
    TRAIN_OPTIONS,
    add_extra_architectures,
    choose_backend,
    console,
    default_dataset_name,
    import_keras,
    make_data_config,
    options,
    recipe_overrides,
)
from fer_bench.core.errors import UserError

if TYPE_CHECKING:
    from fer_bench.config.experiment import Experiment


@click.command()
@options(
    [
        click.option("--models", help="Names or patterns, separated by commas; or all."),
        click.option("--datasets", help="Names, separated by commas; default: FER2013 if found, else synthetic."),
        click.option("--protocols", help="Names, separated by commas, such as kfold,'cross:fer2013->jaffe'."),
        click.option("--experiment", help="A shipped experiment or a YAML file; flags override it."),
        click.option("--seeds", type=click.IntRange(1), help="How many seeds each trial runs with."),
    ],
    TRAIN_OPTIONS,
    ARCHITECTURE_OPTIONS,
    DATA_OPTIONS,
    SKIP_INVALID_OPTION,
    RESULTS_OPTIONS,
)
def sweep(**flags: Any) -> None:
    """Train models and write the leaderboard (the default command)."""
    _sweep(**flags)


@click.command()
@options(
    [
        click.option("--model", "models", required=True, help="One architecture of `list`."),
        click.option("--dataset", "datasets", help="Default: FER2013 if found, else synthetic."),
        click.option("--protocol", "protocols", help="One of `list`, 'cross:TRAIN->TEST' or file:PATH."),
        click.option("--seeds", type=click.IntRange(1), help="How many seeds to train it with."),
    ],
    TRAIN_OPTIONS,
    ARCHITECTURE_OPTIONS,
    DATA_OPTIONS,
    SKIP_INVALID_OPTION,
    RESULTS_OPTIONS,
)
def train(**flags: Any) -> None:
    """Train one model: a sweep of one."""
    _sweep(**flags, experiment=None)


def _sweep(
    models: str | None,
    datasets: str | None,
    protocols: str | None,
    experiment: str | None,
    seeds: int | None,
    recipes: str | None,
    settings: tuple[str, ...],
    epochs: int | None,
    batch_size: int | None,
    weights: str | None,
    weights_dir: Path | None,
    backend: str | None,
    overwrite: bool,
    retry_failed: bool,
    jobs: int | None,
    budget: float | None,
    trial_timeout: float | None,
    stall_timeout: float | None,
    fail_fast: bool,
    executor: Literal["processes", "in-process", "ray"],
    ray_address: str | None,
    cpus_per_trial: int | None,
    devices_per_trial: int,
    trackers: tuple[str, ...],
    exclusive: bool,
    keep_models: bool,
    extra_architectures: tuple[Path, ...],
    data_dir: Path | None,
    skip_invalid: bool,
    results_dir: Path,
    dry_run: bool,
) -> None:
    if dry_run:
        raise UserError("--dry-run is not implemented yet.")
    if exclusive and jobs not in (None, 1):
        raise UserError(f"--exclusive runs one trial at a time, and --jobs asks for {jobs}.")
    add_extra_architectures(extra_architectures)
    places = make_data_config(data_dir, skip_invalid)
    request = _experiment(experiment, datasets or default_dataset_name(data_dir)).with_overrides(
        recipe_overrides(epochs, batch_size, weights, settings),
        models=models,
        recipes=recipes,
        datasets=datasets,
        protocols=protocols,
        seeds=seeds,
    )
    from fer_bench.config.combinations import resolve_combinations

    resolve_combinations(request)  # what is misspelt is said before data are read
    chosen = choose_backend(backend)
    from fer_bench.runner import sweep_and_report
    from fer_bench.sweep.executors.worker_handle import Limits
    from fer_bench.sweep.options import Manner

    manner = Manner(
        backend=chosen,
        overwrite=overwrite,
        retry_failed=retry_failed,
        keep_models=keep_models,
        fail_fast=fail_fast,
        executor=executor,
        ray_address=ray_address,
        cpus_per_trial=cpus_per_trial,
        jobs=1 if exclusive else jobs,
        devices_per_trial=devices_per_trial,
        ends=budget and time.monotonic() + budget,
        track=trackers,
        limits=Limits(trial_timeout, stall_timeout),
    )
    failed = sweep_and_report(
        request, places, weights_dir, results_dir, console(), manner, lambda: import_keras(backend)
    )
    sys.exit(1 if failed else 0)


def _experiment(name_or_path: str | None, datasets: str) -> Experiment:
    """The experiment that was asked for; else the one shipped for the data."""
    from fer_bench.config import experiment
    from fer_bench.config.bundled import experiments

    if name_or_path or datasets in experiments():
        return experiment.read(name_or_path or datasets)
    return experiment.validate({"name": "custom", "datasets": datasets}, "the flags")
