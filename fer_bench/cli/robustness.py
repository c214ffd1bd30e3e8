"""The robustness command: saved models on corrupted test images."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from fer_bench.cli.options import (
    BACKEND_HELP,
    COUNT,
    PATH,
    accept_classes_option,
    add_extra_architectures,
    console,
    data_dir_option,
    extra_architectures_option,
    make_data_config,
    model_option,
    results_dir_option,
    skip_invalid_option,
)
from fer_bench.core.backend import BACKENDS, import_keras
from fer_bench.core.console import print_text
from fer_bench.core.errors import UserError
from fer_bench.core.text import did_you_mean, split_names

if TYPE_CHECKING:
    from fer_bench.datasets import DataConfig
    from fer_bench.inference.robustness import RobustnessTarget

measure_option = partial(click.option, panel="How to measure")


@click.command()
@model_option("--model", metavar="NAME", help="An architecture that was trained.")
@model_option("--model-file", type=PATH, metavar="FILE", help="A saved model.keras, or another .keras file.")
@model_option(
    "--dataset",
    metavar="NAME",
    help="With --model: only this dataset. With a file that has no record: the dataset to test on.",
)
@model_option(
    "--protocol", metavar="NAME", help="As --dataset. Default: all protocols; for a file that has no record: official."
)
@measure_option(
    "--corruptions",
    metavar="NAMES",
    help="Corruptions or types (noise, blur, weather, digital), separated by commas. Default: all 15.",
)
@measure_option("--severities", metavar="N,N", help="From 1 to 5, separated by commas. Default: all.")
@measure_option(
    "--samples", type=COUNT, metavar="N", help="Size of a stratified sample of the test images. Default: all."
)
@measure_option("--backend", type=click.Choice(BACKENDS), help=BACKEND_HELP)
@data_dir_option
@skip_invalid_option
@accept_classes_option
@extra_architectures_option()
@results_dir_option
def robustness(
    model: str | None,
    model_file: Path | None,
    dataset: str | None,
    protocol: str | None,
    corruptions: str | None,
    severities: str | None,
    samples: int | None,
    backend: str | None,
    data_dir: Path | None,
    skip_invalid: bool,
    accept_classes: bool,
    extra_architectures: tuple[Path, ...],
    results_dir: Path,
) -> None:
    """Measure saved models on corrupted test images.

    Examples:

        robustness --model cnn --samples 1000
        robustness --model-file FOLDER/model.keras --corruptions noise,fog

    15 common corruptions at 5 severities (Hendrycks & Dietterich, ICLR 2019). All models see the same corrupted images,
    which are computed once and cached: the test split of FER2013 takes minutes of one core and 620 MB. robustness.json
    and a figure (PNG and SVG) are written beside each model and replace earlier ones.
    """
    if (model is None) == (model_file is None):
        raise UserError("Pass either --model, an architecture that was trained, or --model-file.")
    from fer_bench.datasets import default_dataset
    from fer_bench.inference.robustness import RobustnessConfig, measure, saved_models, target_from_record
    from fer_bench.records.robustness import ROBUSTNESS_FILE, write
    from fer_bench.report.robustness import describe, model_table, robustness_figure, severity_table, write_figure

    add_extra_architectures(extra_architectures)
    config = RobustnessConfig(_parse_corruptions(corruptions), _parse_severities(severities), samples)
    data_config, terminal = make_data_config(data_dir, skip_invalid, accept_classes=accept_classes), console()
    if model_file is not None:
        dataset, protocol = dataset or default_dataset(data_dir), protocol or "official"
        targets = [_target_from_path(model_file, dataset, protocol, data_config)]
    else:
        stored_records = saved_models(results_dir, str(model), dataset, protocol)
        targets = [target_from_record(stored, data_config) for stored in stored_records]
    import_keras(backend)
    results = []
    for target in targets:
        result = measure(target, config, data_config.cache_dir, data_config.progress)
        prefix = "" if target.trial else f"{target.name}-"
        folder = target.model_file.parent
        write(folder / f"{prefix}{ROBUSTNESS_FILE}", result)
        results.append(result)
        figures = write_figure(robustness_figure(result), folder / f"{prefix}robustness")
        terminal.print(severity_table(result))
        print_text(terminal, f"{describe(result)}.")
        names = ", ".join([f"{prefix}{ROBUSTNESS_FILE}", *(path.name for path in figures)])
        print_text(terminal, f"Written to {folder}: {names}.\n")
    if len(results) > 1:
        terminal.print(model_table(results))


def _target_from_path(file: Path, dataset: str, protocol: str, data_config: DataConfig) -> RobustnessTarget:
    from fer_bench.inference.robustness import find_record, target_from_file, target_from_record

    if not file.is_file():
        raise UserError(f"The file {file} does not exist.")
    if stored := find_record(file):
        return target_from_record(stored, data_config)
    return target_from_file(file, dataset, protocol, data_config)


def _parse_corruptions(text: str | None) -> tuple[str, ...]:
    from fer_bench.evaluation.corruptions import CORRUPTIONS, CORRUPTIONS_BY_TYPE

    if text is None:
        return CORRUPTIONS
    names = [name.replace(" ", "_") for name in split_names(text)]
    chosen = [corruption for name in names for corruption in CORRUPTIONS_BY_TYPE.get(name, (name,))]
    if unknown := [name for name in chosen if name not in CORRUPTIONS]:
        raise UserError(
            f"Unknown corruption '{unknown[0]}'. {did_you_mean(unknown[0], (*CORRUPTIONS_BY_TYPE, *CORRUPTIONS))}"
        )
    if not chosen:
        raise UserError("--corruptions is empty. Name at least one corruption.")
    return tuple(name for name in CORRUPTIONS if name in chosen)


def _parse_severities(text: str | None) -> tuple[int, ...]:
    from fer_bench.evaluation.corruptions import SEVERITIES

    if text is None:
        return SEVERITIES
    chosen = {part.strip() for part in text.split(",")}
    if not chosen <= {str(severity) for severity in SEVERITIES}:
        raise UserError(f"Invalid --severities {text}. Give numbers from 1 to 5, separated by commas.")
    return tuple(severity for severity in SEVERITIES if str(severity) in chosen)
