"""Read FER2013 from a csv file: fer2013.csv, icml_face_data.csv, or train.csv without a column for the split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import plural
from fer_bench.datasets.codes import LabelParser
from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset
from fer_bench.datasets.images import skipped_message
from fer_bench.datasets.registry import DataConfig, Progress
from fer_bench.datasets.table import open_lines, shorten, split_header, strip_quotes

IMAGE_SIZE = 48
COLUMNS = ("emotion", "pixels", "usage")
USAGES = {"Training": 0, "PublicTest": 1, "PrivateTest": 2}  # → indices into SPLITS


class Row(NamedTuple):
    """A valid row: its number from 0, its label, its pixels (48, 48) uint8, and its index into SPLITS."""

    number: int
    label: int
    pixels: np.ndarray
    split: int


class RowError(ValueError):
    """The problem with a row, and what is known of its label and its split.

    Attributes:
        label: The index of its class; None if unknown.
        split: Its index into SPLITS; None if unknown.
        unknown: "label" or "split" if the row names one that does not exist.
    """

    def __init__(
        self,
        problem: str,
        label: int | None = None,
        split: int | None = None,
        unknown: Literal["label", "split", ""] = "",
    ) -> None:
        super().__init__(problem)
        self.label = label
        self.split = split
        self.unknown = unknown


def read_csv(path: Path, data_config: DataConfig) -> Dataset:
    """Read and check every row. ids: `fer2013-00000`, by row from 0; the fingerprint stays empty.

    Raises:
        UserError: As `read_rows`.
    """
    rows, problems = read_rows(path, COLUMNS, FER2013_CLASSES, data_config)
    notes = []
    if problems:
        skipped, total = skipped_message(len(problems), "row"), len(rows) + len(problems)
        notes.append(f"{skipped} of the {total:,} in {path.name}; the first: {problems[0]}.")
    if path.name == "train.csv" and not any(row.split for row in rows):
        # The challenge did not publish the labels of its test.csv.
        test = " (test.csv has no labels and is not used)" if (path.parent / "test.csv").exists() else ""
        notes.append(
            f"train.csv contains only Training, so there is no official split{test}; "
            "fer2013.csv and icml_face_data.csv also contain PublicTest and PrivateTest."
        )
    return Dataset(
        name="fer2013",
        images=np.stack([row.pixels for row in rows]),
        labels=np.array([row.label for row in rows], np.int64),
        ids=np.array([f"fer2013-{row.number:05d}" for row in rows]),
        classes=FER2013_CLASSES,
        fingerprint="",
        split=np.array([row.split for row in rows], np.int8),
        notes=tuple(notes),
    )


def read_rows(
    path: Path, columns: tuple[str, ...], classes: tuple[str, ...], data_config: DataConfig
) -> tuple[list[Row], list[str]]:
    """Read and check every row of a csv file.

    Args:
        path: The file. Encoding, separator, blank lines, quotes, spaces around fields and the order of columns do not
            matter.
        columns: emotion, pixels and optionally usage; other columns are ignored. train.csv may lack usage.
        classes: In the order of the codes in the column emotion, from 0. The column may have names, too.
        data_config: Names the progress, and whether invalid rows are skipped.

    Returns:
        The valid rows, at least one, and the problems of the others with their lines, counted from 1.

    Raises:
        UserError: The file cannot be read, has no valid row, has an invalid one and `skip_invalid` is not set, has
            codes of other classes, or would lose a class or a split by skipping.
    """
    labels = LabelParser(path, dict(enumerate(classes)))
    rows: list[Row] = []
    problems: list[tuple[str, RowError]] = []
    with open_lines(path) as content:
        lines = iter(content)
        parse = _RowParser(path, next(lines, b""), columns, classes, labels)
        for row, (number, line) in enumerate(_iterate_lines(lines, path, data_config.progress)):
            try:
                rows.append(Row(row, *parse(line, f"line {number}")))
            except RowError as error:
                truncated = "" if line.endswith(b"\n") else "; the file seems to be truncated there"
                problems.append((f"line {number}: {error}{truncated}", error))
                if not data_config.skip_invalid and not labels.has_unknown:
                    raise UserError(f"{path}, {problems[0][0]}.") from None
    labels.check()
    if not rows and not problems:
        raise UserError(f"{path} has a header but no rows: the file seems to be truncated.")
    _check_skipped(path, rows, problems, classes)
    return rows, [problem for problem, _ in problems]


def _check_skipped(path: Path, rows: list[Row], problems: list[tuple[str, RowError]], classes: tuple[str, ...]) -> None:
    """Raise UserError if not only single rows are invalid, but most of them or all of a class or a split."""
    if not problems:
        return
    first = f"The first problem: {problems[0][0]}."
    if not rows:
        raise UserError(f"{path} has no valid row. {first}")
    if len(problems) > len(rows):
        raise UserError(f"{path} has {len(problems):,} invalid rows and only {len(rows):,} valid ones. {first}")
    for kind, names in (("label", classes), ("split", tuple(USAGES))):
        absent = set(range(len(names))) - {getattr(row, kind) for row in rows}
        for problem, error in problems:
            lost = getattr(error, kind)
            if lost in absent or (absent and error.unknown == kind):
                listed = " or ".join(names[index] for index in sorted(absent))
                raise UserError(f"{path} has no valid row of {listed}, so its invalid rows are not skipped; {problem}.")


def _iterate_lines(lines: Iterable[bytes], path: Path, progress: Progress | None) -> Iterator[tuple[int, bytes]]:
    """Yield the lines after the header that are not blank, with their numbers."""
    done, size = 0, path.stat().st_size
    for number, line in enumerate(lines, start=2):
        done += len(line)
        if line.strip():
            yield number, line
        if progress and number % 500 == 0:
            progress(f"reading {path.name}", min(done, size - 1), size)
    if progress:
        progress(f"reading {path.name}", size, size)


class _RowParser:
    """Parses the rows of one file, whose header gives the positions of the columns."""

    def __init__(
        self, path: Path, header: bytes, columns: tuple[str, ...], classes: tuple[str, ...], labels: LabelParser
    ) -> None:
        names, delimiter = split_header(header, columns)
        if path.name == "train.csv" and "usage" not in names:
            columns = columns[:2]
        if missing := [column for column in columns if column not in names]:
            raise UserError(
                f"{path}, line 1: the header must name {','.join(columns)}, but has no {' and no '.join(missing)}: "
                f"it is {shorten(header.decode('utf-8', errors='replace').strip(), 60)}."
            )
        if twice := [column for column in columns if names.count(column) > 1]:
            raise UserError(f"{path}, line 1: the header names {twice[0]} twice. Remove one of the two columns.")
        self._positions = [names.index(column) for column in columns]
        self._num_fields = len(names)
        self._delimiter = delimiter.encode()
        self._classes = classes
        self._labels = labels

    def __call__(self, line: bytes, where: str) -> tuple[int, np.ndarray, int]:
        """Return label, pixels and split."""
        fields = line.split(self._delimiter)
        if len(fields) != self._num_fields:
            raise RowError(f"{plural(len(fields), 'field')} instead of {self._num_fields}")
        emotion, pixels, usage = (*(fields[position] for position in self._positions), b"Training")[:3]
        label_text, usage_text = (strip_quotes(field.decode("utf-8", errors="replace")) for field in (emotion, usage))
        label, split = self._parse_label(label_text, where), USAGES.get(usage_text)
        if label is None:
            expected = f"emotion is a number, {self._labels.expected}, or a name"
            raise RowError(f"unknown label {shorten(label_text)}: {expected}", split=split, unknown="label")
        if split is None:
            expected = "it is Training, PublicTest or PrivateTest"
            raise RowError(f"unknown Usage {shorten(usage_text)}: {expected}", label, unknown="split")
        try:
            return label, _parse_pixels(pixels.strip().strip(b'"').strip()), split
        except RowError as error:
            raise RowError(str(error), label, split) from None

    def _parse_label(self, text: str, where: str) -> int | None:
        emotion = self._labels.parse(text, where)
        return None if emotion is None else self._classes.index(emotion)


def _parse_pixels(text: bytes) -> np.ndarray:
    """Return (48, 48) uint8 from numbers separated by spaces."""
    # np.fromstring accepts signs and stops silently at letters, so it gets only digits and spaces; int64, because an
    # overlong number saturates there and wraps around in smaller types.
    if text.translate(None, b"0123456789 "):
        wrong = next(word for word in text.split(b" ") if word and not word.isdigit())
        raise RowError(
            f"the pixel {shorten(wrong.decode('utf-8', errors='replace'))} is not a whole number from 0 to 255"
        )
    values = np.fromstring(text, dtype=np.int64, sep=" ") if text else np.empty(0, np.int64)
    if len(values) != IMAGE_SIZE * IMAGE_SIZE:
        raise RowError(f"{len(values)} pixels instead of {IMAGE_SIZE * IMAGE_SIZE} ({IMAGE_SIZE}×{IMAGE_SIZE})")
    if values.max() > 255:
        raise RowError(f"the pixel {values[values > 255][0]} is over 255")
    return values.astype(np.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE)
