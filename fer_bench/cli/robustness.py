"""The command that tries kept models on corrupted images."""

from __future__ import annotations

from pathlib import Path

import click

from fer_bench.cli.options import (
    ARCHITECTURE_OPTIONS,
    BACKENDS,
    DATA_OPTIONS,
    PATH,
    RESULTS_OPTIONS,
    SKIP_INVALID_OPTION,
    add_extra_architectures,
    console,
    default_dataset_name,
    import_keras,
    make_data_config,
    options,
)
from fer_bench.core.errors import UserError


@click.command()
@options(
    [
        click.option("--model", help="An architecture that was trained with --keep-models."),
        click.option("--model-file", type=PATH, help="A model.keras that was kept, or one like it."),
        click.option("--dataset", help="Of --model: only this one; of a file without a record: what to try it on."),
        click.option("--protocol", help="As --dataset.  [default: all; of a file without a record, official]"),
        click.option("--corruptions", help="Names, or noise, blur, weather, digital; by commas.  [default: all 15]"),
        click.option("--severities", help="From 1 to 5, separated by commas.  [default: 1,2,3,4,5]"),
        click.option(
            "--samples", type=click.IntRange(1), help="A stratified sample of the test images.  [default: all]"
        ),
        click.option(
            "--backend", type=click.Choice(BACKENDS), help="Keras backend; default: KERAS_BACKEND or tensorflow."
        ),
    ],
    DATA_OPTIONS,
    SKIP_INVALID_OPTION,
    ARCHITECTURE_OPTIONS,
    RESULTS_OPTIONS,
)
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
    extra_architectures: tuple[Path, ...],
    results_dir: Path,
) -> None:
    """Accuracy of kept models under 15 common corruptions of the test images, at 5 severities.

    \b
    robustness --model cnn --samples 1000
    robustness --model-file results/records/…/model.keras --corruptions noise,fog --severities 1,3,5

    Hendrycks & Dietterich, ICLR 2019. Every model is shown the same corrupted images. They are made once and kept in
    the cache folder: all of FER2013's test part takes minutes of a core and 620 MB. robustness.json and a figure, as
    PNG and SVG, are written beside each model, in place of earlier ones.
    """
    if (model is None) == (model_file is None):
        raise UserError("Name one of --model, an architecture that was trained with --keep-models, and --model-file.")
    from fer_bench.inference import robustness as trying
    from fer_bench.records.robustness import FILE, write
    from fer_bench.report import robustness as shown

    add_extra_architectures(extra_architectures)
    asked = trying.Asked(_corruptions(corruptions), _severities(severities), samples)
    places, terminal = make_data_config(data_dir, skip_invalid), console()
    if model is not None:
        kept = trying.kept_models(results_dir, model, dataset, protocol)
        subjects = [trying.of_record(stored, places) for stored in kept]
    else:
        subjects = [_of_file(model_file, dataset or default_dataset_name(data_dir), protocol or "official", places)]
    import_keras(backend)
    found = []
    for subject in subjects:
        measured = trying.measure(subject, asked, places.cache_dir, places.progress)
        stem = "" if subject.trial else f"{subject.name}-"
        folder = subject.model_file.parent
        write(folder / f"{stem}{FILE}", measured)
        found.append(measured)
        figures = shown.write_figure(shown.robustness_figure(measured), folder / f"{stem}robustness")
        terminal.print(shown.by_severity(measured))
        terminal.print(f"{shown.describe(measured)}.", highlight=False, soft_wrap=True)
        names = ", ".join([f"{stem}{FILE}", *(path.name for path in figures)])
        terminal.print(f"Written to {folder}: {names}.\n", highlight=False, soft_wrap=True)
    if len(found) > 1:
        terminal.print(shown.by_model(found))


def _of_file(file: Path, dataset: str, protocol: str, places):
    from fer_bench.inference import robustness as trying

    if not file.is_file():
        raise UserError(f"There is no file {file}.")
    stored = trying.record_beside(file)
    return trying.of_record(stored, places) if stored else trying.of_file(file, dataset, protocol, places)


def _corruptions(text: str | None) -> tuple[str, ...]:
    from fer_bench.evaluation.corruptions import CORRUPTIONS, KINDS

    if text is None:
        return CORRUPTIONS
    names = [name.strip().replace(" ", "_") for name in text.split(",") if name.strip()]
    chosen = [one for name in names for one in KINDS.get(name, (name,))]
    if unknown := [name for name in chosen if name not in CORRUPTIONS]:
        raise UserError(f"There is no corruption '{unknown[0]}': there are {', '.join((*KINDS, *CORRUPTIONS))}.")
    if not chosen:
        raise UserError("--corruptions names none.")
    return tuple(name for name in CORRUPTIONS if name in chosen)


def _severities(text: str | None) -> tuple[int, ...]:
    from fer_bench.evaluation.corruptions import SEVERITIES

    if text is None:
        return SEVERITIES
    chosen = {part.strip() for part in text.split(",")}
    if not chosen <= {str(severity) for severity in SEVERITIES}:
        raise UserError(f"--severities {text}: give numbers from 1 to 5, separated by commas.")
    return tuple(severity for severity in SEVERITIES if str(severity) in chosen)
