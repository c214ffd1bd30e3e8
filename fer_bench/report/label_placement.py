"""Labels beside the points of a scatter plot, kept off each other as far as there is room."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text

Place = tuple[int, int, str, int]  # direction to the right and up, horizontal alignment, distance in points

# Where a label may stand from its point: direction and horizontal alignment, the most readable first.
PLACES = (
    (1, 0, "left"),
    (-1, 0, "right"),
    (0, 1, "center"),
    (0, -1, "center"),
    (1, 1, "left"),
    (-1, 1, "right"),
    (1, -1, "left"),
    (-1, -1, "right"),
)
DISTANCES = (7, 16, 28)  # points
CANDIDATES = [(*place, distance) for distance in DISTANCES for place in PLACES]
FONT = 8
LINE = {"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
GROUND = {"boxstyle": "square,pad=0.05", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}  # over other lines
POINT = 3.5  # half the side of the square that a point takes, in points


def place_labels(axes: Axes, x: Iterable[float], y: Iterable[float], labels: Iterable[str]) -> None:
    """Write each label at the first place that crosses no point, other label or border, else at the least crowded.

    x, y: data coordinates; a point whose label is empty is kept free alone. The axes must not be moved afterwards.
    """
    figure = axes.figure
    renderer, pixels = figure.canvas.get_renderer(), figure.dpi / 72
    axes.autoscale_view()
    spots = axes.transData.transform(np.column_stack([list(x), list(y)]))
    taken = [*np.hstack([spots - POINT * pixels, spots + POINT * pixels])]
    for index, label in enumerate(labels):
        if not label:
            continue
        note = axes.annotate(
            *(label, axes.transData.inverted().transform(spots[index])),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=FONT,
            arrowprops=dict(LINE),
            bbox=dict(GROUND),
        )
        size = Text.get_window_extent(note, renderer).size  # of the text without the line to its point
        others = np.array(taken[:index] + taken[index + 1 :]).reshape(-1, 4)
        boxes = np.array([_box(spots[index], place, size, pixels) for place in CANDIDATES])
        best = int(np.argmin(_crowding(boxes, others, np.ravel(axes.bbox.get_points()))))
        _put(note, CANDIDATES[best])
        taken.append(boxes[best])


def _put(note: Annotation, place: Place) -> None:
    right, up, align, distance = place
    note.set(ha=align, va={1: "bottom", 0: "center", -1: "top"}[up])
    note.xyann = (right * distance, up * distance)
    note.arrow_patch.set_visible(distance > DISTANCES[0])


def _box(spot: np.ndarray, place: Place, size: np.ndarray, pixels: float) -> np.ndarray:
    """Left, lower, right and upper border of a label at this place."""
    right, up, align, distance = place
    start = {"left": 0, "center": -0.5, "right": -1}[align], {1: 0, 0: -0.5, -1: -1}[up]
    corner = spot + np.array([right, up]) * distance * pixels + np.array(start) * size
    return np.concatenate([corner, corner + size])


def _crowding(boxes: np.ndarray, others: np.ndarray, border: np.ndarray) -> np.ndarray:
    """(boxes,): the area in pixels that each would share with others or lose beyond the border.

    boxes: (n, 4), others: (m, 4), border: (4,).
    """
    lost = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - _shared(boxes, border[None])[:, 0]
    return _shared(boxes, others).sum(axis=1) + lost


def _shared(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n, m): the area that each of n boxes has in common with each of m others."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.clip(high - low, 0, None).prod(axis=2)
