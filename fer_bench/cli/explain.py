"""The explain command: heat maps of where models look."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from fer_bench.cli.options import (
    COUNT,
    PATH,
    accept_classes_option,
    add_extra_architectures,
    console,
    data_dir_option,
    extra_architectures_option,
    face_options,
    make_data_config,
    model_option,
    pop_face_options,
    results_dir_option,
    skip_invalid_option,
)
from fer_bench.core.console import print_text
from fer_bench.core.errors import UserError
from fer_bench.core.files import check_output_folder, unique_name
from fer_bench.core.text import plural, slug, split_names

if TYPE_CHECKING:
    from rich.console import Console

    from fer_bench.inference.explain.dataset import ExplainTarget
    from fer_bench.inference.loaded_model import LoadedModel

how_option = partial(click.option, panel="How to explain")
OUTPUT_DIR = "explanations"
image_option = partial(click.option, panel="Images")


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH…]")
@model_option("--model", "models", metavar="NAMES", help="Trained architectures, separated by commas.")
@model_option("--model-file", type=PATH, metavar="FILE", help="Keras, TensorFlow.js, ONNX, LiteRT or SavedModel.")
@model_option("--preprocessing", type=PATH, metavar="FILE", help="As in `predict`. Default: the file beside the model.")
@model_option("--trust-model", is_flag=True, help="Load a SavedModel, whose operations can also access files.")
@model_option("--dataset", metavar="NAME", help="With --model: only this dataset; with --model-file: its test images.")
@model_option("--protocol", metavar="NAME", help="As --dataset. Default for a file: official.")
@how_option(
    "--method",
    type=click.Choice(["auto", "grad-cam", "occlusion"]),
    default="auto",
    help="Default: auto, which is Grad-CAM if the model is a Keras network with convolutions, else occlusion.",
)
@how_option("--class", "label", metavar="NAME", help="Explain this class. Default: the predicted class.")
@how_option("--samples", type=COUNT, metavar="N", default=20, help="Test images of each class. Default: 20.")
@face_options
@image_option("--output", type=PATH, metavar="DIR", help=f"Folder of the figures. Default: {OUTPUT_DIR}.")
@data_dir_option
@skip_invalid_option
@accept_classes_option
@extra_architectures_option()
@results_dir_option
def explain(
    paths: tuple[str, ...],
    models: str | None,
    model_file: Path | None,
    preprocessing: Path | None,
    trust_model: bool,
    dataset: str | None,
    protocol: str | None,
    method: str,
    label: str | None,
    samples: int,
    output: Path | None,
    data_dir: Path | None,
    skip_invalid: bool,
    accept_classes: bool,
    extra_architectures: tuple[Path, ...],
    results_dir: Path,
    **options: Any,
) -> None:
    """Show where models look, in images or in a dataset.

    Examples:

        explain photo.jpg --model cnn
        explain --model cnn,vgg16 --dataset fer2013
        explain --model-file M.onnx --dataset fer2013

    With paths, it draws each face with its heat map. Without, it draws the mean heat map of each class over test
    images, in which no face can be seen, beside the model; with several models also one figure of all of them. The page
    of `report` shows them. The deletion test compares how far the probability falls without the marked pixels and
    without as many elsewhere. Grad-CAM: Selvaraju et al., ICCV 2017; occlusion: Zeiler & Fergus, ECCV 2014.
    """
    from fer_bench.datasets import default_dataset
    from fer_bench.inference.loaded_model import load_file, load_from_results
    from fer_bench.inference.predict.image_sources import find_sources

    names = split_names(models or "")
    if model_file is not None and names:
        raise UserError("Choose either --model or --model-file.")
    if model_file is None and (preprocessing or trust_model):
        raise UserError("--preprocessing and --trust-model require --model-file.")
    if paths and len(names) > 1:
        raise UserError("Name one --model to explain images; several are for a dataset.")
    if label is not None and not paths:
        raise UserError("--class is for images. In a dataset each class is explained.")
    if paths and model_file is not None and (dataset or protocol):
        raise UserError("--dataset and --protocol name the test images of a --model-file. Omit them, or the paths.")
    crop = pop_face_options(options)
    if not paths and (output or any(value is not None for value in crop.values())):
        raise UserError(
            "--output, --detector, --yunet-model, --align and --margin are for images. Omit them for a dataset, whose "
            "images are cropped and whose heat maps lie beside the model."
        )
    if output:
        check_output_folder(output, "--output")
    add_extra_architectures(extra_architectures)
    images = find_sources(paths).images if paths else []
    if paths and not images:
        raise UserError("Name images; videos are not explained.")
    terminal, data_config = console(), make_data_config(data_dir, skip_invalid, accept_classes=accept_classes)
    loaded = None
    if model_file:
        loaded = load_file(model_file, preprocessing, trust_model)
    elif images:
        loaded = load_from_results(results_dir, names[0] if names else None, dataset, protocol)
    if loaded and images:
        _explain_images(loaded, images, label, method, crop, output or Path(OUTPUT_DIR), terminal)
        return
    from fer_bench.inference.explain.dataset import select_targets, target_of_file

    if loaded and model_file:
        dataset = dataset or default_dataset(data_dir)
        targets = [target_of_file(loaded, model_file, dataset, protocol or "official", data_config)]
    else:
        targets = select_targets(results_dir, names, dataset, protocol, data_config)
    _explain_dataset(targets, samples, method, results_dir, terminal)


def _explain_images(
    model: LoadedModel,
    images: list[Path],
    label: str | None,
    method: str,
    crop: dict[str, Any],
    output: Path,
    terminal: Console,
) -> None:
    from fer_bench.inference.explain.dataset import explain_file
    from fer_bench.inference.predict.face_finder import make_face_finder
    from fer_bench.report.heat_maps import METHOD_NAMES, face_figure
    from fer_bench.report.robustness import write_figure

    finder = make_face_finder(model, **crop)
    print_text(terminal, f"Model: {model.description}.")
    problems: list[str] = []
    names: set[str] = set()
    for path in images:
        try:
            explanations = explain_file(model, finder, path, label, method)  # type: ignore[arg-type]
        except UserError as error:
            problems.append(str(error))
            continue
        if not explanations:
            print_text(terminal, f"{path}: no face found. --detector none takes it as a face.")
        for number, found in enumerate(explanations, start=1):
            numbered = f"{path.stem}-{number}" if len(explanations) > 1 else path.stem
            stem = output / unique_name(slug(numbered), "", names)
            said = f"{found.label}, {100 * found.probability:.1f} %"
            how = f"{said}; {METHOD_NAMES[found.method]}, {model.name}"
            face = found.face if model.color_mode != "bgr" else found.face[..., ::-1]
            files = write_figure(face_figure(face, found.heat, path.name, how), stem)
            print_text(terminal, f"{path}: {said}. Written: {files[0]}")
    if problems:
        raise UserError(" ".join(dict.fromkeys(problems)))


def _explain_dataset(
    targets: list[ExplainTarget], samples: int, method: str, results_dir: Path, terminal: Console
) -> None:
    from fer_bench.inference.explain.dataset import mean_heat_maps
    from fer_bench.records.heat_maps import HEAT_MAPS_FILE, write
    from fer_bench.report.heat_maps import describe, mean_figure
    from fer_bench.report.robustness import write_figure

    results = []
    for target in targets:
        result = mean_heat_maps(target, samples, method)  # type: ignore[arg-type]
        prefix = "" if result.key else f"{target.file.stem}-"
        folder = target.file.parent
        files = write_figure(mean_figure([result], _heading([result])), folder / f"{prefix}heat_maps")
        write(folder / f"{prefix}{HEAT_MAPS_FILE}", result)
        results.append(result)
        print_text(terminal, f"{describe(result)} ({plural(sum(result.num_images), 'image')}).")
        print_text(terminal, f"Written: {files[0]}")
    if len(results) > 1:
        stem = results_dir / "figures" / f"heat-maps-{slug(results[0].dataset)}"
        print_text(terminal, f"Written: {write_figure(mean_figure(results, _heading(results)), stem)[0]}")


def _heading(results: list) -> str:
    sources = dict.fromkeys(f"{result.dataset}, protocol {result.protocol}" for result in results)
    return f"Where {'the model looks' if len(results) == 1 else 'models look'}: {'; '.join(sources)}"
