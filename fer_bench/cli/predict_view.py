"""What the predict command does with its files: predict, print and write."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from fer_bench.core.console import print_text
from fer_bench.core.errors import UserError
from fer_bench.core.text import percent, plural

if TYPE_CHECKING:
    from rich.console import Console

    from fer_bench.inference.loaded_model import LoadedModel
    from fer_bench.inference.predict.annotate import AnnotatedImages
    from fer_bench.inference.predict.face_finder import FaceFinder
    from fer_bench.inference.predict.files import CsvFile, JsonList

NO_FACE = "no face found"


@dataclass
class PredictionRun:
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
        from fer_bench.inference.predict.files import image_rows, to_json
        from fer_bench.inference.predict.images import predict_images

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
        """Predict a video file; one that cannot be read, or not to its end, is reported."""
        from fer_bench.inference.predict.video import missing_frames, open_video

        with ExitStack() as stack:
            try:
                capture = stack.enter_context(open_video(file))
            except UserError as error:
                self._report(str(error))
                return
            num_read, is_closed = self._predict_frames(str(file), capture, self.window or False)
            missing = 0 if is_closed else missing_frames(file, capture, num_read)
        if not num_read:
            self._report(f"{file} has no frames.")
        elif missing:
            self._report(f"{file} is damaged or incomplete: it ends after {num_read} of {num_read + missing} frames.")

    def predict_camera(self, number: int) -> None:
        """Predict what a camera sees, until the window is closed or Ctrl-C."""
        from fer_bench.inference.predict.video import open_camera

        with open_camera(number) as capture:
            self._predict_frames(f"camera-{number}", capture, self.window is not False)

    def _predict_frames(self, name: str, capture: Any, show: bool) -> tuple[int, bool]:
        """Predict all frames. Return their number, and whether the window was closed.

        On Ctrl-C, what was written is complete.
        """
        from fer_bench.inference.predict.annotate import draw_faces
        from fer_bench.inference.predict.files import frame_rows, to_json
        from fer_bench.inference.predict.video import VideoFile, Window, frame_rate, predict_video

        classes, labels, num_frames, num_with_face = self.model.classes, Counter[str](), 0, 0
        began, is_closed = time.perf_counter(), False
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
                        is_closed = True
                        break
            finally:
                seconds = time.perf_counter() - began
                if num_frames:
                    print_text(self.terminal, _summary(name, num_frames, num_with_face, labels, seconds))
        return num_frames, is_closed

    def _count(self, file: str, problem: str, has_face: bool) -> None:
        if problem:
            self._report(f"{file} cannot be read as an image: {problem}.")
        elif not has_face:
            self.num_without_face += 1
            if self.json_list:
                click.echo(f"fer-bench: {file}: {NO_FACE}.", err=True)

    def _report(self, problem: str) -> None:
        self.num_unreadable += 1
        click.echo(f"fer-bench: {problem}", err=True)


@contextmanager
def open_run(
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
) -> Iterator[PredictionRun]:
    """Open the files that the options ask for; Ctrl-C and SIGTERM leave them complete and end the program."""
    from fer_bench.inference.predict.annotate import AnnotatedImages
    from fer_bench.inference.predict.files import CsvFile, JsonList

    try:
        with ExitStack() as stack:
            table = stack.enter_context(CsvFile(csv_file, model.classes, has_frames)) if csv_file else None
            elements = stack.enter_context(JsonList(sys.stdout)) if as_json else None
            copies = AnnotatedImages(annotate, model.classes) if annotate else None
            yield PredictionRun(model, finder, terminal, smooth, window, copies, table, elements)
    except KeyboardInterrupt as stop:
        click.echo("\nInterrupted. What was written is complete up to here.", err=True)
        sys.exit(getattr(stop, "exit_status", 130))
    for path in filter(None, (csv_file, annotate)):
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
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


def stderr_console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)
