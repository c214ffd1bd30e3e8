"""Commands that train: `sweep` for many models, `train` for one."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import rich_click as click

from fer_bench.cli.options import (
    COUNT,
    DATA_OPTIONS,
    DATASET_HELP,
    PROTOCOL_HELP,
    RESULTS_OPTIONS,
    SKIP_INVALID_OPTION,
    TRAIN_OPTIONS,
    add_extra_architectures,
    console,
    make_data_config,
    options,
    recipe_overrides,
    what_option,
)
from fer_bench.core.backend import choose_backend
from fer_bench.core.errors import UserError

EXPERIMENT_FIELDS = ("models", "datasets", "protocols", "recipes", "seeds")
SHARED = (TRAIN_OPTIONS, DATA_OPTIONS, SKIP_INVALID_OPTION, RESULTS_OPTIONS)


@click.command()
@options(
    [
        what_option("--models", metavar="NAMES", help="Architectures or patterns, separated by commas, or all."),
        what_option("--datasets", metavar="NAMES", help=f"Datasets, separated by commas. {DATASET_HELP}"),
        what_option(
            "--protocols",
            metavar="NAMES",
            help="Protocols, separated by commas, such as kfold,'cross:fer2013->jaffe'. Default: official.",
        ),
        what_option("--seeds", type=COUNT, metavar="N", help="Number of seeds per combination. Default: 1."),
        what_option(
            "--experiment",
            metavar="NAME",
            help="An experiment of `list` or a YAML file. Flags override it. Default: the dataset's, if it exists.",
        ),
    ],
    *SHARED,
)
def sweep(**flags: Any) -> None:
    """Train models and write the leaderboard (the default)."""
    _sweep(flags)


@click.command()
@options(
    [
        what_option("--model", "models", metavar="NAME", required=True, help="An architecture of `list`."),
        what_option("--dataset", "datasets", metavar="NAME", help=f"A dataset of `list`. {DATASET_HELP}"),
        what_option("--protocol", "protocols", metavar="NAME", help=f"{PROTOCOL_HELP} Default: official."),
        what_option("--seeds", type=COUNT, metavar="N", help="Number of seeds. Default: 1."),
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
    from fer_bench.runner import Benchmark, make_experiment
    from fer_bench.sweep.options import SweepOptions

    benchmark = Benchmark(
        make_experiment(
            flags["experiment"],
            recipe_overrides(flags["epochs"], flags["batch_size"], flags["weights"], flags["settings"]),
            flags["data_dir"],
            **{name: flags[name] for name in EXPERIMENT_FIELDS},
        ),
        make_data_config(flags["data_dir"], flags["skip_invalid"]),
        flags["weights_dir"],
        flags["results_dir"],
        SweepOptions(**{field.name: flags[field.name] for field in dataclasses.fields(SweepOptions)}),
        console(),
    )
    if flags["dry_run"]:
        benchmark.print_plan()
    else:
        sys.exit(1 if benchmark.run().failed else 0)
