"""Predictions as CSV and as JSON, written row by row, and whole even if the program is interrupted."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from fer_bench.core.errors import UserError
from fer_bench.core.files import atomic_path, writing
from fer_bench.inference.predict.images import ImageResult, face_rows
from fer_bench.inference.predict.video import Frame

BOX = ("x", "y", "width", "height")
FRAME_COLUMNS = ("frame", "seconds")


class CsvFile:
    """A CSV file with one row per face, and one without values per image without a face. A context manager.

    The file appears when it is closed; rows that were written before an interrupt are in it.

    Args:
        path: The file.
        classes: The class names, each a column.
        has_frames: Whether there are videos, whose frames and times are columns.
    """

    def __init__(self, path: Path, classes: Sequence[str], has_frames: bool) -> None:
        self.path = path
        frames = FRAME_COLUMNS if has_frames else ()
        self._columns = ["file", *frames, "face", *BOX, "label", "probability", *classes]

    def __enter__(self) -> CsvFile:
        if self.path.is_dir():
            raise UserError(f"--csv {self.path} is a folder. Name a file, such as {self.path / 'faces.csv'}.")
        with writing(self.path), ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self.path, keep_on_interrupt=True))
            file = stack.enter_context(temporary.open("w", newline="", encoding="utf-8"))
            self._writer = csv.writer(file)
            self._writer.writerow(self._columns)
            self._opened = stack.pop_all()
        return self

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write rows of `image_rows` or `frame_rows`."""
        with writing(self.path):
            self._writer.writerows([[row.get(column, "") for column in self._columns] for row in rows])

    def __exit__(self, *error: Any) -> None:
        with writing(self.path):
            self._opened.__exit__(*error)


class JsonList:
    """A JSON array that is written element by element, one per line. A context manager that ends it in any case."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._separator = "[\n"

    def __enter__(self) -> JsonList:
        return self

    def write(self, element: dict[str, Any]) -> None:
        """Write the next element."""
        self._stream.write(self._separator + json.dumps(element, ensure_ascii=False))
        self._separator = ",\n"

    def __exit__(self, *_: object) -> None:
        self._stream.write("[]\n" if self._separator == "[\n" else "\n]\n")
        self._stream.flush()


def image_rows(result: ImageResult, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of an image: one per face, or one without a face."""
    return face_rows(result, classes) or [{"file": result.file}]


def frame_rows(file: str, frame: Frame, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of a frame, one per face."""
    known = {"frame": frame.number, "seconds": round(frame.seconds, 3)}
    return [row | known for row in face_rows(ImageResult(file, frame.faces), classes)]


def to_json(rows: Sequence[dict[str, Any]], classes: Sequence[str], **known: Any) -> dict[str, Any]:
    """Return an image or a frame with its faces as JSON types.

    Args:
        rows: The rows of the faces.
        classes: The class names.
        **known: What is known of the image, such as `file`.
    """
    faces = [
        {"face": row["face"], "box": {key: row[key] for key in BOX}}
        | {"label": row["label"], "probability": row["probability"]}
        | {"probabilities": {name: row[name] for name in classes}}
        for row in rows
        if "face" in row
    ]
    return {**known, "faces": faces}
