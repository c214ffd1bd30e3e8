"""The predict command: expressions in photographs, in videos and before a camera."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import rich_click as click

from fer_bench.cli.options import (
    PATH,
    add_extra_architectures,
    console,
    extra_architectures_option,
    face_options,
    model_option,
    pop_face_options,
    results_dir_option,
)
from fer_bench.core.console import print_text
from fer_bench.core.errors import UserError

output_option = partial(click.option, panel="Output")
video_option = partial(click.option, panel="Videos")


@click.command()
@click.argument("paths", nargs=-1, metavar="PATH…")
@model_option("--model", metavar="NAME", help="An architecture that was trained, 'ensemble', or the id of a row.")
@model_option("--dataset", metavar="NAME", help="Only models that were trained on this dataset.")
@model_option("--protocol", metavar="NAME", help="Only models that were trained under this protocol.")
@model_option("--model-file", type=PATH, metavar="FILE", help="Keras, TensorFlow.js, ONNX, LiteRT or SavedModel.")
@model_option(
    "--preprocessing",
    type=PATH,
    metavar="FILE",
    help="How the file takes its images: a YAML file as in `evaluate --help`. Default: the one beside it.",
)
@model_option("--trust-model", is_flag=True, help="Load a SavedModel, whose operations can also access files.")
@extra_architectures_option(panel="Which model")
@results_dir_option
@face_options
@output_option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@output_option("--csv", "csv_file", type=PATH, metavar="FILE", help="Write one row per face, or per frame and face.")
@output_option(
    "--annotate", type=PATH, metavar="DIR", help="Write copies with boxes, labels and probabilities; videos as mp4."
)
@output_option("--strict", is_flag=True, help="Exit with status 1 if an image has no face.")
@video_option("--camera", type=click.IntRange(0), metavar="N", help="Predict what a camera sees; 0 is the first.")
@video_option(
    "--smooth",
    type=click.FloatRange(0),
    metavar="SECONDS",
    default=0.0,
    help="Average the probabilities of a face over about this time. Default: 0.",
)
@video_option(
    "--window/--headless", default=None, help="Show the frames in a window; q ends it. Default: only for a camera."
)
def predict(
    paths: tuple[str, ...],
    model: str | None,
    dataset: str | None,
    protocol: str | None,
    model_file: Path | None,
    preprocessing: Path | None,
    trust_model: bool,
    extra_architectures: tuple[Path, ...],
    results_dir: Path,
    camera: int | None,
    **options: Any,
) -> None:
    """Predict the expressions in photographs and videos.

    Examples:

        predict photo.jpg holiday/ 'scans/*.png'
        predict film.mp4 --csv faces.csv --annotate annotated --smooth 0.5
        predict --camera 0 --model cnn
        predict faces/ --detector none --model-file M.onnx --preprocessing P.yaml

    Every face is found, and aligned and cropped as the images of the model's dataset were. Without --model and
    --model-file, the best model for photographs is taken: trained on the dataset with the most images, with the best
    validation accuracy.

    The exit status is 1 if a file cannot be read; the others are predicted.
    """
    from fer_bench.inference.predict.image_sources import Sources, find_sources
    from fer_bench.sweep.interrupt import deferred_interrupts

    if not paths and camera is None:
        raise UserError("Name images, videos, folders or patterns such as 'photos/*.jpg', or pass --camera 0.")
    if model_file is None and (preprocessing or trust_model):
        raise UserError("--preprocessing and --trust-model require --model-file.")
    if model_file and (model or dataset or protocol):
        raise UserError("Choose either --model, with --dataset and --protocol, or --model-file.")
    add_extra_architectures(extra_architectures)
    sources = find_sources(paths) if paths else Sources([], [])
    from fer_bench.cli.predict_view import open_run, stderr_console
    from fer_bench.inference.loaded_model import load_file, load_from_results
    from fer_bench.inference.predict.face_finder import describe_crop, make_face_finder
    from fer_bench.inference.predict.video import require_display

    if options["window"] or (camera is not None and options["window"] is None):
        require_display()
    if model_file:
        loaded = load_file(model_file, preprocessing, trust_model)
    else:
        loaded = load_from_results(results_dir, model, dataset, protocol)
    crop = pop_face_options(options)
    finder = make_face_finder(loaded, **crop)
    terminal = stderr_console() if options["as_json"] else console()
    print_text(terminal, f"Model: {loaded.description}. Faces: {describe_crop(finder)}.")
    if loaded.dataset.startswith("synthetic"):
        print_text(terminal, "It was trained on drawn faces, so it is not for photographs: train one on real data.")
    has_frames = bool(sources.videos) or camera is not None
    with deferred_interrupts(), open_run(loaded, finder, terminal, has_frames, **options) as run:
        run.predict_images(sources.images)
        run.finder = make_face_finder(loaded, **crop, for_video=True)
        for video in sources.videos:
            run.predict_video(video)
        if camera is not None:
            run.predict_camera(camera)
    if run.num_unreadable or (options["strict"] and run.num_without_face):
        sys.exit(1)
