"""The predict command: expressions in photographs, in videos and before a camera."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from fer_bench.cli.options import (
    PATH,
    add_extra_architectures,
    console,
    extra_architectures_option,
    model_option,
    print_text,
    results_dir_option,
)
from fer_bench.core.errors import UserError
from fer_bench.core.text import percent, plural

if TYPE_CHECKING:
    from rich.console import Console

    from fer_bench.inference.annotate import AnnotatedImages
    from fer_bench.inference.face_finder import FaceFinder
    from fer_bench.inference.loaded_model import LoadedModel
    from fer_bench.inference.prediction_files import CsvFile, JsonList

face_option = partial(click.option, panel="How faces are found")
output_option = partial(click.option, panel="Output")
video_option = partial(click.option, panel="Videos")
MARGIN = click.FloatRange(0, 100)
NO_FACE = "no face found"


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
@face_option(
    "--detector",
    type=click.Choice(["haar", "yunet", "none"]),
    help="Detector of faces; none takes images as cropped faces. Default: that of the model's dataset, else haar.",
)
@face_option("--yunet-model", type=PATH, metavar="FILE", help="YuNet's model file, for --detector yunet.")
@face_option("--align/--no-align", default=None, help="Align faces by the eyes. Default: as in the model's dataset.")
@face_option(
    "--margin",
    type=MARGIN,
    metavar="PERCENT",
    help="Added on each side of a face, in percent of its width. Default: as in the model's dataset.",
)
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
    from fer_bench.inference.image_sources import Sources, find_sources
    from fer_bench.sweep.interrupt import deferred_interrupts

    if not paths and camera is None:
        raise UserError("Name images, videos, folders or patterns such as 'photos/*.jpg', or pass --camera 0.")
    if model_file is None and (preprocessing or trust_model):
        raise UserError("--preprocessing and --trust-model require --model-file.")
    if model_file and (model or dataset or protocol):
        raise UserError("Choose either --model, with --dataset and --protocol, or --model-file.")
    add_extra_architectures(extra_architectures)
    sources = find_sources(paths) if paths else Sources([], [])
    from fer_bench.inference.face_finder import MAX_VIDEO_SIDE, describe_crop, make_face_finder
    from fer_bench.inference.loaded_model import load_model

    where = {"dataset": dataset, "protocol": protocol}
    loaded = load_model(model_file or results_dir, model, preprocessing=preprocessing, trust=trust_model, **where)
    margin = options.pop("margin")
    crop = {name: options.pop(name) for name in ("detector", "align", "yunet_model")}
    crop["margin"] = None if margin is None else margin / 100
    finder = make_face_finder(loaded, **crop)
    terminal = _stderr_console() if options["as_json"] else console()
    print_text(terminal, f"Model: {loaded.description}. Faces: {describe_crop(finder)}.")
    if loaded.dataset.startswith("synthetic"):
        print_text(terminal, "It was trained on drawn faces, so it is not for photographs: train one on real data.")
    has_frames = bool(sources.videos) or camera is not None
    with deferred_interrupts(), _open(loaded, finder, terminal, has_frames, **options) as run:
        run.predict_images(sources.images)
        run.finder = make_face_finder(loaded, **crop, max_side=MAX_VIDEO_SIDE)
        for video in sources.videos:
            run.predict_video(video)
        if camera is not None:
            run.predict_camera(camera)
    if run.num_unreadable or (options["strict"] and run.num_without_face):
        sys.exit(1)


@dataclass
class _Run:
    """Predicts files and writes what the options ask for."""

    model: LoadedModel
    finder: FaceFinder
    terminal: Console
    smooth: float
    window: bool | None
    annotated: AnnotatedImages | None
    csv_file: CsvFile | None
    json_list: JsonList | None
    num_unreadable: int = 0
    num_without_face: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def predict_images(self, files: Sequence[Path]) -> None:
        """Predict image files, and print a table."""
        from fer_bench.core.progress import ProgressBar
        from fer_bench.inference.predict_images import predict_images
        from fer_bench.inference.prediction_files import image_rows, to_json

        progress = ProgressBar()
        try:
            for done, result in enumerate(predict_images(self.model, self.finder, files), start=1):
                rows = [] if result.problem else image_rows(result, self.model.classes)
                if self.csv_file:
                    self.csv_file.write(rows)
                if self.json_list:
                    problem = {"problem": result.problem} if result.problem else {}
                    self.json_list.write(to_json(rows, self.model.classes, file=result.file, **problem))
                else:
                    self.rows += rows
                if self.annotated and not result.problem:
                    self.annotated.write(result)
                self._count(result.file, result.problem, bool(result.faces))
                progress("predicting", done, len(files))
        finally:
            progress.close()
            if self.rows:
                self.terminal.print(_table(self.rows))
        if self.num_without_face:
            hint = "" if self.finder.spec is None else " Images that are cropped to a face need --detector none."
            count = f"{plural(self.num_without_face, 'image')} of {len(files)} without a face."
            print_text(self.terminal, f"{count}{hint}")

    def predict_video(self, file: Path) -> None:
        """Predict a video file; one that cannot be read is reported."""
        from fer_bench.inference.predict_video import open_video

        try:
            with open_video(file) as capture:
                if not self._predict_frames(str(file), capture, self.window or False):
                    raise UserError(f"{file} has no frames.")
        except UserError as error:
            self.num_unreadable += 1
            click.echo(f"fer-bench: {error}", err=True)

    def predict_camera(self, number: int) -> None:
        """Predict what a camera sees, until the window is closed or Ctrl-C."""
        from fer_bench.inference.predict_video import open_camera

        with open_camera(number) as capture:
            self._predict_frames(f"camera-{number}", capture, self.window is not False)

    def _predict_frames(self, name: str, capture: Any, show: bool) -> int:
        """Predict all frames and return their number. On Ctrl-C, what was written is complete."""
        from fer_bench.inference.annotate import draw_faces
        from fer_bench.inference.predict_video import VideoFile, Window, frame_rate, predict_video
        from fer_bench.inference.prediction_files import frame_rows, to_json

        classes, labels, num_frames, num_with_face = self.model.classes, Counter[str](), 0, 0
        began = time.perf_counter()
        with ExitStack() as stack:
            window = stack.enter_context(Window(f"{name}: q ends")) if show else None
            target = self.annotated.path(Path(name), ".mp4") if self.annotated else None
            video = stack.enter_context(VideoFile(target, frame_rate(capture))) if target else None
            try:
                for frame in predict_video(self.model, self.finder, capture, self.smooth):
                    rows = frame_rows(name, frame, classes)
                    drawn = draw_faces(frame.image, frame.faces, classes) if video or window else None
                    if video and drawn is not None:
                        video.write(drawn)
                    if self.csv_file:
                        self.csv_file.write(rows)
                    if self.json_list:
                        known = {"file": name, "frame": frame.number, "seconds": round(frame.seconds, 3)}
                        self.json_list.write(to_json(rows, classes, **known))
                    labels.update(row["label"] for row in rows)
                    num_frames, num_with_face = num_frames + 1, num_with_face + bool(rows)
                    if num_frames == 1:
                        began = time.perf_counter()  # the first frame compiles the model
                    if window and drawn is not None and not window.show(drawn):
                        break
            finally:
                seconds = time.perf_counter() - began
                if num_frames:
                    print_text(self.terminal, _summary(name, num_frames, num_with_face, labels, seconds))
        return num_frames

    def _count(self, file: str, problem: str, has_face: bool) -> None:
        if problem:
            self.num_unreadable += 1
            click.echo(f"fer-bench: {file} cannot be read as an image: {problem}.", err=True)
        elif not has_face:
            self.num_without_face += 1
            if self.json_list:
                click.echo(f"fer-bench: {file}: {NO_FACE}.", err=True)


@contextmanager
def _open(
    model: LoadedModel,
    finder: FaceFinder,
    terminal: Console,
    has_frames: bool,
    as_json: bool,
    csv_file: Path | None,
    annotate: Path | None,
    smooth: float,
    window: bool | None,
    strict: bool,
) -> Iterator[_Run]:
    """Open the files that the options ask for; Ctrl-C and SIGTERM leave them complete and end the program."""
    from fer_bench.inference.annotate import AnnotatedImages
    from fer_bench.inference.prediction_files import CsvFile, JsonList

    try:
        with ExitStack() as stack:
            table = stack.enter_context(CsvFile(csv_file, model.classes, has_frames)) if csv_file else None
            elements = stack.enter_context(JsonList(sys.stdout)) if as_json else None
            copies = AnnotatedImages(annotate, model.classes) if annotate else None
            yield _Run(model, finder, terminal, smooth, window, copies, table, elements)
    except KeyboardInterrupt as stop:
        click.echo("\nInterrupted. What was written is complete up to here.", err=True)
        sys.exit(getattr(stop, "exit_status", 130))
    for path in filter(None, (csv_file, annotate)):
        print_text(terminal, f"Written: {path}.")


def _table(rows: Sequence[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    for name in ("face", "x", "y", "size", "probability"):
        table.add_column(name, justify="right")
    table.add_column("label")
    for row in rows:
        if "face" in row:
            size = f"{row['width']}×{row['height']}"
            numbers = [str(row["face"]), str(row["x"]), str(row["y"]), size, f"{100 * row['probability']:.1f} %"]
            table.add_row(_escape(row["file"]), *numbers, _escape(row["label"]))
        else:
            table.add_row(_escape(row["file"]), "", "", "", "", "", f"[yellow]{NO_FACE}[/]")
    return table


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _summary(name: str, num_frames: int, num_with_face: int, labels: Counter[str], seconds: float) -> str:
    total = labels.total()
    shares = ", ".join(f"{label} {percent(count / total)} %" for label, count in labels.most_common()) or NO_FACE
    speed = f"; {(num_frames - 1) / seconds:.1f} frames per second" if num_frames > 1 else ""
    return f"{name}: {plural(num_frames, 'frame')}, {num_with_face} with a face; {shares}{speed}."


def _stderr_console() -> Console:
    from rich.console import Console

    return Console(stderr=True)
