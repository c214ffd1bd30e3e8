"""What an augmentation does, as a picture: a face of each class in a row, and beside it what training sees of it."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from fer_bench.config.recipe import Augmentation
from fer_bench.core.errors import write_error
from fer_bench.training.augmentation import augment
from fer_bench.training.imgaug_policies import PIPELINES
from fer_bench.training.mixing import mix

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_ROWS = 8
EPOCHS = 8
INCHES = 1.0  # a side of a face
GAP = 0.06  # between faces, of a side
WRITTEN = 0.34  # room for the targets below a face, of a side
SYMMETRIC = ("rotation", "shift", "zoom", "brightness", "contrast")  # uniform in ±


def plot_augmentation(
    augmentation: Augmentation,
    title: str,
    images: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    path: Path | str,
    seed: int = 0,
) -> Path:
    """Draw a random image (height, width) uint8 of each class, and its state in eight epochs, as a PNG; its path.

    images: (samples, height, width), labels: (samples,). Mixed with one another, the faces carry their targets in
    per cent. UserError where the file cannot be written.
    """
    rng = np.random.default_rng(seed)
    shown = np.unique(labels)[:MAX_ROWS]
    originals = images[[rng.choice(np.flatnonzero(labels == label)) for label in shown]]
    targets = np.eye(len(classes), dtype=np.float32)[shown]
    epochs = [mix(augment(originals, augmentation, epoch), targets, augmentation, epoch) for epoch in rng.spawn(EPOCHS)]
    columns = np.stack([originals, *(faces for faces, _ in epochs)], axis=1)
    mixes = bool(augmentation.mixup or augmentation.cutmix)
    texts = [[_format_target(target, classes) for target in row] for row in zip(*(t for _, t in epochs), strict=True)]
    png = _png(columns, [classes[c] for c in shown], texts if mixes else None, title, describe(augmentation))
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png)
    except OSError as error:
        raise write_error(path, error) from None
    return path


def describe(augmentation: Augmentation) -> str:
    """All that is not zero: "flip 0.5, rotation ±10"; the unit of each is in the recipe's file."""
    fields = augmentation.model_dump(exclude={"imgaug"})
    said = []
    if augmentation.imgaug:
        said.append(f"{PIPELINES[augmentation.imgaug].__doc__}".rstrip("."))
        fields = {name: fields[name] for name in ("mixup", "cutmix")}  # the others count for nothing
    said += [f"{name} {'±' if name in SYMMETRIC else ''}{value:g}" for name, value in fields.items() if value]
    return ", ".join(said) or "nothing is changed"


def _format_target(target: np.ndarray, classes: tuple[str, ...]) -> str:
    """ "happy 70\\nsad 30": the two classes of a target in per cent, the larger one first."""
    most = np.argsort(-target, kind="stable")[:2]
    return "\n".join(f"{classes[c]} {100 * target[c]:.0f}" for c in most if target[c] >= 0.005)


def _png(columns: np.ndarray, names: list[str], texts: list[list[str]] | None, title: str, caption: str) -> bytes:
    """Faces (rows, columns, height, width) with the names of the rows, the epochs, and what is written under each."""
    from io import BytesIO

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, count = columns.shape[:2]
    below = GAP + (WRITTEN if texts else 0)
    wide, high = count * (1 + GAP), rows * (1 + below)
    left, top = 0.75, 0.75  # inches for the names of the rows, and for the title
    figure = Figure(figsize=(left + wide * INCHES, top + high * INCHES))
    FigureCanvasAgg(figure)
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, 0, 1 - left / width, 1 - top / height))
    for (row, column), (x, y) in _places(rows, count, below):
        axes.imshow(columns[row, column], cmap="gray", vmin=0, vmax=255, extent=(x, x + 1, y + 1, y))
        if texts and column:
            _write(axes, x + 0.5, y + 1.03, texts[row][column - 1], va="top", fontsize=6.5)
    for column in range(count):
        name = f"epoch {column}" if column else "original"
        _write(axes, column * (1 + GAP) + 0.5, -0.05, name, va="bottom", fontsize=8)
    for row, name in enumerate(names):
        axes.text(-0.06, row * (1 + below) + 0.5, name, ha="right", va="center", fontsize=8)
    axes.set(xlim=(0, wide), ylim=(high, 0), aspect="auto")
    axes.set_axis_off()
    lines = [title, *wrap(caption, int(13 * width))]
    figure.text(0.01, 1 - 0.06 / height, "\n".join(lines), ha="left", va="top", fontsize=9.5, linespacing=1.4)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def _places(rows: int, columns: int, below: float):
    for row, column in np.ndindex(rows, columns):
        yield (row, column), (column * (1 + GAP), row * (1 + below))


def _write(axes: Axes, x: float, y: float, text: str, **options) -> None:
    axes.text(x, y, text, ha="center", **options)
