"""Commands that train: `sweep` for many models, `train` for one."""

from __future__ import annotations

import dataclasses
import re
import sys
from functools import partial
from typing import Any

import rich_click as click

from fer_bench.cli.flag_hints import setting_hint
from fer_bench.cli.options import (
    BACKEND_HELP,
    COUNT,
    DATASET_HELP,
    PATH,
    PROTOCOL_HELP,
    accept_classes_option,
    add_extra_architectures,
    combine,
    console,
    data_dir_option,
    data_option,
    extra_architectures_option,
    make_data_config,
    results_dir_option,
    results_option,
    skip_invalid_option,
    target_option,
)
from fer_bench.config.bundled import trackers
from fer_bench.core.backend import BACKENDS, choose_backend
from fer_bench.core.errors import UserError

EXPERIMENT_FIELDS = ("models", "datasets", "protocols", "recipes", "seeds")


def parse_duration(_: object, parameter: click.Parameter | None, text: str | None) -> float | None:
    """Parse 90, 90s, 30m, 2h or 1h30m into seconds, as a click callback. 0 gives None: no limit."""
    if text is None:
        return None
    number = r"(\d+(?:\.\d+)?)"
    match = re.fullmatch(f"{number}|(?:{number}h)?(?:{number}m)?(?:{number}s)?", text.strip())
    if not match or not match[0]:
        raise click.BadParameter(f"'{text}' is not a duration such as 90s, 30m, 2h or 1h30m.", param=parameter)
    return (
        sum(factor * float(value or 0) for factor, value in zip((1, 3600, 60, 1), match.groups(), strict=True)) or None
    )


what_option = partial(click.option, panel="What to train")
how_option = partial(click.option, panel="How to train")
run_option = partial(click.option, panel="How the sweep runs")
duration_option = partial(run_option, callback=parse_duration, metavar="TIME")
train_options = combine(
    extra_architectures_option(panel="What to train"),
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
        type=click.Choice(["best", "all", "none"]),
        default="best",
        help="Which trained models stay as model.keras beside their records: per row the one with the best validation "
        "accuracy, all, or none. For recorded trials add --overwrite. Default: best.",
    ),
    results_option(
        "--tracker",
        "trackers",
        type=click.Choice(trackers()),
        multiple=True,
        help="Also log each trial to this tracker. Repeatable.",
    ),
    target_option,
    data_option(
        "--classes", metavar="NAMES", help="Only the images of these classes, separated by commas. Default: all."
    ),
    data_dir_option,
    skip_invalid_option,
    accept_classes_option,
    results_dir_option,
)


@click.command()
@what_option("--models", "--model", metavar="NAMES", help="Architectures or patterns, separated by commas, or all.")
@what_option("--datasets", "--dataset", metavar="NAMES", help=f"Datasets, separated by commas. {DATASET_HELP}")
@what_option(
    "--protocols",
    "--protocol",
    metavar="NAMES",
    help="Protocols, separated by commas, such as kfold,'cross:fer2013->jaffe'. Default: official.",
)
@what_option("--seeds", type=COUNT, metavar="N", help="Number of seeds per combination. Default: 1.")
@what_option(
    "--experiment",
    metavar="NAME",
    help="An experiment of `list` or a YAML file. Flags override it. Default: the dataset's, if it exists.",
)
@train_options
def sweep(**flags: Any) -> None:
    """Train models and write the leaderboard (the default)."""
    _sweep(flags)


@click.command()
@what_option("--model", "models", metavar="NAME", required=True, help="An architecture of `list`.")
@what_option("--dataset", "datasets", metavar="NAME", help=f"A dataset of `list`. {DATASET_HELP}")
@what_option("--protocol", "protocols", metavar="NAME", help=f"{PROTOCOL_HELP} Default: official.")
@what_option("--seeds", type=COUNT, metavar="N", help="Number of seeds. Default: 1.")
@train_options
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
    from fer_bench.records.time_to_target import parse_targets
    from fer_bench.runner import Benchmark, make_experiment
    from fer_bench.sweep.options import SweepOptions

    benchmark = Benchmark(
        make_experiment(
            flags["experiment"],
            recipe_overrides(flags["epochs"], flags["batch_size"], flags["weights"], flags["settings"]),
            flags["data_dir"],
            flags["classes"] or (),
            **{name: flags[name] for name in EXPERIMENT_FIELDS},
        ),
        make_data_config(flags["data_dir"], flags["skip_invalid"], accept_classes=flags["accept_classes"]),
        flags["weights_dir"],
        flags["results_dir"],
        SweepOptions(**{field.name: flags[field.name] for field in dataclasses.fields(SweepOptions)}),
        console(),
        parse_targets(flags["targets"]),
    )
    if flags["dry_run"]:
        benchmark.print_plan()
    else:
        sys.exit(1 if benchmark.run().failed else 0)


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
        parsed = _parse_yaml(setting, value)
        if known := setting_hint(key, parsed):
            raise UserError(
                f"--set {setting}: a recipe has no value '{key}' of that kind. Use --set {known}, with your value."
            )
        overrides.pop(key, None)  # the last one counts, also if an earlier one sets a whole section
        overrides[key] = parsed
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
