"""Commands that train: `sweep` for many models, `train` for one."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import rich_click as click

from fer_bench.cli.options import (
    ARCHITECTURE_OPTIONS,
    DATA_OPTIONS,
    RESULTS_OPTIONS,
    SKIP_INVALID_OPTION,
    TRAIN_OPTIONS,
    add_extra_architectures,
    console,
    make_data_config,
    options,
    recipe_overrides,
)
from fer_bench.core.backend import choose_backend
from fer_bench.core.errors import UserError

EXPERIMENT_FIELDS = ("models", "datasets", "protocols", "recipes", "seeds")
SHARED = (TRAIN_OPTIONS, ARCHITECTURE_OPTIONS, DATA_OPTIONS, SKIP_INVALID_OPTION, RESULTS_OPTIONS)


@click.command()
@options(
    [
        click.option("--models", help="Names or patterns, separated by commas; or all."),
        click.option("--datasets", help="Names, separated by commas.  [default: fer2013 if found, else synthetic]"),
        click.option("--protocols", help="Names, separated by commas, such as kfold,'cross:fer2013->jaffe'."),
        click.option("--experiment", help="A bundled experiment or a YAML file; flags override it."),
        click.option("--seeds", type=click.IntRange(1), help="Number of seeds per trial."),
    ],
    *SHARED,
)
def sweep(**flags: Any) -> None:
    """Train models and write the leaderboard (the default command)."""
    _sweep(flags)


@click.command()
@options(
    [
        click.option("--model", "models", required=True, help="An architecture of `list`."),
        click.option("--dataset", "datasets", help="A dataset.  [default: fer2013 if found, else synthetic]"),
        click.option("--protocol", "protocols", help="A protocol of `list`, 'cross:TRAIN->TEST' or file:PATH."),
        click.option("--seeds", type=click.IntRange(1), help="Number of seeds."),
    ],
    *SHARED,
)
def train(**flags: Any) -> None:
    """Train one model: a sweep of one."""
    _sweep(flags | {"experiment": None})


def _sweep(flags: dict[str, Any]) -> None:
    if flags.pop("exclusive"):
        if flags["jobs"] not in (None, 1):
            raise UserError(f"--exclusive runs one trial at a time, but --jobs asks for {flags['jobs']}.")
        flags["jobs"] = 1
    add_extra_architectures(flags["extra_architectures"])
    flags["backend"] = choose_backend(flags["backend"])
    from fer_bench.runner import make_experiment, print_plan, run_experiment
    from fer_bench.sweep.options import SweepOptions

    experiment = make_experiment(
        flags["experiment"],
        recipe_overrides(flags["epochs"], flags["batch_size"], flags["weights"], flags["settings"]),
        flags["data_dir"],
        **{name: flags[name] for name in EXPERIMENT_FIELDS},
    )
    request = (
        experiment,
        make_data_config(flags["data_dir"], flags["skip_invalid"]),
        flags["weights_dir"],
        flags["results_dir"],
        SweepOptions(**{field.name: flags[field.name] for field in dataclasses.fields(SweepOptions)}),
        console(),
    )
    if flags["dry_run"]:
        print_plan(*request)
    else:
        sys.exit(1 if run_experiment(*request).failed else 0)
