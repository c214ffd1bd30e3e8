"""A figure of an augmentation: one image per class, and its augmented versions in several epochs."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from textwrap import wrap

import numpy as np

from fer_bench.config.recipe import Augmentation
from fer_bench.core.files import write_output
from fer_bench.training.augmentation import augment, select_images
from fer_bench.training.imgaug_policies import PIPELINES
from fer_bench.training.mixing import mix

MAX_ROWS = 8
EPOCHS = 8
INCHES = 1.0  # side of an image
GAP = 0.06  # between images, as a fraction of their side
TEXT_HEIGHT = 0.34  # of the targets below an image, as a fraction of its side
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
    """Draw a random image of each class and its augmented versions in eight epochs, as a PNG file.

    Args:
        augmentation: The augmentation. If it mixes images, the targets are written below them in percent.
        title: Title of the figure.
        images: (samples, height, width) uint8.
        labels: (samples,).
        classes: Names of the classes.
        path: The file.
        seed: Seed of images and augmentation.

    Returns:
        The path of the file.

    Raises:
        UserError: The file cannot be written.
    """
    rng = np.random.default_rng(seed)
    shown = np.unique(labels)[:MAX_ROWS]
    originals = images[[rng.choice(np.flatnonzero(labels == label)) for label in shown]]
    targets = np.eye(len(classes), dtype=np.float32)[shown]
    epochs = []
    for epoch, generator in enumerate(rng.spawn(EPOCHS), start=1):
        flipped = select_images(originals, np.arange(len(originals)), augmentation, seed, epoch)
        epochs.append(mix(augment(flipped, augmentation, generator), targets, augmentation, generator))
    columns = np.stack([originals, *(mixed for mixed, _ in epochs)], axis=1)
    texts = None
    if augmentation.mixup or augmentation.cutmix:
        rows = zip(*(mixed_targets for _, mixed_targets in epochs), strict=True)
        texts = [[_format_target(target, classes) for target in row] for row in rows]
    png = _render(columns, [classes[c] for c in shown], texts, title, describe(augmentation))
    path = Path(path)
    write_output(path, png)
    return path


def describe(augmentation: Augmentation) -> str:
    """Return all nonzero fields as text, such as "flip 0.5, rotation ±10"; `Augmentation` documents their units."""
    fields = augmentation.model_dump(exclude={"imgaug"})
    texts = []
    if augmentation.imgaug:
        texts.append(f"{PIPELINES[augmentation.imgaug].__doc__}".rstrip("."))
        fields = {name: fields[name] for name in ("mixup", "cutmix")}  # the policy replaces the other fields
    for name, value in fields.items():
        if value:
            number = value if isinstance(value, str) else f"{value:g}"
            texts.append(f"{name} {'±' if name in SYMMETRIC else ''}{number}")
    return ", ".join(texts) or "nothing is changed"


def _format_target(target: np.ndarray, classes: tuple[str, ...]) -> str:
    """Return the two largest classes of a target in percent, such as "happy 70\\nsad 30"."""
    largest = np.argsort(-target, kind="stable")[:2]
    return "\n".join(f"{classes[c]} {100 * target[c]:.0f}" for c in largest if target[c] >= 0.005)


def _render(columns: np.ndarray, names: list[str], texts: list[list[str]] | None, title: str, caption: str) -> bytes:
    """Return a PNG of images (rows, columns, height, width) with row names, epochs, and the texts below the images."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    num_rows, num_columns = columns.shape[:2]
    step_x, step_y = 1 + GAP, 1 + GAP + (TEXT_HEIGHT if texts else 0)
    left, top = 0.75, 0.75  # inches for the names of the rows and for the title
    figure = Figure(figsize=(left + num_columns * step_x * INCHES, top + num_rows * step_y * INCHES))
    FigureCanvasAgg(figure)
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, 0, 1 - left / width, 1 - top / height))
    for row, column in np.ndindex(num_rows, num_columns):
        x, y = column * step_x, row * step_y
        axes.imshow(columns[row, column], cmap="gray", vmin=0, vmax=255, extent=(x, x + 1, y + 1, y))
        if texts and column:
            axes.text(x + 0.5, y + 1.03, texts[row][column - 1], ha="center", va="top", fontsize=6.5)
    for column in range(num_columns):
        name = f"epoch {column}" if column else "original"
        axes.text(column * step_x + 0.5, -0.05, name, ha="center", va="bottom", fontsize=8)
    for row, name in enumerate(names):
        axes.text(-0.06, row * step_y + 0.5, name, ha="right", va="center", fontsize=8)
    axes.set(xlim=(0, num_columns * step_x), ylim=(num_rows * step_y, 0), aspect="auto")
    axes.set_axis_off()
    lines = [title, *wrap(caption, int(13 * width))]
    figure.text(0.01, 1 - 0.06 / height, "\n".join(lines), ha="left", va="top", fontsize=9.5, linespacing=1.4)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()
